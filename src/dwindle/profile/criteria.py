"""When a lineage counts as stable: what a measure may gain or lose beside the all-real control."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dwindle.data.rows import Array, FloatArray
from dwindle.profile.risk import by_ratio
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories, Trajectory
from dwindle.profile.verdicts import CANDIDATES, DEFINITIONS, candidate

__all__ = ["CHOSEN", "Criterion", "criteria", "criterion_for"]

CHOSEN = "chosen by name"
"""What stands for the definition where a measure was asked for by its name."""

_JUDGED = (DEFINITIONS[0], DEFINITIONS[3], DEFINITIONS[5], DEFINITIONS[6], DEFINITIONS[7])
_SHARES = {*CANDIDATES[DEFINITIONS[6]], *CANDIDATES[DEFINITIONS[7]]}
_LOGARITHM = "log_variance"


@dataclass(frozen=True)
class Criterion:
    """How a measure is held against the all-real control.

    Args:
        definition: which of `DEFINITIONS` it stands for, or `CHOSEN`.
        measure: name of the measure.
        kind: `ratio` of arithmetic means; `geometric`, the ratio of geometric means; or `difference` of means.
        falls: whether harm is a fall of the measure.
        limit: a ratio, or a difference counted towards harm, up to which a lineage is stable.
        covered: whether the measure counts what is missing and is judged by what is there.
    """

    definition: str
    measure: str
    kind: Literal["ratio", "geometric", "difference"]
    falls: bool
    limit: float
    covered: bool = False

    @property
    def bar(self) -> float:
        """The limit on the scale of harm."""
        return float(self._harm_of(np.array(self.limit))) if self.kind != "difference" else self.limit

    @property
    def statistic(self) -> str:
        """What is held against the limit: `mean_error / control`."""
        name = f"(1 - {self.measure})" if self.covered else self.measure
        name = f"exp({name})" if self.measure == _LOGARITHM else name
        if self.kind == "difference":
            return f"control - {name}" if self.falls else f"{name} - control"
        return f"{name} / control"

    @property
    def rule(self) -> str:
        """The criterion in a few characters: `mean_error / control <= 2`."""
        sign = ">=" if self.falls and self.kind != "difference" else "<="
        return f"{self.statistic} {sign} {self.limit:.3g}"

    def points(self, trajectory: Trajectory) -> FloatArray:
        """Return what is averaged over chains, (g, c); logarithms for a geometric mean."""
        if self.kind == "geometric" and self.measure != _LOGARITHM:
            return replace(trajectory, scale="log").points
        return 1.0 - trajectory.values if self.covered else trajectory.values

    def harm(self, level: FloatArray, control: FloatArray) -> FloatArray:
        """Return how far means lie on the harmful side of the control's; nan where a ratio has no positive base.

        Means that rise are compared by the logarithm of their ratio, because risks grow by factors; shares that fall by
        the part that is lost, which stays finite when all is.

        Args:
            level: (...) means over chains of `points`.
            control: (...) the control's.
        """
        if self.kind == "ratio":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where((control > 0) & (level >= 0), self._harm_of(level / control), np.nan)
        return np.asarray(control - level if self.falls else level - control, dtype=np.float64)

    def told(self, harm: FloatArray | float) -> FloatArray:
        """Return harm in the unit of the limit: a ratio, or a difference counted towards harm."""
        harm = np.asarray(harm, dtype=np.float64)
        if self.kind == "difference":
            return harm
        if self.kind == "ratio" and self.falls:
            return 1.0 - harm
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-harm if self.falls else harm))

    def _harm_of(self, ratio: Array) -> FloatArray:
        if self.kind == "ratio" and self.falls:
            return np.asarray(1.0 - ratio)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(ratio) * (-1.0 if self.falls else 1.0))


def criteria(measures: Trajectories, limits: Thresholds) -> Iterator[Criterion]:
    """Yield a criterion for each definition that the measures can tell: risk, variance, tails, what is off the data.

    An increase of any size, a divergence and a scaling law have no limit at one horizon and are left to the profile.

    Args:
        measures: trajectories of one lineage.
        limits: the limits of the definitions.
    """
    seen = set()
    for definition in _JUDGED:
        chosen = candidate(measures, CANDIDATES[definition])
        if chosen is not None and chosen[0] not in seen:
            seen.add(chosen[0])
            yield replace(criterion_for(*chosen, limits), definition=definition)


def criterion_for(
    name: str, trajectory: Trajectory, limits: Thresholds | None = None, limit: float | None = None
) -> Criterion:
    """Return the criterion of a measure: the definition's that it is a candidate of, else by which way is good.

    Args:
        name: the measure.
        trajectory: of any lineage; tells whether it is compared by ratio.
        limits: the limits of the definitions; None for the defaults.
        limit: in place of the default; for a measure that is good near its real value, above 1 a rise, below 1 a fall.

    Raises:
        ValueError: if the limit is none for this measure, or neither direction of the measure is harm.
    """
    limits = limits or Thresholds()
    covered = name == "missing_mass"
    relative = name == _LOGARITHM or (name not in _SHARES and (covered or by_ratio(trajectory)))
    if trajectory.better == "as_anchor" and not relative:
        raise ValueError(f"'{name}' may err to either side of its real value; choose a measure with a harmful side")
    falls = covered or trajectory.better == "higher" or (trajectory.better == "as_anchor" and not (limit or 0.0) > 1)
    kind: Literal["ratio", "geometric", "difference"] = "ratio" if relative else "difference"
    if relative and (name == _LOGARITHM or trajectory.scale == "log") and not covered:
        kind = "geometric"
    chosen = _default(name, trajectory, relative, falls, limits) if limit is None else limit
    _hold(name, kind, falls, chosen)
    return Criterion(CHOSEN, name, kind, falls, chosen, covered)


def _default(name: str, trajectory: Trajectory, relative: bool, falls: bool, limits: Thresholds) -> float:
    if not relative:
        return limits.hallucinated if falls or name in _SHARES else math.log(limits.catastrophe)
    if not falls:
        return limits.catastrophe
    tail = trajectory.better == "higher" or name in CANDIDATES[DEFINITIONS[5]]
    return limits.tail if tail else limits.variance


def _hold(name: str, kind: str, falls: bool, limit: float) -> None:
    """Refuse a limit that even the control would not keep, or nothing could break."""
    if kind == "difference":
        wanted, fine = "above 0, a difference from the control", limit > 0
    elif falls:
        wanted, fine = "between 0 and 1, a share of the control's value", 0 < limit < 1
    else:
        wanted, fine = "above 1, a multiple of the control's value", limit > 1
    if not (fine and math.isfinite(limit)):
        raise ValueError(f"limit = {limit:g}: expected a number {wanted}, for '{name}'")
