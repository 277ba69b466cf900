"""The variational autoencoder: dense or convolutional, the networks of all chains trained as one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch

from dwindle.contracts import (
    Array,
    FloatArray,
    IntArray,
    Kind,
    Model,
    Rows,
    Seed,
    Within,
    classes_of,
    knowing,
    pixels_of,
)
from dwindle.nets import classes, stacks, training
from dwindle.nets.autoencoder import Autoencoder, Exercise, Pictures, Weights, slices
from dwindle.nets.device import device
from dwindle.nets.frames import Scaling, framed
from dwindle.samplers import Sampler

__all__ = ["Vae", "VaeModel"]

_SMALLEST, _LARGEST, _COLOURS = 8, 32, (1, 3)  # pictures that the convolutions are made for

Decoder = Literal["mean", "sampled"]


@dataclass(frozen=True)
class Vae(stacks.Stacked["VaeModel"]):
    """A variational autoencoder with a normal latent prior.

    It minimises |x - f(z)|^2 / 2 + beta KL(q(z | x), N(0, 1)), z drawn from q, on rows that are centred and scaled by
    the training rows. What the decoder does not explain is missing from its mean f(z): a lineage of decoder means
    narrows in every generation, whatever the regime. Where the source names classes, encoder and decoder are told a
    row's class; a sampled row gets a class at random, as often as the training rows have it, so that a class that no
    training row has is gone for good.

    Source: Kingma and Welling 2014, equation 10; Higgins et al. 2017, equation 4 (beta); Sohn et al. 2015, equation 4
        (classes); Shumailov et al. 2024, supplement, autoencoders (a lineage of decoder means).

    Args:
        network: `dense` for any vectors, one hidden layer on each side; `convolutional` for pictures of 8 to 32 pixels
            a side, with two convolutions of stride 2 before the encoder's dense layers, and two that double a picture's
            sides after the decoder's.
        latent: dimensions of the latent space.
        hidden: units of the hidden layer of encoder and decoder.
        channels: of the first convolution, and half those of the second. Convolutional only.
        beta: weight of the divergence between posterior and prior.
        steps: optimiser steps.
        batch: rows of each chain in a step; rows are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
        scaling: `whole` divides all dimensions by one number and keeps the shape of the cloud, `each` gives every
            dimension a variance of 1.
        decoder: what is sampled: `mean`, the decoder's mean as the published lineages do, or `sampled`, the mean and
            normal noise with the variance of the residuals of the training rows in each dimension. Source: Rybkin et
            al. 2021, equation 5 (the variance of highest likelihood).
        source: the source it was given; no setting.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    on_device: ClassVar[bool] = True
    fixed_latents: ClassVar[bool] = True

    network: Literal["dense", "convolutional"] = "dense"
    latent: Annotated[int, Within(low=1, high=1024, unit="dimensions")] = 8
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 128
    channels: Annotated[int, Within(low=1, high=512, unit="channels")] = 16
    beta: Annotated[float, Within(low=0.0)] = 0.2
    steps: Annotated[int, Within(low=1, unit="steps")] = 650
    batch: Annotated[int, Within(low=1, unit="rows")] = 128
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 3e-3
    scaling: Scaling = "whole"
    decoder: Decoder = "mean"
    source: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a setting that would change nothing.

        Raises:
            ValueError: if channels are set and the network has none.
        """
        if self.network == "dense" and self.channels != type(self).channels:
            raise ValueError(f"network dense has no channels, so channels {self.channels} would change nothing")

    def given(self, source: Any) -> Self:
        """Return the family that knows how many classes and which size of pictures a source has.

        Raises:
            ValueError: if convolutions are asked for and the source's rows are not the pixels of pictures that they
                are made for.
        """
        if self.network == "convolutional":
            _refuse_pictures(type(source).__name__, pixels_of(source))
        return knowing(self, source=source)

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> VaeModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Chains whose rows all agree repeat that row, whatever their network says.

        Raises:
            ValueError: if a chain has no rows, if its loss ends no lower than that of predicting the mean, if the
                parent has other layers, or if convolutions were not given a source of pictures.
            BadInput, NotReachable: as `dwindle.nets.device.device` does.
        """
        place, net = device(), self._net(rows.values.shape[2])
        places = training.batches(rows, steps=self.steps, batch=self.batch, seed=seed.at("batches"))
        values, frame = framed(rows, self.scaling)
        told = {"shares": torch.from_numpy(classes.shares(rows, net.classes))} if net.classes else {}
        flat = stacks.initial(net.blocks, rows.chains, seed.at("initial"))
        if isinstance(parent, VaeModel):
            flat = stacks.joined(parent.weights, net.blocks)
        marks = classes.marks(rows.filled_labels(), net.classes)
        flat, exercise = flat.to(place), Exercise(net, self.beta, values.to(place), marks.to(place))
        with training.deterministic(place):
            loss = exercise.loss(places, seed.at("noise"))
            training.descend(flat, loss, steps=self.steps, learning_rate=self.learning_rate)
            residuals = exercise.residuals(flat, rows, seed.at("judge"))
        return VaeModel(
            {**stacks.cut(flat.cpu(), net.blocks), **frame, **told, "residual": residuals}, net, self.decoder
        )

    def _net(self, dimensions: int) -> Autoencoder:
        known, pictures = len(classes_of(self.source)), None
        if self.network == "convolutional":
            pixels = pixels_of(self.source)
            if pixels is None:
                raise ValueError("network convolutional was not given a source: call Vae.given(source) first")
            pictures = Pictures(*pixels, self.channels)
        return Autoencoder(dimensions, known, self.latent, self.hidden, pictures)

    def load(self, folder: Path) -> VaeModel:
        """Read what `VaeModel.save` wrote."""
        weights = stacks.load(folder)
        return VaeModel(weights, self._net(weights["centre"].shape[2]), self.decoder)

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny network and a few steps."""
        return cls(latent=2, hidden=16, beta=0.1, steps=60, batch=20, learning_rate=2e-2)


@dataclass(frozen=True, eq=False)
class VaeModel:
    """The autoencoder of every chain.

    Args:
        weights: the layers' matrices, (c, rows, columns); the frame they work in, `centre`, `scale` and `residual`
            (the deviation of the residuals, in scaled units), (c, 1, d); and, where there are classes, the share of
            each and of none, `shares`, (c, 1, k + 1); all in the processor's memory.
        net: how the matrices belong together.
        decoder: what is sampled, `mean` or `sampled`.
    """

    weights: Weights
    net: Autoencoder
    decoder: Decoder

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Decode latents from N(0, variance_factor I); a collapsed chain repeats its only row."""
        centre, scale = self.weights["centre"].numpy(), self.weights["scale"].numpy()
        labels, place = self._labels(count, seed.at("label")), device()
        latents = _normal(seed.at("latent"), (len(centre), count, self.net.latent), np.float32)
        latents *= np.float32(math.sqrt(sampler.variance_factor))
        marks, weights = classes.marks(labels, self.net.classes), stacks.moved(self.weights, place)
        decoded = np.empty((len(centre), count, centre.shape[2]))
        with training.deterministic(place), torch.no_grad():
            for block in slices(count, self.net.widest):
                drawn, told = torch.from_numpy(latents[:, block]).to(place), marks[:, block].to(place)
                decoded[:, block] = self.net.decoded(weights, drawn, told).cpu().numpy()
        if self.decoder == "sampled":
            decoded += self.weights["residual"].numpy() * _normal(seed.at("noise"), decoded.shape, np.float64)
        return Rows(centre + scale * decoded, labels=labels if self.net.classes else None)

    def encode(self, rows: Rows) -> FloatArray:
        """Return the mean of each row's latents, (c, n, latent), in units of the prior's deviation.

        Rows of one chain are encoded by every chain's encoder; numbers too large for single precision become nan.
        """
        centre, scale = self.weights["centre"].numpy(), self.weights["scale"].numpy()
        shape, place = (len(centre), rows.count), device()
        values = np.broadcast_to(rows.values, (*shape, centre.shape[2]))
        marks = classes.marks(np.broadcast_to(rows.filled_labels(), shape), self.net.classes)
        inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        weights, latents = stacks.moved(self.weights, place), np.empty((*shape, self.net.latent))
        with training.deterministic(place), torch.no_grad():
            for block in slices(rows.count, self.net.widest):
                with np.errstate(over="ignore", invalid="ignore"):
                    scaled = torch.from_numpy(((values[:, block] - centre) * inverse).astype(np.float32))
                mean, _ = self.net.posterior(weights, scaled.to(place), marks[:, block].to(place))
                latents[:, block] = mean.cpu().numpy()
        return latents

    def save(self, folder: Path) -> None:
        """Write weights.safetensors."""
        stacks.save(self.weights, folder)

    def _labels(self, count: int, seed: Seed) -> IntArray:
        """Return the class of each row to sample, (c, count), -1 for none."""
        if not self.net.classes:
            return np.full((len(self.weights["centre"]), count), -1, dtype=np.int64)
        return classes.drawn(self.weights["shares"].numpy(), count, seed)


def _normal(seed: Seed, shape: tuple[int, int, int], kind: type[np.floating[Any]]) -> Array:
    """Return normal numbers, each chain's from a generator of its own."""
    drawn = np.empty(shape, dtype=kind)
    for chain, part in enumerate(drawn):
        seed.at("chain", chain).numpy().standard_normal(out=part, dtype=kind)
    return drawn


def _refuse_pictures(name: str, pixels: tuple[int, int, int] | None) -> None:
    """Refuse rows that are not pixels of pictures of the right size."""
    if pixels is None:
        raise ValueError(f"network convolutional needs rows that are pixels, and those of {name} are not")
    height, width, colours = pixels
    if colours not in _COLOURS or not (min(height, width) >= _SMALLEST and max(height, width) <= _LARGEST):
        found = f"{name} has {height} x {width} pixels of {colours} colours"
        takes = f"pictures of {_SMALLEST} to {_LARGEST} pixels a side and 1 or 3 colours"
        raise ValueError(f"network convolutional takes {takes}; {found}")
