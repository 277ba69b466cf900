"""Discriminators: how sure a classifier is that a row is synthetic, though it never saw that row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.data.classifiers import area
from dwindle.data.columns import Column
from dwindle.data.densities import parts_of
from dwindle.data.lenses import Lens, are_tokens, plain
from dwindle.data.logistic import logistic
from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.data.summaries import chain_blocks

__all__ = ["FEWEST", "TOO_FEW", "Discerned", "discerned"]

FEWEST = 10
"""Fewest synthetic rows, and fewest real ones, of a chain from which a discriminator learns anything."""

TOO_FEW = f"fewer than {FEWEST} rows, of which all are kept"
"""Why a chain with less has no numbers."""


@dataclass(frozen=True, eq=False)
class Discerned:
    """What a discriminator says.

    Args:
        odds: (c, n) log-odds that a row is synthetic, where as many rows are real; 0 where nothing could be learnt.
        auc: (c,) the chance that it finds a synthetic row more synthetic than a real one; nan where it did not learn.
    """

    odds: FloatArray
    auc: FloatArray

    @property
    def confidence(self) -> FloatArray:
        """Probability that each row is synthetic, (c, n)."""
        return np.asarray(np.exp(-np.logaddexp(0.0, -self.odds)))

    @property
    def learnt(self) -> Array:
        """Whether there were rows enough, (c,)."""
        return np.isfinite(self.auc)


def discerned(
    rows: Rows, anchor: Rows, synthetic: Array, columns: Sequence[Column] = (), *, parts: int = 5
) -> Discerned:
    """Learn to tell the synthetic rows of each chain from its anchor, and judge all rows by it.

    The classifier is a ridge logistic regression on numbers and their squares, or on counts of tokens and of pairs of
    neighbouring tokens. Both kinds of rows fall into as many parts, by their place; the rows of a part are judged by
    a classifier that is fitted to the other parts. Rows that are neither synthetic nor the anchor's teach nothing.

    Args:
        rows: rows to judge.
        anchor: real rows.
        synthetic: (c, n) which of the rows are synthetic.
        columns: what the numbers of a table are.
        parts: how many parts.

    Source: Lopez-Paz and Oquab 2017 (a classifier as a test of two samples); the odds are those of equally many rows,
    as the optimal discriminator of Goodfellow et al. 2014 has them.
    """
    present, real = rows.filled_weights() > 0, anchor.filled_weights() > 0
    tokens, known = are_tokens(anchor.values), plain(anchor.values, columns)[real]
    lens = Lens.of(known, None if tokens else plain(rows.values, columns)[present & synthetic], tokens=tokens)
    signs = np.concatenate([np.where(present & synthetic, 1, 0), np.where(real, -1, 0)], axis=1)
    part = np.concatenate([parts_of(present, parts), parts_of(real, parts)], axis=1)
    part[:, : rows.count] = np.where(synthetic, parts_of(present & synthetic, parts), part[:, : rows.count])
    enough = np.minimum((signs > 0).sum(axis=1), real.sum(axis=1)) >= FEWEST
    odds, auc = np.zeros((rows.chains, rows.count)), np.full(rows.chains, np.nan)
    chosen = np.flatnonzero(enough)
    for block in chain_blocks(len(chosen), signs.shape[1] * (2 * len(lens.scale) + 1)):
        own = chosen[block]
        values = np.concatenate([rows.values[own], anchor.values[own]], axis=1)
        found = _cross_fitted(lens.seen(plain(values, columns)), signs[own], part[own], parts)
        odds[own] = found[:, : rows.count]
        auc[own] = [_area(*each, parts) for each in zip(found, signs[own], part[own], strict=True)]
    return Discerned(odds, auc)


def _cross_fitted(points: FloatArray, signs: Array, part: Array, parts: int) -> FloatArray:
    """Return the log-odds of each row by a classifier that was not fitted to its part, (c, n)."""
    odds = np.zeros(part.shape)
    for one in range(parts):
        teaching = np.where(part == one, 0, signs)
        slopes = logistic(points, teaching)
        # What the classifier says of rows in the proportion that it saw, said of equally many of both kinds.
        surplus = np.log((teaching > 0).sum(axis=1)) - np.log((teaching < 0).sum(axis=1))
        found = np.matmul(points, slopes[:, :-1, None])[..., 0] + (slopes[:, -1] - surplus)[:, None]
        odds = np.where(part == one, found, odds)
    return odds


def _area(odds: FloatArray, signs: Array, part: Array, parts: int) -> float:
    """Return the mean over parts of the area under the curve of true against false alarms."""
    own = [(odds[(part == one) & (signs > 0)], odds[(part == one) & (signs < 0)]) for one in range(parts)]
    return float(np.mean([area(synthetic, real) for synthetic, real in own]))
