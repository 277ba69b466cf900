"""A small U-Net that tells the noise in pictures, the networks of all chains stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from dwindle.nets import stacks
from dwindle.nets.convolutions import convolved, kernel, upsampled
from dwindle.nets.denoisers import Conditions, Weights

__all__ = ["GROUPS", "Unet", "as_pictures", "as_rows"]

GROUPS = 4
"""Groups of channels that are normalised together; numbers of channels are multiples of it."""

_HALVED = 4  # sides are halved twice


@dataclass(frozen=True)
class Unet:
    """A U-Net of three sizes: residual blocks of two convolutions each, with group norm and the level between them.

    Source: Ho et al. 2020, section 4 (the form: a U-Net with group norm, told the level in each residual block), with
        rectified units, one residual block a size and no attention.

    Args:
        pixels: height, width and colours of a picture; sides that are no multiples of 4 are padded.
        channels: at full size; twice as many at the smaller ones.
        conditions: what it is told beside.
    """

    pixels: tuple[int, int, int]
    channels: int
    conditions: Conditions

    @cached_property
    def blocks(self) -> Mapping[str, stacks.Block]:
        """The matrices of its layers."""
        narrow, wide, told = self.channels, 2 * self.channels, 4 * self.channels
        found = {**_dense("told.0", self.conditions.width, told), **_dense("told.1", told, told)}
        found |= _kernels("in", self.pixels[2], narrow)
        found |= {**_residual("down.0", narrow, narrow, told), **_kernels("half.0", narrow, narrow)}
        found |= {**_residual("down.1", narrow, wide, told), **_kernels("half.1", wide, wide)}
        found |= _residual("middle", wide, wide, told)
        found |= {**_residual("up.1", 2 * wide, wide, told), **_residual("up.0", wide + narrow, narrow, told)}
        return found | _norm("out", narrow) | _kernels("out", narrow, self.pixels[2])

    @property
    def widest(self) -> int:
        """Numbers that a row has in the widest layer."""
        return self.pixels[0] * self.pixels[1] * 3 * self.channels

    def __call__(self, weights: Weights, values: Tensor, levels: Tensor, classes: Tensor | None) -> Tensor:
        """Return the velocity of (c, n, d) values at the levels (c, n), of the classes (c, n)."""
        told = torch.relu(stacks.affine(self.conditions.numbers(levels, classes), weights, "told.0"))
        told = torch.relu(stacks.affine(told, weights, "told.1"))
        whole = _passed(convolved(as_pictures(values, self.pixels), weights, "in"), weights, "down.0", told)
        half = _passed(convolved(whole, weights, "half.0", stride=2), weights, "down.1", told)
        least = _passed(convolved(half, weights, "half.1", stride=2), weights, "middle", told)
        raised = _passed(torch.cat([upsampled(least), half], dim=2), weights, "up.1", told)
        raised = _passed(torch.cat([upsampled(raised), whole], dim=2), weights, "up.0", told)
        return as_rows(convolved(_active(raised, weights, "out"), weights, "out"), self.pixels)


def as_pictures(values: Tensor, pixels: tuple[int, int, int]) -> Tensor:
    """Return rows of pixels, colours last, as (c, n, colours, h, w), their sides padded to multiples of 4 with 0."""
    height, width, colours = pixels
    pictures = values.view(*values.shape[:2], height, width, colours).movedim(4, 2)
    return functional.pad(pictures, (0, -width % _HALVED, 0, -height % _HALVED))


def as_rows(pictures: Tensor, pixels: tuple[int, int, int]) -> Tensor:
    """Return padded (c, n, colours, h, w) as rows of pixels, (c, n, h w colours)."""
    height, width, _ = pixels
    return pictures[..., :height, :width].movedim(2, 4).flatten(2)


def _dense(layer: str, inputs: int, outputs: int) -> dict[str, stacks.Block]:
    return {f"{layer}.weight": stacks.weight(inputs, outputs), f"{layer}.bias": stacks.bias(outputs)}


def _kernels(layer: str, inputs: int, outputs: int, side: int = 3) -> dict[str, stacks.Block]:
    return {f"{layer}.weight": kernel(inputs, outputs, side), f"{layer}.bias": stacks.bias(outputs)}


def _norm(layer: str, channels: int) -> dict[str, stacks.Block]:
    return {f"{layer}.gain": stacks.bias(channels), f"{layer}.shift": stacks.bias(channels)}


def _residual(layer: str, inputs: int, outputs: int, told: int) -> dict[str, stacks.Block]:
    found = _norm(f"{layer}.0", inputs) | _kernels(f"{layer}.0", inputs, outputs)
    found |= _dense(f"{layer}.told", told, outputs) | _norm(f"{layer}.1", outputs)
    found |= _kernels(f"{layer}.1", outputs, outputs)
    return found | (_kernels(f"{layer}.past", inputs, outputs, 1) if inputs != outputs else {})


def _passed(values: Tensor, weights: Weights, layer: str, told: Tensor) -> Tensor:
    """Return what a residual block makes of (c, n, channels, h, w)."""
    first = convolved(_active(values, weights, f"{layer}.0"), weights, f"{layer}.0")
    first = first + stacks.affine(told, weights, f"{layer}.told")[..., None, None]
    second = convolved(_active(first, weights, f"{layer}.1"), weights, f"{layer}.1")
    return second + (convolved(values, weights, f"{layer}.past") if f"{layer}.past.weight" in weights else values)


def _active(values: Tensor, weights: Weights, layer: str) -> Tensor:
    """Return values normalised by groups of channels, stretched by 1 + gain, shifted and rectified."""
    normed = functional.group_norm(values.flatten(0, 1), GROUPS).view_as(values)
    gain, shift = (weights[f"{layer}.{name}"][..., None, None] for name in ("gain", "shift"))
    return torch.relu(torch.addcmul(shift, normed, 1.0 + gain))
