"""What is said of one column: its shift, its spread, the distance of its law, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.intervals import Summary, summarize
from dwindle.judging.contrasts import ALPHA, Contrast, holm

__all__ = ["AS_REAL", "VERDICTS", "ColumnFidelity", "Draft", "Top", "judged"]

AS_REAL = "as real"
VERDICTS = (AS_REAL, "shifted", "scattered", "narrower", "wider", "other shape")
"""What may be said of a column; several of what differs may be."""

Holds = Literal["numbers", "levels", "tokens"]

_MOST = 0.5
"""Share of the chains whose law must differ before a column is said to differ by its law alone."""


@dataclass(frozen=True)
class Top:
    """A level that is common in the held-out rows.

    Args:
        name: what it is called.
        real: its share there.
        ratio: its share in the chains over that, less 1.
        adjusted: p-value after Holm over these levels.
    """

    name: str
    real: float
    ratio: Contrast
    adjusted: float


@dataclass(frozen=True, eq=False)
class Draft:
    """A column before it is judged beside the others.

    Args:
        name: the column.
        holds: what stands in it.
        shift: see `ColumnFidelity`.
        spread: likewise.
        still: share of the chains in which it does not vary, where the held-out rows do.
        distances: (c,) distance of each chain's law.
        as_real: that distance for real rows.
        p: (c,) p-value of each chain's law; nan without a test.
        scatter: chance that chains of one law lie as far apart in their means; nan without a test.
        tops: of tokens and symbols, the commonest ones.
        reason: what is undefined from the start, and why.
    """

    name: str
    holds: Holds
    shift: Contrast
    spread: Contrast
    still: float
    distances: FloatArray
    as_real: float
    p: FloatArray
    scatter: float = math.nan
    tops: tuple[Top, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class ColumnFidelity:
    """How true one column is to the held-out rows.

    Args:
        name: the column.
        holds: `numbers`, `levels` or `tokens`.
        shift: of numbers, difference of the means in units of the held-out deviation; of tokens, that of the mean
            surprisal in nats; undefined for levels.
        spread: of numbers, logarithm of the variance ratio; of levels and tokens, that of the ratio of the chances
            that two draws differ.
        distance: between the laws: Kolmogorov-Smirnov for numbers, total variation for others.
        as_real: that distance for real rows: the anchor's, or what is expected by chance.
        rejecting: share of the chains whose law differs at 5 %, after Holm over columns; nan without a test.
        verdict: `as real`, or what differs: `shifted`, `scattered` (chains are off, each its own way), `narrower`,
            `wider`, `other shape`, joined by commas; or `undefined`.
        reason: why something is undefined; empty if nothing is.
        tops: of tokens and symbols, the commonest ones.
    """

    name: str
    holds: Holds
    shift: Contrast
    spread: Contrast
    distance: Summary
    as_real: float
    rejecting: float
    verdict: str
    reason: str = ""
    tops: tuple[Top, ...] = ()


def judged(drafts: Sequence[Draft], *, of: int = 0) -> tuple[ColumnFidelity, ...]:
    """Judge columns beside each other: Holm's correction over all their tests of shift, scatter and spread.

    Args:
        drafts: the columns.
        of: how many columns there are in all, if these are the ones that differ most.
    """
    p = np.array([[one.shift.p, one.scatter, one.spread.p] for one in drafts]).reshape(-1)
    adjusted = holm(p, of=3 * of).reshape(-1, 3)
    laws = holm(np.array([one.p for one in drafts]).T, of=of)  # chain by chain
    return tuple(
        _judged(draft, own, laws[:, place])
        for place, (draft, own) in enumerate(zip(drafts, adjusted.tolist(), strict=True))
    )


def _judged(draft: Draft, adjusted: Sequence[float], laws: FloatArray) -> ColumnFidelity:
    tested = laws[np.isfinite(laws)]
    rejecting = float((tested < ALPHA).mean()) if len(tested) else math.nan
    found = summarize(draft.distances)
    reasons = (draft.reason, draft.shift.reason, draft.spread.reason, found.reason)
    return ColumnFidelity(
        draft.name,
        draft.holds,
        draft.shift,
        draft.spread,
        found,
        draft.as_real,
        rejecting,
        _verdict(draft, adjusted, rejecting),
        "; ".join(dict.fromkeys(reason for reason in reasons if reason)),
        draft.tops,
    )


def _verdict(draft: Draft, adjusted: Sequence[float], rejecting: float) -> str:
    shift, scatter, spread = adjusted
    parts = []
    if shift < ALPHA or any(top.adjusted < ALPHA for top in draft.tops):
        parts.append("shifted")
    elif scatter < ALPHA:
        parts.append("scattered")
    if spread < ALPHA or draft.still > _MOST:
        parts.append("wider" if draft.spread.value > 0 else "narrower")
    if not parts and rejecting > _MOST:
        parts.append("other shape" if draft.holds == "numbers" else "shifted")
    known = any(map(math.isfinite, adjusted))
    return ", ".join(parts) or (AS_REAL if known else "undefined")
