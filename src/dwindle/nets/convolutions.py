"""Convolutions of stacked networks: the kernels of every chain on the pictures of every chain."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from dwindle.nets.stacks import Block

__all__ = ["convolved", "kernel", "upsampled"]


def kernel(inputs: int, outputs: int, side: int = 3) -> Block:
    """Return the kernels of a layer, `outputs` rows of inputs x side x side, initially within 1 / sqrt(fan-in)."""
    fan = inputs * side * side
    return Block(outputs, fan, 1.0 / math.sqrt(fan))


def convolved(values: Tensor, parts: Mapping[str, Tensor], layer: str, *, stride: int = 1) -> Tensor:
    """Return the convolution of every chain, (c, n, outputs, h / stride, w / stride), padded to keep the size.

    On the processor it runs chain by chain: what a grouped convolution rounds there depends on the number of groups,
    and a chain must not depend on who shares the batch. On a GPU all chains are groups of one call.

    Args:
        values: (c, n, inputs, h, w).
        parts: `<layer>.weight` as `kernel` has it and `<layer>.bias`, (c, 1, outputs).
        layer: the layer's name.
        stride: pixels between two places of the kernel.
    """
    chains, count, inputs = values.shape[:3]
    flat, bias = parts[f"{layer}.weight"], parts[f"{layer}.bias"][:, 0]
    outputs, side = flat.shape[1], math.isqrt(flat.shape[2] // inputs)
    kernels = flat.view(chains, outputs, inputs, side, side)
    if values.device.type == "cpu":
        parted = zip(values, kernels, bias, strict=True)
        done = [functional.conv2d(one, own, shift, stride, side // 2) for one, own, shift in parted]
        return torch.stack(done)
    wide = values.transpose(0, 1).reshape(count, chains * inputs, *values.shape[3:])
    grouped = functional.conv2d(wide, kernels.flatten(0, 1), bias.flatten(), stride, side // 2, groups=chains)
    return grouped.view(count, chains, outputs, *grouped.shape[2:]).transpose(0, 1)


def upsampled(values: Tensor) -> Tensor:
    """Return pictures of twice the height and width, every pixel four times: (c, n, channels, 2 h, 2 w)."""
    return values.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
