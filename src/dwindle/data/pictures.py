"""Pictures with an end: what is held out, a stream of the others for every chain, and pictures as rows."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from dwindle.data.rows import REAL, Array, FloatArray, IntArray, Provenance, Rows
from dwindle.seeds import Seed

__all__ = ["Album", "FileState", "OfPictures", "Parts", "digest_of_files", "parted", "refuse_too_many", "state_of"]


FileState = tuple[Path, int, int]
"""A file's path, size and time of change in ns."""


@dataclass(frozen=True, eq=False)
class Album:
    """Pictures of one size, and what is known of them.

    Args:
        levels: (n, h, w, colours) levels 0..255, colours 1 or 3.
        classes: (n,) the class of each picture; empty where there are no classes.
        names: the name of each class.
        card: package, version, licence and sha256 of what they were taken from.
    """

    levels: Array
    classes: IntArray
    names: tuple[str, ...]
    card: Mapping[str, str]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and colours."""
        height, width, colours = self.levels.shape[1:]
        return height, width, colours

    def values(self, numbers: IntArray) -> FloatArray:
        """Return pictures by their numbers, (c, n), as rows of pixels in 0..1, (c, n, h w colours)."""
        return np.asarray(self.levels[numbers].reshape(*numbers.shape, -1) / 255.0)


class OfPictures(ABC):
    """What sources of pictures with an end have in common: their rows are the pixels of an album.

    The held-out pictures are chosen by the root seed alone: they are the same for all lineages of a sweep, and no seed
    of the sweep can bring one of them into a stream. The stream of each chain is a permutation of the others.

    Args:
        held_out: number of held-out pictures.
        labels: whether rows carry their class.
    """

    of_light: ClassVar[bool] = True
    """Whether a high level is light, as in photographs; else it is ink."""

    held_out: int
    labels: bool

    @abstractmethod
    def _album(self) -> Album:
        """Return the pictures, read once a process."""

    @property
    def capacity(self) -> int:
        """Return the pictures that are not held out."""
        return len(self._album().levels) - self.held_out

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows, (1, n, d)."""
        return self._rows(self._parts(seed).held_out[None], 0)

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a block of each chain's permutation of the other pictures, (c, n, d).

        Raises:
            ValueError: if a stream does not hold so many rows.
        """
        return self._rows(self._parts(seed).streamed(count, first=first, chains=chains, seed=seed), first)

    def pixels(self) -> tuple[int, int, int]:
        """Return height, width and colours."""
        return self._album().shape

    def images(self, values: Array, *, seed: Seed) -> FloatArray:
        """Return (n, d) rows of this source or of a model of it as pictures: ink (n, h, w), or light (n, h, w, 3)."""
        drawn = np.asarray(values, dtype=np.float64).reshape(-1, *self.pixels())
        if self.of_light:
            return np.broadcast_to(drawn, (*drawn.shape[:3], 3))
        return drawn[..., 0]

    def label_names(self) -> tuple[str, ...]:
        """Return the names of the classes; none where rows carry none."""
        return self._album().names if self.labels else ()

    def card(self) -> Mapping[str, str]:
        """Return what the pictures were taken from."""
        return self._album().card

    def _parts(self, seed: Seed) -> Parts:
        return parted(type(self).__name__.lower(), seed.root, len(self._album().levels), self.held_out)

    def _rows(self, numbers: IntArray, first: int) -> Rows:
        album = self._album()
        provenance = Provenance.of(REAL, *numbers.shape, first=first, source=numbers)
        return Rows(album.values(numbers), None, provenance, album.classes[numbers] if self.labels else None)


@dataclass(frozen=True, eq=False)
class Parts:
    """The numbers of the rows that are held out, and of the others, each in order.

    Args:
        name: whose rows they are.
        held_out: numbers of the held-out rows.
        others: numbers of the others.
    """

    name: str
    held_out: IntArray
    others: IntArray

    def streamed(self, count: int, *, first: int, chains: int, seed: Seed) -> IntArray:
        """Return a block of each chain's permutation of the others, (c, n).

        Raises:
            ValueError: if there are not so many.
        """
        if first + count > len(self.others):
            asked = f"rows {first}..{first + count - 1} of a stream were asked for"
            there = f"{len(self.others)} beside its {len(self.held_out)} held-out rows"
            raise ValueError(f"{asked}, {self.name} has {there}")
        order = np.tile(self.others, (chains, 1))
        seed.at("stream").numpy().permuted(order, axis=1, out=order)
        return order[:, first : first + count]


@lru_cache(maxsize=16)
def parted(name: str, root: int, count: int, held_out: int) -> Parts:
    """Return what of a source's rows is held out.

    Args:
        name: whose rows; another name parts otherwise.
        root: the root seed.
        count: how many rows there are.
        held_out: how many of them are held out.
    """
    order = Seed(root, (name, "split")).numpy().permutation(count).astype(np.int64)
    return Parts(name, np.sort(order[:held_out]), np.sort(order[held_out:]))


def refuse_too_many(held_out: int, count: int, what: str) -> None:
    """Refuse to hold out so many rows that less than two are left to train on.

    Raises:
        ValueError: with how many there are.
    """
    if held_out > count - 2:
        raise ValueError(f"held_out {held_out} leaves fewer than 2 of the {count} {what}")


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of files one after another; of a single one it is what `sha256sum` prints."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def state_of(path: Path) -> FileState:
    """Return a file's state, so that a file that has changed is read again.

    Raises:
        ValueError: if there is no such file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    return path, found.st_size, found.st_mtime_ns
