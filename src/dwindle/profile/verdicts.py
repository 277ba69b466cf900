"""A verdict on a definition of collapse: what was asked, what was found, and how an interval decides it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.intervals import Summary
from dwindle.profile.contrasts import LEAST_CHAINS
from dwindle.profile.passage import plain
from dwindle.profile.trajectories import Trajectories, Trajectory

__all__ = ["CANDIDATES", "DEFINITIONS", "Answer", "Verdict", "above", "apart", "below", "candidate", "undefined"]

Answer = Literal["yes", "no", "undecided", "undefined"]

DEFINITIONS = (
    "catastrophic increase of population risk",
    "any increase of population risk",
    "asymptotically diverging population risk",
    "collapsing variance",
    "change of scaling law",
    "loss of tail data",
    "entanglement of modes",
    "hallucinated data",
)
"""The definitions of collapse. Source: Schaeffer et al. 2025, Model collapse does not mean what you think."""

_RISKS = ("risk", "perplexity", "parameter_error", "frechet", "sliced_wasserstein", "mean_error", "column_distance")

CANDIDATES: Mapping[str, tuple[str, ...]] = {
    DEFINITIONS[0]: _RISKS,
    DEFINITIONS[1]: _RISKS,
    DEFINITIONS[2]: _RISKS,
    DEFINITIONS[3]: ("log_variance", "variance_ratio", "variance", "heterozygosity"),
    DEFINITIONS[4]: ("parameter_error", "frechet", "sliced_wasserstein", "mean_error", "risk", "perplexity"),
    DEFINITIONS[5]: ("tail_mass", "tail_coverage", "missing_mass", "recall", "support", "groups_alive"),
    DEFINITIONS[6]: ("on_mode",),
    DEFINITIONS[7]: ("precision", "hallucinations", "on_mode"),
}
"""The measures that a definition can be judged by, the best first.

A scaling law is one of the excess risk, so the measures that tend to 0 with the budget come first there.
"""


@dataclass(frozen=True)
class Verdict:
    """What one definition of collapse says of a lineage.

    Args:
        definition: one of `DEFINITIONS`.
        verdict: `yes` and `no` where the whole interval lies on one side of the threshold; `undefined` where nothing
            that was measured can tell.
        measure: name of the measure it was judged by; empty if there was none.
        statistic: what was computed from it.
        value: the statistic; nan if undefined.
        low: lower end of its 95 % interval over chains.
        high: its upper end.
        threshold: what the interval is held against.
        reason: how it was decided, and why it was not.
    """

    definition: str
    verdict: Answer
    measure: str = ""
    statistic: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    threshold: float = math.nan
    reason: str = ""

    def noting(self, *reasons: str) -> Verdict:
        """Return the verdict with more said."""
        return replace(self, reason="; ".join(part for part in (self.reason, *reasons) if part))

    def doubted(self, reason: str) -> Verdict:
        """Return the verdict as undecided, for a reason that the interval does not know; undefined stays so."""
        return self if self.verdict == "undefined" else replace(self, verdict="undecided").noting(reason)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is undefined is null."""
        words = {name: getattr(self, name) for name in ("definition", "verdict", "measure", "statistic", "reason")}
        return words | {name: plain(getattr(self, name)) for name in ("value", "low", "high", "threshold")}

    def row(self) -> dict[str, str]:
        """Return the cells of a table."""
        interval = f"{self.low:.3g} .. {self.high:.3g}" if math.isfinite(self.high - self.low) else "-"
        value, threshold = (f"{n:.3g}" if math.isfinite(n) else "-" for n in (self.value, self.threshold))
        statistic = f"{self.measure}: {self.statistic}" if self.measure else "-"
        cells = {"definition": self.definition, "verdict": self.verdict, "statistic": statistic, "value": value}
        return cells | {"95 % interval": interval, "threshold": threshold, "reason": self.reason}


def above(verdict: Verdict, found: Summary, threshold: float, *, margin: float = 0.0) -> Verdict:
    """Answer whether a statistic lies above a threshold.

    Args:
        verdict: who asks; its answer and numbers are replaced.
        found: the statistic and its interval.
        threshold: yes if the whole interval lies above it.
        margin: no if the interval reaches no further than threshold plus margin.
    """
    answer: Answer = "undecided"
    if found.low > threshold:
        answer = "yes"
    elif found.high <= threshold + margin:
        answer = "no"
    return _answered(verdict, found, threshold, answer)


def below(verdict: Verdict, found: Summary, threshold: float) -> Verdict:
    """Answer whether a statistic lies below a threshold; see `above`."""
    answer: Answer = "undecided"
    if found.high < threshold:
        answer = "yes"
    elif found.low >= threshold:
        answer = "no"
    return _answered(verdict, found, threshold, answer)


def apart(verdict: Verdict, found: Summary, margin: float) -> Verdict:
    """Answer whether a statistic differs from 0; no if the whole interval lies within `margin` of it."""
    answer: Answer = "undecided"
    if found.low > 0 or found.high < 0:
        answer = "yes"
    elif -margin <= found.low and found.high <= margin:
        answer = "no"
    return _answered(verdict, found, 0.0, answer)


def _answered(verdict: Verdict, found: Summary, threshold: float, answer: Answer) -> Verdict:
    """Fill in the numbers, and take back the answer where the chains do not carry it."""
    numbers = replace(verdict, value=found.mean, low=found.low, high=found.high, threshold=threshold)
    if math.isnan(found.mean):
        return replace(numbers, verdict="undefined").noting(found.reason)
    numbers = replace(numbers, verdict=answer)
    if found.chains < LEAST_CHAINS:
        return numbers.doubted(f"{found.chains} chains: a verdict takes {LEAST_CHAINS}").noting(found.reason)
    if found.reason and answer == "no":
        # A chain whose risk is infinite has no number: those that are left look better than all.
        return numbers.doubted(f"chains without a number may be the worst ones ({found.reason})")
    if answer == "undecided":
        return numbers.noting("the interval holds the threshold", found.reason)
    return numbers.noting(found.reason)


def undefined(definition: str, reason: str) -> Verdict:
    """Return a verdict that nothing measured can give."""
    return Verdict(definition, "undefined", reason=reason)


def candidate(measures: Trajectories, names: Sequence[str]) -> tuple[str, Trajectory] | None:
    """Return the first measure that enough chains have at both ends, else the first that any has, else None."""
    known = [(name, measures[name]) for name in names if name in measures and len(measures[name].generations) > 1]
    for least in (LEAST_CHAINS, 1):
        for name, trajectory in known:
            if int(_both_ends(trajectory).sum()) >= least:
                return name, trajectory
    return None


def _both_ends(trajectory: Trajectory) -> FloatArray:
    return np.asarray(np.isfinite(trajectory.points[0]) & np.isfinite(trajectory.points[-1]))
