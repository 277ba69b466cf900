"""The curator that draws the new rows again, those that look synthetic less often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Column,
    Curated,
    FloatArray,
    IntArray,
    Kind,
    Measurement,
    Rows,
    Seed,
    Tabular,
    Within,
    knowing,
)
from dwindle.data.discriminators import TOO_FEW, discerned

__all__ = ["ImportanceResampling"]


@dataclass(frozen=True)
class ImportanceResampling:
    """Draws as many new rows as there are, with replacement, in proportion to (1 - confidence)^bias.

    The confidence is a discriminator's that a row is synthetic, real rows among the new ones included. It learns the
    generation's synthetic rows against the anchor as that of `discriminator_filter` does, and judges no row that it
    saw. A row that is drawn k times has k times its weight; one that is not drawn goes. Facts: `discriminator.auc`, and
    `effective_rows`, (sum w)^2 / sum w^2 of the weights that rows are drawn by over the number of rows: 1 where all
    are alike. A chain with fewer than ten synthetic or real rows keeps all.

    Args:
        bias: how strongly confidence counts; at 0 all rows are alike.
        max_repeats: how often a row may be drawn; what exceeds it is drawn among the others.
        parts: of the rows; each is judged by what was learnt from the others.
        columns: what the rows of a table hold; no setting, see `given`.

    Source: Drayson et al. 2025, importance resampling with a detector of machine-generated text, whose weights these
    are; the detector there is a language model that is fitted once.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "new"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs", "sequences", "tables"})

    bias: Annotated[float, Within(low=0.0, high=1e3)] = 1.0
    max_repeats: Annotated[int, Within(low=1, high=1_000_000, unit="draws")] = 10
    parts: Annotated[int, Within(low=2, high=10, unit="parts")] = 5
    columns: tuple[Column, ...] = field(default=(), init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the curator that knows what the rows of a table hold."""
        return knowing(self, columns=source.columns() if isinstance(source, Tabular) else ())

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Learn, judge, and draw.

        Raises:
            ValueError: if the rows came without provenance.
        """
        if rows.provenance is None:
            raise ValueError("a discriminator learns which rows are synthetic; these rows do not say")
        present = rows.filled_weights() > 0
        found = discerned(rows, anchor, present & (rows.provenance.origin > 0), self.columns, parts=self.parts)
        logs = np.where(present, -self.bias * np.logaddexp(0.0, found.odds), -np.inf)
        times = np.where(present, 1, 0)
        for chain in np.flatnonzero(found.learnt):
            generator = seed.at("draws", int(chain)).numpy()
            times[chain] = _drawn(logs[chain], int(present[chain].sum()), self.max_repeats, generator)
        reason = "" if found.learnt.all() else TOO_FEW
        effective = np.where(found.learnt, _effective(logs, present), np.nan)
        facts = {
            "discriminator.auc": Measurement(found.auc, reason),
            "effective_rows": Measurement(effective, reason),
        }
        return Curated(times > 0, rows.filled_weights() * times, {"not drawn": present & (times == 0)}, facts)

    @classmethod
    def smallest(cls) -> Self:
        """Return two parts."""
        return cls(parts=2)


def _drawn(logs: FloatArray, count: int, most: int, generator: np.random.Generator) -> IntArray:
    """Return how often each row of a chain is drawn, (n,): `count` draws by e^logs, none more often than `most`."""
    times = np.zeros(len(logs), dtype=np.int64)
    while (left := count - int(times.sum())) > 0:
        open_logs = np.where(times < most, logs, -np.inf)  # never all closed: `most` draws of each row are enough
        shares = np.exp(open_logs - open_logs.max())
        times = np.minimum(times + generator.multinomial(left, shares / shares.sum()), most)
    return times


def _effective(logs: FloatArray, present: Array) -> FloatArray:
    """Return the effective number of rows over their number, (c,); nan where there is none."""
    highest = logs.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(logs - np.where(np.isfinite(highest), highest, 0.0))
    squares = (weights * weights).sum(axis=1) * present.sum(axis=1)
    return np.asarray(weights.sum(axis=1) ** 2 / np.where(squares > 0, squares, np.nan))
