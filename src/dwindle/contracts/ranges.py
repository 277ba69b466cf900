"""Ranges: what a numeric setting may be."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Within"]


@dataclass(frozen=True)
class Within:
    """The allowed range of a numeric setting, ends included; None leaves an end open.

    Args:
        low: smallest allowed value.
        high: largest allowed value.
        unit: what the number counts, for messages and documentation.
    """

    low: float | None = None
    high: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        """Spell the range as messages do: `0..1`, `>= 1`, `<= 5`."""
        low, high = (None if end is None else f"{end:g}" for end in (self.low, self.high))
        text = f"{low}..{high}" if low and high else f">= {low}" if low else f"<= {high}" if high else "any number"
        return f"{text} {self.unit}".strip()

    def holds(self, value: float) -> bool:
        """Say whether a value is in the range; nan never is."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
