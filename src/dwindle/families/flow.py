"""The normalising flow: neural splines that turn normal numbers into rows, those of all chains trained as one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import Array, FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.nets import splines, stacks, training
from dwindle.nets.splines import Layers, Splines
from dwindle.samplers import Sampler

__all__ = ["Flow", "FlowModel"]

_ROWS = 4096  # rows of a chain that are scored or sampled at once
_LONGEST = 5.0  # length of a gradient
_SLACK = 0.1  # nats a dimension that a fit may end above a normal law: it chases rows, and a step may overshoot

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Flow(stacks.Stacked["FlowModel"]):
    """A neural spline flow, fitted by maximum likelihood: a law whose density is known exactly, without a bottleneck.

    Rows are centred and divided by their deviation, dimension by dimension and chain by chain; monotone
    rational-quadratic splines between -5 and 5, whose knots masked networks place, carry them to independent normal
    numbers. Beyond 5 deviations the map is the identity: the far tail of a lineage is a normal one from generation 1
    on. A dimension that does not vary is repeated, and the density is that on the others. It is computed on the
    processor, wherever the sweep runs: torch sums the widths of bins on a GPU in no fixed order.

    Source: Durkan et al. 2019, Neural spline flows, sections 3.1 and 4 (splines, RQ-NSF (AR) and (C)), appendix B (the
        longest gradient), in zuko's parametrisation; Papamakarios et al. 2017 (masked autoregressive flows).

    Args:
        transforms: layers of splines; every other one takes the dimensions in reverse order.
        bins: bins of a spline.
        hidden: units of each hidden layer of the networks that place the knots.
        depth: hidden layers of these networks.
        layers: `autoregressive`, each dimension given all before it, sampled one dimension after another; or
            `coupling`, the second half given the first, sampled in two passes.
        steps: optimiser steps.
        batch: rows of each chain in a step; rows are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    fixed_latents: ClassVar[bool] = True

    transforms: Annotated[int, Within(low=1, high=64, unit="layers")] = 3
    bins: Annotated[int, Within(low=2, high=128, unit="bins")] = 8
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 64
    depth: Annotated[int, Within(low=1, high=16, unit="layers")] = 2
    layers: Layers = "autoregressive"
    steps: Annotated[int, Within(low=1, unit="steps")] = 500
    batch: Annotated[int, Within(low=1, unit="rows")] = 128
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 5e-3

    def require(self) -> None:
        """Refuse an environment without the splines.

        Raises:
            BadInput: if zuko is not installed.
        """
        splines.zuko("transforms")

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> FlowModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Raises:
            ValueError: if a chain has no rows, if its loss ends above that of a normal law, or if the parent has other
                layers.
            BadInput: if zuko is not installed.
        """
        places = training.batches(rows, steps=self.steps, batch=self.batch, seed=seed.at("batches"))
        frames = [_frame(rows.chain(chain)) for chain in range(rows.chains)]
        frame = {"centre": np.stack([own[0] for own in frames]), "scale": np.stack([own[1] for own in frames])}
        nets = self._nets(rows.values.shape[2])
        flat = stacks.initial(nets.blocks, rows.chains, seed.at("initial"))
        if isinstance(parent, FlowModel):
            flat = stacks.joined(parent.weights, nets.blocks)
        values = torch.from_numpy(_scaled(rows, frame).astype(np.float32))
        alive = torch.from_numpy(frame["scale"] > 0)
        with training.deterministic():
            self._train(flat, nets, values, alive, places)
            parts = stacks.cut(flat, nets.blocks)
            _refuse_untrained(rows, parts, nets, values, alive)
        return FlowModel({**parts, **{name: torch.from_numpy(part) for name, part in frame.items()}}, nets)

    def _nets(self, dimensions: int) -> Splines:
        return splines.splines(dimensions, self.transforms, self.bins, (self.hidden,) * self.depth, self.layers)

    def _train(self, flat: Tensor, nets: Splines, values: Tensor, alive: Tensor, places: IntArray) -> None:
        chosen, chains = torch.from_numpy(places), torch.arange(len(values))[:, None]

        def loss(leaf: Tensor, step: int) -> Tensor:
            seen = values[chains, chosen[:, step]]
            latents, volume = nets.normalised(seen, stacks.cut(leaf, nets.blocks), alive)
            return (0.5 * latents.square().sum() - volume.sum()) / self.batch

        training.descend(flat, loss, steps=self.steps, learning_rate=self.learning_rate, longest=_LONGEST)

    def load(self, folder: Path) -> FlowModel:
        """Read what `FlowModel.save` wrote."""
        weights = stacks.load(folder)
        return FlowModel(weights, self._nets(weights["centre"].shape[2]))

    @classmethod
    def smallest(cls) -> Self:
        """Return two small layers and a few steps."""
        return cls(transforms=2, bins=4, hidden=8, depth=1, steps=30, batch=20, learning_rate=1e-2)


@dataclass(frozen=True, eq=False)
class FlowModel:
    """The flow of every chain.

    Args:
        weights: the layers' matrices, (c, rows, columns), and the frame they work in: `centre` and `scale` of each
            dimension, (c, 1, d).
        nets: how the matrices belong together.
    """

    weights: Weights
    nets: Splines

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample rows from latents of N(0, variance_factor I); a dimension that did not vary is repeated."""
        centre, scale = self.weights["centre"], self.weights["scale"]
        shape = (count, centre.shape[2])
        drawn = [seed.at("latent", "chain", chain).numpy().standard_normal(shape) for chain in range(len(centre))]
        latents = torch.from_numpy(np.stack(drawn) * math.sqrt(sampler.variance_factor))
        exact, values = self._exact(), np.empty(latents.shape)
        with training.deterministic(), torch.no_grad():
            for block in _slices(count):
                rows = self.nets.inverted(latents[:, block], exact, scale > 0)
                values[:, block] = (centre + scale * rows).numpy()
        return Rows(values)

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n); rows of one chain are scored under every chain's model.

        Where dimensions have collapsed it is the density on the others, -inf for rows that lie elsewhere.
        """
        centre, scale = self.weights["centre"], self.weights["scale"]
        alive, exact = scale > 0, self._exact()
        volume = (torch.where(alive, scale, 1.0).log() + 0.5 * math.log(2.0 * math.pi) * alive.double()).sum(dim=2)
        given = torch.from_numpy(np.asarray(rows.values, dtype=np.float64)).expand(len(centre), -1, -1)
        scores = np.empty(given.shape[:2])
        with training.deterministic(), torch.no_grad():
            for block in _slices(rows.count):
                away = given[:, block] - centre
                scaled = torch.where(alive, away / torch.where(alive, scale, 1.0), 0.0)
                latents, stretch = self.nets.normalised(scaled, exact, alive)
                found = stretch - 0.5 * latents.square().sum(dim=2) - volume
                scores[:, block] = found.masked_fill(((away != 0) & ~alive).any(dim=2), -math.inf).numpy()
        return scores

    def _exact(self) -> Weights:
        # In float32 the square root of a spline's inverse may meet a number just below 0.
        return {name: part.double() for name, part in self.weights.items()}

    def save(self, folder: Path) -> None:
        """Write weights.safetensors."""
        stacks.save(self.weights, folder)


def _frame(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return centre and deviation of one chain's dimensions, (1, d) each; deviation 0: nothing varies."""
    shares = rows.filled_weights()[0, :, None] / rows.filled_weights().sum()
    # Differences to one of the rows: rows that all agree must have a variance of exactly 0.
    shifted = rows.values[0] - rows.values[0, :1]
    offset = (shares * shifted).sum(axis=0, keepdims=True)
    variance = (shares * (shifted - offset) ** 2).sum(axis=0, keepdims=True)
    return rows.values[0, :1] + offset, np.sqrt(variance)


def _scaled(rows: Rows, frame: Mapping[str, FloatArray]) -> FloatArray:
    """Return rows in units of the frame, (c, n, d), 0 in places of weight 0 and dimensions that do not vary."""
    present: Array = (rows.filled_weights() > 0)[..., None] & (frame["scale"] > 0)
    away = np.where(present, rows.values - frame["centre"], 0.0)
    return away / np.where(frame["scale"] > 0, frame["scale"], 1.0)


def _refuse_untrained(rows: Rows, parts: Weights, nets: Splines, values: Tensor, alive: Tensor) -> None:
    """Refuse a chain whose rows the flow finds less likely than a normal law does; each is judged by itself."""
    for chain, weights in enumerate(rows.filled_weights()):
        own, width = {name: part[chain : chain + 1] for name, part in parts.items()}, alive[chain].sum().item()
        there, total = np.flatnonzero(weights > 0), 0.0
        for block in _slices(len(there)):
            with torch.no_grad():
                seen = values[chain : chain + 1, there[block]]
                latents, volume = nets.normalised(seen, own, alive[chain : chain + 1])
            losses = (0.5 * latents.square().sum(dim=2) - volume)[0].double().numpy()
            total += float(weights[there[block]] @ losses) / weights.sum()
        if width and not total < (0.5 + _SLACK) * width:
            found = f"its loss is {total:.4g} nats a row, that of a normal law {0.5 * width:.4g}"
            raise ValueError(f"the flow of chain {chain} has learnt nothing: {found}; take more steps or a lower rate")


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
