"""The estimate as a table: a line a lineage, all of them in the last line, and below it what is shared or unknown."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence

from dwindle.config.sweep import Engine, Sweep
from dwindle.estimate.figures import Figures
from dwindle.estimate.measured import note_measured
from dwindle.estimate.outlook import Cost, Outlook, cost_to_go, outlooks, same_beginnings
from dwindle.estimate.rows import choosy
from dwindle.estimate.spelling import UNKNOWN, counted, lasting, sized
from dwindle.estimate.trial import note_trials
from dwindle.plan import Plan
from dwindle.report.text_table import TextTable
from dwindle.stages.endings import Ending, endings
from dwindle.stages.glance import Glance

__all__ = ["estimate_table"]

_SHOWN = 40
"""So many lineages are all shown; of more, the first ten and the last five."""


def estimate_table(sweep: Sweep, plan: Plan, *, trial: bool = False) -> TextTable:
    """Return what a sweep will be: rows, disk and time of each lineage, what is done, and what is computed once.

    Args:
        sweep: the sweep.
        plan: its plan.
        trial: whether to grow the first generations of what has no figures yet, in a folder that is removed.
    """
    glance, figures = Glance(sweep.root, plan), Figures()
    found = outlooks(glance)
    note_measured(figures, glance, found)
    broken = note_trials(figures, plan, found) if trial else []
    costs = cost_to_go(glance, figures, found)
    ended = endings(sweep.root, plan, {outlook.name: outlook.pending.done for outlook in found})
    costs |= dict.fromkeys(ended, Cost(0.0, 0.0))
    copies = 2 if (sweep.root / ".dvc").is_dir() else 1
    rows = [_row(sweep, outlook, costs[outlook.name], copies, ended.get(outlook.name)) for outlook in found]
    if len(rows) > _SHOWN:
        rows = [*rows[:10], ["...", *[""] * 6], *rows[-5:]]
    rows.append(_total(found, costs, _workers(sweep.engine), copies))
    columns = ["lineage", "folder", "generations", "rows trained", "rows sampled", "disk to go", "time to go"]
    if not sweep.points:  # without a grid lineages are called as their folders are
        for cells in (columns, *rows):
            del cells[1]
    title = f"sweep {sweep.name}: rows are chains x rows a chain; disk and time are estimates"
    notes = [*_shared(sweep, plan), *_caveats(sweep, found, figures, costs, copies), *broken]
    return TextTable("estimate", title, tuple(columns), tuple(map(tuple, rows)), tuple(notes))


def _row(sweep: Sweep, outlook: Outlook, cost: Cost, copies: int, ended: Ending | None) -> list[str]:
    chains, rows, done = outlook.recipe.chains, outlook.rows, outlook.pending.done
    return [
        sweep.lineages[outlook.name].label,
        outlook.name,
        f"{done} of {outlook.wanted}" if done >= 0 else f"none of {outlook.wanted}",
        f"{chains} x {counted(rows.trained.sum())}",
        f"{chains} x {counted(rows.sampled.sum())}",
        sized(None if cost.size is None else copies * cost.size),
        f"ended, {ended.outcome}" if ended is not None else lasting(cost.seconds),
    ]


def _total(found: Sequence[Outlook], costs: Mapping[str, Cost], workers: int, copies: int) -> list[str]:
    done, wanted = (sum(counts) for counts in zip(*((max(0, o.pending.done), o.wanted) for o in found), strict=True))
    sizes = [cost.size for cost in costs.values()]
    seconds = [cost.seconds for cost in costs.values()]
    known = [spent for spent in seconds if spent is not None]
    spent = max(max(known, default=0.0), sum(known) / workers)
    return [
        f"{len(found)} lineages" if len(found) > 1 else "1 lineage",
        "",
        f"{done:,} of {wanted:,}",
        counted(sum(o.recipe.chains * o.rows.trained.sum() for o in found)),
        counted(sum(o.recipe.chains * o.rows.sampled.sum() for o in found)),
        _at_least(sized(copies * sum(size for size in sizes if size is not None)), sizes),
        _at_least(lasting(spent), seconds),
    ]


def _workers(engine: Engine) -> int:
    """Return by how many the compute is divided; 1 where that is not this machine's to say."""
    return (engine.workers or len(os.sched_getaffinity(0))) if engine.name == "process" and not engine.gpus else 1


def _at_least(told: str, parts: Collection[float | None]) -> str:
    """Say of a sum how much is known of it."""
    if None not in parts:
        return told
    return f"at least {told}" if any(parts) else UNKNOWN


def _shared(sweep: Sweep, plan: Plan) -> Iterator[str]:
    """Yield what several points or lineages have in common."""
    grown = {point.lineage for point in sweep.points}
    if twice := len(sweep.points) - len(grown):
        verb = "says" if twice == 1 else "say"
        yield f"{len(sweep.points)} points of the grid are {len(grown)} lineages: {twice} {verb} the same as another"
    groups = [group for group in same_beginnings(plan) if len(group) > 1]
    if groups:
        often = {1: "once", 2: "twice"}.get(len(groups), f"{len(groups)} times")
        yield f"generation 0 is the same in {sum(map(len, groups))} lineages and is computed {often}"


def _caveats(
    sweep: Sweep, found: Sequence[Outlook], figures: Figures, costs: Mapping[str, Cost], copies: int
) -> Iterator[str]:
    """Yield what the numbers do not say by themselves."""
    if any(choosy(outlook.recipe) for outlook in found):
        yield "rows are those of curators that keep all; what they drop is not known before"
    if copies > 1 and any(cost.size for cost in costs.values()):
        yield "disk is counted twice, because DVC's cache keeps a copy"
    if any(cost.seconds for cost in costs.values()):
        yield _divided(sweep.engine)
    unknown = [o for o in found if None in (costs[o.name].seconds, costs[o.name].size)]
    judged = [o for o in found if o not in unknown and any((costs[o.name].seconds, costs[o.name].size))]
    foreign = [o for o in judged if not figures.own(o.kind)]
    if foreign:
        yield f"disk and time of {_lineages(foreign)} are judged by lineages of another size"
    if unknown:
        told = "`dwindle plan --trial` grows two generations of each kind aside and measures it"
        yield f"nothing like {_lineages(unknown)} was grown here, so disk or time are unknown; {told}"


def _divided(engine: Engine) -> str:
    workers, stages = _workers(engine), "time is that of the stages, without recording them"
    if engine.name != "process" or engine.gpus:
        return f"{stages}; the last line adds it up, for it depends on the workers how much runs side by side"
    return f"{stages}; the last line shares it out among {workers} worker{'s' if workers > 1 else ''}"


def _lineages(found: Sequence[Outlook]) -> str:
    return found[0].name if len(found) == 1 else f"{len(found)} lineages"
