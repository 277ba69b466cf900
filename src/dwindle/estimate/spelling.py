"""How rows, bytes and seconds are spelled in an estimate: no more digits than it knows."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["UNKNOWN", "counted", "lasting", "sized"]

UNKNOWN = "unknown"
"""What stands where nothing like it was measured."""

_NOTHING = "nothing"


def counted(rows: float) -> str:
    """Spell a count of rows in three digits: `450`, `4.95k`, `1.2M`."""
    return _scaled(rows, 3, ("", "k", "M", "G", "T"))


def sized(size: float | None) -> str:
    """Spell bytes in two digits: `92 kB`, `1.5 GB`."""
    if size is None:
        return UNKNOWN
    return _scaled(size, 2, (" B", " kB", " MB", " GB", " TB")) if size else _NOTHING


def lasting(seconds: float | None) -> str:
    """Spell seconds in two digits: `40 s`, `12 min`, `3.2 h`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return "under 1 s" if seconds else _NOTHING
    steps = (("s", 1, 90), ("min", 60, 90), ("h", 3600, 72), ("days", 86400, math.inf))
    unit, length = next((unit, length) for unit, length, most in steps if seconds < most * length)
    return f"{_rounded(seconds / length, 2):,g} {unit}"


def _scaled(value: float, digits: int, units: Sequence[str]) -> str:
    rounded, place = _rounded(value, digits), 0
    while rounded >= 1000 and place < len(units) - 1:
        rounded, place = rounded / 1000, place + 1
    return f"{rounded:,g}{units[place]}"


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
