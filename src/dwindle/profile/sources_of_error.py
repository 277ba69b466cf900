"""The three sources of error of a lineage, told apart by arms in which one of them is taken away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.profile.contrasts import welch
from dwindle.profile.passage import plain

__all__ = ["ARMS", "Share", "sources_of_error"]

ARMS: Mapping[str, str] = {
    "rows": "statistical approximation error",
    "capacity": "functional expressivity error",
    "fit": "functional approximation error",
}
"""What each arm takes away: many more rows, a richer family, an exact fit. Source: Shumailov et al. 2024."""


@dataclass(frozen=True)
class Share:
    """What one source of error adds to the final risk.

    Args:
        source: one of the values of `ARMS`.
        arm: the arm that takes it away.
        value: mean risk of the lineage less that of the arm; nan if undefined.
        low: lower end of the 95 % interval, Welch's, over chains.
        high: its upper end.
        fraction: value over what the lineage's risk has above the floor; nan without a floor.
        reason: why a number is undefined.
    """

    source: str
    arm: str
    value: float
    low: float
    high: float
    fraction: float = math.nan
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        numbers = {name: plain(getattr(self, name)) for name in ("value", "low", "high", "fraction")}
        return {"source": self.source, "arm": self.arm, **numbers, "reason": self.reason}


def sources_of_error(
    final: FloatArray, arms: Mapping[str, FloatArray], *, floor: float | None = None
) -> tuple[Share, ...]:
    """Return the share of each source of error in the final risk, in the order of `ARMS`.

    The sources interact: an error that two of them cause together is counted in both shares, and one that remains
    whichever is taken away in neither. The shares need not add up to the whole.

    Args:
        final: (c,) final risk, or another error that is better lower, of each chain of the lineage; nan if undefined.
        arms: the same of each arm, (c',); chains of different arms are not paired. Arms may be missing.
        floor: the risk of the real law itself; None where it is not known.

    Raises:
        ValueError: if an arm is none of `ARMS`.
    """
    strange = sorted(set(arms) - set(ARMS))
    if strange:
        raise ValueError(f"'{strange[0]}' is no arm; the arms are {', '.join(ARMS)}")
    excess = math.nan if floor is None else _excess(final, floor)
    return tuple(_share(arm, final, arms.get(arm), excess) for arm in ARMS)


def _excess(final: FloatArray, floor: float) -> float:
    defined = final[np.isfinite(final)]
    above = float(defined.mean()) - floor if defined.size else math.nan
    return above if above > 0 else math.nan


def _share(arm: str, final: FloatArray, other: FloatArray | None, excess: float) -> Share:
    if other is None:
        reason = f"no arm '{arm}' was grown"
        return Share(ARMS[arm], arm, math.nan, math.nan, math.nan, reason=reason)
    found = welch(final, other)
    return Share(ARMS[arm], arm, found.mean, found.low, found.high, found.mean / excess, found.reason)
