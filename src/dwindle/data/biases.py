"""What a curator did to the rows it saw: the bias that it brings into the loop."""

from __future__ import annotations

import numpy as np

from dwindle.data.rows import Array, FloatArray, IntArray, Rows
from dwindle.data.tails import compact, tails, usable_rows

__all__ = ["UNITS", "biases"]

UNITS = {
    "variance_factor": "ratio",
    "tail_removed": "fraction",
    "group_shift": "fraction",
    "effective_rows": "fraction",
}
"""The measures and their units."""

_FEW = "fewer than two rows were shown or left"
_STILL = "the rows that were shown did not vary"
_NO_TAIL = "no row that was shown lay in the anchor's tail"
_NO_GROUPS = "the rows have no groups"
_TINY = np.finfo(np.float64).tiny


def biases(
    before: Rows,
    after: Rows,
    *,
    anchor: Rows,
    groups_before: IntArray | None = None,
    groups_after: IntArray | None = None,
    scaled: bool = False,
) -> dict[str, tuple[FloatArray, str]]:
    """Return how a curator changed the law of the rows it was shown: (c,) values and why some are nan, by name.

    `variance_factor`: total weighted variance after over before. Of numbers it is the trace of the covariance, of
    symbols and of the tokens of sequences the heterozygosity, the chance that two draws differ; both unbiased, so rows
    that are dropped at random leave 1. Below 1, a curator alone drives a replacing loop to a point.
    `tail_removed`: 1 less the share of the weight in the anchor's tail (`tails`) after over before: 1 where no such row
    is left, 0 where the tail kept its share, negative where it gained.
    `group_shift`: total variation between the groups' shares before and after. The groups are those given, or the
    labels, or a last column of zeros and ones (pairs); a row without one is in a group of its own.
    `effective_rows`: how many equally weighted rows tell as much as those that are left, over how many they are.

    Rows of numbers that are not finite, or too large to square, count in the last two alone.

    Args:
        before: the rows that a curator was shown.
        after: the rows that came of them, those that were added among them; fewer or more.
        anchor: the lineage's real rows.
        groups_before: (c, n) the group of each row before.
        groups_after: (c, n') the group of each row after.
        scaled: whether columns are compared in units of the anchor's deviation, as those of a table are.

    Source: Nei 1978 (heterozygosity without bias); Kish 1965, section 11.7 (effective rows); Alemohammad et al. 2023
    (MAD: the factor lambda of a biased sampler, whose variance shrinks as lambda^t in a loop that replaces).
    """
    few = np.minimum(before.counts, after.counts) < 2
    groups = _groups(before, after, anchor, groups_before, groups_after)
    found = {
        "variance_factor": _ratio(_variation(after, anchor, scaled), _variation(before, anchor, scaled), _STILL),
        "tail_removed": _tail_removed(before, after, anchor),
        "group_shift": _shift(before, after, groups),
        "effective_rows": (_effective(after), ""),
    }
    return {name: _without(values, reason, few) for name, (values, reason) in found.items()}


def _without(values: FloatArray, reason: str, few: Array) -> tuple[FloatArray, str]:
    """Return the values, nan where a chain has too few rows, with every reason that applies."""
    undefined = np.isnan(values) & ~few
    reasons = [reason] * bool(undefined.any()) + [_FEW] * bool(few.any())
    return np.where(few, np.nan, values), "; ".join(reasons)


def _ratio(above: FloatArray, below: FloatArray, reason: str) -> tuple[FloatArray, str]:
    return np.where(below > 0, above, np.nan) / np.where(below > 0, below, 1.0), reason


def _shares(rows: Rows, counted: Array | None = None) -> FloatArray:
    """Return the share of each row in the weight of its chain, (c, n), of those that count."""
    weights = rows.filled_weights() if counted is None else np.where(counted, rows.filled_weights(), 0.0)
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), _TINY))


def _variation(rows: Rows, anchor: Rows, scaled: bool) -> FloatArray:
    """Return the total variance of each chain, (c,), without bias; 0 where fewer than two rows can be told."""
    usable = usable_rows(rows)
    shares = _shares(rows, usable)
    if not np.issubdtype(rows.values.dtype, np.floating):
        return _heterozygosity(rows, shares)
    values = np.where(usable[..., None], rows.values, 0.0)
    if scaled:
        values = values * _inverse_deviations(anchor)
    centred = values - np.matmul(shares[:, None], values)
    squares = np.einsum("cnd,cnd->cn", centred, centred)
    left = 1.0 - (shares**2).sum(axis=1)
    return np.asarray((shares * squares).sum(axis=1) / np.where(left > 0, left, np.inf))


def _inverse_deviations(anchor: Rows) -> FloatArray:
    """Return one over the deviation of each column of the anchor, (c, 1, d); 1 where it does not vary."""
    usable = usable_rows(anchor)
    shares = _shares(anchor, usable)[:, None]
    values = np.where(usable[..., None], anchor.values, 0.0)
    deviations = np.sqrt(np.matmul(shares, (values - np.matmul(shares, values)) ** 2))
    return np.asarray(1.0 / np.where(deviations > 0, deviations, 1.0))


def _heterozygosity(rows: Rows, shares: FloatArray) -> FloatArray:
    """Return the chance that two draws, of symbols or of tokens, differ, (c,), without bias."""
    length = 1 if rows.values.ndim == 2 else max(rows.values.shape[2], 1)
    found, (codes,) = np.empty(rows.chains), compact([rows.values])
    for chain, own in enumerate(shares):
        law = np.bincount(codes[chain].ravel(), np.repeat(own / length, length))
        left = 1.0 - (own**2).sum() / length
        found[chain] = (law.sum() - (law**2).sum()) / left if left > 0 else 0.0
    return found


def _tail_removed(before: Rows, after: Rows, anchor: Rows) -> tuple[FloatArray, str]:
    if not anchor.count:
        return np.full(before.chains, np.nan), _NO_TAIL
    there, here = tails([before, after], anchor)
    shown = (_shares(before, usable_rows(before)) * there).sum(axis=1)
    left = (_shares(after, usable_rows(after)) * here).sum(axis=1)
    ratio, reason = _ratio(left, shown, _NO_TAIL)
    return np.asarray(1.0 - ratio), reason


def _groups(
    before: Rows, after: Rows, anchor: Rows, own: IntArray | None, others: IntArray | None
) -> tuple[Array, Array] | None:
    """Return the group of each row before and after, (c, n) each, or None where rows have none."""
    if own is not None and others is not None:
        return own, others
    if before.labels is not None or after.labels is not None:
        return before.filled_labels(), after.filled_labels()
    if before.values.ndim == 2 or before.values.shape[2] < 2 or not np.issubdtype(before.values.dtype, np.floating):
        return None
    seen = np.concatenate([rows.values[..., -1][rows.filled_weights() > 0] for rows in (before, after, anchor)])
    if set(np.unique(seen).tolist()) != {0.0, 1.0}:
        return None
    return before.values[..., -1], after.values[..., -1]


def _shift(before: Rows, after: Rows, groups: tuple[Array, Array] | None) -> tuple[FloatArray, str]:
    """Return the total variation of the groups' shares, (c,)."""
    if groups is None:
        return np.full(before.chains, np.nan), _NO_GROUPS
    masked = [np.where(rows.filled_weights() > 0, own, 0) for rows, own in zip((before, after), groups, strict=True)]
    both = np.concatenate(masked, axis=1)
    known, codes = np.unique(both, return_inverse=True)
    cells = codes.reshape(both.shape) + len(known) * np.arange(before.chains)[:, None]
    steps = np.concatenate([_shares(before), -_shares(after)], axis=1)
    summed = np.bincount(cells.ravel(), steps.ravel(), minlength=before.chains * len(known))
    return np.asarray(np.abs(summed).reshape(before.chains, -1).sum(axis=1) / 2.0), ""


def _effective(rows: Rows) -> FloatArray:
    """Return (sum w)^2 / sum w^2 over the number of rows, (c,); nan where there are none."""
    squares = (_shares(rows) ** 2).sum(axis=1) * rows.counts
    return np.asarray(1.0 / np.where(squares > 0, squares, np.nan))
