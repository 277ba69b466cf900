"""Early and late collapse: the tails go first, the bulk afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.profile.bands import first_runs
from dwindle.profile.loss import logarithmic
from dwindle.profile.passage import Passage, plain
from dwindle.profile.risk import by_ratio
from dwindle.profile.thresholds import Thresholds
from dwindle.profile.trajectories import Trajectories, Trajectory, mean_over_chains
from dwindle.profile.verdicts import CANDIDATES, DEFINITIONS

__all__ = ["Phase", "phase_of"]

_TAILS = CANDIDATES[DEFINITIONS[5]]
_VARIANCES = CANDIDATES[DEFINITIONS[3]]
_RISKS = ("risk", "perplexity")
_LOSS = {"missing_mass": 1}


@dataclass(frozen=True)
class Phase:
    """Which phase of collapse a lineage has reached.

    Args:
        label: `early` if the tails have left their control band while the bulk is there; `late` once the bulk is gone.
        early_from: generation at which a tail left its band on the side of loss; inf if never, nan if not measured.
        late_from: generation from which the variance is below its limit or the risk above; inf, or nan likewise.
        reason: the measures that were read, and what is missing.
    """

    label: Literal["none", "early", "late"]
    early_from: float
    late_from: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        ends = {"early_from": plain(self.early_from), "late_from": plain(self.late_from)}
        return {"label": self.label, **ends, "reason": self.reason}


def phase_of(measures: Trajectories, passages: Mapping[str, Passage], limits: Thresholds, *, persistence: int) -> Phase:
    """Return the phase that a lineage has reached.

    A band of many chains is narrow, and a bulk outside it may have lost a percent: late collapse asks for the variance
    to be below its share of generation 0, or a real row to be less likely by the limit's factor, by the mean over
    chains. Errors that start near 0 double at once and tell nothing of it.

    Args:
        measures: the lineage's trajectories.
        passages: the passages of its measures.
        limits: of variance and risk.
        persistence: consecutive generations beyond the limit that count.

    Source: Shumailov et al. 2024 (early collapse: the tails are lost; late: little variance, little resemblance).
    """
    tails = {name: _of_tail(name, passages[name]) for name in _TAILS if name in passages}
    bulk = {name: _of_bulk(name, measures[name], limits, persistence) for name in _bulk_names(measures)}
    early, late = (min(ends.values(), default=math.nan) for ends in (_known(tails), _known(bulk)))
    label: Literal["none", "early", "late"] = "late" if late < math.inf else "early" if early < math.inf else "none"
    lacking = [what for what, ends in (("tail", tails), ("bulk", bulk)) if not _known(ends)]
    missing = f"no measure of the {' and of the '.join(lacking)}" if lacking else ""
    read = ", ".join([*_known(tails), *_known(bulk)])
    return Phase(label, early, late, "; ".join(part for part in (f"read from {read}" if read else "", missing) if part))


def _bulk_names(measures: Trajectories) -> list[str]:
    """Return the best variance and the best risk that were measured."""
    best = (next((name for name in names if name in measures), None) for names in (_VARIANCES, _RISKS))
    return [name for name in best if name is not None]


def _known(ends: Mapping[str, float]) -> dict[str, float]:
    return {name: end for name, end in ends.items() if not math.isnan(end)}


def _of_tail(name: str, found: Passage) -> float:
    """Return when a tail left its band on the side of loss; inf if it left on the other."""
    if math.isnan(found.generation):
        return math.nan
    return found.generation if found.side == _LOSS.get(name, -1) else math.inf


def _of_bulk(name: str, trajectory: Trajectory, limits: Thresholds, persistence: int) -> float:
    """Return from which generation on the bulk is gone."""
    loss = _variance_loss(name, trajectory) if name in _VARIANCES else _risk_growth(trajectory)
    if not np.isfinite(loss).any():
        return math.nan
    limit = -math.log(limits.variance) if name in _VARIANCES else math.log(limits.catastrophe)
    start = int(first_runs((loss > limit).astype(np.int8)[:, None], persistence)[0])
    return float(np.append(trajectory.generations.astype(np.float64), math.inf)[start])


def _variance_loss(name: str, trajectory: Trajectory) -> FloatArray:
    mean = logarithmic(name, trajectory).mean
    return np.asarray(mean[0] - mean, dtype=np.float64)


def _risk_growth(trajectory: Trajectory) -> FloatArray:
    """Return the growth of the risk since generation 0, (g,): of its logarithm where it is compared by ratio."""
    if not by_ratio(trajectory):
        mean = mean_over_chains(trajectory.values)
    elif trajectory.scale == "log":
        mean = trajectory.mean
    else:
        with np.errstate(divide="ignore"):
            mean = np.log(mean_over_chains(trajectory.values))
    with np.errstate(invalid="ignore"):
        return np.asarray(mean - mean[0], dtype=np.float64)
