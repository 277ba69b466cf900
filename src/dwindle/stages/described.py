"""How a number a chain is written down: its values, their summary over chains, and why one is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from dwindle.contracts import Measurement
from dwindle.intervals import summarize

__all__ = ["described"]


def described(measurement: Measurement, scale: Literal["linear", "log"] = "linear") -> Mapping[str, Any]:
    """Return a measurement as plain JSON data: `mean`, `low`, `high`, `chains`, and `reason` and `detail` if any.

    Args:
        measurement: one number a chain.
        scale: how it is averaged over chains, as `dwindle.intervals.summarize` has it.
    """
    summary = summarize(measurement.values, scale=scale, reason=measurement.reason)
    described: dict[str, Any] = {
        "mean": _finite(summary.mean),
        "low": _finite(summary.low),
        "high": _finite(summary.high),
        "chains": [_finite(value) for value in measurement.values.tolist()],
    }
    described |= {"reason": summary.reason} if summary.reason else {}
    return described | ({"detail": measurement.detail} if measurement.detail else {})


def _finite(value: float) -> float | None:
    """Return null for what JSON cannot say; the reason stands beside it."""
    return value if math.isfinite(value) else None
