"""The frontier of privacy and utility: generations that no other one beats in what they hide and in what they teach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dwindle.components import component, names
from dwindle.contracts import Array, FloatArray, Measure, Metric
from dwindle.errors import BadInput, nearest
from dwindle.judging.axes import PRIVACY, UTILITY, Better, better_for
from dwindle.judging.corpora import one_corpus
from dwindle.plan import Plan
from dwindle.report.series import Gathered, Series, gather, measure_in, real_in
from dwindle.report.wording import heading
from dwindle.seeds import Seed

__all__ = ["Frontier", "Point", "frontier", "pareto"]

_RESAMPLES = 400
_SEED = Seed(0, ("frontier",))


@dataclass(frozen=True)
class Point:
    """A generation of a lineage.

    Args:
        lineage: the lineage.
        generation: t.
        privacy: mean, lower and upper end of its 95 % interval.
        utility: likewise.
        on_front: whether no other generation is at least as good in both and better in one, by their means.
        share: share of the resamples of chains in which that is so.
    """

    lineage: str
    generation: int
    privacy: tuple[float, float, float]
    utility: tuple[float, float, float]
    on_front: bool = False
    share: float = math.nan


@dataclass(frozen=True)
class Frontier:
    """What privacy costs in utility.

    Args:
        privacy: the measure's name.
        utility: likewise.
        headings: of both, with unit and which way is good.
        higher: of both, whether more is good; nearer to the real value is neither, None.
        points: every generation where both are known, by lineage and generation.
        notes: which lineages and generations are left out.
    """

    privacy: str
    utility: str
    headings: tuple[str, str]
    higher: tuple[bool | None, bool | None]
    points: tuple[Point, ...]
    notes: tuple[str, ...]

    @property
    def front(self) -> tuple[Point, ...]:
        """The generations on the front, the most private one first."""
        sign = -1.0 if self.higher[0] in (True, None) else 1.0
        return tuple(sorted((p for p in self.points if p.on_front), key=lambda point: sign * point.privacy[0]))


def pareto(first: FloatArray, second: FloatArray) -> Array:
    """Say which points no other one beats, (k,); more is better in both, and of equal points none beats another.

    Args:
        first: (k,) how good each is in one way.
        second: (k,) and in the other.
    """
    order = np.lexsort((-second, -first))  # the best in the first way first, among equals the best in the second
    ranked, other = first[order], second[order]
    best = np.concatenate([[-np.inf], np.maximum.accumulate(other)[:-1]])
    # Points with an equal first value stand behind the best of them in the second, which alone may beat them.
    starts = np.searchsorted(-ranked, -ranked, side="left")
    before = best[starts]
    top = other[starts]
    found = np.empty(len(first), dtype=bool)
    found[order] = (other > before) & (other == top)
    return found


def frontier(root: Path, plan: Plan, lineages: Sequence[str], *, privacy: str = "", utility: str = "") -> Frontier:
    """Return the frontier of lineages, all their evaluated generations.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: which ones.
        privacy: the measure of what rows give away; empty: the most telling one that was measured.
        utility: the measure of what they are worth; likewise.

    Raises:
        BadInput: if the rows of the lineages differ in kind or source, or a measure is missing.
    """
    one_corpus(plan, lineages)
    gathered = {
        name: {lineage: series for lineage, series in by_lineage.items() if lineage in lineages}
        for name, by_lineage in gather(root, plan).items()
    }
    gathered = {name: by_lineage for name, by_lineage in gathered.items() if by_lineage}
    chosen = (
        _measure(plan, gathered, lineages, privacy, PRIVACY, "privacy"),
        _measure(plan, gathered, lineages, utility, UTILITY, "utility"),
    )
    known = [measure_in(plan, gathered, name) for name in chosen]
    better = [better_for("privacy", name, measure) for name, measure in zip(chosen, known, strict=True)]
    series = [gathered[name] for name in chosen]
    both = [name for name in lineages if name in series[0] and name in series[1]]
    goodness = [
        {name: _goodness(own[name], way, real_in(plan, gathered, measure), measure) for name in both}
        for own, way, measure in zip(series, better, chosen, strict=True)
    ]
    points = _points(both, series[0], series[1])
    return Frontier(
        chosen[0],
        chosen[1],
        (_heading(chosen[0], known[0], better[0]), _heading(chosen[1], known[1], better[1])),
        (_higher(better[0]), _higher(better[1])),
        tuple(_judged(points, goodness[0], goodness[1], series[0], series[1])),
        tuple(_notes(lineages, both, points, series[0])),
    )


def _measure(
    plan: Plan, gathered: Gathered, lineages: Sequence[str], asked: str, known: Sequence[str], what: str
) -> str:
    if asked and asked not in gathered:
        raise BadInput(f"--{what} {asked}: it was not measured{nearest(asked, gathered)}")
    found = asked or next((name for name in known if name in gathered), "")
    if not found:
        kind = plan.recipe(lineages[0]).source.kind
        able = sorted(name for name in names("metrics") if _measures(component("metrics", name), known, kind))
        which = able[0] if len(able) == 1 else f"one of {', '.join(able)}"
        told = f"add {which} to metrics" if able else f"no metric of {kind} measures it"
        raise BadInput(f"{plan.sweep}: no measure of {what} is evaluated; {told}, and run the sweep again")
    return found


def _measures(metric: type[Metric], known: Sequence[str], kind: str) -> bool:
    return kind in metric.kinds and not set(known).isdisjoint(metric.measures)


def _goodness(series: Series, better: Better, real: float | None, name: str) -> FloatArray:
    """Return how good each chain of each generation is, (g, c), more is better."""
    if better == "as_anchor":
        if real is None:
            raise BadInput(
                f"{name}: its real value is not known, so that no value is better than another; name another"
            )
        return -np.abs(series.chains - real)
    return series.chains if better == "higher" else -series.chains


def _higher(better: Better) -> bool | None:
    return None if better == "as_anchor" else better == "higher"


def _heading(name: str, measure: Measure, better: Better) -> str:
    return heading(name, replace(measure, better=better))


def _points(lineages: Sequence[str], first: Mapping[str, Series], second: Mapping[str, Series]) -> list[Point]:
    found = []
    for name in lineages:
        for t in np.intersect1d(first[name].generations, second[name].generations).tolist():
            ends = [_ends(own[name], t) for own in (first, second)]
            if all(math.isfinite(numbers[0]) for numbers in ends):
                found.append(Point(name, t, ends[0], ends[1]))
    if not found:
        raise BadInput("no generation has both measures; grow one lineage with both")
    return found


def _ends(series: Series, generation: int) -> tuple[float, float, float]:
    place = int(np.searchsorted(series.generations, generation))
    return float(series.mean[place]), float(series.low[place]), float(series.high[place])


def _judged(
    points: Sequence[Point],
    first: Mapping[str, FloatArray],
    second: Mapping[str, FloatArray],
    privacy: Mapping[str, Series],
    utility: Mapping[str, Series],
) -> list[Point]:
    """Return the points with what is on the front, and how surely: chains are drawn again, with replacement."""
    chains = [_chains(points, own, series) for own, series in ((first, privacy), (second, utility))]
    front = pareto(*(_means(rows) for rows in chains))
    draw = _SEED.numpy()
    sizes = {point.lineage: len(rows) for point, rows in zip(points, chains[0], strict=True)}
    # Lineages of as many chains are drawn together: chain by chain they share their anchor and generation 0.
    counts = np.zeros(len(points))
    for _ in range(_RESAMPLES):
        again = {size: draw.integers(size, size=size) for size in sorted(set(sizes.values()))}
        drawn = [[row[again[len(row)]] for row in rows] for rows in chains]
        means = [np.nan_to_num(_means(rows), nan=-np.inf) for rows in drawn]
        counts += pareto(*means)
    alone = {name for name, size in sizes.items() if size < 2}
    return [
        replace(point, on_front=bool(own), share=math.nan if point.lineage in alone else float(count) / _RESAMPLES)
        for point, own, count in zip(points, front, counts, strict=True)
    ]


def _chains(
    points: Sequence[Point], values: Mapping[str, FloatArray], series: Mapping[str, Series]
) -> list[FloatArray]:
    places = [int(np.searchsorted(series[point.lineage].generations, point.generation)) for point in points]
    return [values[point.lineage][place] for point, place in zip(points, places, strict=True)]


def _means(rows: Sequence[FloatArray]) -> FloatArray:
    """Return the mean of each row's finite values, nan where it has none."""
    found = [row[np.isfinite(row)] for row in rows]
    return np.array([row.mean() if len(row) else math.nan for row in found])


def _notes(
    lineages: Sequence[str], both: Sequence[str], points: Sequence[Point], first: Mapping[str, Series]
) -> list[str]:
    rest = [name for name in lineages if name not in both]
    notes = [f"left out, for want of one of the measures: {', '.join(rest)}"] if rest else []
    shown = {(point.lineage, point.generation) for point in points}
    lost = [f"{name} {t}" for name in both for t in first[name].generations.tolist() if (name, t) not in shown]
    return notes + ([f"left out, because a measure is undefined there: {', '.join(lost[:10])}"] if lost else [])
