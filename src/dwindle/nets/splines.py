"""Flows of neural splines for every chain at once, and the only door to zuko, which the extra `flow` brings.

The splines, the masks and the order of dimensions are zuko's; weights are stacked by chain, as all networks here are.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from dwindle.errors import BadInput
from dwindle.nets import stacks

__all__ = ["Layers", "Splines", "splines", "zuko"]

Layers = Literal["autoregressive", "coupling"]
"""What a dimension's spline is given: all dimensions before it, or, for the second half of them, the first half."""

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Splines:
    """Layers of monotone splines and the networks that place their knots.

    Args:
        blocks: matrices of the networks; those of a chain stand in one row.
        masks: which entries of each weight count, (rows, columns); none where there is one dimension.
        transforms: number of layers.
        bins: bins of a spline.
        passes: how often a layer is inverted until all dimensions are.
    """

    blocks: Mapping[str, stacks.Block]
    masks: Mapping[str, Tensor]
    transforms: int
    bins: int
    passes: int

    def normalised(self, values: Tensor, parts: Weights, alive: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents, (c, n, d), and the log-volume of the map at each row, nats, (c, n).

        Args:
            values: (c, n, d) scaled rows.
            parts: matrices of every chain.
            alive: (c, 1, d) which dimensions there are; the others stay 0 and have no volume.
        """
        volume = torch.zeros_like(values[..., 0])
        for transform in range(self.transforms):
            values, stretch = self._placed(transform, values, parts).call_and_ladj(values)
            values, volume = values * alive, volume + (stretch * alive).sum(dim=2)
        return values, volume

    def inverted(self, latents: Tensor, parts: Weights, alive: Tensor) -> Tensor:
        """Return the scaled rows that `normalised` maps to these latents, (c, n, d)."""
        for transform in reversed(range(self.transforms)):
            values = torch.zeros_like(latents)
            for _ in range(self.passes):
                values = self._placed(transform, values, parts).inv(latents) * alive
            latents = values
        return latents

    def _placed(self, transform: int, values: Tensor, parts: Weights) -> Any:
        """Return the splines of a layer for these values, (c, n, d) of them."""
        placed, layer = values, 0
        while (name := f"{transform}.{layer}.weight") in self.masks:
            mask = self.masks[name].to(values.dtype)
            placed = torch.relu(placed) if layer else placed
            placed = torch.baddbmm(parts[f"{transform}.{layer}.bias"], placed, parts[name] * mask)
            layer += 1
        if not layer:  # a single dimension is given nothing
            placed = parts[f"{transform}.0.bias"].expand(-1, values.shape[1], -1)
        knots = placed.reshape(*placed.shape[:2], values.shape[2], -1)
        widths_heights_slopes = torch.split(knots, [self.bins, self.bins, self.bins - 1], dim=3)
        return zuko("transforms").MonotonicRQSTransform(*widths_heights_slopes)


@lru_cache(maxsize=8)
def splines(dimensions: int, transforms: int, bins: int, hidden: tuple[int, ...], layers: Layers) -> Splines:
    """Return layers of the shape that zuko's `NSF` has; every other one takes the dimensions in reverse order.

    Args:
        dimensions: dimensions d of a row.
        transforms: layers of splines.
        bins: bins of a spline.
        hidden: units of each hidden layer of a network.
        layers: what a dimension's spline is given.

    Raises:
        BadInput: if zuko is not installed.
    """
    blocks: dict[str, stacks.Block] = {}
    masks: dict[str, Tensor] = {}
    if dimensions == 1:  # zuko has no network there either
        blocks |= {f"{transform}.0.bias": stacks.bias(3 * bins - 1) for transform in range(transforms)}
        return Splines(blocks, masks, transforms, bins, 1)
    passes = None if layers == "autoregressive" else 2
    with torch.random.fork_rng(devices=[]):  # it draws weights, which are not used
        made = zuko("flows").NSF(dimensions, bins=bins, transforms=transforms, hidden_features=hidden, passes=passes)
    for transform, net in enumerate(made.transform.transforms):
        for layer, dense in enumerate(list(net.hyper)[::2]):
            name, mask = f"{transform}.{layer}", dense.mask.T
            blocks |= {f"{name}.weight": stacks.weight(*mask.shape), f"{name}.bias": stacks.bias(mask.shape[1])}
            masks[f"{name}.weight"] = mask
    return Splines(blocks, masks, transforms, bins, made.transform.transforms[0].passes)


def zuko(module: str) -> Any:
    """Return a module of zuko.

    Raises:
        BadInput: if it is not installed, with the extra that brings it.
    """
    try:
        return importlib.import_module(f"zuko.{module}")
    except ImportError as error:
        raise BadInput(f"family flow needs zuko ({error}); pip install 'dwindle[flow]'") from error
