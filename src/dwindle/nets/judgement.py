"""What a critic's scores decide: which generated rows are given out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.contracts import Array, FloatArray, IntArray

__all__ = ["Judgement", "Made", "gathered", "logistic_slope", "upper_quantile"]

_FEWEST, _MOST = 256, 4096  # rows of a chain in a round of attempts
_PATIENCE = 100  # rows generated for each row asked for, from which on giving up is allowed

_STEPS, _HALVINGS = 50, 30
_FLAT = 1e-10  # a gradient below it is 0 up to rounding
_RIDGE = 1e-4  # keeps the slope finite where scores part the two perfectly
_NEAR = 1e-6  # Source: Azadi et al. 2019, equation 8, the small number for stability; its size is a choice


@dataclass(frozen=True)
class Judgement:
    """How one chain's critic accepts rows.

    Args:
        cutoff: the score from which on a row passes the threshold.
        slope: logits a unit of score, from the regression of real on generated rows.
        highest: the largest slope x score among the generated rows that it was calibrated on.
        shift: what is taken off the logits of rejection sampling, so that it accepts often enough.
    """

    cutoff: float
    slope: float
    highest: float
    shift: float

    @staticmethod
    def lenient() -> Judgement:
        """Return one that accepts every row."""
        return Judgement(-math.inf, 0.0, 0.0, -math.inf)

    @staticmethod
    def calibrated(real: FloatArray, weights: FloatArray, made: FloatArray, share: float) -> Judgement:
        """Calibrate a critic on the scores of its training rows and of generated ones.

        The score of a Wasserstein critic is no logarithm of a ratio of densities, so a logistic regression of real
        against generated scores stands in between.

        Source: Turner et al. 2019, section 3 (calibration); Azadi et al. 2019, section 3.3 (the shift as a quantile).

        Args:
            real: (n,) scores of the training rows.
            weights: (n,) their weights.
            made: (m,) scores of generated rows.
            share: the threshold lets this share of the training rows pass, and rejection sampling accepts generated
                rows better than all but this share with a chance of a half at least.
        """
        slope = logistic_slope(real, weights, made)
        highest = float((slope * made).max())
        logits = _logits(slope * made - highest)
        shift = upper_quantile(logits, np.ones_like(logits), share)
        return Judgement(upper_quantile(real, weights, share), slope, highest, shift)

    def above(self, scores: FloatArray) -> Array:
        """Say which rows pass the threshold, (n,)."""
        return np.asarray(scores >= self.cutoff)

    def sampled(self, scores: FloatArray, chances: FloatArray) -> Array:
        """Say which rows rejection sampling accepts, (n,), given uniform numbers.

        Source: Azadi et al. 2019, equation 8.
        """
        logits = _logits(np.minimum(self.slope * scores - self.highest, 0.0)) - self.shift
        return np.asarray(np.log(chances) - np.log1p(-chances) < logits)


@dataclass(frozen=True, eq=False)
class Made:
    """Generated rows of every chain.

    Args:
        values: (c, n, d) rows.
        labels: (c, n) their classes, -1 for none.
        scores: (c, n) what the critics think of them.
    """

    values: Array
    labels: IntArray
    scores: FloatArray

    def at(self, places: IntArray) -> Made:
        """Return the rows at the places of each chain, (c, k)."""
        parts = (self.values, self.labels, self.scores)
        return Made(*(np.stack([own[at] for own, at in zip(part, places, strict=True)]) for part in parts))

    def best(self, count: int) -> Made:
        """Return the rows of each chain with the highest scores, in the order in which they were made."""
        return self.at(np.sort(np.argsort(-self.scores, axis=1, kind="stable")[:, :count], axis=1))

    def passing(self, passed: Array) -> list[Made]:
        """Return the rows of each chain that passed, (c, n), by themselves."""
        chains = enumerate(passed)
        return [Made(self.values[c, own], self.labels[c, own], self.scores[c, own]) for c, own in chains]


def gathered(count: int, attempt: Callable[[int, int], tuple[Made, Array]]) -> Made:
    """Return the first `count` rows of each chain that pass.

    Args:
        count: rows a chain.
        attempt: takes the number of a round and how many rows to make, the same in every round; returns them and which
            of them pass, (c, n).

    Raises:
        ValueError: if a chain has too few that pass among 100 times as many.
    """
    size = min(max(count, _FEWEST), _MOST)
    rounds = math.ceil(_PATIENCE * max(count, _FEWEST) / size)
    kept, found = [], np.zeros(1, dtype=np.int64)
    for number in range(rounds):
        made, passed = attempt(number, size)
        kept.append(made.passing(passed))
        found = found + np.count_nonzero(passed, axis=1)
        if (found >= count).all():
            return _stacked(count, kept)
    chain = int(np.argmin(found))
    accepted = f"the discriminator of chain {chain} accepts {found[chain]} of {rounds * size} generated rows"
    raise ValueError(f"{accepted}, and {count} were asked for; train longer, or raise share, or take output top")


def _stacked(count: int, kept: Sequence[Sequence[Made]]) -> Made:
    """Return the first rows of each chain, from rounds of chains."""
    chains = list(zip(*kept, strict=True))
    parts = ("values", "labels", "scores")
    joined = ([np.concatenate([getattr(made, part) for made in own])[:count] for own in chains] for part in parts)
    return Made(*map(np.stack, joined))


def _logits(excess: FloatArray) -> FloatArray:
    """Return the logit of exp(excess), for excesses of 0 or less."""
    return np.asarray(excess - np.log(-np.expm1(excess - _NEAR)))


def upper_quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    """Return the largest value that this share of the weight reaches at least."""
    order = np.argsort(-values, kind="stable")
    reached = np.cumsum(weights[order])
    place = np.searchsorted(reached, share * reached[-1] * (1.0 - 1e-12))
    return float(values[order[min(int(place), len(order) - 1)]])


def logistic_slope(real: FloatArray, weights: FloatArray, made: FloatArray) -> float:
    """Return the slope of the logit of being real by the score, both kinds of rows with half of the weight."""
    scores = np.concatenate([real, made])
    shares = np.concatenate([weights / weights.sum(), np.full(len(made), 1.0 / len(made))]) / 2.0
    middle = shares @ scores
    spread = math.sqrt(shares @ (scores - middle) ** 2)
    if not spread > 0:
        return 0.0
    inputs = np.stack([np.ones_like(scores), (scores - middle) / spread], axis=1)
    signs = np.where(np.arange(len(scores)) < len(real), 1.0, -1.0)
    return float(_fitted(inputs, signs, shares)[1] / spread)


def _fitted(inputs: FloatArray, signs: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the coefficients of a logistic regression by Newton's steps, each halved until the loss falls."""

    def loss(point: FloatArray) -> float:
        return float(shares @ np.logaddexp(0.0, -signs * (inputs @ point)) + 0.5 * _RIDGE * point @ point)

    point, best = np.zeros(2), math.log(2.0)
    for _ in range(_STEPS):
        chances = 0.5 - 0.5 * np.tanh(0.5 * signs * (inputs @ point))
        gradient = _RIDGE * point - inputs.T @ (shares * signs * chances)
        if np.abs(gradient).max() < _FLAT:
            break
        curvature = (inputs.T * (shares * chances * (1.0 - chances))) @ inputs + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        for halving in range(_HALVINGS):
            trial = point - step * 0.5**halving
            if (lower := loss(trial)) < best:
                point, best = trial, lower
                break
        else:
            break
    return point
