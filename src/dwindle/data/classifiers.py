"""Classifiers of a table's target: logistic regressions of all chains at once, and how often they are right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from dwindle.data.columns import Column, Frame, encoded, frame_of
from dwindle.data.marginals import levels_in
from dwindle.data.rows import Array, FloatArray, IntArray, Rows
from dwindle.data.summaries import chain_blocks

__all__ = ["NO_TARGET", "classes_of", "judged", "logistic", "predicted", "share_right", "target_place"]

NO_TARGET = "no column is the target"
"""Why a table that names no target has no classifier."""

_STEPS = 200
_CONVERGED = 1e-14  # the last step still gains half of this, nats a row
_FARTHEST = 1e6  # squares of what lies farther off would leave no digits for the rest


def target_place(columns: Sequence[Column]) -> int | None:
    """Return the place of the target among the columns, None if there is none."""
    return next((place for place, column in enumerate(columns) if column.role == "target"), None)


def classes_of(values: Array, columns: Sequence[Column], anchor: Rows) -> tuple[IntArray, int]:
    """Return the class of each row by its target, (c, n), -1 where it is no level, and how many classes there are.

    The classes are the levels of a categorical target. A numeric one has two: not above the median of the anchor's
    rows of all chains, and above it.

    Args:
        values: (c, n, d) rows whose columns include a target.
        columns: what they hold.
        anchor: (c, n, d) the rows that give a numeric target its median.

    Raises:
        ValueError: if there is no target.
    """
    place = target_place(columns)
    if place is None:
        raise ValueError(NO_TARGET)
    column, own = columns[place], values[..., place]
    if not column.categorical:
        middle = np.median(anchor.values[..., place][anchor.filled_weights() > 0])
        return np.asarray(own > middle, dtype=np.int64), 2
    levels = levels_in(own, column)
    return np.where(levels < len(column.levels), levels, -1), len(column.levels)


def judged(training: Array, held_out: Array, columns: Sequence[Column], anchor: Rows) -> FloatArray:
    """Return whether a classifier that is fitted to each chain's rows is right about each held-out row, (c, m).

    1 where it is, 0 where not, nan where the held-out row has no class or the chain has no row with one. The last few
    answers are kept: several metrics of one evaluation ask for the same.

    Args:
        training: (c, n, d) finite rows.
        held_out: (m, d) real rows.
        columns: what rows hold; all but the target are told to the classifier.
        anchor: real rows that give numbers their units, and a numeric target its median.
    """
    return _kept(_Question(_digest(training, held_out, anchor.values), training, held_out, tuple(columns), anchor))


def share_right(right: FloatArray) -> FloatArray:
    """Return the share of rows that are right, (c,), of those that were judged; nan where none was.

    Args:
        right: (c, m) as `judged` tells it.
    """
    known = ~np.isnan(right)
    counts = known.sum(axis=1)
    return np.asarray(np.where(known, right, 0.0).sum(axis=1) / np.where(counts > 0, counts, np.nan))


@dataclass(frozen=True)
class _Question:
    """Rows to be judged, which equal others if their digests do."""

    digest: bytes
    training: Array = field(compare=False)
    held_out: Array = field(compare=False)
    columns: tuple[Column, ...]
    anchor: Rows = field(compare=False)


def _digest(*parts: Array) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((part.shape, part.dtype.str)).encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.digest()


@lru_cache(maxsize=4)
def _kept(asked: _Question) -> FloatArray:
    frame = frame_of(asked.anchor, asked.columns)
    classes, count = classes_of(asked.training, asked.columns, asked.anchor)
    right, _ = classes_of(asked.held_out[None], asked.columns, asked.anchor)
    points, real = (_features(values, asked.columns, frame) for values in (asked.training, asked.held_out[None]))
    found = predicted(points, classes, count, real[0])
    return np.where((right >= 0) & (found >= 0), found == right, np.nan)


def _features(values: Array, columns: Sequence[Column], frame: Frame) -> FloatArray:
    """Return all columns but the target as points, (c, n, k); numbers beyond `_FARTHEST` deviations are at it."""
    kept = [place for place in range(len(columns)) if place != target_place(columns)]
    narrow = Frame(frame.centre[kept], frame.scale[kept])
    return np.clip(encoded(values[..., kept], [columns[place] for place in kept], narrow), -_FARTHEST, _FARTHEST)


def predicted(points: FloatArray, classes: IntArray, count: int, asked: FloatArray) -> IntArray:
    """Return the likeliest class of each row asked about, (c, m), -1 for a chain without a row that has a class.

    Each class has a logistic regression against all others, two classes share one. A class that a chain does not hold
    is not predicted; if it holds only one, that is.

    Args:
        points: (c, n, k) what is known of the rows.
        classes: (c, n) their classes, -1 for none.
        count: how many classes there are.
        asked: (m, k) rows to predict.
    """
    scores = np.full((len(points), count, len(asked)), -np.inf)
    inputs = np.concatenate([asked, np.ones((len(asked), 1))], axis=1)
    for block in chain_blocks(len(points), points.shape[1] * (points.shape[2] + 1)):
        for one in range(1, count) if count == 2 else range(count):
            slopes = logistic(points[block], np.where(classes[block] < 0, 0, np.where(classes[block] == one, 1, -1)))
            scores[block, one] = slopes @ inputs.T
        if count == 2:
            scores[block, 0] = -scores[block, 1]
    held: Array = np.stack([np.any(classes == one, axis=1) for one in range(count)], axis=1)
    scores[~held] = -np.inf
    return np.where(np.any(held, axis=1)[:, None], scores.argmax(axis=1), -1)


def logistic(points: FloatArray, signs: IntArray, *, ridge: float = 1.0) -> FloatArray:
    """Return the coefficients of each chain's logistic regression, (c, k + 1), the intercept last.

    They minimise the sum over rows of log(1 + exp(-s (b . x + a))) plus `ridge` / 2 |b|^2, by Newton steps that are
    halved until the loss does not rise. The ridge is scikit-learn's default, C = 1; the intercept has none. A chain
    whose rows are all of one sign has coefficients 0.

    Args:
        points: (c, n, k).
        signs: (c, n) 1 or -1, or 0 for a row that does not count.
        ridge: penalty, nats.
    """
    both = (signs > 0).any(axis=1) & (signs < 0).any(axis=1)
    slopes = np.zeros((len(points), points.shape[2] + 1))
    turned = np.concatenate([points[both], np.ones((int(both.sum()), points.shape[1], 1))], axis=2)
    turned *= signs[both][..., None]
    counts = (signs[both] != 0).sum(axis=1, keepdims=True)
    shares = (signs[both] != 0) / counts
    # Next to nothing on the intercept: where a plane separates the rows, rounding may leave it no curvature of its own.
    penalty = ridge * np.append(np.ones(points.shape[2]), 1e-10) / counts
    slopes[both] = _newton(turned, shares, penalty)
    return slopes


def _newton(turned: FloatArray, shares: FloatArray, penalty: FloatArray) -> FloatArray:
    """Return the minimum of each chain's loss, (c, k), from 0 on; the loss is convex."""
    slopes, going = np.zeros(penalty.shape), np.arange(len(penalty))
    step, loss, length = np.zeros(penalty.shape), np.full(len(penalty), np.inf), np.ones(len(penalty))
    for _ in range(_STEPS):
        if not going.size:
            break
        tried = slopes[going] + length[:, None] * step
        found, downhill, gain = _loss(tried, turned, shares, penalty)
        better = found <= loss + np.finfo(np.float64).eps
        slopes[going[better]] = tried[better]
        step[better], loss[better] = downhill[better], found[better]
        length = np.where(better, 1.0, length / 2)
        left = ~better | (gain > _CONVERGED)
        slopes[going[~left]] += step[~left]
        going, step, loss, length = going[left], step[left], loss[left], length[left]
        if not left.all():
            turned, shares, penalty = turned[left], shares[left], penalty[left]
    return slopes


def _loss(
    slopes: FloatArray, turned: FloatArray, shares: FloatArray, penalty: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean loss, (c,), the Newton step from there, (c, k), and twice what it should gain, (c,)."""
    margins = np.matmul(turned, slopes[..., None])[..., 0]
    tails = np.exp(-np.abs(margins))
    loss = (shares * (np.log1p(tails) - np.minimum(margins, 0.0))).sum(axis=1)
    loss += 0.5 * (penalty * slopes * slopes).sum(axis=1)
    missed = np.where(margins > 0, tails, 1.0) / (1.0 + tails)
    uphill = np.matmul((shares * missed)[:, None], turned)[:, 0] - penalty * slopes
    spread = (shares * missed * (1.0 - missed))[..., None]
    curvature = np.matmul((spread * turned).swapaxes(1, 2), turned) + penalty[:, :, None] * np.eye(slopes.shape[1])
    step = np.linalg.solve(curvature, uphill[..., None])[..., 0]
    return loss, step, (uphill * step).sum(axis=1)
