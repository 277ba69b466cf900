"""The curator that drops rows of numbers that are not finite, or far outside those of the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Curated, Kind, Rows, Seed, Within

__all__ = ["FiniteRange"]


@dataclass(frozen=True)
class FiniteRange:
    """Drops the synthetic rows that hold nan or an infinity and, with a margin, a number outside the anchor's range.

    The range of a column is that of the chain's own anchor; a column that does not vary there has none to spare. A
    narrow margin trims the tails: real rows lie outside the range of m others with probability about 2 / m a column.

    Args:
        margin: by how many of its widths the range is widened at either end; None: numbers may lie anywhere.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs", "tables"})

    margin: Annotated[float, Within(low=0.0, high=1e6, unit="widths of the range")] | None = None

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Judge every row by its numbers; nothing is drawn.

        Raises:
            ValueError: if a margin is set and a chain has no finite anchor row.
        """
        present = rows.filled_weights() > 0
        finite = np.isfinite(rows.values).all(axis=2)
        why = {"not finite": present & ~finite}
        if self.margin is not None:
            why["outside the range of the anchor"] = present & finite & self._outside(rows, anchor, self.margin)
        dropped = np.any(list(why.values()), axis=0)
        return Curated(np.asarray(present & ~dropped), rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return a curator that drops some of the rows of the contract tests."""
        return cls(margin=0.0)

    @staticmethod
    def _outside(rows: Rows, anchor: Rows, margin: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Say which rows hold a number outside the widened range, (c, n)."""
        known = (anchor.filled_weights() > 0) & np.isfinite(anchor.values).all(axis=2)
        if not known.any(axis=1).all():
            raise ValueError("a chain has no finite anchor row; margin needs its range")
        low = np.where(known[..., None], anchor.values, np.inf).min(axis=1, keepdims=True)
        high = np.where(known[..., None], anchor.values, -np.inf).max(axis=1, keepdims=True)
        room = margin * (high - low)
        return np.asarray(((rows.values < low - room) | (rows.values > high + room)).any(axis=2))
