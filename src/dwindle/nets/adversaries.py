"""Generators and critics of every chain, dense and convolutional, and what they make and judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dwindle.contracts import Array, FloatArray, IntArray, Seed
from dwindle.nets import classes, stacks
from dwindle.nets.convolutions import convolved, kernel, upsampled
from dwindle.nets.device import device
from dwindle.nets.stacks import Block, affine
from dwindle.nets.training import deterministic

__all__ = ["LEAK", "Adversaries", "Convolutional", "Dense", "Parts", "made", "scores"]

LEAK = 0.2
"""Slope of a critic's units below 0. Source: Radford et al. 2016, section 3."""

Parts = Mapping[str, Tensor]
"""The matrices of every chain by name, each (c, rows, columns)."""


class Adversaries(Protocol):
    """A generator and a critic of every chain; `labels` are (c, n, k), one-hot, all 0 for a row without a class."""

    @property
    def latent(self) -> int:
        """Return the dimensions of the latent space."""
        ...

    @property
    def classes(self) -> int:
        """Return the number of classes k."""
        ...

    @property
    def at_once(self) -> int:
        """Return how many rows of a chain are made or judged in one call."""
        ...

    def generator(self) -> Mapping[str, Block]:
        """Return the generator's matrices."""
        ...

    def critic(self) -> Mapping[str, Block]:
        """Return the critic's matrices."""
        ...

    def generated(self, parts: Parts, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the row of each latent, (c, n, d)."""
        ...

    def scored(self, parts: Parts, values: Tensor, labels: Tensor) -> Tensor:
        """Return the critic's score of each row, higher for rows that look real, (c, n)."""
        ...


@dataclass(frozen=True)
class Dense:
    """Dense networks with as many hidden layers on either side.

    Args:
        dimensions: numbers of a row d.
        classes: number of classes k.
        latent: dimensions of the latent space.
        hidden: units of a hidden layer.
        layers: hidden layers.
    """

    dimensions: int
    classes: int
    latent: int
    hidden: int
    layers: int

    @property
    def at_once(self) -> int:
        """Return how many rows of a chain are made or judged in one call."""
        return 4096

    def generator(self) -> Mapping[str, Block]:
        """Return the generator's matrices."""
        return self._blocks("generator", self.latent, self.dimensions)

    def critic(self) -> Mapping[str, Block]:
        """Return the critic's matrices."""
        return self._blocks("critic", self.dimensions, 1)

    def _blocks(self, name: str, inputs: int, outputs: int) -> Mapping[str, Block]:
        widths = [inputs + self.classes, *[self.hidden] * self.layers, outputs]
        blocks: dict[str, Block] = {}
        for layer, (entering, leaving) in enumerate(pairwise(widths)):
            blocks[f"{name}.{layer}.weight"] = stacks.weight(entering, leaving)
            blocks[f"{name}.{layer}.bias"] = stacks.bias(leaving)
        return blocks

    def generated(self, parts: Parts, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the row of each latent, (c, n, d)."""
        values = _joined(latents, labels)
        for layer in range(self.layers):
            values = torch.relu_(affine(values, parts, f"generator.{layer}"))
        return affine(values, parts, f"generator.{self.layers}")

    def scored(self, parts: Parts, values: Tensor, labels: Tensor) -> Tensor:
        """Return the critic's score of each row, (c, n)."""
        values = _joined(values, labels)
        for layer in range(self.layers):
            values = functional.leaky_relu_(affine(values, parts, f"critic.{layer}"), LEAK)
        return affine(values, parts, f"critic.{self.layers}")[..., 0]


@dataclass(frozen=True)
class Convolutional:
    """Convolutional networks of two steps of resolution, after DCGAN: the generator doubles, the critic strides.

    The critic's score is a product of a picture's features with factors that all have in common, to which each class
    adds its own. A convolution of enlarged pictures stands where DCGAN has a transposed one, which leaves a chequered
    pattern.

    Source: Radford et al. 2016, section 3; Odena et al. 2016, Deconvolution and checkerboard artifacts; Miyato and
        Koyama 2018, section 2 (the product with a class's factors).

    Args:
        shape: height, width and colours; a row holds the pixels row by row, colours last.
        classes: number of classes k.
        latent: dimensions of the latent space.
        channels: channels at half the resolution; there are twice as many at a quarter.
    """

    shape: tuple[int, int, int]
    classes: int
    latent: int
    channels: int

    @property
    def at_once(self) -> int:
        """Return how many pictures of a chain are made or judged in one call."""
        return 256

    @property
    def _quarter(self) -> tuple[int, int]:
        return -(-self.shape[0] // 4), -(-self.shape[1] // 4)

    def generator(self) -> Mapping[str, Block]:
        """Return the generator's matrices."""
        deep = 2 * self.channels
        seeds = deep * self._quarter[0] * self._quarter[1]
        return {
            "generator.0.weight": stacks.weight(self.latent + self.classes, seeds),
            "generator.0.bias": stacks.bias(seeds),
            "generator.1.weight": kernel(deep, self.channels),
            "generator.1.bias": stacks.bias(self.channels),
            "generator.2.weight": kernel(self.channels, self.shape[2]),
            "generator.2.bias": stacks.bias(self.shape[2]),
        }

    def critic(self) -> Mapping[str, Block]:
        """Return the critic's matrices."""
        deep = 2 * self.channels
        features = deep * self._quarter[0] * self._quarter[1]
        bound = 1.0 / math.sqrt(features)
        own = {"critic.2.weight": Block(self.classes, features, bound)} if self.classes else {}
        return {
            "critic.0.weight": kernel(self.shape[2], self.channels),
            "critic.0.bias": stacks.bias(self.channels),
            "critic.1.weight": kernel(self.channels, deep),
            "critic.1.bias": stacks.bias(deep),
            "critic.2.bias": Block(1, features, bound),
            **own,
        }

    def generated(self, parts: Parts, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the picture of each latent as a row, (c, n, d)."""
        height, width, _ = self.shape
        seeds = torch.relu(affine(_joined(latents, labels), parts, "generator.0"))
        pictures = seeds.view(*seeds.shape[:2], 2 * self.channels, *self._quarter)
        pictures = torch.relu(convolved(upsampled(pictures), parts, "generator.1"))
        pictures = convolved(upsampled(pictures), parts, "generator.2")[..., :height, :width]
        return pictures.movedim(2, 4).flatten(2)

    def scored(self, parts: Parts, values: Tensor, labels: Tensor) -> Tensor:
        """Return the critic's score of each picture, (c, n)."""
        pictures = values.reshape(*values.shape[:2], *self.shape).movedim(4, 2)
        for layer in ("critic.0", "critic.1"):
            pictures = functional.leaky_relu(convolved(pictures, parts, layer, stride=2), LEAK)
        factors = affine(labels, parts, "critic.2") if self.classes else parts["critic.2.bias"]
        return (pictures.flatten(2) * factors).sum(dim=2)


def _joined(values: Tensor, labels: Tensor) -> Tensor:
    return torch.cat([values, labels], dim=2) if labels.shape[2] else values


def made(nets: Adversaries, parts: Parts, labels: IntArray, *, spread: float, seed: Seed) -> tuple[Array, Tensor]:
    """Return a generated row for each label, (c, n, d) in single precision, and the labels as marks, (c, n, k).

    Args:
        nets: what the weights mean.
        parts: the generators' matrices, in the processor's memory.
        labels: (c, n) classes, -1 for none.
        spread: standard deviation of the latents.
        seed: address of the latents; those of a chain do not depend on the other chains.
    """
    latents = np.empty((*labels.shape, nets.latent), dtype=np.float32)
    for chain, part in enumerate(latents):
        seed.at("chain", chain).numpy().standard_normal(out=part, dtype=np.float32)
    latents *= np.float32(spread)
    marks = classes.marks(labels, nets.classes)
    return _in_pieces(nets, nets.generated, parts, torch.from_numpy(latents), marks), marks


def scores(nets: Adversaries, parts: Parts, values: Tensor, marks: Tensor) -> FloatArray:
    """Return the score of each row, (c, n), in double precision.

    Args:
        nets: what the weights mean.
        parts: the critics' matrices, in the processor's memory.
        values: (c, n, d) rows in the frame of the network.
        marks: (c, n, k) their classes.
    """
    return _in_pieces(nets, nets.scored, parts, values, marks).astype(np.float64)


def _in_pieces(
    nets: Adversaries, work: Callable[[Parts, Tensor, Tensor], Tensor], parts: Parts, first: Tensor, marks: Tensor
) -> Array:
    """Return what is made of so many rows at a time, on the device."""
    place = device()
    placed = stacks.moved(parts, place)
    pieces = zip(*(torch.split(some, nets.at_once, dim=1) for some in (first, marks)), strict=True)
    with deterministic(place), torch.no_grad():
        done = [work(placed, one.to(place), told.to(place)).cpu().numpy() for one, told in pieces]
    return np.concatenate(done, axis=1)
