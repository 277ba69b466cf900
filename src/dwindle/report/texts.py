"""What language models say, generation by generation: one sampled block a lineage, the same place every time."""

from __future__ import annotations

import textwrap
from pathlib import Path

from dwindle.data.workspace import publish_text
from dwindle.plan import Plan
from dwindle.report.canvas import plots_folder
from dwindle.report.grid import sheets_of

__all__ = ["write_texts"]

_BLOCKS = 2
_WIDTH = 110


def write_texts(root: Path, plan: Plan) -> Path | None:
    """Write blocks of every lineage's text into `plots/<sweep>/samples.txt`.

    Args:
        root: the workspace.
        plan: its plan.

    Returns:
        The file, or None if a source cannot spell its rows (it has `text(values)`), or no anchor is here.
    """
    lineages = list(plan.recipes)
    if not all(hasattr(plan.recipe(lineage).source, "text") for lineage in lineages):
        return None
    sheets = sheets_of(root, plan, lineages, count=_BLOCKS)
    if not sheets:
        return None
    lines = [f"{plan.sweep}: {_BLOCKS} blocks of the first chain at each generation; generation 0 is real text"]
    for sheet in sheets:
        lines += ["", sheet.lineage]
        for generation, values in sheet.rows.items():
            for text in sheet.recipe.source.text(values):  # type: ignore[attr-defined]
                told = textwrap.wrap(" ".join(text.split()), _WIDTH, max_lines=3, placeholder=" ...")
                lines += [
                    f"  {generation:>4}  {line}" if not place else f"        {line}" for place, line in enumerate(told)
                ]
    target = plots_folder(root, plan.sweep) / "samples.txt"
    publish_text(target, "\n".join(lines) + "\n")
    return target
