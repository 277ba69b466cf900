"""The curator that drops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from dwindle.contracts import Curated, Kind, Rows, Seed

__all__ = ["KeepAll"]


@dataclass(frozen=True)
class KeepAll:
    """Keeps every new row with the weight it came with: what a lineage without curation does."""

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep every row that exists."""
        return Curated(rows.filled_weights() > 0, rows.weights)

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()
