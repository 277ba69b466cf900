"""What language models say, generation by generation: one sampled block a lineage, the same place every time."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dwindle.data.workspace import publish_text
from dwindle.plan import Plan
from dwindle.report.canvas import plots_folder
from dwindle.report.grid import Sheet, sheets_of

__all__ = ["Told", "texts_of", "write_texts"]

_BLOCKS = 2
_WIDTH = 110


@dataclass(frozen=True)
class Told:
    """What one lineage says.

    Args:
        lineage: the lineage's name.
        texts: blocks of the first chain by generation; generation 0 is real text.
    """

    lineage: str
    texts: Mapping[int, tuple[str, ...]]


def texts_of(root: Path, plan: Plan, lineages: Sequence[str]) -> tuple[Told, ...]:
    """Return blocks of text of each lineage whose anchor is here, by generation.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: whose.

    Returns:
        Nothing if a source cannot spell its rows (it has `text(values)`).
    """
    if not all(hasattr(plan.recipe(lineage).source, "text") for lineage in lineages):
        return ()
    return tuple(_told(sheet) for sheet in sheets_of(root, plan, lineages, count=_BLOCKS))


def _told(sheet: Sheet) -> Told:
    spell = sheet.recipe.source.text  # type: ignore[attr-defined]
    texts = {
        generation: tuple(" ".join(text.split()) for text in spell(values)) for generation, values in sheet.rows.items()
    }
    return Told(sheet.lineage, texts)


def write_texts(root: Path, plan: Plan) -> Path | None:
    """Write blocks of every lineage's text into `plots/<sweep>/samples.txt`.

    Args:
        root: the workspace.
        plan: its plan.

    Returns:
        The file, or None if a source cannot spell its rows, or no anchor is here.
    """
    found = texts_of(root, plan, list(plan.recipes))
    if not found:
        return None
    lines = [f"{plan.sweep}: {_BLOCKS} blocks of the first chain at each generation; generation 0 is real text"]
    for told in found:
        lines += ["", told.lineage]
        for generation, texts in told.texts.items():
            for text in texts:
                lines += _wrapped(generation, text)
    target = plots_folder(root, plan.sweep) / "samples.txt"
    publish_text(target, "\n".join(lines) + "\n")
    return target


def _wrapped(generation: int, text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH, max_lines=3, placeholder=" ...")
    return [f"  {generation:>4}  {line}" if not place else f"        {line}" for place, line in enumerate(lines)]
