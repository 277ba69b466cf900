"""What the commands print and draw: fidelity, scorecard, frontier and cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput, nearest
from dwindle.plan import Plan, read_plan
from dwindle.report.text_table import print_table

__all__ = ["show_cost", "show_fidelity", "show_frontier", "show_scorecard"]


def show_fidelity(params: Path, lineage: str, *, generation: int | None, curated: bool, as_json: bool) -> None:
    """Print the fidelity of a lineage's generation, and draw it.

    Raises:
        BadInput: if there is no such lineage, or the generation is not grown.
    """
    from dwindle.judging.fidelity import fidelity
    from dwindle.judging.fidelity_figure import draw_fidelity
    from dwindle.judging.fidelity_tables import fidelity_tables
    from dwindle.judging.plain import plain

    root = params.resolve().parent
    plan = read_plan(root)
    (name,) = _chosen(plan, [lineage])
    found = fidelity(root, plan, name, generation=generation, curated=curated)
    if as_json:
        print(json.dumps(plain(found), indent=1, allow_nan=False))
        return
    for table in fidelity_tables(found):
        print_table(table)
    print(f"\npicture   {draw_fidelity(root, plan.sweep, found)}")


def show_scorecard(params: Path, lineages: Sequence[str], *, generation: int | None) -> None:
    """Print quality, scale and diversity of lineages, and draw them.

    Raises:
        BadInput: if a lineage is not there or not evaluated, or their rows differ in kind or source.
    """
    from dwindle.judging.scorecard import scorecard
    from dwindle.judging.scorecard_figure import draw_scorecard
    from dwindle.judging.scorecard_tables import scorecard_tables

    root = params.resolve().parent
    plan = read_plan(root)
    found = scorecard(root, plan, _chosen(plan, lineages), generation=generation)
    for table in scorecard_tables(found):
        print_table(table)
    print(f"\npicture   {draw_scorecard(root, plan.sweep, found)}")


def show_frontier(params: Path, lineages: Sequence[str], *, privacy: str, utility: str) -> None:
    """Print the generations that no other one beats in both privacy and utility, and draw all.

    Raises:
        BadInput: if a measure is missing, or the lineages' rows differ in kind or source.
    """
    from dwindle.judging.frontier import frontier
    from dwindle.judging.frontier_views import draw_frontier, frontier_table

    root = params.resolve().parent
    plan = read_plan(root)
    found = frontier(root, plan, _chosen(plan, lineages), privacy=privacy, utility=utility)
    print_table(frontier_table(found))
    print(f"\npicture   {draw_frontier(root, plan.sweep, found)}")


def show_cost(params: Path, lineage: str, *, as_json: bool) -> None:
    """Print what lineages cost, or one of them by generation, and draw cost against quality.

    Raises:
        BadInput: if there is no such lineage, or nothing of it is grown.
    """
    from dwindle.judging.cost_figure import draw_cost
    from dwindle.judging.cost_tables import cost_table, generations_table
    from dwindle.judging.costs import costs
    from dwindle.judging.plain import plain

    root = params.resolve().parent
    plan = read_plan(root)
    chosen = _chosen(plan, [lineage] if lineage else [])
    prices = load_sweep(params).prices
    found = costs(root, plan, prices, chosen)
    if not any(one.lineage in chosen for one in found):
        raise BadInput(f"{', '.join(chosen)}: nothing is grown yet; `dwindle run` grows it")
    if as_json:
        print(json.dumps(plain(found), indent=1, allow_nan=False))
        return
    print_table((generations_table if lineage else cost_table)(found, prices))
    picture = draw_cost(root, plan, found, prices, lineage)
    if picture is not None:
        print(f"\npicture   {picture}")


def _chosen(plan: Plan, lineages: Sequence[str]) -> tuple[str, ...]:
    """Return the lineages of the plan that are named, each once, or all of them.

    Raises:
        BadInput: naming those that the plan does not have.
    """
    unknown = [f"no lineage '{name}'{nearest(name, plan.recipes)}" for name in lineages if name not in plan.recipes]
    if unknown:
        raise BadInput(*dict.fromkeys(unknown))
    return tuple(dict.fromkeys(lineages)) or tuple(plan.recipes)
