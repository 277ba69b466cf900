"""The curator that drops rows that cannot be rows of the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Column, Curated, Kind, Rows, Seed, Tabular, knowing, pixels_of
from dwindle.data.column_rules import Rule, rule_from
from dwindle.data.marginals import levels_in

__all__ = ["Schema"]

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Schema:
    """Drops the synthetic rows that break what the source says of its rows, or a rule of your own.

    Tables: every number is finite, every level is one of its column. Pictures of pixels: every pixel lies in 0..1, up
    to rounding. Other vectors: every number is finite; rules call their columns x0, x1 and so on. A row that breaks
    several things goes for the first: column by column, then rule by rule.

    Args:
        ranges: whether numbers of a table outside the range of the chain's anchor go, too; this trims the tails.
        whole: whether numbers of a table must be whole in a column where all anchors have whole numbers.
        rules: what must hold, each a column, one of `<`, `<=`, `==`, `!=`, `>=`, `>`, and a number or a column:
            `age >= 0`, `height < weight`.
        source: who knows the columns; no setting, see `given`.

    Raises:
        ValueError: if a rule cannot be read.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "tables"})

    ranges: bool = False
    whole: bool = False
    rules: tuple[str, ...] = ()
    source: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        self._parsed()

    def given(self, source: Any) -> Self:
        """Return the curator that asks this source what its rows hold.

        Raises:
            ValueError: if a rule names a column that the source does not have, or one of levels, or any column of
                pictures, or if ranges or whole are set for rows that are no table.
        """
        told = knowing(self, source=source)
        if not isinstance(source, Tabular) and (self.ranges or self.whole):
            raise ValueError(f"ranges and whole are for tables; {type(source).__name__} has none")
        if self.rules and pixels_of(source) is not None:
            raise ValueError(f"rules name columns; the rows of {type(source).__name__} are pixels")
        for rule in self._parsed():
            rule.refuse_unknown({column.name: not column.categorical for column in told._columns()})
        return told

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Check every row; nothing is drawn.

        Raises:
            ValueError: if it was given no source.
        """
        if self.source is None:
            raise ValueError("schema was given no source: call Schema.given(source) before it is used")
        kept = rows.filled_weights() > 0
        why: dict[str, Array] = {}
        for reason, broken in self._broken(rows, anchor):
            if (kept & broken).any():
                why[reason] = why.get(reason, False) | (kept & broken)
                kept &= ~broken
        return Curated(np.asarray(kept), rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return a schema with a rule that some rows of the contract tests break."""
        return cls(rules=("x0 <= 2",))

    def _parsed(self) -> list[Rule]:
        return [rule_from(text) for text in self.rules]

    def _broken(self, rows: Rows, anchor: Rows) -> Iterator[tuple[str, Array]]:
        """Yield each thing that a row may break, and which rows break it, (c, n)."""
        if isinstance(self.source, Tabular):
            for place, column in enumerate(self.source.columns()):
                yield from self._in_column(column, rows.values[..., place], anchor, place)
        else:
            yield "not finite", np.asarray(~np.isfinite(rows.values).all(axis=2))
        if pixels_of(self.source) is not None:
            outside = (rows.values < -_ROUNDING) | (rows.values > 1.0 + _ROUNDING)
            yield "pixels outside 0..1", np.asarray(outside.any(axis=2))
        if self.rules:
            named = {column.name: rows.values[..., place] for place, column in enumerate(self._columns())}
            yield from ((f"breaks '{rule}'", ~rule.holds(named)) for rule in self._parsed())

    def _columns(self) -> tuple[Column, ...]:
        """Return the columns of the source; those of vectors have numbers for names."""
        if isinstance(self.source, Tabular):
            return self.source.columns()
        columns = self.source.draw_held_out(seed=Seed(0)).values.shape[2]
        return tuple(Column(f"x{place}") for place in range(columns))

    def _in_column(self, column: Column, own: Array, anchor: Rows, place: int) -> Iterator[tuple[str, Array]]:
        """Yield what the values of one column of a table may break."""
        if column.categorical:
            yield f"{column.name}: no level", levels_in(own, column) == len(column.levels)
            return
        yield f"{column.name}: not finite", ~np.isfinite(own)
        present, real = anchor.filled_weights() > 0, anchor.values[..., place]
        if self.whole and (real == np.floor(real))[present].all():
            yield f"{column.name}: not whole", own != np.floor(own)
        if self.ranges:
            low = np.where(present, real, np.inf).min(axis=1, keepdims=True, initial=np.inf)
            high = np.where(present, real, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
            yield f"{column.name}: outside the anchor's range", (own < low) | (own > high)
