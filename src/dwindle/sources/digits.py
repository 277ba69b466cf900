"""scikit-learn's handwritten digits on their principal components: a finite source of real images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Array, FloatArray, IntArray, Kind, Provenance, Rows, Seed, Within

__all__ = ["Digits"]

_IMAGES, _SIDE = 1797, 8


@dataclass(frozen=True)
class Digits:
    """Handwritten digits, 1797 images of 8 x 8 pixels, as coordinates on their first principal components.

    The held-out images are chosen by the root seed alone: they are the same for all lineages of a sweep, and no seed of
    the sweep can bring one of them into a stream. Mean and components are those of the other images, and the stream of
    each chain is a permutation of these. A row's provenance holds the number of its image in the data set.

    Source: Alpaydin and Kaynak 1998, optical recognition of handwritten digits, as scikit-learn ships it (test part).

    Args:
        dimensions: number of components d; 64 is the whole pixel space, turned.
        held_out: number of held-out images.
    """

    kind: ClassVar[Kind] = "vectors"

    dimensions: Annotated[int, Within(low=1, high=_SIDE * _SIDE, unit="components")] = 12
    held_out: Annotated[int, Within(low=1, high=_IMAGES - 2, unit="rows")] = 447

    @property
    def capacity(self) -> int:
        """Return the images that are not held out."""
        return _IMAGES - self.held_out

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows, (1, n, d)."""
        split = self._split(seed)
        return self._rows(split, split.held_out[None], 0)

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a block of each chain's permutation of the other images, (c, n, d).

        Raises:
            ValueError: if a stream does not hold so many rows.
        """
        if first + count > self.capacity:
            asked = f"rows {first}..{first + count - 1} of a stream were asked for"
            raise ValueError(f"{asked}, digits has {self.capacity} beside its {self.held_out} held-out rows")
        split = self._split(seed)
        order = np.tile(split.others, (chains, 1))
        seed.at("stream").numpy().permuted(order, axis=1, out=order)
        return self._rows(split, order[:, first : first + count], first)

    def images(self, values: Array, *, seed: Seed) -> FloatArray:
        """Return rows as images.

        Args:
            values: (n, d) rows of this source or of a model of them.
            seed: any seed of the sweep that the rows belong to.

        Returns:
            (n, 8, 8) grey levels, 0..16 for real images; those of a model may lie outside.
        """
        split = self._split(seed)
        return (split.mean + values @ split.components.T).reshape(-1, _SIDE, _SIDE)

    @classmethod
    def smallest(cls) -> Self:
        """Return four components."""
        return cls(dimensions=4)

    def _split(self, seed: Seed) -> _Split:
        return _split(seed.root, self.held_out, self.dimensions)

    def _rows(self, split: _Split, numbers: IntArray, first: int) -> Rows:
        provenance = Provenance.of(REAL, *numbers.shape, first=first, source=numbers)
        return Rows(split.coordinates[numbers], provenance=provenance)


@dataclass(frozen=True, eq=False)
class _Split:
    """What is held out, and what the other images say.

    Args:
        held_out: numbers of the held-out images.
        others: numbers of the others.
        mean: (64,) their mean.
        components: (64, d) their principal components, widest first.
        coordinates: (1797, d) all images on these components.
    """

    held_out: IntArray
    others: IntArray
    mean: FloatArray
    components: FloatArray
    coordinates: FloatArray


@lru_cache(maxsize=8)
def _split(root: int, held_out: int, dimensions: int) -> _Split:
    order = Seed(root, ("digits", "split")).numpy().permutation(_IMAGES).astype(np.int64)
    frozen, others = np.sort(order[:held_out]), np.sort(order[held_out:])
    pixels = _pixels()
    mean = pixels[others].mean(axis=0)
    components = _components(pixels[others] - mean, dimensions)
    return _Split(frozen, others, mean, components, (pixels - mean) @ components)


def _components(centred: FloatArray, dimensions: int) -> FloatArray:
    """Return the widest principal components as columns, the largest entry of each positive."""
    _, axes = np.linalg.eigh(centred.T @ centred)
    chosen = axes[:, ::-1][:, :dimensions]
    largest = chosen[np.abs(chosen).argmax(axis=0), range(dimensions)]
    return np.ascontiguousarray(chosen * np.sign(largest))


@lru_cache(maxsize=1)
def _pixels() -> FloatArray:
    from sklearn.datasets import load_digits  # a second of imports

    return np.asarray(load_digits().data, dtype=np.float64)
