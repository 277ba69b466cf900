"""Policies: what a lineage may train on, how its curators are watched, and when it has to stop.

None of them draws or changes a row. They are checked from provenance and from measures, before the next generation is
made, and what they end is an outcome of the lineage and no breakdown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from dwindle.contracts import Regime, Within

__all__ = ["Curation", "Finding", "Gate", "Policy", "TrainingStage", "findings"]

TrainingStage = Literal["pre_training", "fine_tuning"]
"""`pre_training`: training starts from nothing. `fine_tuning`: it starts from weights that were trained before."""

Share = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]


@dataclass(frozen=True)
class Curation:
    """How the curate stage watches its curators and what it does about too few rows.

    Args:
        keep_rejected: whether rows that are dropped are kept in the dataset, a shard a reason; they never train.
        least: fewest rows a chain that a generation may train on; with fewer the lineage ends `starved`.
        regenerate: how often rows that were rejected are sampled again, at most. The new ones are judged by themselves;
            a curator that looks at earlier rows is shown the ones kept so far.
        variance_alarm: a curator that multiplies the variance by less than this, or by more than its inverse, is told.
        tail_alarm: so is one that removes more than this share of the tail's mass,
        group_alarm: one that moves more than this share of the rows from group to group,
        effective_alarm: and one whose weights leave less than this share of the rows in effect.
        on_alarm: whether an alarm is only told (`warn`) or ends the lineage before it trains (`stop`).
    """

    keep_rejected: bool = False
    least: Annotated[int, Within(low=2, high=1_000_000_000, unit="rows")] = 2
    regenerate: Annotated[int, Within(low=0, high=100, unit="times")] = 0
    variance_alarm: Annotated[float, Within(low=0.0, high=1.0, unit="factor")] = 0.5
    tail_alarm: Share = 0.5
    group_alarm: Share = 0.2
    effective_alarm: Share = 0.1
    on_alarm: Literal["warn", "stop"] = "warn"

    def alarms(self, bias: Mapping[str, float | None]) -> list[str]:
        """Return what is alarming about a curator's bias, a line each.

        Args:
            bias: mean over chains of each measure of `dwindle.data.biases`; None where undefined.
        """
        factor, lines = bias.get("variance_factor"), []
        if factor is not None and self.variance_alarm > 0 and not self._is_mild(factor):
            lines.append(f"variance times {factor:.3g}, alarm below {self.variance_alarm:g} or above its inverse")
        told = {
            "tail_removed": (self.tail_alarm, 1, "of the tail's mass removed, alarm above"),
            "group_shift": (self.group_alarm, 1, "of the rows moved from group to group, alarm above"),
            "effective_rows": (self.effective_alarm, -1, "of the rows in effect, alarm below"),
        }
        for measure, (limit, sign, text) in told.items():
            value = bias.get(measure)
            if value is not None and sign * value > sign * limit:
                lines.append(f"{value:.0%} {text} {limit:.0%}")
        return lines

    def _is_mild(self, factor: float) -> bool:
        return self.variance_alarm <= factor <= 1.0 / self.variance_alarm


@dataclass(frozen=True)
class Policy:
    """What synthetic rows may be used for.

    Args:
        synthetic_in: the kinds of training that synthetic rows may take part in; none: they may not train at all.
        rounds: how many synthetic ancestors a training row may have: 0 is a real row, 1 a row of a model that real rows
            trained; null: any number.
    """

    synthetic_in: tuple[TrainingStage, ...] = ("pre_training", "fine_tuning")
    rounds: Annotated[int, Within(low=0, high=1_000_000, unit="rounds")] | None = None

    def objection(self, rounds: Mapping[int, int], stage: TrainingStage) -> str:
        """Say what is wrong with training on some rows; empty if nothing is.

        Args:
            rounds: how many rows have how many synthetic ancestors.
            stage: the kind of training.
        """
        total, synthetic = sum(rounds.values()), sum(count for depth, count in rounds.items() if depth)
        if synthetic and stage not in self.synthetic_in:
            allowed = ", ".join(self.synthetic_in) or "no training"
            return (
                f"{synthetic} of {total} rows are synthetic; policy.synthetic_in allows them in {allowed}, not {stage}"
            )
        if self.rounds is None:
            return ""
        deep = {depth: count for depth, count in rounds.items() if depth > self.rounds}
        told = ", ".join(f"{count} of {total} rows have {depth} synthetic ancestors" for depth, count in deep.items())
        return f"{told}; policy.rounds allows {self.rounds}" if deep else ""


@dataclass(frozen=True)
class Gate:
    """A bound on a measure of a generation, judged before the next one is made.

    Args:
        measure: which measure.
        below: the gate fires where the measure's mean over chains is below this.
        above: or above this.
        relative: whether the bounds are multiples of what generation 0 measures.
        surely: whether it fires only when the whole 95 % interval is beyond the bound.
        first: first generation that is judged.
        action: `warn` tells; `stop` ends the lineage; `roll_back` ends it too and grows another one beside it, which is
            the same up to generation `to` and goes on from there with another regime.
        to: the last generation that is kept by a roll-back.
        regime: what trains the generations after it.

    Raises:
        ValueError: if there is no bound, or an action lacks what it needs.
    """

    measure: str
    below: float | None = None
    above: float | None = None
    relative: bool = False
    surely: bool = False
    first: Annotated[int, Within(low=0, high=1_000_000, unit="generations")] = 1
    action: Literal["warn", "stop", "roll_back"] = "warn"
    to: Annotated[int, Within(low=0, high=1_000_000, unit="generations")] | None = None
    regime: Regime | None = None

    def __post_init__(self) -> None:
        """Refuse a gate that could never fire, or never not, or would not know what to do."""
        if self.below is None and self.above is None:
            raise ValueError("a gate needs a bound: below or above")
        if self.below is not None and self.above is not None and self.below > self.above:
            raise ValueError(f"below {self.below:g} and above {self.above:g} leave nothing that does not fire")
        back = self.action == "roll_back"
        if back != (self.to is not None) or back != (self.regime is not None):
            raise ValueError("to and regime say where a roll_back goes; it needs both, other actions take neither")


@dataclass(frozen=True)
class Finding:
    """A gate that fired.

    Args:
        gate: the gate.
        generation: the generation that was measured.
        value: mean over chains.
        bound: what it is beyond.
    """

    gate: Gate
    generation: int
    value: float
    bound: float

    @property
    def back(self) -> int:
        """The last generation that a roll-back keeps: what the gate says, but never the one that made it fire."""
        return max(0, min(self.gate.to or 0, self.generation - 1))

    @property
    def bounded(self) -> str:
        """The measure, and on which side of what it is: `variance_ratio below 0.7`."""
        side = "below" if self.value < self.bound else "above"
        scale = f" ({self.gate.below if side == 'below' else self.gate.above:g} of generation 0)"
        return f"{self.gate.measure} {side} {self.bound:.4g}{scale if self.gate.relative else ''}"

    def __str__(self) -> str:
        gate = self.gate
        goes_on = f", back to generation {self.back}" if gate.action == "roll_back" else ""
        return f"generation {self.generation}: {self.bounded}, it is {self.value:.4g}: {gate.action}{goes_on}"


def findings(
    gates: Sequence[Gate], measures: Mapping[str, Any], generation: int, origin: Mapping[str, Any]
) -> list[Finding]:
    """Return the gates that fire on a generation.

    Args:
        gates: the gates.
        measures: what the generation measures, each with `mean`, `low` and `high`.
        generation: its number.
        origin: what generation 0 measures.
    """
    due = [gate for gate in gates if generation >= gate.first and gate.measure in measures]
    found = [_finding(gate, measures[gate.measure], generation, origin.get(gate.measure, {})) for gate in due]
    return [finding for finding in found if finding is not None]


def _finding(gate: Gate, measured: Mapping[str, Any], generation: int, origin: Mapping[str, Any]) -> Finding | None:
    unit = origin.get("mean") if gate.relative else 1.0
    mean = measured.get("mean")
    if mean is None or unit is None or not math.isfinite(unit):
        return None
    nearest = {"below": measured.get("high"), "above": measured.get("low")}
    for side, sign, bound in (("below", -1, gate.below), ("above", 1, gate.above)):
        judged = nearest[side] if gate.surely else mean
        if bound is not None and judged is not None and math.isfinite(judged) and sign * judged > sign * bound * unit:
            return Finding(gate, generation, float(mean), float(bound * unit))
    return None
