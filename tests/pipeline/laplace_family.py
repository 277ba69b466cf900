"""Two families outside dwindle, each in no more than one file: one that keeps the contract, and one that does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import FloatArray, Kind, Model, Rows, Seed, Within
from dwindle.samplers import Sampler


@dataclass(frozen=True, eq=False)
class LaplaceModel:
    """Independent Laplace distributions: centre and scale of each dimension, (c, d)."""

    centre: FloatArray
    scale: FloatArray

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        scale = self.scale * np.sqrt(sampler.variance_factor)
        shape = (len(self.centre), count, self.centre.shape[1])
        return Rows(self.centre[:, None] + seed.numpy().laplace(size=shape) * scale[:, None])

    def save(self, folder: Path) -> None:
        np.savez(folder / "laplace.npz", centre=self.centre, scale=self.scale)


@dataclass(frozen=True)
class Laplace:
    """Independent Laplace distributions, fitted by weighted medians.

    Args:
        floor: smallest scale that a fit may have.
    """

    floor: Annotated[float, Within(low=0.0)] = 0.0

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = False
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> LaplaceModel:
        values, weights = rows.values[0], rows.filled_weights()[0] / rows.filled_weights()[0].sum()
        centre = np.array([_weighted_median(column, weights) for column in values.T])
        scale = weights @ np.abs(values - centre)
        return LaplaceModel(centre[None], np.maximum(scale, self.floor)[None])

    def load(self, folder: Path) -> LaplaceModel:
        with np.load(folder / "laplace.npz", allow_pickle=False) as saved:
            return LaplaceModel(saved["centre"], saved["scale"])

    @classmethod
    def smallest(cls) -> Self:
        return cls()


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), 0.5)])


class _Careless(LaplaceModel):
    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        shape = (len(self.centre), count, self.centre.shape[1])
        return Rows(self.centre[:, None] + np.random.default_rng().laplace(size=shape) * self.scale[:, None])


@dataclass(frozen=True)
class Careless(Laplace):
    """The same, drawn without the seed it is given.

    Args:
        floor: smallest scale that a fit may have.
    """

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> _Careless:
        fitted = super().fit(rows, seed=seed)
        return _Careless(fitted.centre, fitted.scale)

    def load(self, folder: Path) -> _Careless:
        loaded = super().load(folder)
        return _Careless(loaded.centre, loaded.scale)
