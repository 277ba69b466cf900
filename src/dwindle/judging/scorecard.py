"""The scorecard: quality, scale and diversity of lineages, each measure beside generation 0, within one corpus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from dwindle.contracts import FloatArray
from dwindle.errors import BadInput, DataDamaged
from dwindle.intervals import Summary, summarize
from dwindle.judging.axes import Axis, Better, axis_of, better_for, left_out
from dwindle.judging.corpora import one_corpus
from dwindle.plan import Plan
from dwindle.purposes import PURPOSES, PurposeName
from dwindle.report.series import Gathered, gather, measure_in, real_in
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.steps import output

__all__ = ["Change", "Score", "Scorecard", "scorecard"]

Change = Literal["better", "worse", "same", "undefined"]


@dataclass(frozen=True)
class Score:
    """A measure of a lineage.

    Args:
        lineage: the lineage.
        axis: what it speaks of.
        measure: its name.
        heading: its name with its unit and which way is good.
        value: mean and interval.
        relative: ratio to generation 0, chain by chain; the difference where a value is not positive.
        is_ratio: whether it is a ratio.
        change: whether the whole interval is better than generation 0, or worse.
        left_out: why it does not count; empty if it does.
        zero: share of chains where it fell to 0, which is why there is no ratio; 0 if there is one.
    """

    lineage: str
    axis: Axis
    measure: str
    heading: str
    value: Summary
    relative: Summary
    is_ratio: bool
    change: Change
    left_out: str = ""
    zero: float = 0.0


@dataclass(frozen=True)
class Scorecard:
    """Scores of lineages.

    Args:
        generations: which generation of each lineage.
        purposes: what its rows are for; empty for none.
        scores: by lineage, axis and measure.
        notes: which lineages are left out, and how far these are evaluated.
    """

    generations: dict[str, int]
    purposes: dict[str, PurposeName]
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()

    def of(self, lineage: str, axis: Axis) -> list[Score]:
        """Return the scores of a lineage on an axis that count."""
        own = (one for one in self.scores if one.lineage == lineage and one.axis == axis)
        return [one for one in own if not one.left_out]


def scorecard(root: Path, plan: Plan, lineages: Sequence[str], *, generation: int | None = None) -> Scorecard:
    """Return the scorecard of lineages.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: which ones.
        generation: t; None for the newest evaluated one of each.

    Returns:
        The scorecard; a lineage that is not evaluated so far is left out, and a note says so.

    Raises:
        BadInput: if their rows differ in kind or source, or none is evaluated so far.
    """
    one_corpus(plan, lineages)
    gathered = gather(root, plan)
    which, notes = _generations(gathered, lineages, generation)
    purposes = {name: _purpose(root, plan, name, t) for name, t in which.items()}
    scores = [
        score
        for name, t in which.items()
        for score in (*_measured(plan, gathered, name, t, purposes[name]), *_scale(root, plan, name, t))
    ]
    return Scorecard(which, purposes, tuple(scores), notes)


def _generations(
    gathered: Gathered, lineages: Sequence[str], asked: int | None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the generation of each lineage that has it, and how far the others are."""
    which, short = {}, []
    for name in lineages:
        known = {int(t) for series in gathered.values() if name in series for t in series[name].generations}
        if known and (asked is None or asked in known):
            which[name] = max(known) if asked is None else asked
            continue
        told = f"evaluated up to generation {max(known)}" if known else "not evaluated yet"
        short.append(f"{name}: {told}" + ("" if asked is None else f", not at generation {asked}"))
    if not which:
        raise BadInput(*(f"{told}; `dwindle run` grows it" for told in short))
    return which, tuple(f"left out: {told}" for told in short)


def _purpose(root: Path, plan: Plan, name: str, generation: int) -> PurposeName:
    """Return what the dataset says it is for; a name that nobody knows is none."""
    told = _facts(root, plan, name, generation).get("purpose", "")
    return cast(PurposeName, told) if told in PURPOSES else ""


def _facts(root: Path, plan: Plan, name: str, generation: int) -> dict[str, object]:
    key = plan.generations(name)[generation]
    try:
        return dict(facts_of(root / output(f"curate@{key}", plan)))
    except DataDamaged:  # the numbers stand, the rows may be elsewhere
        return {}


def _measured(plan: Plan, gathered: Gathered, name: str, generation: int, purpose: PurposeName) -> Iterator[Score]:
    for measure, by_lineage in gathered.items():
        series = by_lineage.get(name)
        if series is None or generation not in series.generations:
            continue
        place = int(np.searchsorted(series.generations, generation))
        known = measure_in(plan, gathered, measure)
        better = better_for(purpose, measure, known)
        log = known.scale == "log"
        value = summarize(series.chains[place], scale="log" if log else "linear", reason=series.reasons[place])
        first = series.chains[0] if series.generations[0] == 0 else np.full_like(series.chains[place], np.nan)
        relative, is_ratio = _relative(series.chains[place], first)
        real = real_in(plan, gathered, measure)
        change = _change(series.chains[place], first, better, real) if generation else "same"
        arrow = {"higher": "↑", "lower": "↓"}.get(better, "≈ real")
        heading = f"{measure} {arrow} [{known.unit}]"
        told = left_out(purpose, measure)
        zero = _zero(series.chains[place], first)
        yield Score(name, axis_of(measure), measure, heading, value, relative, is_ratio, change, told, zero)


def _relative(now: FloatArray, first: FloatArray) -> tuple[Summary, bool]:
    """Return the ratio to generation 0, or the difference where either is not positive in some chain."""
    defined = np.isfinite(now) & np.isfinite(first)
    if bool(defined.any()) and bool((now[defined] > 0).all() and (first[defined] > 0).all()):
        ratio = np.full_like(now, np.nan)
        ratio[defined] = now[defined] / first[defined]
        return summarize(ratio, scale="log", reason="no value now or at generation 0"), True
    return summarize(now - first, reason="no value now or at generation 0"), False


def _zero(now: FloatArray, first: FloatArray) -> float:
    """Return the share of chains that are 0 now; 0 where generation 0 was not positive or a value is negative."""
    both = np.isfinite(now) & np.isfinite(first)
    if not both.any() or (first[both] <= 0).any() or (now[both] < 0).any():
        return 0.0
    return float((now[both] == 0).mean())


def _change(now: FloatArray, first: FloatArray, better: Better, real: float | None) -> Change:
    """Say whether the interval of the gain, chain by chain, lies on one side of none.

    Where only the real value is good, the gain is how much closer to it; where that is not known, generation 0 is the
    best there is.
    """
    if better == "as_anchor":
        gain = np.abs(first - real) - np.abs(now - real) if real is not None else now - first
    else:
        gain = (now - first) * (1.0 if better == "higher" else -1.0)
    found = summarize(gain)
    if math.isnan(found.low):
        return "undefined"
    if found.low <= 0 <= found.high:
        return "same"
    unknown = better == "as_anchor" and real is None
    return "worse" if found.high < 0 or unknown else "better"


def _scale(root: Path, plan: Plan, name: str, generation: int) -> Iterator[Score]:
    """Yield rows, effective rows and, of texts, tokens that trained the generation, a chain."""
    now, first = (_rows(root, plan, name, t) for t in (generation, 0))
    about = {"rows": "rows ↑ [a chain]", "effective_rows": "effective rows ↑ [a chain]", "tokens": "tokens ↑ [a chain]"}
    if plan.recipe(name).source.kind != "sequences":
        del about["tokens"]
    for measure, heading in about.items():
        relative, is_ratio = _relative(now[measure], first[measure])
        change = _change(now[measure], first[measure], "higher", None)
        value = summarize(now[measure], reason="the dataset is not here")
        yield Score(name, "scale", measure, heading, value, relative, is_ratio, change)


def _rows(root: Path, plan: Plan, name: str, generation: int) -> dict[str, FloatArray]:
    """Return rows, effective rows by weight and tokens of a generation's dataset, (c,) each.

    Source: Kish 1965, section 11.7 (effective rows).
    """
    key = plan.generations(name)[generation]
    try:
        rows = read_rows(root / output(f"curate@{key}", plan))
    except DataDamaged:
        missing = np.full(plan.recipe(name).chains, np.nan)
        return dict.fromkeys(("rows", "effective_rows", "tokens"), missing)
    weights = rows.filled_weights()
    effective = weights.sum(axis=1) ** 2 / np.maximum((weights**2).sum(axis=1), np.finfo(float).tiny)
    long = rows.values.shape[2] if rows.values.ndim > 2 else 1
    counts = rows.counts.astype(np.float64)
    return {"rows": counts, "effective_rows": effective, "tokens": counts * long}
