"""Classifiers: of a table's target, and how often they are right; how well any scores tell two kinds of rows apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from dwindle.data.columns import Column, Frame, encoded, frame_of
from dwindle.data.logistic import logistic
from dwindle.data.marginals import levels_in
from dwindle.data.rows import Array, FloatArray, IntArray, Rows
from dwindle.data.summaries import chain_blocks

__all__ = ["NO_TARGET", "area", "classes_of", "judged", "predicted", "share_right", "target_place"]

NO_TARGET = "no column is the target"
"""Why a table that names no target has no classifier."""

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


def area(larger: FloatArray, smaller: FloatArray) -> float:
    """Return the area under the curve of true against false alarms of scores that should be larger for one lot.

    It is the chance that a score of the first lot exceeds one of the second, ties counting half.

    Source: Mann and Whitney 1947.

    Args:
        larger: (n,) scores of the first lot.
        smaller: (m,) scores of the second.
    """
    ordered = np.sort(smaller)
    below, upto = (np.searchsorted(ordered, larger, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(smaller)))


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
