"""Networks that tell the noise in noisy rows: what they have in common, and the dense one.

What they return is the velocity v that `dwindle.nets.denoising.Process.noise` takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dwindle.nets import stacks

__all__ = ["Conditions", "Denoiser", "Dense", "Weights", "slices"]

Weights = Mapping[str, Tensor]

_AT_ONCE, _MOST = 2**21, 4096  # numbers of a chain in the widest layer at once, and rows
_POSITIONS, _LONGEST = 1000.0, 10_000.0  # what all levels are stretched to, and the longest wave


class Denoiser(Protocol):
    """A network for every chain."""

    @property
    def conditions(self) -> Conditions:
        """What it is told beside the values."""
        ...

    @property
    def blocks(self) -> Mapping[str, stacks.Block]:
        """The matrices of its layers."""
        ...

    @property
    def widest(self) -> int:
        """Numbers that a row has in the widest layer."""
        ...

    def __call__(self, weights: Weights, values: Tensor, levels: Tensor, classes: Tensor | None) -> Tensor:
        """Return the velocity of values.

        Args:
            weights: the matrices, (c, rows, columns).
            values: (c, n, d) noisy rows.
            levels: (c, n) their levels.
            classes: (c, n) their classes, the number of classes for none; None where there are no classes.

        Returns:
            (c, n, d) numbers.
        """
        ...


@dataclass(frozen=True)
class Conditions:
    """What a network is told beside the values: waves of the level, and which class.

    Source: Ho et al. 2020, appendix B (sinusoidal embedding, after Vaswani et al. 2017, section 3.5).

    Args:
        levels: number of levels T, stretched to 1000 positions.
        classes: number of classes k, 0 where rows have none; one place more stands for a row without its class.
        waves: numbers for the level, half of them sines.
    """

    levels: int
    classes: int
    waves: int = 32

    @property
    def width(self) -> int:
        """Numbers for a row."""
        return self.waves + (self.classes + 1 if self.classes else 0)

    def numbers(self, levels: Tensor, classes: Tensor | None) -> Tensor:
        """Return (c, n, width) numbers for levels and classes (c, n)."""
        told = _waves(self.levels, self.waves, levels.device)[levels]
        if classes is None:
            return told
        own = classes[..., None] == torch.arange(self.classes + 1, device=levels.device)
        return torch.cat([told, own.to(told.dtype)], dim=2)


@lru_cache(maxsize=8)
def _waves(levels: int, count: int, place: torch.device) -> Tensor:
    """Return sines and cosines of each level, (T, count)."""
    positions = np.arange(levels) * (_POSITIONS / levels)
    angles = positions[:, None] * _LONGEST ** (-np.arange(count // 2) / (count // 2))
    return torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)).to(place)


@dataclass(frozen=True)
class Dense:
    """A dense network of rectified layers, for rows of any meaning.

    Args:
        dimensions: of a row, d.
        hidden: units of a hidden layer.
        layers: hidden layers.
        conditions: what it is told beside.
    """

    dimensions: int
    hidden: int
    layers: int
    conditions: Conditions

    @cached_property
    def blocks(self) -> Mapping[str, stacks.Block]:
        """The matrices of its layers."""
        ends = [self.dimensions + self.conditions.width, *[self.hidden] * self.layers, self.dimensions]
        found: dict[str, stacks.Block] = {}
        for layer, (inputs, outputs) in enumerate(pairwise(ends)):
            found |= {f"dense.{layer}.weight": stacks.weight(inputs, outputs)}
            found |= {f"dense.{layer}.bias": stacks.bias(outputs)}
        return found

    @property
    def widest(self) -> int:
        """Numbers that a row has in the widest layer."""
        return max(self.hidden, self.dimensions + self.conditions.width)

    def __call__(self, weights: Weights, values: Tensor, levels: Tensor, classes: Tensor | None) -> Tensor:
        """Return the velocity of (c, n, d) values at the levels (c, n), of the classes (c, n)."""
        passed = torch.cat([values, self.conditions.numbers(levels, classes)], dim=2)
        for layer in range(self.layers):
            passed = torch.relu(stacks.affine(passed, weights, f"dense.{layer}"))
        return stacks.affine(passed, weights, f"dense.{self.layers}")


def slices(count: int, widest: int) -> Iterator[slice]:
    """Return the rows to compute at once, so that memory does not grow with their number."""
    rows = max(1, min(_MOST, _AT_ONCE // widest))
    return (slice(start, min(start + rows, count)) for start in range(0, count, rows))
