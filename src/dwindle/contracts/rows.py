"""What a source of real rows and a curator of new ones must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from dwindle.contracts.models import Kind
from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.seeds import Seed

if TYPE_CHECKING:
    from dwindle.contracts.metrics import Measurement

__all__ = ["Curated", "Curator", "Need", "Needing", "Source"]


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
        why: for each reason, (c, n) True where a row was dropped for it; every dropped row has one reason.
        facts: what it tells of its own work, a number a chain, by name: a detector's rates.
        values: the values of all rows, as they came but for those that were repaired; None where none was.
        repaired: for each kind of repair, (c, n) True where a kept row was changed by it.
        added: rows that train beside the generation's own, with provenance: real ones from the tail. Padded with
            weight 0 where chains have unequal numbers of them; None for none.
    """

    kept: Array
    weights: FloatArray | None = None
    why: Mapping[str, Array] = field(default_factory=dict)
    facts: Mapping[str, Measurement] = field(default_factory=dict)
    values: Array | None = None
    repaired: Mapping[str, Array] = field(default_factory=dict)
    added: Rows | None = None

    @property
    def dropped(self) -> dict[str, int]:
        """For each reason, how many rows of all chains it dropped."""
        return {reason: int(gone.sum()) for reason, gone in self.why.items()}


Need = Literal["first", "maker", "earlier"]
"""What a curator may have to see beside the rows: the model of generation 0, the model that made the rows, or the
synthetic rows that earlier generations kept."""


@runtime_checkable
class Needing(Protocol):
    """A curator that must see more than the new rows and the anchor."""

    @property
    def needs(self) -> frozenset[Need]:
        """What it must see, by its settings; empty where they ask for nothing."""
        ...

    def shown(self, *, first: Any = None, maker: Any = None, earlier: Rows | None = None) -> Self:
        """Return a copy that knows what it needs; called anew in every generation.

        Args:
            first: the model of generation 0, which no synthetic row has touched.
            maker: the model that made the synthetic rows; a `Model`, and what else its family's models can do.
            earlier: rows of earlier generations, with provenance; None where there are none yet.
        """
        ...


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
