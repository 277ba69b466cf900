"""The end of a sweep: its table, its pictures, and the commands that lead on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dwindle.config.sweep import Sweep
from dwindle.plan import Plan
from dwindle.report.canvas import plots_folder
from dwindle.report.curves import draw_curves
from dwindle.report.grid import draw_grid
from dwindle.report.histograms import draw_histograms
from dwindle.report.large import FOLDER, draw_large
from dwindle.report.page.answers import ANSWERED, write_answers
from dwindle.report.profiles import profiles
from dwindle.report.table import SweepTable, sweep_table
from dwindle.report.text_table import TextTable, print_table
from dwindle.report.texts import write_texts
from dwindle.report.verdicts import draw_verdicts
from dwindle.stages.steps import CURVES

__all__ = ["Summary", "show_summary", "summarize_sweep"]

_SHOWN = (".png", ".txt")


@dataclass
class Summary:
    """A sweep at a glance.

    Args:
        table: one line a lineage.
        pictures: the files drawn, curves first, and the folder of large sheets.
        commands: what to run next, and what for.
        tables: what else there is to say: the collapse profile, and whether a published result was reproduced.
        notes: what the reader must know: lineages that ended early, records that are pending.
        report: the page that shows all of it; None if it was not written.
        page: the address at which MLflow shows it, or that of the file; empty likewise.
    """

    table: SweepTable
    pictures: list[Path]
    commands: dict[str, str]
    tables: list[TextTable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    report: Path | None = None
    page: str = ""

    @property
    def columns(self) -> dict[str, list[str]]:
        """The table by columns, as text."""
        return {name: [row[place] for row in self.table.rows] for place, name in enumerate(self.table.columns)}


def summarize_sweep(sweep: Sweep, plan: Plan, *, commands: Mapping[str, str], changed: bool = True) -> Summary:
    """Draw a sweep's pictures and make its table.

    Args:
        sweep: the sweep.
        plan: its plan.
        commands: what to run next in the first place, and what for.
        changed: whether any measure changed since the pictures were drawn last.
    """
    folder = plots_folder(sweep.root, plan.sweep)
    pictures = sorted(path for path in folder.glob("*.*") if path.suffix in _SHOWN or path.name == ANSWERED)
    curves = (sweep.root / CURVES).stat().st_mtime_ns
    if changed or not pictures or min(path.stat().st_mtime_ns for path in pictures) < curves:
        samples = (
            draw_verdicts(sweep.root, plan, profiles(sweep.root, plan)),
            draw_grid(sweep.root, plan),
            draw_histograms(sweep.root, plan),
            write_texts(sweep.root, plan),
            write_answers(sweep.root, plan),
        )
        pictures = [draw_curves(sweep.root, plan), *(path for path in samples if path is not None)]
        draw_large(sweep.root, plan)
    pictures += [folder / FOLDER] if (folder / FOLDER).is_dir() else []
    place = "" if sweep.root.resolve() == Path.cwd() else f"cd {shlex.quote(str(sweep.root))} && "
    commands = dict(commands) | {
        f"{place}dvc status": "every dataset and model is recorded",
        "prefect server start": "Prefect's pages; with PREFECT_API_URL set, sweeps appear there",
    }
    return Summary(sweep_table(sweep.root, plan), pictures, commands)


def show_summary(summary: Summary) -> None:
    """Print the table, where the pictures are, and what to run next."""
    from rich.console import Console

    from dwindle.report.table import as_rich

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print()
    console.print(as_rich(summary.table))
    for table in summary.tables:
        print_table(table)
    console.print()
    for path in summary.pictures:
        console.print(f"picture   {path}", soft_wrap=True)
    if summary.report is not None:
        console.print(f"report    {summary.report}", soft_wrap=True)
    width = max(map(len, summary.commands))
    for command, purpose in summary.commands.items():
        console.print(f"next      {command:{width}}  # {purpose}", soft_wrap=True, markup=False)
    for note in summary.notes:
        console.print(f"note      {note}", soft_wrap=True, markup=False)
