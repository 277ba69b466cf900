"""What the commands print: a walk, a composition, an answer, and where cards were written."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dwindle.plan import read_plan
from dwindle.provenance.answer import answer, answer_table
from dwindle.provenance.beyond import walk_on
from dwindle.provenance.cards import write_cards
from dwindle.provenance.composition import composition_table, plain_composition
from dwindle.provenance.datasets import datasets
from dwindle.provenance.picture import draw_composition
from dwindle.provenance.tree import tree_of
from dwindle.provenance.walking import parsed_row, walk_back
from dwindle.report.text_table import print_table

__all__ = ["show_answer", "show_cards", "show_composition", "show_walk"]


def show_walk(params: Path, row: str, chain: int, *, plain: bool) -> None:
    """Print what a row came from.

    Args:
        params: the sweep's file; its folder is the workspace.
        row: `LINEAGE/GENERATION/ROW`.
        chain: the chain.
        plain: print JSON and no tree.

    Raises:
        BadInput: if there is no such row.
        DataDamaged: if a file on the way is missing or not what it was written as.
    """
    from rich.console import Console

    root = params.resolve().parent
    lineage, generation, number = parsed_row(row)
    plan = read_plan(root)
    walk = walk_on(plan, walk_back(root, plan, lineage, generation, number, chain=chain))
    if plain:
        _print_plain(asdict(walk))
        return
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(tree_of(walk))


def show_composition(params: Path, lineage: str, *, plain: bool) -> None:
    """Print what each generation was trained on, and draw it.

    Raises:
        BadInput: if there is no such lineage, or nothing of it is here.
    """
    from dwindle.errors import BadInput

    root = params.resolve().parent
    plan = read_plan(root)
    found = datasets(root, plan, lineage)
    if not found:
        raise BadInput(f"{lineage}: nothing of it is grown yet; grow the sweep first, or `dvc pull`")
    if plain:
        _print_plain({"lineage": lineage, "generations": plain_composition(found)})
        return
    print_table(composition_table(found, len(plan.generations(lineage)) - 1))
    print(f"picture   {draw_composition(root, plan, found)}")


def show_answer(params: Path, lineage: str, generation: int, *, plain: bool) -> None:
    """Print which data trained a generation.

    Raises:
        BadInput: if there is no such lineage or generation, or it is not grown.
        DataDamaged: if a file is not what the manifest says.
    """
    root = params.resolve().parent
    found = answer(root, read_plan(root), lineage, generation)
    if plain:
        _print_plain(asdict(found))
        return
    print_table(answer_table(found))


def show_cards(params: Path, lineage: str, generation: int | None) -> None:
    """Write cards and print where they are.

    Raises:
        BadInput: if there is no such lineage or generation, or nothing is grown.
        DataDamaged: if a file is not what its manifest says.
    """
    root = params.resolve().parent
    for folder in write_cards(root, read_plan(root), lineage or None, generation):
        print(f"card      {folder / 'README.md'}")
        print(f"beside    {folder / 'croissant.json'}")


def _print_plain(data: Any) -> None:
    print(json.dumps(data, indent=1, allow_nan=False))
