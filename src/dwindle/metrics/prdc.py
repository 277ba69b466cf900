"""Precision, recall, density and coverage by nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement, Within
from dwindle.data.summaries import NOT_FINITE, chain_blocks, usable_chains

__all__ = ["Prdc"]

# A tile of squared distances, 2 MB: larger ones leave the second-level cache and cost more time than they save.
_ROWS, _COLUMNS = 256, 1024
# A row on the surface of a ball is inside it; rounding must not decide otherwise.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class Prdc:
    """Precision, recall, density and coverage of the samples, by balls that reach to the k-th nearest neighbour.

    Precision is the share of samples inside any ball around a held-out row, recall the share of held-out rows inside
    any ball around a sample, density the mean number of held-out balls around a sample over k, coverage the share of
    held-out balls that hold a sample. Balls are closed. A model that has collapsed onto a point has recall 0.

    Args:
        neighbours: k, the neighbour that a ball reaches to. Source: Alemohammad et al. 2023 (MAD): k = 5.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2 (precision, recall); Naeem et al. 2020, section 3 (density,
        coverage).
    """

    neighbours: Annotated[int, Within(low=1, unit="rows")] = 5

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "precision": Measure("higher", "fraction", "share of samples near a held-out row"),
        "recall": Measure("higher", "fraction", "share of held-out rows near a sample"),
        "density": Measure("as_anchor", "ratio", "held-out balls around a sample, over the neighbours"),
        "coverage": Measure("higher", "fraction", "share of held-out balls that hold a sample"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for symbols, too few rows and held-out rows in one place."""
        samples, reason = evidence.samples.values, self._obstacle(evidence)
        if reason:
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        real = _centred(evidence.held_out.values[0])
        radii = _held_out_radii(real.tobytes(), real.shape, self.neighbours)
        if not radii.max() > _noise(real):
            reason = "the held-out rows lie in so few places that every ball has radius 0"
            return {name: Measurement.undefined(len(samples), reason) for name in self.measures}
        usable = usable_chains(samples)
        values = np.full((len(self.measures), len(samples)), np.nan)
        shift = evidence.held_out.values[0].mean(axis=0)
        values[:, usable] = self._compared(samples[usable] - shift, real, radii)
        reason = "" if usable.all() else NOT_FINITE
        return {name: Measurement(row, reason) for name, row in zip(self.measures, values, strict=True)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(neighbours=3)

    def _obstacle(self, evidence: Evidence) -> str:
        if evidence.samples.values.ndim == 2:
            return "symbols have no distances"
        fewest = min(evidence.samples.count, evidence.held_out.count)
        return f"{fewest} rows are too few for {self.neighbours} neighbours" if fewest <= self.neighbours else ""

    def _compared(self, samples: FloatArray, real: FloatArray, radii: FloatArray) -> FloatArray:
        """Return precision, recall, density and coverage of each chain, (4, c)."""
        chains, count, dimensions = samples.shape
        numbers = min(count, _ROWS) * min(max(count, len(real)), _COLUMNS) + count * (dimensions + 2)
        blocks = chain_blocks(chains, numbers, limit=_ROWS * _COLUMNS)
        measured = [_measured(samples[block], real, radii, self.neighbours) for block in blocks]
        return np.concatenate(measured, axis=1) if measured else np.empty((4, 0))


def _measured(samples: FloatArray, real: FloatArray, radii: FloatArray, neighbours: int) -> FloatArray:
    """Return precision, recall, density and coverage of a block of chains, (4, c), in one pass over the tiles."""
    chains, count = samples.shape[:2]
    reach = _widened(radii, real)
    sample_reach = _widened(_squared_radii(samples, neighbours), samples)
    around = np.zeros((chains, count), dtype=np.int64)
    covered, recalled = np.zeros((2, chains, len(real)), dtype=bool)
    left, right = _left(samples), _right(real[None])
    for rows in _slices(count, _ROWS):
        for columns in _slices(len(real), _COLUMNS):
            tile = left[:, rows] @ right[:, :, columns]
            inside = tile <= reach[columns]
            around[:, rows] += np.count_nonzero(inside, axis=2)
            covered[:, columns] |= inside.any(axis=1)
            recalled[:, columns] |= (tile <= sample_reach[:, rows, None]).any(axis=1)
    shares = (around > 0, recalled, around / neighbours, covered)
    return np.stack([share.mean(axis=1) for share in shares])


def _squared_radii(rows: FloatArray, neighbours: int) -> FloatArray:
    """Return the squared distance of each row to its k-th nearest other row of the same chain, (c, n)."""
    chains, count = rows.shape[:2]
    # Centred anew: a chain that has nearly collapsed far from the real rows keeps its digits.
    rows = rows - rows.mean(axis=1, keepdims=True)
    left, right = _left(rows), _right(rows)
    radii = np.empty((chains, count))
    nearest = neighbours + 1  # a row is its own nearest neighbour
    for some in _slices(count, _ROWS):
        buffer = np.full((chains, len(range(count)[some]), nearest + min(count, _COLUMNS)), np.inf)
        for columns in _slices(count, _COLUMNS):
            filled = buffer[:, :, : nearest + len(range(count)[columns])]
            np.matmul(left[:, some], right[:, :, columns], out=filled[:, :, nearest:])
            filled.partition(neighbours, axis=2)
        radii[:, some] = buffer[:, :, :nearest].max(axis=2)
    return np.maximum(radii, 0.0)


@lru_cache(maxsize=4)
def _held_out_radii(content: bytes, shape: tuple[int, ...], neighbours: int) -> FloatArray:
    """Return the squared radii of the held-out rows, (m,); every generation of a lineage asks for the same ones."""
    return np.asarray(_squared_radii(np.frombuffer(content).reshape(1, *shape), neighbours)[0])


def _left(rows: FloatArray) -> FloatArray:
    """Return (c, n, d + 2) rows whose products with `_right` are squared distances: one matrix product, no sums."""
    squares = np.einsum("cnd,cnd->cn", rows, rows)[..., None]
    return np.concatenate([-2.0 * rows, squares, np.ones_like(squares)], axis=2)


def _right(rows: FloatArray) -> FloatArray:
    """Return the (c, d + 2, n) columns that go with `_left`."""
    squares = np.einsum("cnd,cnd->cn", rows, rows)[..., None]
    return np.asarray(np.concatenate([rows, np.ones_like(squares), squares], axis=2).swapaxes(1, 2))


def _centred(rows: FloatArray) -> FloatArray:
    return np.ascontiguousarray(rows - rows.mean(axis=0), dtype=np.float64)


def _noise(rows: FloatArray) -> float:
    """Return the rounding error of a squared distance between rows of this size."""
    return float(32 * np.finfo(np.float64).eps * np.einsum("...d,...d->...", rows, rows).max(initial=0.0))


def _widened(radii: FloatArray, rows: FloatArray) -> FloatArray:
    return np.asarray(radii * (1 + _ROUNDING) + _noise(rows))


def _slices(count: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
