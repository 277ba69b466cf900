"""How the lineages of a sweep are told apart and compared: names of runs, parameters, and what the pages show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from dwindle.config.arms import CONTROL
from dwindle.config.axes import spelled
from dwindle.config.differences import Value, differences, flat, without
from dwindle.config.recipe import HOLDING, Recipe
from dwindle.config.sweep import Lineage, Sweep
from dwindle.contracts import FRESH, REAL
from dwindle.profile.verdicts import DEFINITIONS
from dwindle.report.series import HEADLINES
from dwindle.tracking.records import Comparison

__all__ = [
    "comparison",
    "derived_parameters",
    "described",
    "kinds",
    "parameters",
    "real_rows",
    "rules",
    "run_label",
    "settings_of",
    "tally",
]

_MEASURES = 6
_ROWS = 50  # lineages in the description of a sweep
_VALUES = 12  # values of a parameter in it
_VERDICTS = ("profile.phase", *(f"profile.{definition.replace(' ', '_')}" for definition in DEFINITIONS))
_SETTLED = 1000
"""A generation by which schedules of the synthetic ratio have come to rest."""


def run_label(lineage: Lineage) -> str:
    """Return what a lineage's run is called: by what differs on the axes, else empty, so that it has its name."""
    return lineage.label if lineage.coordinates else ""


def parameters(recipe: Recipe) -> dict[str, Value]:
    """Return what a recipe is as parameters: flat, with dotted keys."""
    return flat({key: part for key, part in recipe.settings.items() if key not in HOLDING})


def rules(recipe: Recipe) -> dict[str, Value]:
    """Return what only says how far a lineage goes, likewise: it may change while the lineage stays what it is."""
    return flat({key: part for key, part in recipe.settings.items() if key in HOLDING})


def derived_parameters(lineage: Lineage) -> dict[str, Value]:
    """Return what charts are laid out by beside the recipe: `axis.<name>`, and how real rows come in.

    The synthetic ratio is none of them: a parameter cannot change, and with some regimes it does with every generation
    that is added. It is the metric `synthetic_ratio`, of which pages show the last generation's value.
    """
    axes = {f"axis.{axis}": _number(label) for axis, label in lineage.coordinates.items()}
    return {**axes, "real_rows": real_rows(lineage.recipe)}


def _number(label: str) -> Value:
    for kind in (int, float):
        try:
            number = kind(label)
        except ValueError:
            continue
        return number if math.isfinite(number) else label
    return label


def kinds(sweep: Sweep) -> tuple[str, ...]:
    """Return the first lineage of each kind: recipes that agree but for numbers between or beyond 0 and 1 are one."""
    first: dict[tuple[tuple[str, Value], ...], str] = {}
    for name, lineage in sweep.lineages.items():
        own = parameters(lineage.recipe).items()
        first.setdefault(tuple((key, "" if _is_number(v) and v not in (0, 1) else v) for key, v in own), name)
    return tuple(first.values())


def real_rows(recipe: Recipe) -> str:
    """Say how real rows come into training, once every schedule has come to rest.

    Returns:
        `none`, `fresh` (new ones each generation), `anchor` (all of the first ones stay), `replayed` (the first ones
        are drawn from again), or `fixed` (always the same of the first ones).
    """
    regime, budget = recipe.regime, recipe.budget
    fresh = regime.asks(_SETTLED, budget=budget).get(FRESH, 0)
    plan = regime.plan(_SETTLED, {REAL: budget, FRESH: fresh, _SETTLED: budget}, budget=budget)
    takes = {take.origin: take for take in plan.takes if take.count}
    if FRESH in takes:
        return "fresh"
    if REAL not in takes:
        return "none"
    if takes[REAL].fixed:
        return "fixed"
    whole = takes[REAL].count >= budget and REAL in plan.keep
    return "anchor" if whole else "replayed"


def comparison(sweep: Sweep, theory: Sequence[str]) -> Comparison:
    """Return what the pages of a sweep compare its lineages by.

    Args:
        sweep: the sweep.
        theory: the measures that theory speaks of.
    """
    told = _told(sweep)
    varying = _varying(told)
    rest = [own for name, own in told.items() if name.partition("-")[0] != CONTROL]
    axes = _axes(rest, varying)
    return Comparison(
        measures=_measures(sweep, theory),
        theory=tuple(theory),
        logarithmic=_logarithmic(sweep),
        lineages=len(told),
        parameters=varying,
        axes=axes,
        numbers=tuple(key for key in axes if all(_is_number(own[key]) for own in rest)),
        settings=tuple(dict.fromkeys(settings_of(sweep).values())),
        verdicts=_VERDICTS,
    )


def _told(sweep: Sweep) -> dict[str, dict[str, Value]]:
    """Return each lineage's parameters, those that are derived among them."""
    return {name: parameters(one.recipe) | derived_parameters(one) for name, one in sweep.lineages.items()}


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _varying(told: Mapping[str, Mapping[str, Value]]) -> tuple[str, ...]:
    """Return the parameters in which lineages differ, axes first."""
    keys = dict.fromkeys(key for own in differences(told).values() for key in own)
    return tuple(sorted(keys, key=lambda key: not key.startswith("axis.")))


def _measures(sweep: Sweep, theory: Sequence[str]) -> tuple[str, ...]:
    """Return the measures that the sweep's table has: the headlines, then those of theory; else the first ones."""
    recipes = [lineage.recipe for lineage in sweep.lineages.values()]
    measured = dict.fromkeys(name for recipe in recipes for metric in recipe.metrics for name in metric.measures)
    headlines = [name for recipe in recipes for name in HEADLINES[recipe.source.kind] if name in measured]
    return tuple(dict.fromkeys([*headlines, *theory] or measured))[:_MEASURES]


def _logarithmic(sweep: Sweep) -> frozenset[str]:
    metrics = [metric for lineage in sweep.lineages.values() for metric in lineage.recipe.metrics]
    return frozenset(name for metric in metrics for name, one in metric.measures.items() if one.scale == "log")


def _axes(told: Sequence[Mapping[str, Value]], varying: Sequence[str]) -> tuple[str, ...]:
    """Return the parameters that a chart has an axis for; of those that say the same, the first one.

    The ratio is left out, because it is there as a metric, and so is the seed.
    """
    kept: dict[str, list[int]] = {
        key: _places([own.get(key, "") for own in told]) for key in ("seed", "regime.synthetic_ratio")
    }
    for key in varying:
        if all(key in own for own in told) and _places([own[key] for own in told]) not in kept.values():
            kept[key] = _places([own[key] for own in told])
    return tuple(kept)[2:]


def _places(values: Sequence[Value]) -> list[int]:
    """Return where each value stood first: equal for parameters that tell the same lineages apart."""
    return [values.index(value) for value in values]


def settings_of(sweep: Sweep) -> dict[str, str]:
    """Spell each lineage's settings without the seed: `fresh, ratio 0.9`; empty if no two differ in the seed alone.

    It is a tag of the runs, because one more lineage may change what must be spelled out.
    """
    told = _told(sweep)
    alike: dict[tuple[tuple[str, Value], ...], list[str]] = {}
    for name, own in told.items():
        control = name.partition("-")[0] == CONTROL
        recipe = {key: value for key, value in without(own, "seed").items() if not key.startswith("axis.")}
        alike.setdefault((("control", control), *recipe.items()), []).append(name)
    if len(alike) == len(told):
        return {}
    groups = [[told[name] for name in names] for names in alike.values()]
    keys = _telling(groups, _varying(told))
    spelled_out = [", ".join(_spelled(key, own[key]) for key in keys if key in own) for own, *_ in groups]
    distinct = len(set(spelled_out)) == len(spelled_out) and all(spelled_out)
    labels = spelled_out if distinct else [names[0] for names in alike.values()]
    return {name: label for names, label in zip(alike.values(), labels, strict=True) for name in names}


def _telling(groups: Sequence[Sequence[Mapping[str, Value]]], varying: Sequence[str]) -> tuple[str, ...]:
    """Return the fewest parameters that tell groups of lineages apart, and not the lineages of one; axes if they do."""
    same = [key for key in varying if all(len({own.get(key) for own in group}) == 1 for group in groups)]
    for key in reversed(same):
        fewer = [other for other in same if other != key]
        if len({tuple(own.get(other) for other in fewer) for own, *_ in groups}) == len(groups):
            same = fewer
    return tuple(same)


def _spelled(key: str, value: Value) -> str:
    return spelled(key.rpartition(".")[2], str(value))


def tally(verdicts: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Count verdicts over lineages, as tags: `verdicts.collapsing_variance: yes 8, no 4`.

    Args:
        verdicts: each lineage's verdicts as tags.
    """
    counted = {tag: Counter(own[tag] for own in verdicts.values() if tag in own) for tag in _VERDICTS}
    return {
        tag.replace("profile.", "verdicts."): ", ".join(f"{answer} {count}" for answer, count in counts.most_common())
        for tag, counts in counted.items()
        if counts
    }


def described(sweep: Sweep, table: Mapping[str, Sequence[str]], counts: Mapping[str, str]) -> str:
    """Describe a sweep in Markdown, for the page of its run: what differs, the verdicts, the table, where more is.

    Args:
        sweep: the sweep.
        table: its summary table, by column.
        counts: verdicts counted over lineages, by tag.
    """
    longest = max(lineage.generations for lineage in sweep.lineages.values())
    grown = f"**{len(sweep.lineages)} lineages, {longest} generations**{_differing(sweep)}."
    known = {tag: count for tag, count in counts.items() if not count.startswith("undefined") or "," in count}
    told = [f"{tag.partition('.')[2].replace('_', ' ')}: {count}" for tag, count in known.items()]
    verdicts = f"Verdicts, counted over lineages: {'; '.join(told)}." if told else ""
    more = (
        "Artifacts: `summary.json` and `profile.json` are tables, `plots/` has the curves with bands over chains, and "
        "`report/` is there where `dwindle report` wrote one. In the views of the experiment the lineages lie side by "
        "side."
    )
    return "\n\n".join(part for part in (grown, verdicts, _markdown(table), more) if part)


def _differing(sweep: Sweep) -> str:
    """Say in which parameters lineages differ, and what values they have; axes alone where there are any."""
    told = _told(sweep)
    varying = _varying(told)
    axes = [key for key in varying if key.startswith("axis.")]
    parts = []
    for key in axes or varying:
        values = list(dict.fromkeys(str(own[key]) for own in told.values() if key in own))
        more = f" and {len(values) - _VALUES} more" if len(values) > _VALUES else ""
        parts.append(f"{key.removeprefix('axis.')} ({', '.join(values[:_VALUES])}{more})")
    return f" over {', '.join(parts)}" if parts else ""


def _markdown(table: Mapping[str, Sequence[str]]) -> str:
    """Return a table in Markdown, its first lines only where it is long."""
    if not table:
        return ""
    rows = list(zip(*table.values(), strict=True))
    lines = [table, ["---"] * len(table), *rows[:_ROWS]]
    more = f"\n\n{len(rows) - _ROWS} more lineages are in `summary.json`." if len(rows) > _ROWS else ""
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + more
