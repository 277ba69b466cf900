"""One page that makes a sweep readable at a glance: self-contained HTML, with its pictures and tables beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dwindle.config.reading import LARGEST_FILE
from dwindle.config.sweep import Sweep
from dwindle.data.workspace import publish_text
from dwindle.plan import Plan
from dwindle.report.page.document import document
from dwindle.report.page.files import csv_files
from dwindle.report.page.material import gathered_material
from dwindle.report.page.sections import Beside, sections_of
from dwindle.report.text_table import TextTable

__all__ = ["Report", "write_report"]

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Args:
        html: the page.
        pictures: its pictures as PNG.
        tables: the data behind it as CSV.
    """

    html: Path
    pictures: tuple[Path, ...]
    tables: tuple[Path, ...]


def write_report(
    sweep: Sweep,
    plan: Plan,
    *,
    extra: Sequence[TextTable] = (),
    checks: Sequence[TextTable] = (),
    fidelity: Sequence[TextTable] = (),
    cost: Sequence[TextTable] = (),
) -> Report:
    """Write the report of a sweep into `plots/<sweep>/report/`; the same files give the same bytes.

    Args:
        sweep: the sweep.
        plan: what was grown of it.
        extra: tables to show after the phase diagram, such as thresholds.
        checks: tables that say whether a published result was reproduced.
        fidelity: tables that hold rows to the held-out ones, for a section of their own.
        cost: tables to show beside rows, disk and compute.

    Raises:
        BadInput: if nothing of it is evaluated.
    """
    material = gathered_material(sweep, plan)
    texts = csv_files(material)
    tables = Beside(extra, checks, fidelity, cost)
    sections, pictures = sections_of(material, texts, _text(sweep.root / sweep.params), tables)
    page = document(sweep.name, sections, material.colours)
    for name, text in texts.items():
        publish_text(material.folder / name, text)
    written = Report(material.folder / PAGE, pictures, tuple(material.folder / name for name in texts))
    _sweep_away(material.folder, {*written.pictures, *written.tables})
    publish_text(written.html, page)
    return written


def _text(path: Path) -> str:
    """Return the text of the params file, or nothing if it cannot be read."""
    try:
        return path.read_bytes()[:LARGEST_FILE].decode(errors="replace")
    except OSError:
        return ""


def _sweep_away(folder: Path, kept: set[Path]) -> None:
    """Remove pictures and tables of an earlier report that this one has no more."""
    for path in (*folder.glob("*.png"), *folder.glob("*.csv")):
        if path not in kept:
            path.unlink()
