"""The collapse profile: a verdict on each published definition, every first passage, and the phase."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dwindle.profile import loss, risk
from dwindle.profile.bands import ALPHA, PERSISTENCE, control_band
from dwindle.profile.extinction import Extinction, extinction
from dwindle.profile.passage import Passage, passage
from dwindle.profile.phases import Phase, phase_of
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories
from dwindle.profile.verdicts import Verdict
from dwindle.seeds import Seed

__all__ = ["Profile", "profile_of"]

_SEED = Seed(0, ("profile",))


@dataclass(frozen=True, eq=False)
class Profile:
    """What all definitions say of one lineage.

    Args:
        verdicts: one for each of `DEFINITIONS`, in that order.
        passages: when each measure left its control band, in the order of the measures.
        phase: the phase of collapse.
        extinction: when the smallest group has no sample; None where nothing measures it.
    """

    verdicts: tuple[Verdict, ...]
    passages: Mapping[str, Passage]
    phase: Phase
    extinction: Extinction | None = None

    def rows(self) -> list[dict[str, str]]:
        """Return the table of the verdicts, one row a definition."""
        return [verdict.row() for verdict in self.verdicts]

    def passage_rows(self) -> list[dict[str, str]]:
        """Return the table of the passages, the first to leave first, those that never left last."""
        ordered = sorted(self.passages.items(), key=lambda item: _late(item[1].generation))
        return [_passage_row(name, found) for name, found in ordered]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is undefined or never happened is null, with its reason."""
        passages = {name: found.as_dict() for name, found in self.passages.items()}
        verdicts = [verdict.as_dict() for verdict in self.verdicts]
        lost = {} if self.extinction is None else {"extinction": self.extinction.as_dict()}
        return {"verdicts": verdicts, "passages": passages, "phase": self.phase.as_dict(), **lost}


def profile_of(
    measures: Trajectories,
    control: Trajectories | None = None,
    *,
    seed: Seed = _SEED,
    sweep: Mapping[float, Trajectories] | None = None,
    paired: bool = True,
    thresholds: Thresholds | None = None,
    alpha: float = ALPHA,
    persistence: int = PERSISTENCE,
) -> Profile:
    """Return the collapse profile of a lineage.

    Args:
        measures: its trajectories by the name of the measure.
        control: those of the all-real lineage with the same restarts; without it nothing is taken off a change, and
            each band is taken from generation 0.
        seed: address of the draws by which the bands get their rate of false alarms; the default makes the profile a
            function of the numbers alone.
        sweep: trajectories of lineages that differ only in their budget, by budget in rows; the scaling law takes them.
        paired: whether chain i of lineage and control starts from the same rows.
        thresholds: limits of the definitions; None for the defaults.
        alpha: chance, for each measure, that a lineage without drift is said to have left its band.
        persistence: consecutive generations outside the band that count as having left.
    """
    limits, other = thresholds or Thresholds(), control or {}
    judges = (risk.catastrophic, risk.any_increase, risk.diverging, loss.collapsing_variance)
    first = [judge(measures, other, limits, paired=paired) for judge in judges]
    scaling = risk.scaling_law(sweep or {}, limits)
    rest = [
        judge(measures, other, limits, paired=paired) for judge in (loss.lost_tails, loss.entangled, loss.hallucinated)
    ]
    bands = {
        name: control_band(one, other.get(name), seed=seed.at(name), alpha=alpha, persistence=persistence)
        for name, one in measures.items()
    }
    passages = {name: passage(one, bands[name]) for name, one in measures.items()}
    phase = phase_of(measures, passages, limits, persistence=persistence)
    return Profile((*first, scaling, *rest), passages, phase, extinction(measures))


def _late(generation: float) -> float:
    return math.inf if math.isnan(generation) else generation


def _passage_row(name: str, found: Passage) -> dict[str, str]:
    ends = f"{_told(found.low)} .. {_told(found.high)}" if not math.isnan(found.low) else "-"
    side = {1: "above", -1: "below", 0: "-"}[found.side] + (", harmful" if found.harmful else "")
    numbers = {"generation": _told(found.generation), "side": side, "median of chains": _told(found.median)}
    return {"measure": name, **numbers, "95 % interval": ends, "reason": found.reason}


def _told(generation: float) -> str:
    if math.isnan(generation):
        return "-"
    return "never" if math.isinf(generation) else f"{generation:g}"
