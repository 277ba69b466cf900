"""Presets: sweeps that reproduce a published result, with the claim and the checks that decide whether they did."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dwindle.config.reading import KeyPath
from dwindle.config.schema import Problems, build, convert
from dwindle.contracts import Within

__all__ = ["Check", "Preset", "preset_from"]

Statistic = Literal[
    "mean", "geometric_mean", "ratio", "slope", "scaling", "theory", "order", "argmin", "crossing", "verdict"
]


@dataclass(frozen=True)
class Check:
    """One quantitative claim about a sweep.

    `mean` and `geometric_mean` are over chains at a generation. `ratio` is the mean at a generation over that at
    `since`, or over that of the lineage `against` at the same generation. `slope` is that of log mean on log(t + 1)
    from `since` on, `scaling` that on the log of the setting `over`, from lineage to lineage. `theory` is the largest
    |z| against the closed form over all generations and lineages. `order` says that the means fall from each lineage
    to the next one. `argmin` is the value of the setting `over` at which the mean is smallest, `crossing` the one at
    which it crosses `level`; both read off between lineages. `verdict` is the collapse profile's answer to a
    definition.

    Args:
        claim: what is claimed, in a few words.
        measure: the measure it is about; for a verdict, the definition.
        statistic: what is made of it.
        lineages: whose.
        generation: at which generation; null: the last one.
        since: the earlier generation of a ratio or slope.
        against: the other lineage of a ratio.
        over: a setting of the recipe, with dots, for instance `sampler.variance_factor`.
        level: what is crossed.
        expected: the value that theory or the paper gives.
        within: how far from it the statistic may lie; null: four standard errors.
        low: smallest value that counts as reproduced.
        high: largest one.
        answer: the verdict that is expected: yes, no or undecided.
    """

    claim: str
    measure: str
    statistic: Statistic = "mean"
    lineages: tuple[str, ...] = ()
    generation: Annotated[int, Within(low=0, unit="generations")] | None = None
    since: Annotated[int, Within(low=0, unit="generations")] = 0
    against: str | None = None
    over: str | None = None
    level: Annotated[float, Within()] | None = None
    expected: Annotated[float, Within()] | None = None
    within: Annotated[float, Within(low=0.0)] | None = None
    low: Annotated[float, Within()] | None = None
    high: Annotated[float, Within()] | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Preset:
    """What a sweep reproduces.

    Args:
        paper: author, year, and where in it.
        claim: the result, in one sentence.
        differs: what differs from the paper, and why; empty if nothing does.
        checks: what decides whether it was reproduced.
        gpu: whether it wants a GPU, and hours; such a preset is grown only where it is named.
        data: whether it wants data that nobody ships, named on the command line; grown only where it is named, too.
    """

    paper: str
    claim: str
    differs: str
    checks: tuple[Check, ...]
    gpu: bool = False
    data: bool = False


def preset_from(data: Any, lineages: Collection[str], problems: Problems) -> Preset | None:
    """Build the `preset` section of a sweep, or note everything that is wrong with it and return None.

    Args:
        data: the section.
        lineages: names of the sweep's lineages, which the checks name in turn.
        problems: where to note what is wrong.
    """
    if data is None:
        return None
    path: KeyPath = ("preset",)
    if not isinstance(data, Mapping) or not isinstance(data.get("checks"), list) or not data["checks"]:
        problems.add(path, data, "expected paper, claim, differs and a list of checks, one at least")
        return None
    for key in data:
        if key not in ("paper", "claim", "differs", "checks", "gpu", "data"):
            known = "paper, claim, differs, checks, gpu and data"
            problems.add((*path, key), data[key], f"unknown key; a preset has {known}")
    gpu, own = (convert(bool, data.get(key, False), (*path, key), problems) for key in ("gpu", "data"))
    checks = [
        _check(item, (*path, "checks", str(place)), lineages, problems) for place, item in enumerate(data["checks"])
    ]
    paper, claim, differs = (" ".join(str(data.get(key, "")).split()) for key in ("paper", "claim", "differs"))
    return Preset(paper, claim, differs, tuple(check for check in checks if check is not None), bool(gpu), bool(own))


def _check(data: Any, path: KeyPath, lineages: Collection[str], problems: Problems) -> Check | None:
    if not isinstance(data, Mapping):
        problems.add(path, data, "expected a mapping that describes a check")
        return None
    check: Check | None = build(Check, data, path, problems)
    if check is None:
        return None
    named = [*check.lineages, *([check.against] if check.against else [])]
    for name in named:
        if name not in lineages:
            problems.add((*path, "lineages"), name, f"the sweep has no such lineage; it has {', '.join(lineages)}")
    if lacking := _lacking(check):
        problems.add((*path, "statistic"), check.statistic, lacking)
    return check


_BETWEEN = ("argmin", "crossing", "scaling")


def _lacking(check: Check) -> str:
    """Say what a check lacks to be decided, before anything is grown for it; empty if nothing."""
    if check.statistic == "theory":
        return ""
    several = check.statistic in ("order", *_BETWEEN)
    if several and len(check.lineages) < 2:
        return "expected two lineages or more"
    if not several and len(check.lineages) != 1:
        return "expected one lineage"
    if check.statistic in _BETWEEN and check.over is None:
        return "expected `over`, the setting that differs between the lineages"
    if check.statistic == "crossing" and check.level is None:
        return "expected `level`, which is crossed"
    if check.statistic == "verdict":
        return "" if check.answer in ("yes", "no", "undecided") else "expected `answer`: yes, no or undecided"
    bounded = any(end is not None for end in (check.expected, check.low, check.high))
    return "" if bounded or check.statistic == "order" else "expected `expected`, `low` or `high`: anything would do"
