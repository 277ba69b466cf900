"""What a row costs: seconds and bytes that were measured, and what they say of lineages still to be grown.

Lineages of one kind (family, source, chains, budget, metrics and threads) are judged by each other's figures, and where
their kind has none, by those of the kind nearest in rows that has the same family and metrics.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.data.rows import FloatArray
from dwindle.plan import STAGES

__all__ = ["BYTES", "Figures", "Kind", "Line", "kind_of"]

BYTES = ("data", "models")
"""What of the disk is judged apart: datasets by the rows written, models and all records by the rows that train."""


@dataclass(frozen=True)
class Kind:
    """What decides how much a row costs.

    Args:
        shape: the kind, and what decides which rows are written.
        name: family, source, chains, budget, metrics and threads.
        family: family and metrics.
        rows: rows of a budget, of all chains.
    """

    shape: str
    name: str
    family: str
    rows: int


@dataclass(frozen=True)
class Line:
    """A cost by rows: so much a generation, and so much a row."""

    fixed: float
    each: float

    def at(self, rows: FloatArray) -> FloatArray:
        """Return the cost of generations with so many rows."""
        return self.fixed + self.each * rows


def kind_of(recipe: Recipe) -> Kind:
    """Return the kind of a recipe."""
    settings = recipe.settings
    family = _spelled(settings, "family", "metrics")
    name = family + _spelled(settings, "source", "chains", "budget", "threads")
    return Kind(name + _spelled(settings, "regime", "curators"), name, family, recipe.chains * recipe.budget)


def _spelled(settings: Mapping[str, Any], *keys: str) -> str:
    return json.dumps([settings[key] for key in keys], sort_keys=True)


class Figures:
    """Costs that were measured, and what they say of others."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        self._kinds: dict[str, dict[str, Kind]] = defaultdict(dict)
        self._fitted: dict[tuple[str, str], Line] = {}

    def note(self, kind: Kind, cost: str, rows: float, value: float) -> None:
        """Note what a generation with so many rows has cost."""
        for name in (kind.shape, kind.name):
            self._points[name, cost].append((rows, value))
            self._fitted.pop((name, cost), None)
        self._kinds[kind.family][kind.name] = kind

    def lines(self, kind: Kind, costs: Sequence[str]) -> dict[str, Line] | None:
        """Return each of some costs by rows, judged by the nearest that has them all; None if nothing has."""
        own = (kind.shape, kind.name) if set(costs) <= set(BYTES) else (kind.name,)
        near = sorted(self._kinds[kind.family].values(), key=lambda other: abs(math.log(other.rows / kind.rows)))
        for name in (*own, *(other.name for other in near)):
            if all((name, cost) in self._points for cost in costs):
                return {cost: self._line(name, cost) for cost in costs}
        return None

    def _line(self, name: str, cost: str) -> Line:
        if (name, cost) not in self._fitted:
            self._fitted[name, cost] = _line(self._points[name, cost])
        return self._fitted[name, cost]

    def own(self, kind: Kind) -> bool:
        """Say whether the kind itself was timed and weighed."""
        return all((kind.name, cost) in self._points for cost in (*STAGES, *BYTES))


def _line(points: Iterable[tuple[float, float]]) -> Line:
    """Fit a cost by rows: a line about the medians at each count of rows, which never falls and starts at 0 or above.

    Where all were measured at one count, the cost is taken to grow with the rows.
    """
    at: dict[float, list[float]] = defaultdict(list)
    for count, value in points:
        at[count].append(value)
    rows = np.array(sorted(at))
    values = np.array([np.median(at[count]) for count in rows.tolist()])
    if rows.size == 1:
        return Line(0.0, float(values[0] / rows[0])) if rows[0] else Line(float(values[0]), 0.0)
    weights = np.sqrt([len(at[count]) for count in rows.tolist()])
    each, fixed = (float(part) for part in np.polyfit(rows, values, 1, w=weights))
    if each <= 0:
        return Line(float(np.median(values)), 0.0)
    return Line(fixed, each) if fixed >= 0 else Line(0.0, float(values @ rows / (rows @ rows)))
