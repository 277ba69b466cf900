"""A table of texts: what the terminal prints, MLflow keeps and a flow run's page shows in the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["TextTable", "print_table"]


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Args:
        name: short name, for files and artifacts.
        title: one line above it.
        columns: headings.
        rows: cells, line by line.
        notes: lines below it.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def by_column(self) -> dict[str, list[str]]:
        """The table by columns."""
        return {column: [row[place] for row in self.rows] for place, column in enumerate(self.columns)}


def print_table(table: TextTable) -> None:
    """Print a table to the terminal, or 160 columns wide into a file."""
    import sys

    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print()
    console.print(table.title, markup=False)
    console.print(_drawn(table))
    for note in table.notes:
        console.print(note, markup=False)


def _drawn(table: TextTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for place, column in enumerate(table.columns):
        drawn.add_column(Text(column), no_wrap=place == 0, overflow="fold")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn
