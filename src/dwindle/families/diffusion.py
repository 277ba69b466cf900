"""Denoising diffusion: dense networks or U-Nets of all chains trained as one, guided where rows have classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import (
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
from dwindle.errors import BadInput
from dwindle.nets import classes, stacks, training
from dwindle.nets.denoisers import Conditions, Denoiser, Dense, Weights, slices
from dwindle.nets.denoising import Noise, Process, Schedule, walked
from dwindle.nets.device import device
from dwindle.nets.frames import Scaling, framed
from dwindle.nets.lessons import Lessons
from dwindle.nets.unet import GROUPS, Unet
from dwindle.nets.unet2d import Unet2d
from dwindle.samplers import Sampler

__all__ = ["Diffusion", "DiffusionModel"]

_JUDGED = 1024  # noisy rows of a chain that a fit is judged by

Sampling = Literal["ddpm", "ddim"]


@dataclass(frozen=True)
class Diffusion(stacks.Stacked["DiffusionModel"]):
    """Denoising diffusion: a network learns the noise in noisy rows, and rows are walked back from noise.

    It minimises |e - f(x_t, t)|^2 over rows x, levels t and normal noise e, on rows that are centred and scaled by the
    training rows; what the network itself says is v = sqrt(s_t) e - sqrt(1 - s_t) x, and f follows from it.

    Where the source names classes the network is told a row's class, a sampled row gets a class at random, as often as
    the training rows have it, and the sampler's variance_factor lambda guides: the difference between what the network
    says with and without the class counts 1 / lambda times, which is a guidance of w = 1 / lambda - 1; rows without a
    class are not guided. Where there are no classes lambda is the variance of all noise that sampling draws: what would
    be N(m, S) becomes N(m, lambda S).

    Source: Ho et al. 2020, algorithms 1 and 2; Song et al. 2021, equations 12 and 16 (fewer steps, and none of them
        random); Ho and Salimans 2022, algorithms 1 and 2 (guidance without a classifier); Alemohammad et al. 2023,
        section 2 (lambda = 1 / (1 + w)).

    Args:
        network: `dense` for any vectors; `unet`, a small U-Net, for pictures; `unet2d`, the UNet2DModel of diffusers
            (the extra `diffusion`), chain by chain.
        hidden: units of a hidden layer of the dense network.
        layers: hidden layers of the dense network.
        channels: of a U-Net at full size; a multiple of 4.
        levels: levels of noise T.
        schedule: how the signal falls from level to level, `linear` or `cosine`.
        steps: optimiser steps.
        batch: rows of each chain in a step; rows are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
        scaling: `whole` divides all dimensions by one number and keeps the shape of the cloud, `each` gives every
            dimension a variance of 1.
        drop: share of the rows whose class is hidden in training; where there are classes.
        sampling: `ddpm` draws noise in each step, `ddim` at the start alone. Of normal rows on 100 levels, all visited,
            `ddpm` keeps the variance to a few per cent and `ddim` loses 2 to 5 % of it, a bias that adds up in a
            lineage.
        sampling_steps: levels that sampling visits, evenly spread; 0: all of them. Fewer add to the bias.
        source: the source it was given; no setting.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    on_device: ClassVar[bool] = True
    fixed_latents: ClassVar[bool] = True

    network: Literal["dense", "unet", "unet2d"] = "dense"
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 256
    layers: Annotated[int, Within(low=1, high=16, unit="layers")] = 3
    channels: Annotated[int, Within(low=GROUPS, high=1024, unit="channels")] = 16
    levels: Annotated[int, Within(low=2, high=10_000, unit="levels")] = 100
    schedule: Schedule = "cosine"
    steps: Annotated[int, Within(low=1, unit="steps")] = 2000
    batch: Annotated[int, Within(low=1, unit="rows")] = 64
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 2e-3
    scaling: Scaling = "whole"
    drop: Annotated[float, Within(low=0.0, high=0.99, unit="fraction")] = 0.1
    sampling: Sampling = "ddpm"
    sampling_steps: Annotated[int, Within(low=0, high=10_000, unit="levels")] = 0
    source: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse more steps of sampling than levels, and channels that make no groups.

        Raises:
            ValueError: if so.
        """
        if self.sampling_steps > self.levels:
            raise ValueError(f"sampling_steps {self.sampling_steps}: there are {self.levels} levels")
        if self.channels % GROUPS:
            raise ValueError(f"channels {self.channels}: must be a multiple of {GROUPS}, the groups of a group norm")

    def given(self, source: Any) -> Self:
        """Return the family that knows how many classes and which size of pictures a source has.

        Raises:
            ValueError: if a U-Net is asked for and the source's rows are no pixels.
        """
        if self.network != "dense" and pixels_of(source) is None:
            raise ValueError(f"network {self.network} needs rows that are pixels, and those of the source are not")
        return knowing(self, source=source)

    def refuses(self, recipe: Any) -> str:
        """Say why rows cannot be guided as a recipe's sampler says."""
        factor = recipe.sampler.variance_factor
        if not classes_of(recipe.source) or 0.0 < factor <= 1.0:
            return ""
        return (
            f"sampler.variance_factor {factor:g}: rows with classes are guided by 1 / variance_factor - 1, so it must "
            "be above 0 and at most 1"
        )

    def require(self) -> None:
        """Refuse a machine without the package that the network comes from.

        Raises:
            BadInput: if so.
        """
        if self.network == "unet2d" and find_spec("diffusers") is None:
            raise BadInput(
                "family diffusion, network unet2d: the package diffusers is not installed; "
                "pip install 'dwindle[diffusion]', or take network unet"
            )

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> DiffusionModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Chains whose rows all agree repeat that row, whatever their network says.

        Raises:
            ValueError: if a chain has no rows, if it has learnt nothing, if the parent has other layers, or if a U-Net
                was not given a source of pictures.
            BadInput, NotReachable: as `dwindle.nets.device.device` does, and as `require` does.
        """
        place, net = device(), self._net(rows.values.shape[2])
        places = training.batches(rows, steps=self.steps, batch=self.batch, seed=seed.at("batches"))
        judged = training.batches(rows, steps=-(-_JUDGED // self.batch), batch=self.batch, seed=seed.at("judged"))
        flat = stacks.initial(net.blocks, rows.chains, seed.at("initial"))
        if isinstance(parent, DiffusionModel):
            flat = stacks.joined(parent.weights, net.blocks)
        values, frame = framed(rows, self.scaling)
        known = _codes(rows.filled_labels(), net, place)
        flat, lessons = flat.to(place), Lessons(net, self._process, values.to(place), known)
        with training.deterministic(place):
            missed = lessons.misses(places, drop=self.drop, seed=seed.at("training"))
            training.descend(
                flat,
                lambda leaf, step: missed(leaf, step).square().mean(dim=(1, 2)).sum(),
                steps=self.steps,
                learning_rate=self.learning_rate,
            )
            lessons.judge(flat, judged, rows.filled_weights(), seed.at("judging"))
        if known is not None:
            frame["shares"] = torch.from_numpy(classes.shares(rows, net.conditions.classes))
        return self._fitted({**stacks.cut(flat.cpu(), net.blocks), **frame}, net)

    @property
    def _process(self) -> Process:
        return Process(self.levels, self.schedule)

    def _net(self, dimensions: int) -> Denoiser:
        conditions = Conditions(self.levels, len(classes_of(self.source)))
        if self.network == "dense":
            return Dense(dimensions, self.hidden, self.layers, conditions)
        pixels = pixels_of(self.source)
        if pixels is None:
            raise ValueError(f"network {self.network} was not given a source: call Diffusion.given(source) first")
        if self.network == "unet":
            return Unet(pixels, self.channels, conditions)
        self.require()
        return Unet2d(pixels, self.channels, conditions)

    def _fitted(self, weights: Weights, net: Denoiser) -> DiffusionModel:
        steps = self.sampling_steps or self.levels
        return DiffusionModel(weights, net, self._process, self.sampling, steps)

    def load(self, folder: Path) -> DiffusionModel:
        """Read what `DiffusionModel.save` wrote."""
        weights = stacks.load(folder)
        return self._fitted(weights, self._net(weights["centre"].shape[2]))

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny network, few levels and few steps."""
        return cls(hidden=16, layers=1, levels=10, steps=60, batch=20, learning_rate=2e-2)


@dataclass(frozen=True, eq=False)
class DiffusionModel:
    """The denoiser of every chain.

    Args:
        weights: the network's matrices, (c, rows, columns), and its frame, `centre` and `scale`, (c, 1, d); where there
            are classes, `shares` too, (c, 1, k + 1), the share of each and of none; all in the processor's memory.
        net: the network.
        process: the way into noise.
        sampling: `ddpm` draws noise in each step, `ddim` at the start alone.
        steps: levels that sampling visits.
    """

    weights: Weights
    net: Denoiser
    process: Process
    sampling: Sampling
    steps: int

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Walk back from noise, guided where there are classes; a collapsed chain repeats its only row."""
        centre, scale = self.weights["centre"].numpy(), self.weights["scale"].numpy()
        labels, place = self._labels(count, seed.at("label")), device()
        known = _codes(labels, self.net, place)
        blocks = list(slices(count, self.net.widest))
        shape = (len(centre), blocks[0].stop if blocks else 0, centre.shape[2])
        start, fresh = (Noise(seed.at(name), shape, place) for name in ("start", "noise"))
        weights, values = stacks.moved(self.weights, place), np.empty((len(centre), count, centre.shape[2]))
        with training.deterministic(place), torch.no_grad():
            for block in blocks:
                told = None if known is None else known[:, block]
                drawn = (start, fresh), block.stop - block.start
                values[:, block] = self._walked(weights, told, drawn, sampler.variance_factor).cpu().numpy()
        return Rows(centre + scale * values, labels=None if known is None else labels)

    def save(self, folder: Path) -> None:
        """Write weights.safetensors."""
        stacks.save(self.weights, folder)

    def _walked(
        self, weights: Weights, told: Tensor | None, draws: tuple[tuple[Noise, Noise], int], factor: float
    ) -> Tensor:
        """Return a block of every chain, (c, count, d), in its frame."""
        (start, fresh), count = draws
        spread = math.sqrt(factor) if told is None else 1.0

        def predicted(values: Tensor, level: int) -> Tensor:
            levels = torch.full(values.shape[:2], level, device=values.device)
            found = self.net(weights, values, levels, told)
            if told is not None and factor != 1.0:
                plain = self.net(weights, values, levels, torch.full_like(told, self.net.conditions.classes))
                found = plain + (found - plain) / factor
            return self.process.noise(found, values, levels)

        noise = (lambda: spread * fresh.drawn(count)) if self.sampling == "ddpm" else None
        return walked(self.process, predicted, spread * start.drawn(count), noise, steps=self.steps)

    def _labels(self, count: int, seed: Seed) -> IntArray:
        """Return the class of each row to sample, (c, count), -1 for none."""
        if not self.net.conditions.classes:
            return np.full((len(self.weights["centre"]), count), -1, dtype=np.int64)
        return classes.drawn(self.weights["shares"].numpy(), count, seed)


def _codes(labels: IntArray, net: Denoiser, place: torch.device) -> Tensor | None:
    """Return labels as a network is told them, the number of classes for none; None where there are no classes."""
    count = net.conditions.classes
    return torch.from_numpy(np.where(labels < 0, count, labels)).to(place) if count else None
