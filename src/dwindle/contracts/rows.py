"""What a source of real rows and a curator of new ones must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self, runtime_checkable

from dwindle.contracts.models import Kind
from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.seeds import Seed

if TYPE_CHECKING:
    from dwindle.contracts.metrics import Measurement

__all__ = ["Curated", "Curator", "Source"]


@runtime_checkable
class Source(Protocol):
    """Where real rows come from: one frozen held-out set, and for each chain a stream of rows that never meets it."""

    kind: ClassVar[Kind]
    """What its rows are."""

    @property
    def capacity(self) -> int | None:
        """Rows in each chain's stream; None: no end."""
        ...

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return the held-out rows, c = 1, with provenance."""
        ...

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return rows `first` .. `first + count - 1` of each chain's stream, with provenance of origin `REAL`.

        Blocks that do not overlap are independent (or, for a finite source, disjoint); callers never ask for
        overlapping blocks.

        Raises:
            ValueError: if the block reaches beyond `capacity`.
        """
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...


@dataclass(frozen=True, eq=False)
class Curated:
    """What a curator decided.

    Args:
        kept: (c, n) True where the row stays.
        weights: (c, n) weight of the rows that stay, or None to leave them as they came.
        dropped: for each reason, how many rows of all chains it dropped.
        facts: what it tells of its own work, a number a chain, by name: a detector's rates.
    """

    kept: Array
    weights: FloatArray | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Measurement] = field(default_factory=dict)


@runtime_checkable
class Curator(Protocol):
    """Keeps, drops or weights the new rows of a generation, with a reason for each."""

    judges: ClassVar[Literal["synthetic", "new"]]
    """Whose rows it is shown: the generation's synthetic rows, or these and the fresh real rows beside them."""

    kinds: ClassVar[frozenset[Kind]]
    """The kinds of rows that it can judge; a recipe with rows of another kind is refused.

    A curator that goes with some recipes only is `Exacting`, too.
    """

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Judge the new rows.

        Args:
            rows: the generation's synthetic rows, or all its new rows, with provenance.
            anchor: the lineage's fixed real rows.
            seed: address of every random draw made here.
        """
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        ...
