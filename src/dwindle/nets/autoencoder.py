"""Autoencoders: dense layers and, where rows are pictures, convolutions around them; what they are trained by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dwindle.contracts import IntArray, Rows, Seed
from dwindle.nets import stacks
from dwindle.nets.convolutions import convolved, kernel
from dwindle.nets.denoising import Noise
from dwindle.nets.stacks import Block

__all__ = ["Autoencoder", "Exercise", "Pictures", "slices"]

_LARGEST_LOG = 10.0  # of a latent variance; beyond it an exponential could overflow
_AT_ONCE, _MOST = 2**20, 4096  # numbers of a chain in the widest layer at once, and rows

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pictures:
    """Two convolutions that halve a picture's sides, and two that double them again.

    Args:
        height: pixels, any number.
        width: pixels.
        colours: numbers a pixel.
        channels: of the first convolution; the second has twice as many.
    """

    height: int
    width: int
    colours: int
    channels: int

    @cached_property
    def blocks(self) -> Mapping[str, Block]:
        """The matrices of the layers."""
        ends = {
            "halved.0": (self.colours, self.channels),
            "halved.1": (self.channels, 2 * self.channels),
            "doubled.0": (2 * self.channels, 4 * self.channels),
            "doubled.1": (self.channels, 4 * self.colours),
        }
        kernels = {f"{layer}.weight": kernel(*end) for layer, end in ends.items()}
        # Under a rectifier half the signal is lost, which wider weights make up for. He et al. 2015, equation 10.
        for layer in ("halved.0", "halved.1", "doubled.0"):
            block = kernels[f"{layer}.weight"]
            kernels[f"{layer}.weight"] = replace(block, bound=math.sqrt(6.0 / block.columns))
        return kernels | {f"{layer}.bias": stacks.bias(outputs) for layer, (_, outputs) in ends.items()}

    @property
    def features(self) -> int:
        """Numbers of a picture between the convolutions."""
        height, width = self._sides[2]
        return 2 * self.channels * height * width

    @property
    def widest(self) -> int:
        """Numbers of a picture in its widest layer."""
        _, half, quarter = (height * width for height, width in self._sides)
        return 4 * max(self.channels * quarter, self.colours * half)

    @property
    def _sides(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the picture itself, halved and halved again."""
        half, quarter = ((-(-self.height // by), -(-self.width // by)) for by in (2, 4))
        return (self.height, self.width), half, quarter

    def seen(self, weights: Weights, rows: Tensor) -> Tensor:
        """Return the features of pictures, (c, n, features), given as rows (c, n, h w colours), colours last."""
        pixels = rows.reshape(*rows.shape[:2], self.height, self.width, self.colours).permute(0, 1, 4, 2, 3)
        half = torch.relu(convolved(pixels, weights, "halved.0", stride=2))
        return torch.relu(convolved(half, weights, "halved.1", stride=2)).flatten(2)

    def painted(self, weights: Weights, features: Tensor) -> Tensor:
        """Return pictures as rows, (c, n, h w colours), from features (c, n, features)."""
        whole, half, quarter = self._sides
        small = features.reshape(*features.shape[:2], 2 * self.channels, *quarter)
        middle = torch.relu(_shuffled(convolved(small, weights, "doubled.0"), half))
        return _shuffled(convolved(middle, weights, "doubled.1"), whole).permute(0, 1, 3, 4, 2).flatten(2)


def _shuffled(values: Tensor, sides: tuple[int, int]) -> Tensor:
    """Return pictures of twice the size and a quarter of the channels, which become the pixels of a square of four.

    The last line and column are left out where that is one too many.

    Source: Shi et al. 2016, equation 4 (pixel shuffle).
    """
    wide = functional.pixel_shuffle(values.flatten(0, 1), 2)
    return wide.view(*values.shape[:2], *wide.shape[1:])[..., : sides[0], : sides[1]]


@dataclass(frozen=True)
class Autoencoder:
    """Encoder and decoder with one hidden layer each, the class of a row beside the input of both.

    Args:
        dimensions: of a row, d.
        classes: number of classes k; 0: rows have none.
        latent: dimensions of the latent space.
        hidden: units of a hidden layer.
        pictures: the convolutions, where rows are pictures.
    """

    dimensions: int
    classes: int
    latent: int
    hidden: int
    pictures: Pictures | None = None

    @cached_property
    def blocks(self) -> Mapping[str, Block]:
        """The matrices of the layers."""
        ends = {
            "encoder.0": (self._features + self.classes, self.hidden),
            "encoder.1": (self.hidden, 2 * self.latent),
            "decoder.0": (self.latent + self.classes, self.hidden),
            "decoder.1": (self.hidden, self._features),
        }
        weights = {f"{layer}.weight": stacks.weight(*end) for layer, end in ends.items()}
        biases = {f"{layer}.bias": stacks.bias(outputs) for layer, (_, outputs) in ends.items()}
        return {**weights, **biases, **({} if self.pictures is None else self.pictures.blocks)}

    @property
    def widest(self) -> int:
        """Numbers that a row has in the widest layer."""
        own = max(self.hidden, self._features + self.classes)
        return own if self.pictures is None else max(own, self.pictures.widest)

    @property
    def _features(self) -> int:
        return self.dimensions if self.pictures is None else self.pictures.features

    def posterior(self, weights: Weights, rows: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the log-variance of the latents of each row, (c, n, latent).

        Args:
            weights: the matrices, (c, rows, columns).
            rows: (c, n, d), standardised.
            marks: (c, n, k) the classes of the rows; see `dwindle.nets.classes.marks`.
        """
        features = rows if self.pictures is None else self.pictures.seen(weights, rows)
        hidden = torch.relu(stacks.affine(self._told(features, marks), weights, "encoder.0"))
        mean, logs = stacks.affine(hidden, weights, "encoder.1").chunk(2, dim=2)
        return mean, functional.hardtanh(logs, -_LARGEST_LOG, _LARGEST_LOG)

    def decoded(self, weights: Weights, latents: Tensor, marks: Tensor) -> Tensor:
        """Return the decoder's mean of each latent, (c, n, d), standardised; `marks` as `posterior` has them."""
        hidden = torch.relu(stacks.affine(self._told(latents, marks), weights, "decoder.0"))
        features = stacks.affine(hidden, weights, "decoder.1")
        return features if self.pictures is None else self.pictures.painted(weights, torch.relu(features))

    def terms(self, weights: Weights, rows: Tensor, marks: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the decoder makes of each row, (c, n, d), and the divergence of its posterior, nats, (c, n).

        Source: Kingma and Welling 2014, section 2.4 (the latent as mean + noise x deviation) and appendix B.
        """
        mean, logs = self.posterior(weights, rows, marks)
        deviation = (0.5 * logs).exp()
        divergence = 0.5 * (mean.square() + deviation.square() - 1.0 - logs).sum(dim=2)
        return self.decoded(weights, torch.addcmul(mean, noise, deviation), marks), divergence

    def _told(self, values: Tensor, marks: Tensor) -> Tensor:
        return torch.cat([values, marks], dim=2) if self.classes else values


@dataclass(frozen=True, eq=False)
class Exercise:
    """The training rows of every chain, and what its networks lose on them.

    Args:
        net: the networks.
        beta: weight of the divergence.
        values: (c, n, d) rows in their frame.
        marks: (c, n, k) their classes.
    """

    net: Autoencoder
    beta: float
    values: Tensor
    marks: Tensor

    def loss(self, places: IntArray, seed: Seed) -> Callable[[Tensor, int], Tensor]:
        """Return what takes weights, (c, P), and the number of a step, and returns the chains' losses, summed.

        Args:
            places: (c, steps, batch) the rows of each step.
            seed: address of the noise; steps are asked for in their order, each once.
        """
        chains, steps, batch = places.shape
        count, place, net = self.values.shape[1], self.values.device, self.net
        chosen = np.swapaxes(places + count * np.arange(chains)[:, None, None], 0, 1).reshape(steps, -1)
        numbers = torch.from_numpy(chosen).to(place)
        values, marks = self.values.flatten(0, 1), self.marks.flatten(0, 1)
        noise = Noise(seed, (chains, batch, net.latent), place)

        def lost(flat: Tensor, step: int) -> Tensor:
            shown = (rows.index_select(0, numbers[step]) for rows in (values, marks))
            seen, told = (rows.view(chains, batch, rows.shape[1]) for rows in shown)
            made, divergence = net.terms(stacks.cut(flat, net.blocks), seen, told, noise.drawn(batch))
            missed = functional.mse_loss(made, seen, reduction="sum")
            summed: Tensor = (0.5 * missed + self.beta * divergence.sum()) / batch
            return summed

        return lost

    def residuals(self, flat: Tensor, rows: Rows, seed: Seed) -> Tensor:
        """Return the deviation of what is missed of a chain's own rows, (c, 1, d), in their frame.

        Args:
            flat: (c, P) trained weights.
            rows: the training rows, for their weights.
            seed: address of the noise.

        Raises:
            ValueError: if a chain's rows vary and its loss is not below that of predicting the mean.
        """
        found = [self._missed(flat, rows, chain, seed.at("chain", chain)) for chain in range(rows.chains)]
        return torch.stack(found).sqrt().cpu()

    def _missed(self, flat: Tensor, rows: Rows, chain: int, seed: Seed) -> Tensor:
        """Return the mean square of what is missed of a chain's rows, (1, d), from these rows alone."""
        weights, one = rows.filled_weights()[chain], slice(chain, chain + 1)
        there = np.flatnonzero(weights > 0)
        parts, place = stacks.cut(flat[one], self.net.blocks), flat.device
        noise = torch.from_numpy(seed.numpy().standard_normal((1, there.size, self.net.latent), dtype=np.float32))
        squares, losses = (flat.new_zeros(1, width, dtype=torch.float64) for width in (self.values.shape[2], 2))
        for block in slices(there.size, self.net.widest):
            own = torch.from_numpy(there[block]).to(place)
            share = torch.from_numpy(weights[there[block], None] / weights.sum()).to(place)
            seen = self.values[one, own]
            with torch.no_grad():
                made, divergence = self.net.terms(parts, seen, self.marks[one, own], noise[:, block].to(place))
            squares += (share * (seen - made)[0].square()).sum(dim=0)
            own_losses = (self.beta * (share[:, 0] * divergence[0]).sum(), 0.5 * (share * seen[0].square()).sum())
            losses += torch.stack(own_losses)[None]
        loss, plain = losses.cpu().numpy()[0]
        _refuse_untrained(chain, loss + 0.5 * squares.cpu().numpy().sum(), plain)
        return squares


def _refuse_untrained(chain: int, loss: float, plain: float) -> None:
    """Refuse a chain whose rows vary and whose loss is not below that of predicting the mean."""
    if plain > 0 and not loss < plain:
        found = f"its loss is {loss:.4g}, that of predicting the mean {plain:.4g}"
        raise ValueError(f"the autoencoder of chain {chain} has learnt nothing: {found}; take more steps or less beta")


def slices(count: int, widest: int) -> Iterator[slice]:
    """Return the rows to compute at once, so that memory does not grow with their number.

    They do not depend on how many chains there are: what a product rounds may depend on its number of rows.
    """
    rows = max(1, min(_MOST, _AT_ONCE // widest))
    return (slice(start, min(start + rows, count)) for start in range(0, count, rows))
