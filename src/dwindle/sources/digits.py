"""scikit-learn's handwritten digits, as pixels or on their principal components: a finite source of real images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import as_file, files
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import REAL, Array, FloatArray, IntArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.pictures import digest_of_files
from dwindle.data.streams import WithEnd, parted

__all__ = ["Digits"]

_IMAGES, _SIDE, _BLACKEST = 1797, 8, 16.0


@dataclass(frozen=True)
class Digits(WithEnd):
    """Handwritten digits, 1797 images of 8 x 8 pixels, as coordinates on their first principal components or as pixels.

    The held-out images are chosen by the root seed alone: they are the same for all lineages of a sweep, and no seed of
    the sweep can bring one of them into a stream. Mean and components are those of the other images, and the stream of
    each chain is a permutation of these. A row's provenance holds the number of its image in the data set.

    Source: Alpaydin and Kaynak 1998, optical recognition of handwritten digits, as scikit-learn ships it (test part).

    Args:
        dimensions: number of components d; 64 is the whole pixel space, turned. Of components only.
        held_out: number of held-out images.
        space: `components` in units of the 17 grey levels 0..16, or `pixels`, 64 grey levels in 0..1.
        labels: whether rows carry their digit.
    """

    kind: ClassVar[Kind] = "vectors"

    dimensions: Annotated[int, Within(low=1, high=_SIDE * _SIDE, unit="components")] = 12
    held_out: Annotated[int, Within(low=1, high=_IMAGES - 2, unit="rows")] = 447
    space: Literal["components", "pixels"] = "components"
    labels: bool = False

    def __post_init__(self) -> None:
        if self.space == "pixels" and self.dimensions != type(self).dimensions:
            raise ValueError(f"space pixels has 64 dimensions, so dimensions {self.dimensions} would change nothing")

    @property
    def _size(self) -> int:
        return _IMAGES

    def pixels(self) -> tuple[int, int, int] | None:
        """Return height, width and colours where rows are pixels, else None."""
        return (_SIDE, _SIDE, 1) if self.space == "pixels" else None

    def images(self, values: Array, *, seed: Seed) -> FloatArray:
        """Return rows as images.

        Args:
            values: (n, d) rows of this source or of a model of them.
            seed: any seed of the sweep that the rows belong to.

        Returns:
            (n, 8, 8) grey levels, 0..16 for real images on components and 0..1 for pixels; those of a model may lie
            outside.
        """
        if self.space == "pixels":
            return np.asarray(values, dtype=np.float64).reshape(-1, _SIDE, _SIDE)
        frame = self._frame(seed)
        return (frame.mean + values @ frame.components.T).reshape(-1, _SIDE, _SIDE)

    def label_names(self) -> tuple[str, ...]:
        """Return the digits where rows carry theirs."""
        return tuple("0123456789") if self.labels else ()

    def card(self) -> Mapping[str, str]:
        """Return the package and the digest of its file."""
        return _card()

    @classmethod
    def smallest(cls) -> Self:
        """Return four components."""
        return cls(dimensions=4)

    def _frame(self, seed: Seed) -> _Frame:
        return _frame(seed.root, self.held_out, self.dimensions)

    def _rows(self, numbers: IntArray, first: int, seed: Seed) -> Rows:
        pixels, classes = _digits()
        values = pixels / _BLACKEST if self.space == "pixels" else self._frame(seed).coordinates
        provenance = Provenance.of(REAL, *numbers.shape, first=first, source=numbers)
        return Rows(values[numbers], None, provenance, classes[numbers] if self.labels else None)


@dataclass(frozen=True, eq=False)
class _Frame:
    """What the images that are not held out say.

    Args:
        mean: (64,) their mean.
        components: (64, d) their principal components, widest first.
        coordinates: (1797, d) all images on these components.
    """

    mean: FloatArray
    components: FloatArray
    coordinates: FloatArray


@lru_cache(maxsize=8)
def _frame(root: int, held_out: int, dimensions: int) -> _Frame:
    others = parted("digits", root, _IMAGES, held_out).others
    pixels, _ = _digits()
    mean = pixels[others].mean(axis=0)
    components = _components(pixels[others] - mean, dimensions)
    return _Frame(mean, components, (pixels - mean) @ components)


def _components(centred: FloatArray, dimensions: int) -> FloatArray:
    """Return the widest principal components as columns, the largest entry of each positive."""
    _, axes = np.linalg.eigh(centred.T @ centred)
    chosen = axes[:, ::-1][:, :dimensions]
    largest = chosen[np.abs(chosen).argmax(axis=0), range(dimensions)]
    return np.ascontiguousarray(chosen * np.sign(largest))


@lru_cache(maxsize=1)
def _digits() -> tuple[FloatArray, IntArray]:
    """Return grey levels 0..16, (1797, 64), and digits, (1797,)."""
    from sklearn.datasets import load_digits  # a second of imports

    found = load_digits()
    return np.asarray(found.data, dtype=np.float64), np.asarray(found.target, dtype=np.int64)


@lru_cache(maxsize=1)
def _card() -> Mapping[str, str]:
    with as_file(files("sklearn.datasets") / "data" / "digits.csv.gz") as path:
        digest = digest_of_files([path])
    licence = "CC BY 4.0 (UCI data set 80); BSD-3-Clause (scikit-learn)"
    return {"package": "scikit-learn", "version": version("scikit-learn"), "licence": licence, "sha256": digest}
