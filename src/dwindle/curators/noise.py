"""The curator that adds noise to the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, FloatArray, Kind, Rows, Seed, Tabular, Within, knowing, pixels_of
from dwindle.data.tails import usable_rows

__all__ = ["Noise"]


@dataclass(frozen=True)
class Noise:
    """Adds Gaussian noise to the numbers of the synthetic rows, and draws some symbols, tokens and levels anew.

    The noise of a column is a share of its deviation in the chain's anchor; pixels are clipped to 0..1, and the last
    number of a pair, the one that is predicted, is left alone. A symbol, a token or a level is replaced by one of the
    anchor, drawn by its frequency there. Noise widens what a model has narrowed, but evenly: it is no tail.

    Args:
        scale: deviation of the noise on numbers, over that of the anchor's column.
        rate: chance that a symbol, a token or a level is drawn anew.
        source: who knows what the rows hold; no setting, see `given`.

    Source: Bishop 1995: to train with noise on the inputs is Tikhonov regularisation, to second order in the scale.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    scale: Annotated[float, Within(low=0.0, high=100.0, unit="deviations of the anchor")] = 0.1
    rate: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.05
    source: Any = field(default=None, init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the curator that asks this source what its rows hold."""
        return knowing(self, source=source)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Draw the noise.

        Raises:
            ValueError: if it was given no source.
        """
        if self.source is None:
            raise ValueError("noise was given no source: call Noise.given(source) before it is used")
        present = rows.filled_weights() > 0
        noisy = self._noisy(rows, anchor, seed)
        values = np.where(present.reshape(present.shape + (1,) * (noisy.ndim - 2)), noisy, rows.values)
        changed = (values != rows.values).reshape(*present.shape, -1).any(axis=2) & present
        return Curated(present, rows.weights, values=values, repaired={"noise": changed})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _noisy(self, rows: Rows, anchor: Rows, seed: Seed) -> Array:
        """Return the values of all places with noise, of the type that they came with."""
        if self.source.kind in ("symbols", "sequences"):
            drawn = _drawn(anchor, rows.values.shape, seed.at("law"))
            return np.where(self._struck(rows.values.shape, seed), drawn, rows.values)
        categorical = np.zeros(rows.values.shape[2], dtype=np.bool_)
        if isinstance(self.source, Tabular):
            categorical = np.array([column.categorical for column in self.source.columns()])
        scales = self.scale * _deviations(anchor) * ~categorical
        if self.source.kind == "pairs":
            scales[..., -1] = 0.0
        values = rows.values + scales * seed.at("noise").numpy().standard_normal(rows.values.shape)
        if pixels_of(self.source) is not None:
            values = np.clip(values, 0.0, 1.0)
        if categorical.any():
            values = np.where(
                categorical & self._struck(values.shape, seed), _cells(anchor, values.shape, seed), values
            )
        return values.astype(rows.values.dtype, copy=False)

    def _struck(self, shape: tuple[int, ...], seed: Seed) -> Array:
        return np.asarray(seed.at("struck").numpy().random(shape) < self.rate)


def _deviations(anchor: Rows) -> FloatArray:
    """Return the deviation of each column of each chain's anchor, (c, 1, d); 0 where there are no rows."""
    usable = usable_rows(anchor)
    weights = np.where(usable, anchor.filled_weights(), 0.0)
    shares = (weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny))[:, None]
    values = np.where(usable[..., None], anchor.values, 0.0)
    return np.asarray(np.sqrt(np.matmul(shares, (values - np.matmul(shares, values)) ** 2)))


def _drawn(anchor: Rows, shape: tuple[int, ...], seed: Seed) -> Array:
    """Return symbols or tokens of the chain's anchor, each as likely as it is frequent there."""
    places = _rows_of(anchor, shape, seed.at("rows").numpy())
    chains = np.arange(shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
    if len(shape) == 2:
        return np.asarray(anchor.values[chains, places])
    return np.asarray(
        anchor.values[chains, places, seed.at("tokens").numpy().integers(anchor.values.shape[2], size=shape)]
    )


def _cells(anchor: Rows, shape: tuple[int, ...], seed: Seed) -> Array:
    """Return for each place a value of the same column in a random row of the chain's anchor, (c, n, d)."""
    places = _rows_of(anchor, shape, seed.at("levels").numpy())
    return np.asarray(anchor.values[np.arange(shape[0])[:, None, None], places, np.arange(shape[2])])


def _rows_of(anchor: Rows, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Return for each place a row of the chain's anchor, drawn by weight.

    Raises:
        ValueError: if a chain has none.
    """
    heights = np.cumsum(anchor.filled_weights(), axis=1)
    if not anchor.count or not (heights[:, -1] > 0).all():
        raise ValueError("noise on levels, symbols and tokens is drawn from the anchor, and a chain has no row of it")
    drawn = generator.random(shape) * heights[:, -1].reshape(-1, *(1,) * (len(shape) - 1))
    return np.stack([np.searchsorted(own, each, side="right") for own, each in zip(heights, drawn, strict=True)])
