"""The variational autoencoder: a small dense one, the networks of all chains trained as one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.nets import stacks, training
from dwindle.nets.device import device
from dwindle.samplers import Sampler

__all__ = ["Vae", "VaeModel"]

_ROWS = 4096  # rows of a chain that are judged or decoded at once
_LARGEST_LOG = 10.0  # of a latent variance; beyond it an exponential could overflow

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Vae:
    """A variational autoencoder with one hidden layer on each side and a normal latent prior.

    It minimises |x - f(z)|^2 / 2 + beta KL(q(z | x), N(0, 1)), z drawn from q, on rows that are centred and scaled by
    the training rows. What the decoder does not explain is missing from its mean f(z): a lineage of decoder means
    narrows in every generation, whatever the regime.

    Source: Kingma and Welling 2014, equation 10; Higgins et al. 2017, equation 4 (beta); Shumailov et al. 2024,
        supplement, autoencoders (a lineage of decoder means).

    Args:
        latent: dimensions of the latent space.
        hidden: units of the hidden layer of encoder and decoder.
        beta: weight of the divergence between posterior and prior.
        steps: optimiser steps.
        batch: rows of each chain in a step; rows are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
        scaling: `whole` divides all dimensions by one number and keeps the shape of the cloud, `each` gives every
            dimension a variance of 1.
        decoder: what is sampled: `mean`, the decoder's mean as the published lineages do, or `sampled`, the mean and
            normal noise with the variance of the residuals of the training rows in each dimension. Source: Rybkin et
            al. 2021, equation 5 (the variance of highest likelihood).
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    on_device: ClassVar[bool] = True

    latent: Annotated[int, Within(low=1, high=1024, unit="dimensions")] = 8
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 128
    beta: Annotated[float, Within(low=0.0)] = 0.2
    steps: Annotated[int, Within(low=1, unit="steps")] = 650
    batch: Annotated[int, Within(low=1, unit="rows")] = 128
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 3e-3
    scaling: Literal["whole", "each"] = "whole"
    decoder: Literal["mean", "sampled"] = "mean"

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> VaeModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Chains whose rows all agree are not trained: their model repeats that row.

        Raises:
            ValueError: if a chain has no rows, if its loss ends no lower than that of predicting the mean, or if the
                parent has other layers.
            BadInput, NotReachable: as `dwindle.nets.device.device` does.
        """
        place = device()
        places = training.batches(rows, steps=self.steps, batch=self.batch, seed=seed.at("batches"))
        shares = rows.filled_weights() / rows.filled_weights().sum(axis=1, keepdims=True)
        values, frame = self._standardised(rows, shares)
        blocks = self._blocks(values.shape[2])
        flat = stacks.initial(blocks, rows.chains, seed.at("initial"))
        if isinstance(parent, VaeModel):
            flat = stacks.joined(parent.weights, blocks)
        flat, values = flat.to(place), values.to(place)
        with training.deterministic(place):
            self._train(flat, blocks, values, places, seed.at("noise"))
            residuals = self._judged(stacks.cut(flat, blocks), values, shares, seed.at("judge"))
        return VaeModel({**stacks.cut(flat.cpu(), blocks), **frame, "residual": residuals}, self.decoder)

    def _blocks(self, dimensions: int) -> Mapping[str, stacks.Block]:
        return {
            "encoder.0.weight": stacks.weight(dimensions, self.hidden),
            "encoder.0.bias": stacks.bias(self.hidden),
            "encoder.1.weight": stacks.weight(self.hidden, 2 * self.latent),
            "encoder.1.bias": stacks.bias(2 * self.latent),
            "decoder.0.weight": stacks.weight(self.latent, self.hidden),
            "decoder.0.bias": stacks.bias(self.hidden),
            "decoder.1.weight": stacks.weight(self.hidden, dimensions),
            "decoder.1.bias": stacks.bias(dimensions),
        }

    def _standardised(self, rows: Rows, shares: FloatArray) -> tuple[Tensor, Weights]:
        """Return centred and scaled rows, (c, n, d), and the centre and scale, (c, 1, d); scale 0: nothing varies."""
        present = (shares > 0)[..., None]
        # Differences to one of the rows: rows that all agree must have a variance of exactly 0.
        first = np.take_along_axis(rows.values, (shares > 0).argmax(axis=1)[:, None, None], axis=1)
        shifted = np.where(present, rows.values - first, 0.0)
        offset = (shares[..., None] * shifted).sum(axis=1, keepdims=True)
        centred = np.where(present, shifted - offset, 0.0)
        variances = (shares[..., None] * centred * centred).sum(axis=1, keepdims=True)
        if self.scaling == "whole":
            variances = np.broadcast_to(variances.mean(axis=2, keepdims=True), variances.shape)
        scale = np.sqrt(variances)
        scaled = centred * np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        frame = {"centre": torch.from_numpy(first + offset), "scale": torch.from_numpy(scale)}
        return torch.from_numpy(scaled.astype(np.float32)), frame

    def _train(
        self, flat: Tensor, blocks: Mapping[str, stacks.Block], values: Tensor, places: IntArray, seed: Seed
    ) -> None:
        place = values.device
        chosen, chains = torch.from_numpy(places).to(place), torch.arange(len(values), device=place)[:, None]
        noise = _Noise(seed, (len(values), self.batch, self.latent), place)

        def loss(leaf: Tensor, step: int) -> Tensor:
            seen = values[chains, chosen[:, step]]
            missed, divergence = self._terms(stacks.cut(leaf, blocks), seen, noise.drawn())
            return (0.5 * missed.square().sum() + self.beta * divergence.sum()) / self.batch

        training.descend(flat, loss, steps=self.steps, learning_rate=self.learning_rate)

    def _terms(self, weights: Weights, seen: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the decoder misses of each row, (c, n, d), and the divergence of its posterior, nats, (c, n)."""
        mean, logs = stacks.affine(_hidden(seen, weights, "encoder.0"), weights, "encoder.1").chunk(2, dim=2)
        logs = logs.clamp(-_LARGEST_LOG, _LARGEST_LOG)
        divergence = 0.5 * (mean.square() + logs.exp() - 1.0 - logs).sum(dim=2)
        return seen - _decoded(weights, mean + noise * (0.5 * logs).exp()), divergence

    def _judged(self, weights: Weights, values: Tensor, shares: FloatArray, seed: Seed) -> Tensor:
        """Return the deviation of the residuals, (c, 1, d), or refuse networks that have learnt nothing."""
        (chains, count, dimensions), place = values.shape, values.device
        squares, losses, plain = (
            torch.zeros(chains, width, dtype=torch.float64, device=place) for width in (dimensions, 1, 1)
        )
        for block in _slices(count):
            part, share = values[:, block], torch.from_numpy(shares[:, block, None]).to(place)
            noise = _Noise(seed.at(block.start), (chains, part.shape[1], self.latent), place).drawn()
            missed, divergence = self._terms(weights, part, noise)
            squares += (share * missed.square()).sum(dim=1)
            losses += self.beta * (share[..., 0] * divergence).sum(dim=1, keepdim=True)
            plain += 0.5 * (share * part.square()).sum(dim=(1, 2))[:, None]
        losses += 0.5 * squares.sum(dim=1, keepdim=True)
        _refuse_untrained(losses[:, 0].cpu().numpy(), plain[:, 0].cpu().numpy())
        return squares.sqrt()[:, None].cpu()

    def load(self, folder: Path) -> VaeModel:
        """Read what `VaeModel.save` wrote."""
        return VaeModel(stacks.load(folder), self.decoder)

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny network and a few steps."""
        return cls(latent=2, hidden=8, steps=60, batch=20, learning_rate=2e-2)


@dataclass(frozen=True, eq=False)
class VaeModel:
    """The autoencoder of every chain.

    Args:
        weights: the layers' matrices, (c, rows, columns), and the frame they work in: `centre`, `scale` and `residual`
            (the deviation of the residuals, in scaled units), (c, 1, d); all in the processor's memory.
        decoder: what is sampled, `mean` or `sampled`.
    """

    weights: Weights
    decoder: Literal["mean", "sampled"]

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Decode latents from N(0, variance_factor I); a collapsed chain repeats its only row."""
        centre, scale = self.weights["centre"].numpy(), self.weights["scale"].numpy()
        latent = self.weights["decoder.0.weight"].shape[1]
        drawn = seed.at("latent").numpy().standard_normal((len(centre), count, latent), dtype=np.float32)
        latents = torch.from_numpy(drawn * np.float32(math.sqrt(sampler.variance_factor)))
        place = device()
        weights = stacks.moved(self.weights, place)
        with training.deterministic(place), torch.no_grad():
            parts = [_decoded(weights, latents[:, block].to(place)).cpu().numpy() for block in _slices(count)]
        decoded = np.concatenate([np.zeros((len(centre), 0, centre.shape[2])), *parts], axis=1)
        if self.decoder == "sampled":
            decoded += self.weights["residual"].numpy() * seed.at("noise").numpy().standard_normal(decoded.shape)
        return Rows(centre + scale * decoded)

    def save(self, folder: Path) -> None:
        """Write weights.safetensors."""
        stacks.save(self.weights, folder)


class _Noise:
    """Normal numbers for every chain, from a generator of its own; one array, filled anew by each draw."""

    def __init__(self, seed: Seed, shape: tuple[int, int, int], place: torch.device) -> None:
        self._generators = [seed.at("chain", chain).numpy() for chain in range(shape[0])]
        self._array, self._place = np.empty(shape, dtype=np.float32), place

    def drawn(self) -> Tensor:
        """Return (c, n, latent) normal numbers."""
        for generator, part in zip(self._generators, self._array, strict=True):
            generator.standard_normal(out=part, dtype=np.float32)
        return torch.from_numpy(self._array).to(self._place)


def _hidden(values: Tensor, weights: Weights, layer: str) -> Tensor:
    return torch.relu(stacks.affine(values, weights, layer))


def _decoded(weights: Weights, latents: Tensor) -> Tensor:
    """Return the decoder's mean of each latent, (c, n, d), in scaled units."""
    return stacks.affine(_hidden(latents, weights, "decoder.0"), weights, "decoder.1")


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))


def _refuse_untrained(losses: FloatArray, plain: FloatArray) -> None:
    """Refuse a chain whose rows vary and whose loss is not below that of predicting the mean."""
    for chain in np.flatnonzero((plain > 0) & ~(losses < plain)):
        found = f"its loss is {losses[chain]:.4g}, that of predicting the mean {plain[chain]:.4g}"
        raise ValueError(f"the autoencoder of chain {chain} has learnt nothing: {found}; take more steps or less beta")
