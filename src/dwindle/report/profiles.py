"""The collapse profiles of a sweep: what was evaluated, handed to the verdicts, and the tables that come of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from dwindle.config.arms import ARMS, control_of, controls
from dwindle.plan import Plan
from dwindle.profile import (
    Forecast,
    Profile,
    Share,
    Trajectories,
    Trajectory,
    Verdict,
    control_band,
    forecast,
    profile_of,
    sources_of_error,
)
from dwindle.profile.verdicts import CANDIDATES
from dwindle.report.series import ByState, Gathered, gather, measure_in
from dwindle.report.text_table import TextTable
from dwindle.seeds import Seed

__all__ = [
    "details",
    "extinctions",
    "forecast_table",
    "passages",
    "phase_label",
    "profile_in",
    "profile_tables",
    "profile_tags",
    "profiles",
    "trajectories",
    "verdicts_table",
]

_SHORT = ("risk x2", "any risk", "diverging", "variance", "scaling law", "tails", "entangled", "hallucinated")
_FORECAST = Seed(0, ("forecast",))


def trajectories(plan: Plan, gathered: Gathered, lineage: str) -> tuple[Trajectories, Trajectories | None]:
    """Return the trajectories of a lineage, and those of the all-real control that it is judged against, if any."""
    control = control_of(plan.recipes, lineage)
    return _of(plan, gathered, lineage), (_of(plan, gathered, control) if control else None) or None


def _of(plan: Plan, gathered: Gathered, lineage: str) -> dict[str, Trajectory]:
    found = {}
    for name, by_lineage in gathered.items():
        if lineage in by_lineage:
            series, measure = by_lineage[lineage], measure_in(plan, gathered, name)
            found[name] = Trajectory(series.generations, series.chains, measure.better, measure.scale, measure.unit)
    return found


def profiles(root: Path, plan: Plan) -> dict[str, Profile]:
    """Return the collapse profile of every lineage that was evaluated beyond generation 0, the control's left out."""
    return _profiles(root, ByState.now(root, plan))


@lru_cache(maxsize=1)
def _profiles(root: Path, of: ByState) -> dict[str, Profile]:
    plan = of.plan
    gathered = gather(root, plan)
    found, apart = {}, controls(plan.recipes)
    for lineage in plan.recipes:
        measured, _ = trajectories(plan, gathered, lineage)
        grown = max((len(one.generations) for one in measured.values()), default=0)
        if lineage not in apart and grown > 1:
            found[lineage] = profile_in(plan, gathered, lineage)
    return found


def profile_in(plan: Plan, gathered: Gathered, lineage: str) -> Profile:
    """Return the collapse profile of one lineage, beside the control and the lineages of other sizes, if there are."""
    measured, control = trajectories(plan, gathered, lineage)
    return profile_of(measured, control, sweep=_sizes(plan, gathered, lineage))


def _sizes(plan: Plan, gathered: Gathered, lineage: str) -> dict[float, Trajectories]:
    """Return the trajectories of the lineages that differ from this one in their budget only, by budget."""
    recipes = plan.recipes  # as plain data: many lineages are each compared with all others
    same = _but_budget(recipes[lineage])
    alike: dict[float, Trajectories] = {
        float(recipe["budget"]): _of(plan, gathered, name)
        for name, recipe in recipes.items()
        if _but_budget(recipe) == same
    }
    return alike if len(alike) > 1 else {}


def _but_budget(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key != "budget"}


def profile_tags(profile: Profile) -> dict[str, str]:
    """Return a profile as tags: `profile.collapsing_variance: yes`."""
    answers = {f"profile.{verdict.definition.replace(' ', '_')}": str(verdict.verdict) for verdict in profile.verdicts}
    return answers | {"profile.phase": phase_label(profile)}


def passages(profile: Profile) -> dict[str, float]:
    """Return the first passage of each measure that left its control band, generations."""
    known = {name: found.generation for name, found in profile.passages.items()}
    return {name: generation for name, generation in known.items() if math.isfinite(generation)}


def extinctions(profile: Profile) -> dict[str, float]:
    """Return the median generation in which the smallest group is lost, where half of the chains have lost it."""
    found = profile.extinction
    return {} if found is None or not math.isfinite(found.median) else {"smallest_group_lost": found.median}


def profile_tables(root: Path, plan: Plan, found: Mapping[str, Profile]) -> list[TextTable]:
    """Return the tables that a sweep ends with: a line a lineage, and the sources of error where there are arms."""
    tables = [_overview(found)] if found else []
    gathered = gather(root, plan)
    return [*tables, *_error_tables(plan, gathered)]


def _overview(found: Mapping[str, Profile]) -> TextTable:
    """Return a line a lineage and a column a definition; one that is undefined for all lineages is a note."""
    verdicts = {lineage: profile.verdicts for lineage, profile in found.items()}
    told = [place for place in range(len(_SHORT)) if any(v[place].verdict != "undefined" for v in verdicts.values())]
    rows = tuple(
        (lineage, *(_brief(verdicts[lineage][place]) for place in told), phase_label(profile), _first(profile))
        for lineage, profile in found.items()
    )
    untold = [name for place, name in enumerate(_SHORT) if place not in told]
    notes = (f"undefined for all: {', '.join(untold)}; `dwindle profile` says why",) if untold else ()
    title = "collapse profile: verdicts on the eight published definitions"
    columns = ("lineage", *(_SHORT[place] for place in told), "phase", "first to leave its band")
    return TextTable("profile", title, columns, rows, notes)


def phase_label(profile: Profile) -> str:
    """Return the phase in a word: `unknown` where nothing tells, because no measure looks at the tails."""
    phase = profile.phase
    return "unknown" if phase.label == "none" and math.isnan(phase.early_from) else phase.label


def _brief(verdict: Verdict) -> str:
    return verdict.verdict if math.isnan(verdict.value) else f"{verdict.verdict} {verdict.value:.3g}"


def _first(profile: Profile) -> str:
    """Name the measures that left their control band first, and when."""
    known = passages(profile)
    if not known:
        return "none"
    earliest = min(known.values())
    names = [name for name, generation in known.items() if generation == earliest]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more} at {earliest:g}"


def verdicts_table(lineage: str, profile: Profile) -> TextTable:
    """Return a lineage's profile, a line a definition, with every first passage below."""
    notes = [f"phase: {profile.phase.label} ({profile.phase.reason})"]
    notes += [f"smallest group lost for good: {profile.extinction.told}"] if profile.extinction else []
    notes += [_passage_line(row) for row in profile.passage_rows()]
    notes += ["of measures that do not drift, one in twenty leaves its band by chance"] if profile.passages else []
    rows = tuple(_verdict_line(verdict) for verdict in profile.verdicts)
    columns = ("definition", "verdict", "value [95 %]", "threshold", "judged by")
    return TextTable(f"profile-{lineage}", f"collapse profile of {lineage}", columns, rows, tuple(notes))


def details(found: Mapping[str, Profile]) -> dict[str, list[str]]:
    """Return every verdict of every lineage by column: what MLflow keeps beside the overview."""
    rows = [{"lineage": lineage, **row} for lineage, profile in found.items() for row in profile.rows()]
    return {column: [row[column] for row in rows] for column in (rows[0] if rows else ())}


def _verdict_line(verdict: Verdict) -> tuple[str, ...]:
    wide = math.isfinite(verdict.high - verdict.low) and not verdict.low == verdict.value == verdict.high
    interval = f" [{verdict.low:.3g}, {verdict.high:.3g}]" if wide else ""
    value = f"{verdict.value:.3g}{interval}" if math.isfinite(verdict.value) else "-"
    threshold = f"{verdict.threshold:.3g}" if math.isfinite(verdict.threshold) else "-"
    judged = f"{verdict.measure}: {verdict.statistic}" if verdict.measure else ""
    told = "; ".join(part for part in (judged, verdict.reason) if part)
    return verdict.definition, verdict.verdict, value, threshold, told


def _passage_line(row: Mapping[str, str]) -> str:
    told = f"first passage of {row['measure']}: generation {row['generation']}, {row['side']}"
    return f"{told}; chains: median {row['median of chains']}, {row['95 % interval']}" + (
        f" ({row['reason']})" if row["reason"] else ""
    )


def forecast_table(plan: Plan, gathered: Gathered, lineages: Sequence[str], *, upto: int) -> TextTable:
    """Return when each measure will leave its control band, judged by the first generations alone.

    Args:
        plan: the plan.
        gathered: what was evaluated.
        lineages: whose.
        upto: the last generation that the forecast sees.
    """
    rows = []
    for lineage in lineages:
        measured, control = trajectories(plan, gathered, lineage)
        for name, one in measured.items():
            band = control_band(one, (control or {}).get(name), seed=_FORECAST.at("band", name))
            last = int(one.generations[-1])
            seen, horizon = min(upto, last), max(10 * last, last + 1)
            told = forecast(one, band, upto=seen, horizon=horizon, seed=_FORECAST.at(lineage, name))
            rows.append((lineage, name, _when(told.generation, told), _range(told), told.reason))
    title = f"early warning: when each measure leaves its control band, judged by generations 0 to {upto}"
    return TextTable("forecast", title, ("lineage", "measure", "generation", "80 % interval", "reason"), tuple(rows))


def _when(generation: float, told: Forecast) -> str:
    if math.isnan(generation):
        return "-"
    return f"after {told.horizon}" if math.isinf(generation) else f"{generation:.0f}"


def _range(told: Forecast) -> str:
    if math.isnan(told.low):
        return "-"
    return f"{_when(told.low, told)} .. {_when(told.high, told)}"


def _error_tables(plan: Plan, gathered: Gathered) -> Iterator[TextTable]:
    """Yield the shares of the three sources of error of each lineage that has arms."""
    for lineage in plan.recipes:
        arms = {arm: f"{lineage}-{arm}" for arm in ARMS if f"{lineage}-{arm}" in plan.recipes}
        name = next((name for name in CANDIDATES["any increase of population risk"] if name in gathered), "")
        if arms and name and lineage in gathered[name]:
            final = {arm: gathered[name][other].chains[-1] for arm, other in arms.items() if other in gathered[name]}
            shares = sources_of_error(gathered[name][lineage].chains[-1], final)
            rows = tuple((share.source, share.arm, *_share_cells(share), share.reason) for share in shares)
            columns = ("source of error", "arm without it", f"share of {name}", "95 % interval", "reason")
            yield TextTable(f"errors-{lineage}", f"sources of error of {lineage} at the last generation", columns, rows)


def _share_cells(share: Share) -> tuple[str, str]:
    """Return a share and its interval; what is undefined is a dash, with its reason beside it."""
    value, interval = f"{share.value:.4g}", f"{share.low:.4g} .. {share.high:.4g}"
    return (value if math.isfinite(share.value) else "-", interval if math.isfinite(share.high - share.low) else "-")
