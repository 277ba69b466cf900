"""Logistic regression: labels 0 and 1 on d inputs, without intercept, all chains in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import FloatArray, Kind, Model, Rows, Seed, Within
from dwindle.data.logistic import newton
from dwindle.samplers import Sampler

__all__ = ["LogisticRegression", "LogisticRegressionModel"]

_BLOCK = 2**18  # numbers of the chains that are fitted side by side: what a processor's cache holds


@dataclass(frozen=True)
class LogisticRegression:
    """Logistic regression of a label 0 or 1 on d inputs, without intercept, by Newton's method, all chains at once.

    The coefficients maximise the weighted mean log-likelihood of a row less `ridge` / 2 |b|^2.

    Source: the setting of Dey and Donoho 2024, arXiv 2410.22812; Feng et al. 2025 (labels that are turned over).

    Args:
        ridge: penalty that keeps b finite where a plane separates the labels; small enough not to be seen elsewhere.
        labels: whether a sampled label is `drawn` with the model's probability or the `likeliest` one.
    """

    kind: ClassVar[Kind] = "pairs"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"prompts", "flip", "temperature"})

    ridge: Annotated[float, Within(low=1e-10, unit="nats a row")] = 1e-6
    labels: Literal["drawn", "likeliest"] = "drawn"

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> LogisticRegressionModel:
        """Fit the coefficients of every chain; nothing is drawn and a parent changes nothing.

        Raises:
            ValueError: if a label is neither 0 nor 1, an input is not finite, or a chain has no rows.
        """
        _refuse_unfit(rows)
        _, count, width = rows.values.shape
        together = max(1, _BLOCK // (count * width))
        slopes, penalty = np.empty((rows.chains, width - 1)), np.full((1, width - 1), self.ridge)
        for first in range(0, rows.chains, together):
            block = slice(first, first + together)
            weights = None if rows.weights is None else rows.weights[block]
            slopes[block] = newton(*_turned(rows.values[block], weights), penalty)
        if not np.isfinite(slopes).all():
            raise ValueError(f"the inputs of chain {np.isfinite(slopes).all(axis=1).argmin()} are not finite")
        return LogisticRegressionModel(slopes, self.labels)

    def load(self, folder: Path) -> LogisticRegressionModel:
        """Read what `LogisticRegressionModel.save` wrote."""
        return LogisticRegressionModel(np.load(folder / "slopes.npy", allow_pickle=False), self.labels)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


@dataclass(frozen=True, eq=False)
class LogisticRegressionModel:
    """The coefficients of every chain.

    Args:
        slopes: (c, d), of the log-odds of label 1.
        labels: how labels are sampled, `drawn` or `likeliest`.
    """

    slopes: FloatArray
    labels: Literal["drawn", "likeliest"] = "drawn"

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample labels at the log-odds x . b / `temperature`, then turn each over with chance `flip`.

        Args:
            count: rows a chain.
            sampler: its `temperature`, without effect on the likeliest label, and `flip`.
            seed: address of every random draw made here.
            prompts: (1 or c, n, d + 1) rows whose inputs are answered, in their order and from the start again. None:
                the inputs are new draws of N(0, I).
        """
        chains = len(self.slopes)
        inputs = _inputs(prompts, (chains, count, self.slopes.shape[1]), seed)
        log_odds = np.matmul(inputs, self.slopes[..., None])
        ones = log_odds > 0
        if self.labels == "drawn":
            chance = _chance(log_odds / sampler.temperature)
            ones = seed.at("labels").numpy().random(log_odds.shape) < chance
        if sampler.flip > 0:
            ones ^= seed.at("flips").numpy().random(log_odds.shape) < sampler.flip
        return Rows(np.concatenate([inputs, ones], axis=2))

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each label given its inputs, nats, (c, n); -inf for what is no label."""
        labels = rows.values[..., -1]
        margins = np.matmul(rows.values[..., :-1], self.slopes[..., None])[..., 0] * (2 * labels - 1)
        return np.where((labels == 0) | (labels == 1), -np.logaddexp(0.0, -margins), -np.inf)

    def coefficients(self) -> FloatArray:
        """Return the coefficients b of the log-odds, (c, d)."""
        return self.slopes

    def save(self, folder: Path) -> None:
        """Write slopes.npy."""
        np.save(folder / "slopes.npy", self.slopes, allow_pickle=False)


def _refuse_unfit(rows: Rows) -> None:
    empty = np.flatnonzero(rows.counts == 0)
    if empty.size:
        raise ValueError(f"chain {empty[0]} has no rows to fit")
    labels = rows.values[..., -1]
    wrong = (labels != 0) & (labels != 1)
    if rows.weights is not None:
        wrong &= rows.weights > 0
    if wrong.any():
        raise ValueError(f"the last column holds labels 0 and 1; a row of chain {wrong.nonzero()[0][0]} has another")


def _turned(values: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return the inputs, those of label 0 with their sign turned, (c, n, d), and the rows' shares, (1 or c, n).

    The chance of a row's label is then that of label 1, whichever it is; a row of weight 0 becomes zeros.
    """
    turned = values[..., :-1] * (2.0 * values[..., -1:] - 1.0)
    if weights is None:
        return turned, np.full((1, values.shape[1]), 1.0 / values.shape[1])
    return np.where(weights[..., None] > 0, turned, 0.0), weights / weights.sum(axis=1, keepdims=True)


def _chance(log_odds: FloatArray) -> FloatArray:
    """Return the probability of label 1, without overflow."""
    tails = np.exp(-np.abs(log_odds))
    return np.where(log_odds > 0, 1.0, tails) / (1.0 + tails)


def _inputs(prompts: Rows | None, shape: tuple[int, int, int], seed: Seed) -> FloatArray:
    """Return the inputs of the prompts in their order, from the start again where they end, or new ones."""
    if prompts is None:
        return seed.at("inputs").numpy().standard_normal(shape)
    existing = np.argsort(prompts.filled_weights() == 0, axis=1, kind="stable")
    places = np.arange(shape[1]) % prompts.counts[:, None]
    inputs = prompts.take(np.take_along_axis(existing, places, axis=1)).values[..., :-1]
    return np.asarray(np.broadcast_to(inputs, shape), dtype=np.float64)
