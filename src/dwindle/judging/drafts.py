"""Columns of numbers, of levels and of tokens, measured beside the held-out rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwindle.contracts import Array, Column, FloatArray, IntArray
from dwindle.data.marginals import levels_in
from dwindle.intervals import summarize
from dwindle.judging.columns import Draft, Top
from dwindle.judging.contrasts import Contrast, holm
from dwindle.judging.levels import heterozygosities, homogeneity, laws, ratios, surprisals, total_variation
from dwindle.judging.numbers import distances, moments, shifts, spreads

__all__ = ["TOPS", "level_draft", "number_drafts", "token_draft", "tops_of", "worst_columns"]

TOPS = 10
"""Commonest symbols that are looked at one by one."""

_NO_MEAN = "levels have no mean"
_NO_TEST = "no test of the law: weighted rows and blocks of text have no independent counts"


def number_drafts(
    values: Array,
    weights: FloatArray | None,
    real: Array,
    anchor: Array,
    names: Sequence[str],
) -> list[Draft]:
    """Return columns of numbers.

    Args:
        values: (c, n, d) numbers, nan in chains without a number.
        weights: (c, n) weights, or None.
        real: (m, d) held-out rows.
        anchor: (c, n', d) real rows, of which the distance is told beside.
        names: of the columns.
    """
    found = moments(values, weights)
    (shift, apart), spread = shifts(found, real), spreads(found, real)
    laws_apart, p = distances(values, weights, real)
    as_real, _ = distances(anchor, None, real)
    varies = real.std(axis=0) > 0
    drafts = []
    for place, name in enumerate(names):
        still = float((found.variance[:, place] == 0).mean()) if varies[place] else 0.0
        reason = "" if varies[place] else "the held-out rows do not vary"
        reason = reason or (f"no variance is left in {still:.0%} of the chains" if still else "")
        drafts.append(
            Draft(
                name,
                "numbers",
                shift[place],
                spread[place],
                still,
                laws_apart[:, place],
                summarize(as_real[:, place]).mean,
                p[:, place],
                float(apart[place]),
                reason=reason,
            )
        )
    return drafts


def worst_columns(values: Array, weights: FloatArray | None, real: Array, count: int) -> IntArray:
    """Return the columns that differ most by mean or variance, (count,), the worst first.

    Args:
        values: (c, n, d) numbers.
        weights: (c, n) weights, or None.
        real: (m, d) held-out rows.
        count: how many.
    """
    found = moments(values, weights)
    scores = np.abs(np.stack([shifts(found, real)[0].z, spreads(found, real).z]))
    still = (found.variance == 0).any(axis=0) & (real.std(axis=0) > 0)
    score = np.where(still, np.inf, np.nan_to_num(scores, nan=-1.0).max(axis=0))
    return np.argsort(-score, kind="stable")[:count]


def level_draft(values: Array, weights: FloatArray | None, real: Array, column: Column) -> Draft:
    """Return a column of levels.

    Args:
        values: (c, n) the column.
        weights: (c, n) weights, or None.
        real: (m,) the held-out column.
        column: what it holds.
    """
    places = levels_in(np.nan_to_num(values, nan=-1.0), column)
    return _draft(column.name, "levels", places, weights, levels_in(real, column), len(column.levels) + 1)


def token_draft(values: IntArray, weights: FloatArray | None, real: IntArray, name: str, tops: Sequence[str]) -> Draft:
    """Return the symbols or tokens of rows as if they were one column.

    Args:
        values: (c, n) symbols, or (c, n, l) tokens.
        weights: (c, n) weights, or None.
        real: (m,) or (m, l) held-out rows.
        name: what to call it.
        tops: what the commonest ones are called, in the order of `tops_of`.
    """
    count = int(max(values.max(initial=0), real.max(initial=0))) + 1
    return _draft(name, "tokens", values, weights, real, count, tops)


def tops_of(real: IntArray) -> IntArray:
    """Return the commonest symbols of the held-out rows, at most `TOPS`, the commonest first."""
    counts = np.bincount(real.reshape(-1))
    return np.argsort(-counts, kind="stable")[: min(TOPS, int((counts > 0).sum()))]


def _draft(
    name: str,
    holds: str,
    values: IntArray,
    weights: FloatArray | None,
    real: IntArray,
    count: int,
    tops: Sequence[str] = (),
) -> Draft:
    found = laws(values, weights, real, count)
    spread = heterozygosities(found)[0]
    apart, chance = total_variation(found)
    varies = bool((found.real < 1).all())
    still = float((found.shares.max(axis=1) == 1).mean()) if varies else 0.0
    p = homogeneity(found)
    reasons = [] if np.isfinite(p).any() else [_NO_TEST]
    reasons += [] if varies else ["the held-out rows hold one level"]
    reasons += [f"one level is left in {still:.0%} of the chains"] if still else []
    if holds == "levels":
        none, told = Contrast.undefined(_NO_MEAN), "; ".join(reasons)
        return Draft(name, "levels", none, spread, still, apart, float(chance.mean()), p, reason=told)
    shift, scattered = surprisals(values, weights, found)
    chosen = tops_of(real)
    own = ratios(found, chosen)
    adjusted = holm(own.p)
    common = tuple(
        Top(label, float(found.real[level]), own[place], float(adjusted[place]))
        for place, (label, level) in enumerate(zip(tops, chosen.tolist(), strict=True))
    )
    own_way, told = float(scattered[0]), "; ".join(reasons)
    return Draft(name, "tokens", shift[0], spread, still, apart, float(chance.mean()), p, own_way, common, told)
