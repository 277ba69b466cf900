"""How a sweep's lineages are laid out: axes along which they vary, facets that agree in all else, seeds together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os.path import commonprefix

from dwindle.config.arms import control_of, controls
from dwindle.config.axes import spelled as spelled_coordinate
from dwindle.config.differences import Value, differences, flat, without
from dwindle.config.sweep import Sweep
from dwindle.plan import Plan

__all__ = ["BUDGET", "RATIO", "SEED", "Arrangement", "Axis", "Facet", "Strand", "spelled", "titled"]

RATIO, BUDGET, SEED = "regime.synthetic_ratio", "budget", "seed"

_LEAST = 3
"""Values from which on a setting orders lineages."""


@dataclass(frozen=True)
class Axis:
    """A number of the recipe that varies.

    Args:
        key: the setting, with dots.
        of: its value for each lineage that has it.
    """

    key: str
    of: Mapping[str, float]

    @property
    def title(self) -> str:
        """What it is called on an axis."""
        return titled(self.key)

    @cached_property
    def values(self) -> tuple[float, ...]:
        """Its values, ascending."""
        return tuple(sorted(set(self.of.values())))


@dataclass(frozen=True)
class Facet:
    """Lineages that agree in everything but the axes.

    Args:
        title: what they agree in and others do not; empty where there is one facet only.
        lineages: their names, in the order of the sweep.
    """

    title: str
    lineages: tuple[str, ...]


@dataclass(frozen=True)
class Strand:
    """Lineages that differ in their seed alone: one line of a chart.

    Args:
        label: what it is called.
        lineages: their names.
    """

    label: str
    lineages: tuple[str, ...]

    @property
    def first(self) -> str:
        """The lineage that speaks for all of them where only the recipe counts."""
        return self.lineages[0]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What varies in a sweep, and what belongs together.

    Args:
        sweep: the sweep.
        plan: its plan.
    """

    sweep: Sweep
    plan: Plan
    _settings: dict[str, dict[str, Value]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._settings.update({name: flat(settings) for name, settings in self.plan.recipes.items()})

    def setting(self, lineage: str, key: str) -> Value | None:
        """Return a setting of a lineage's recipe, or None if it has no such key."""
        return self._settings[lineage].get(key)

    def label(self, lineage: str) -> str:
        """Return what a lineage is called: by its coordinates where the sweep has axes, else its name."""
        known = self.sweep.lineages.get(lineage)
        return lineage if known is None else known.label

    @cached_property
    def controls(self) -> frozenset[str]:
        """The all-real lineages that others are judged against."""
        return frozenset(controls(self.plan.recipes))

    def control(self, lineage: str) -> str | None:
        """Return the control that a lineage is judged against, or None."""
        return control_of(self.plan.recipes, lineage)

    @cached_property
    def differs(self) -> dict[str, dict[str, Value]]:
        """The settings that tell lineages apart; those that only one kind of component has, at one value, do not."""
        return _telling(self.plan.recipes)

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The keys in which lineages differ that are no controls, the axes first."""
        rest = {name: recipe for name, recipe in self.plan.recipes.items() if name not in self.controls}
        keys = {key for settings in _telling(rest).values() for key in settings}
        return tuple(key for key in self.columns if key in keys)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The keys of `differs`, the axes first."""
        keys = dict.fromkeys(key for settings in self.differs.values() for key in settings)
        return tuple(sorted(keys, key=lambda key: (key not in (RATIO, BUDGET), key == SEED)))

    @cached_property
    def ratio(self) -> Axis | None:
        """The synthetic ratio, if it varies."""
        return self.axis(RATIO)

    @cached_property
    def budget(self) -> Axis | None:
        """The budget, if it varies."""
        return self.axis(BUDGET)

    def axis(self, key: str) -> Axis | None:
        """Return a numeric setting as an axis, if lineages differ in it (and perhaps in their seeds) and nothing else.

        Args:
            key: the setting, with dots.
        """
        groups = self._grouped(key, SEED)
        if not any(len({self.setting(name, key) for name in group}) > 1 for group in groups):
            return None
        found = {name: self.setting(name, key) for name in self.plan.recipes if name not in self.controls}
        numbers = {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
        return Axis(key, numbers) if len(set(numbers.values())) > 1 else None

    @cached_property
    def ordering(self) -> Axis | None:
        """The axis that orders the lineages: the ratio, else the budget, else the number with most values."""
        axes = [axis for axis in (self.ratio, self.budget) if axis is not None and len(axis.values) >= _LEAST]
        rest = [axis for key in self.columns if key != SEED and (axis := self.axis(key)) and len(axis.values) >= _LEAST]
        return next(iter([*axes, *sorted(rest, key=lambda axis: -len(axis.values))]), None)

    @cached_property
    def strands(self) -> tuple[Strand, ...]:
        """The lines of a chart: lineages that differ in their seed alone are one."""
        groups = self._grouped(SEED)
        names = [self._named(group) for group in groups]
        return tuple(
            Strand(name if names.count(name) == 1 else f"{name} ({group[0]})", group)
            for group, name in zip(groups, names, strict=True)
        )

    def _named(self, group: tuple[str, ...]) -> str:
        """Return what lineages are called that differ in their seed alone: by what they have in common."""
        if len(group) == 1:
            return self.label(group[0])
        places = [self.sweep.lineages[name].coordinates for name in group if name in self.sweep.lineages]
        shared = set.intersection(*(set(place.items()) for place in places)) if places else set()
        told = [spelled_coordinate(*item) for item in places[0].items() if item in shared] if places else []
        return f"{', '.join(told) or _prefix(group) or group[0]}, {len(group)} seeds"

    def facets(self, *keys: str) -> tuple[Facet, ...]:
        """Return the lineages in facets that agree in everything but these keys and the seed."""
        groups = self._grouped(*keys, SEED)
        told = _telling({group[0]: self.plan.recipes[group[0]] for group in groups if group[0] not in self.controls})
        titles = [_facet_title(told.get(group[0], {}), (*keys, SEED), group) for group in groups]
        alone = sum(group[0] not in self.controls for group in groups) == 1
        return tuple(Facet("" if alone else title, group) for title, group in zip(titles, groups, strict=True))

    def inside(self, facet: Facet) -> tuple[Strand, ...]:
        """Return the strands of a facet."""
        return tuple(strand for strand in self.strands if strand.first in facet.lineages)

    def _grouped(self, *keys: str) -> tuple[tuple[str, ...], ...]:
        groups: dict[tuple[tuple[str, Value], ...], list[str]] = {}
        for name, settings in self._settings.items():
            # A control is a yardstick, not a point of any axis.
            mark = (("control", name in self.controls), *sorted(without(settings, *keys).items()))
            groups.setdefault(mark, []).append(name)
        return tuple(tuple(group) for group in groups.values())


def _telling(recipes: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, Value]]:
    found = differences(recipes)
    values: dict[str, set[Value]] = {}
    for settings in found.values():
        for key, value in settings.items():
            values.setdefault(key, set()).add(value)
    return {
        name: {key: value for key, value in settings.items() if len(values[key]) > 1}
        for name, settings in found.items()
    }


def _facet_title(settings: Mapping[str, Value], keys: Sequence[str], group: tuple[str, ...]) -> str:
    told = [f"{titled(key)} {spelled(value)}" for key, value in settings.items() if key not in keys]
    return ", ".join(told) or group[0]


def _prefix(group: Iterable[str]) -> str:
    """Return what the names of lineages begin with, less a seed's number at the end."""
    return re.sub(r"([-_](seed|s))?[-_]?\d*$", "", commonprefix(list(group)))  # noqa: RUF071 - letters are meant


def titled(key: str) -> str:
    """Return a setting's key as people say it: `regime.synthetic_ratio` is `synthetic ratio`, `family.name` family."""
    parts = key.split(".")
    last = parts[-2] if parts[-1] == "name" and len(parts) > 1 else parts[-1]
    return last.replace("_", " ")


def spelled(value: Value | None) -> str:
    """Return a setting's value as text; a number without digits that say nothing."""
    if isinstance(value, bool) or value is None:
        return {None: "", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value
