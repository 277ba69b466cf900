"""Pictures with an end: what is held out, a stream of the others for every chain, and pictures as rows."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from dwindle.data.rows import REAL, Array, FloatArray, IntArray, Provenance, Rows
from dwindle.data.streams import WithEnd
from dwindle.seeds import Seed

__all__ = ["Album", "FileState", "OfPictures", "digest_of_files", "state_of"]


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


class OfPictures(WithEnd):
    """What sources of pictures with an end have in common: their rows are the pixels of an album.

    The held-out pictures are chosen by the root seed alone: they are the same for all lineages of a sweep, and no seed
    of the sweep can bring one of them into a stream. The stream of each chain is a permutation of the others.

    Args:
        held_out: number of held-out pictures.
        labels: whether rows carry their class.
    """

    of_light: ClassVar[bool] = True
    """Whether a high level is light, as in photographs; else it is ink."""

    labels: bool

    @abstractmethod
    def _album(self) -> Album:
        """Return the pictures, read once a process."""

    @property
    def _size(self) -> int:
        return len(self._album().levels)

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

    def _rows(self, numbers: IntArray, first: int, seed: Seed) -> Rows:
        album = self._album()
        provenance = Provenance.of(REAL, *numbers.shape, first=first, source=numbers)
        return Rows(album.values(numbers), None, provenance, album.classes[numbers] if self.labels else None)


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
