"""Progress on the terminal: a bar a lineage, or now and then a line where nobody can see a bar."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwindle.data.unfinished import progress_of
from dwindle.plan import STAGES, Plan, chain_key
from dwindle.stages.results import evaluation

__all__ = ["Progress", "inside"]

LINES = 10
"""Lines a lineage where there is no terminal."""


class Progress:
    """Bars for lineages that grow side by side.

    Args:
        totals: number of generations of each lineage.
        root: the workspace, where long stages tell how far they have come.
    """

    def __init__(self, totals: Mapping[str, int], root: Path | None = None) -> None:
        self._totals, self._root = totals, root
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._lines: dict[str, str] = {}

    def start(self) -> None:
        """Show the bars."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
        from rich.text import Text

        root = self._root

        class Inside(ProgressColumn):
            """How far the stage that is running has come."""

            max_refresh = 0.5

            def render(self, task: Task) -> Text:
                if root is None or task.finished:
                    return Text("")
                return Text(inside(root, task.description, int(task.completed)))

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, TextColumn("{task.fields[measure]}"), Inside(), console=Console(stderr=True))
        self._tasks = {name: self._bars.add_task(name, total=total, measure="") for name, total in self._totals.items()}
        self._bars.start()

    def stop(self) -> None:
        """Leave the bars as they are."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def advance(self, name: str, count: int, root: Path | None = None, key: str = "", plan: Plan | None = None) -> None:
        """Show that so many generations of a lineage are finished, with the first measure of the newest one."""
        measure = _headline(root, key, plan) if root is not None and plan is not None else ""
        self._lines[name] = f"{name}: generation {count - 1} of {self._totals[name] - 1}  {measure}"
        if self._bars is not None:
            self._bars.update(self._tasks[name], completed=count, measure=measure)
        elif key and count % max(1, self._totals[name] // LINES) == 0:
            print(self._lines[name], file=sys.stderr, flush=True)

    def line(self, name: str) -> str:
        """Return the newest state of a lineage in one line."""
        return self._lines[name]


def inside(root: Path, lineage: str, generation: int) -> str:
    """Return how far a long stage of a generation has come: `train 41 %, 5,210 tokens/s`; empty if none tells."""
    for stage in STAGES:
        told = progress_of(root, f"{stage}@{chain_key(lineage, generation)}")
        if told is not None and told["total"] > 0:
            share, rate = 100 * told["done"] / told["total"], told["rate"]
            return f"{stage} {share:.0f} %, {rate:,.0f} {told['unit']}/s"
    return ""


def _headline(root: Path, key: str, plan: Plan) -> str:
    measured = evaluation(root, plan, key) or {}
    for name in ("frechet", "heterozygosity", *measured):
        if measured.get(name, {}).get("mean") is not None:
            return f"{name} {measured[name]['mean']:.4g}"
    return ""
