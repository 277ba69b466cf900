"""Diffusion: how rows turn into noise level by level, and the walk back that samples new ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import FloatArray, Seed

__all__ = ["Noise", "Process", "Schedule", "walked"]

Schedule = Literal["linear", "cosine"]

_REFERENCE, _FIRST, _LAST = 1000, 1e-4, 0.02  # levels, and variance that the first and the last one add
_LARGEST = 0.999  # variance that a level adds at most
_OFFSET = 0.008  # of the cosine: the first level is no smaller than the grain of pixels


@dataclass(frozen=True)
class Process:
    """The way into noise: x_t = sqrt(s_t) x + sqrt(1 - s_t) e, with e normal and s_t, the signal, falling to 0.

    The linear schedule is stretched over however many levels there are, so that the last one is as noisy as that of
    1000.

    Source: Ho et al. 2020, equation 4 and section 4 (linear: 1e-4 .. 0.02 over 1000 levels); Nichol and Dhariwal 2021,
        equation 17 (cosine).

    Args:
        levels: number of levels T.
        schedule: how the signal falls, `linear` or `cosine`.
    """

    levels: int
    schedule: Schedule

    def signals(self) -> FloatArray:
        """Return the signal s_t of each level, (T,), in units of variance."""
        return _signals(self.levels, self.schedule)

    def noised(self, values: Tensor, levels: Tensor, noise: Tensor) -> Tensor:
        """Return (c, n, d) values at the levels (c, n), given their noise (c, n, d)."""
        kept, added = self._roots(levels)
        return kept * values + added * noise

    def noise(self, velocity: Tensor, values: Tensor, levels: Tensor) -> Tensor:
        """Return the noise that (c, n, d) values at the levels (c, n) hold, given what a network says of them.

        A network says v = sqrt(s_t) e - sqrt(1 - s_t) x. Of normal rows 0 is right already; and where little signal is
        left, an error of v hardly moves the row that follows from it, whereas one of e would be divided by sqrt(s_t).

        Source: Salimans and Ho 2022, section 4 and appendix D.
        """
        kept, added = self._roots(levels)
        return kept * velocity + added * values

    def _roots(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors of signal and noise at levels (c, n), both (c, n, 1)."""
        signal, noise = _roots(self.levels, self.schedule, levels.device)
        return signal[levels, None], noise[levels, None]


@lru_cache(maxsize=8)
def _signals(levels: int, schedule: Schedule) -> FloatArray:
    if schedule == "linear":
        added = np.linspace(_FIRST, _LAST, levels) * (_REFERENCE / levels)
    else:
        places = (np.arange(levels + 1) / levels + _OFFSET) / (1.0 + _OFFSET)
        falling = np.cos(0.5 * math.pi * places) ** 2
        added = 1.0 - falling[1:] / falling[:-1]
    return np.asarray(np.cumprod(1.0 - np.minimum(added, _LARGEST)))


@lru_cache(maxsize=8)
def _roots(levels: int, schedule: Schedule, place: torch.device) -> Tensor:
    """Return the factors of signal and noise at each level, (2, T)."""
    signals = _signals(levels, schedule)
    return torch.from_numpy(np.sqrt([signals, 1.0 - signals]).astype(np.float32)).to(place)


class Noise:
    """Normal numbers of every chain, each from a generator of its own; one array, filled anew by each draw.

    Args:
        seed: address.
        shape: chains, most rows of a draw, dimensions.
        place: the device that the numbers go to.
    """

    def __init__(self, seed: Seed, shape: tuple[int, int, int], place: torch.device) -> None:
        self._generators = [seed.at("chain", chain).numpy() for chain in range(shape[0])]
        self._array, self._place = np.empty(shape, dtype=np.float32), place

    def drawn(self, count: int) -> Tensor:
        """Return the next (c, count, d) normal numbers; they last until the next draw."""
        for generator, part in zip(self._generators, self._array, strict=True):
            generator.standard_normal(out=part[:count], dtype=np.float32)
        return torch.from_numpy(self._array[:, :count]).to(self._place)


def walked(
    process: Process,
    predicted: Callable[[Tensor, int], Tensor],
    start: Tensor,
    fresh: Callable[[], Tensor] | None,
    *,
    steps: int,
) -> Tensor:
    """Walk from noise to rows.

    With fresh noise every step goes back to the mean that the process has there, given the row that is predicted, and
    adds the variance that the process itself adds between the two levels: of the two choices of Ho et al. 2020 the one
    that gives normal rows their variance back, whatever the number of steps. Without, the way is determined by its
    start; it loses variance, the more the fewer the steps.

    Source: Ho et al. 2020, algorithm 2 and section 3.2 (sigma^2 = beta); Song et al. 2021, equations 12 and 16.

    Args:
        process: the way into noise.
        predicted: takes (c, n, d) noisy values and their level, returns the noise in them, (c, n, d).
        start: (c, n, d) values at the last level.
        fresh: draws (c, n, d) noise for a step, if steps have any.
        steps: levels to visit, spread evenly from the last one to the first.
    """
    values = start
    for level, signal, left in _strides(process.signals(), steps):
        noise = predicted(values, level)
        clean = (values - math.sqrt(1.0 - signal) * noise) / math.sqrt(signal)
        anew = (1.0 - left) / (1.0 - signal) * (1.0 - signal / left) if fresh is not None else 0.0
        values = math.sqrt(left) * clean + math.sqrt(max(0.0, 1.0 - left - anew)) * noise
        if fresh is not None and left < 1:
            values = values + math.sqrt(1.0 - signal / left) * fresh()
    return values


def _strides(signals: FloatArray, steps: int) -> Iterator[tuple[int, float, float]]:
    """Yield each level that is visited, the signal there and at the next one."""
    levels = np.linspace(len(signals) - 1, 0, steps).round().astype(int)
    lefts = np.append(signals[levels[1:]], 1.0)
    return zip(levels.tolist(), signals[levels].tolist(), lefts.tolist(), strict=True)
