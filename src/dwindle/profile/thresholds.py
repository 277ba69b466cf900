"""What a measure must lose before a definition of collapse is met."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Thresholds"]


@dataclass(frozen=True)
class Thresholds:
    """The limits of the eight definitions. The papers name the phenomena and hardly any number: these are dwindle's.

    Args:
        catastrophe: risk over that of generation 0 from which an increase is catastrophic; for risks in nats, the
            factor by which the likelihood of a real row falls (the perplexity rises).
        tolerance: relative increase that is negligible: an increase is denied only below it. For risks in nats, nats.
        variance: variance over that of generation 0 below which it has collapsed.
        projection: how many times the generations so far the present decay of the variance is carried on to.
        exponent: change of the scaling exponent that is negligible.
        tail: share of the tail of generation 0 below which tail data are lost.
        entangled: rise of the share of samples between the modes.
        hallucinated: rise of the share of samples off the real support.
    """

    catastrophe: float = 2.0
    tolerance: float = 0.05
    variance: float = 0.5
    projection: float = 10.0
    exponent: float = 0.1
    tail: float = 0.9
    entangled: float = 0.05
    hallucinated: float = 0.05
