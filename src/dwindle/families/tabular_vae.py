"""The variational autoencoder of tables, numbers and levels side by side, the networks of all chains trained as one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import Array, Column, FloatArray, IntArray, Kind, Model, Rows, Seed, Tabular, Within, knowing
from dwindle.nets import stacks, training
from dwindle.nets.denoising import Noise
from dwindle.nets.device import device
from dwindle.nets.frames import framed
from dwindle.samplers import Sampler

__all__ = ["TabularVae", "TabularVaeModel"]

_ROWS = 4096  # rows of a chain that are judged or decoded at once
_LARGEST_LOG = 10.0  # of a latent variance; beyond it an exponential could overflow
_NARROWEST, _WIDEST = math.log(0.01), 5.0  # log-deviation of a number around its mean; Source: published TVAE
_BARRED = -1e9  # added to the logit of a level that no training row has
_SLACK = 0.1  # of the loss of independent columns; a table of such columns teaches nothing else

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class TabularVae(stacks.Stacked["TabularVaeModel"]):
    """A variational autoencoder of mixed columns, as TVAE is, with a normal latent prior.

    It minimises the divergence of the posterior from the prior, beta times, and what the decoder pays for a row: for a
    number, in units of its deviation in the training rows, the negative log-density of N(f(z), s^2), f from the
    decoder and s learned, one a column; for a level the cross-entropy of the decoder's softmax. Sampled numbers have
    that noise and levels are drawn, among those that a chain's training rows have: one that is gone stays gone.

    TVAE codes a number by the modes of a mixture; here it is only centred and scaled, so a column of several modes is
    smoothed.

    Source: Xu et al. 2019, Modeling tabular data using conditional GAN, section 4.4 and appendix (TVAE); Kingma and
        Welling 2014, equation 10; Higgins et al. 2017, equation 4 (beta).

    Args:
        latent: dimensions of the latent space.
        hidden: units of each hidden layer of encoder and decoder.
        layers: number of hidden layers on each side. Source: Xu et al. 2019 have two of 128.
        beta: weight of the divergence between posterior and prior.
        steps: optimiser steps.
        batch: rows of each chain in a step; rows are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
        columns: what the source's columns are; no setting, see `given`.
    """

    kind: ClassVar[Kind] = "tables"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    on_device: ClassVar[bool] = True

    latent: Annotated[int, Within(low=1, high=1024, unit="dimensions")] = 8
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 64
    layers: Annotated[int, Within(low=1, high=16, unit="layers")] = 2
    beta: Annotated[float, Within(low=0.0)] = 1.0
    steps: Annotated[int, Within(low=1, unit="steps")] = 1000
    batch: Annotated[int, Within(low=1, unit="rows")] = 128
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 3e-3
    columns: tuple[Column, ...] = field(default=(), init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the family that knows the source's columns.

        Raises:
            ValueError: if the source has none.
        """
        if not isinstance(source, Tabular):
            raise ValueError(f"an autoencoder of a table needs a source with columns; {type(source).__name__} has none")
        return knowing(self, columns=source.columns())

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> TabularVaeModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Raises:
            ValueError: if no source was given, a chain has no rows, the rows are of another width, a value is no level
                of its column, a chain's loss ends well above that of independent columns, or the parent has other
                layers.
            BadInput, NotReachable: as `dwindle.nets.device.device` does.
        """
        if len(self.columns) != rows.values.shape[2]:
            raise ValueError(f"rows of {rows.values.shape[2]} values; the source given has {len(self.columns)} columns")
        place, layout = device(), _Layout(tuple(len(column.levels) for column in self.columns))
        places = training.batches(rows, steps=self.steps, batch=self.batch, seed=seed.at("batches"))
        values, frame = _coded(rows, layout, self.columns)
        blocks = self._blocks(layout)
        flat = stacks.initial(blocks, rows.chains, seed.at("initial"))
        if isinstance(parent, TabularVaeModel):
            flat = stacks.joined(parent.weights, blocks)
        flat = flat.to(place)
        with training.deterministic(place):
            self._train(flat, layout, values.to(place), stacks.moved(frame, place), places, seed.at("noise"))
            weights = {**stacks.cut(flat.cpu(), blocks), **frame}
            self._refuse_untrained(weights, layout, values, rows, seed.at("judge"))
        return TabularVaeModel(weights, layout.levels)

    def _blocks(self, layout: _Layout) -> Mapping[str, stacks.Block]:
        width, blocks = layout.numbers + sum(layout.levels), {"deviation": stacks.bias(layout.numbers)}
        sizes = [self.hidden] * self.layers
        for side, ends in (("encoder", (width, 2 * self.latent)), ("decoder", (self.latent, width))):
            widths = [ends[0], *sizes, ends[1]]
            for place, (before, after) in enumerate(pairwise(widths)):
                blocks[f"{side}.{place}.weight"] = stacks.weight(before, after)
                blocks[f"{side}.{place}.bias"] = stacks.bias(after)
        return blocks

    def _train(
        self, flat: Tensor, layout: _Layout, values: Tensor, frame: Weights, places: IntArray, seed: Seed
    ) -> None:
        place, blocks = values.device, self._blocks(layout)
        chosen, chains = torch.from_numpy(places).to(place), torch.arange(len(values), device=place)[:, None]
        noise = Noise(seed, (len(values), self.batch, self.latent), place)

        def loss(leaf: Tensor, step: int) -> Tensor:
            seen = values[chains, chosen[:, step]]
            losses = self._losses({**stacks.cut(leaf, blocks), **frame}, layout, seen, noise.drawn(self.batch))
            return losses.sum() / self.batch

        training.descend(flat, loss, steps=self.steps, learning_rate=self.learning_rate)

    def _losses(self, weights: Weights, layout: _Layout, seen: Tensor, noise: Tensor) -> Tensor:
        """Return what each row costs, nats, (c, n), a constant for each number left out."""
        mean, logs = _through(seen, weights, "encoder").chunk(2, dim=2)
        logs = logs.clamp(-_LARGEST_LOG, _LARGEST_LOG)
        divergence = 0.5 * (mean.square() + logs.exp() - 1.0 - logs).sum(dim=2)
        decoded = _through(mean + noise * (0.5 * logs).exp(), weights, "decoder")
        width = weights["deviation"].clamp(_NARROWEST, _WIDEST)
        missed = (seen[..., : layout.numbers] - decoded[..., : layout.numbers]) * (-width).exp()
        varies = (weights["scale"] > 0).to(missed.dtype)
        losses = self.beta * divergence + ((0.5 * missed.square() + width) * varies).sum(dim=2)
        barred = decoded[..., layout.numbers :] + weights["barred"]
        for span in layout.spans:
            wanted = seen[..., layout.numbers :][..., span]
            losses = losses - (wanted * torch.log_softmax(barred[..., span], dim=2)).sum(dim=2)
        return losses

    def _refuse_untrained(self, weights: Weights, layout: _Layout, values: Tensor, rows: Rows, seed: Seed) -> None:
        """Refuse a chain whose rows cost well more than independent columns would; each is judged by itself."""
        for chain, own in enumerate(rows.filled_weights()):
            parts = {name: part[chain : chain + 1] for name, part in weights.items()}
            there, total = np.flatnonzero(own > 0), 0.0
            plain = _plain_loss(values[chain, there].double().numpy(), own[there] / own.sum(), layout, parts)
            generator = seed.at("chain", chain).numpy()
            for block in _slices(len(there)):
                seen = values[chain : chain + 1, there[block]]
                noise = generator.standard_normal((1, seen.shape[1], self.latent), dtype=np.float32)
                losses = self._losses(parts, layout, seen, torch.from_numpy(noise))[0].double().numpy()
                total += float(own[there[block]] @ losses) / own.sum()
            if plain > 0 and not total < (1.0 + _SLACK) * plain:
                told = f"its loss is {total:.4g} nats a row, that of independent columns {plain:.4g}"
                raise ValueError(f"the autoencoder of chain {chain} has learnt nothing: {told}; take more steps")

    def load(self, folder: Path) -> TabularVaeModel:
        """Read what `TabularVaeModel.save` wrote."""
        levels = json.loads((folder / "levels.json").read_text(encoding="utf-8"))["levels"]
        return TabularVaeModel(stacks.load(folder), tuple(levels))

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny network and a few steps."""
        return cls(latent=2, hidden=8, layers=1, steps=40, batch=20, learning_rate=2e-2)


@dataclass(frozen=True, eq=False)
class TabularVaeModel:
    """The autoencoder of every chain.

    Args:
        weights: the layers' matrices, (c, rows, columns), the log-deviations of the u numeric columns, (c, 1, u), and
            the frame they work in: `centre` and `scale`, (c, 1, u), and `barred`, 0 for a level that a training row
            had and far below for one that none had, (c, 1, levels of all columns); all in the processor's memory.
        levels: number of levels of each of the d columns, 0 for a numeric one.
    """

    weights: Weights
    levels: tuple[int, ...]

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Decode latents from N(0, variance_factor I), (c, count, d), and draw what the decoder leaves open."""
        layout, weights = _Layout(self.levels), {name: part.numpy() for name, part in self.weights.items()}
        decoded = self._decoded(count, math.sqrt(sampler.variance_factor), seed.at("latent")).astype(np.float64)
        values = np.empty((*decoded.shape[:2], len(self.levels)))
        width = np.exp(np.clip(weights["deviation"], _NARROWEST, _WIDEST))
        logits = decoded[..., layout.numbers :] + weights["barred"]
        for chain, own in enumerate(values):
            generator = seed.at("drawn", "chain", chain).numpy()
            noise = generator.standard_normal((count, layout.numbers))
            standard = decoded[chain, :, : layout.numbers] + width[chain] * noise
            own[:, layout.numeric] = weights["centre"][chain] + weights["scale"][chain] * standard
            for column, span in zip(layout.categorical, layout.spans, strict=True):
                own[:, column] = _drawn(logits[chain, :, span], generator.random(count))
        return Rows(values)

    def _decoded(self, count: int, deviation: float, seed: Seed) -> Array:
        """Return what the decoder says to latents of this deviation, (c, count, numbers and logits)."""
        latent = self.weights["decoder.0.weight"].shape[1]
        chains, place = len(self.weights["barred"]), device()
        drawn = Noise(seed, (chains, count, latent), torch.device("cpu")).drawn(count) * deviation
        weights = stacks.moved(self.weights, place)
        with training.deterministic(place), torch.no_grad():
            parts = [_through(drawn[:, block].to(place), weights, "decoder").cpu() for block in _slices(count)]
        return np.asarray(torch.cat(parts, dim=1).numpy())

    def save(self, folder: Path) -> None:
        """Write weights.safetensors and levels.json."""
        stacks.save(self.weights, folder)
        (folder / "levels.json").write_text(json.dumps({"levels": self.levels}) + "\n", encoding="utf-8")


class _Layout:
    """Where the columns stand in what a network sees: all numbers, then an axis for each level of each other column.

    Args:
        levels: number of levels of each column, 0 for a numeric one.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        self.levels = levels
        self.numeric = [place for place, many in enumerate(levels) if not many]
        self.categorical = [place for place, many in enumerate(levels) if many]
        self.numbers = len(self.numeric)
        ends = np.cumsum([0, *(levels[place] for place in self.categorical)]).tolist()
        self.spans = [slice(start, end) for start, end in pairwise(ends)]


def _coded(rows: Rows, layout: _Layout, columns: Sequence[Column]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return rows as networks see them, (c, n, numbers and levels), 0 where there is no row, and their frame.

    Raises:
        ValueError: if a value is no level of its column.
    """
    present = rows.filled_weights() > 0
    # numpy adds in the order of memory, which is to be that of a chain alone.
    numbers = np.ascontiguousarray(rows.values[..., layout.numeric])
    values, frame = framed(Rows(numbers, rows.weights), "each")
    coded = torch.zeros(*values.shape[:2], sum(layout.levels))
    for place, span in zip(layout.categorical, layout.spans, strict=True):
        own, many = rows.values[..., place], layout.levels[place]
        strange = own[present & ~np.isin(own, range(many))]
        if strange.size:
            raise ValueError(f"{strange[0]:g} is no level of column {columns[place].name}: it has {many}")
        coded[..., span] = torch.from_numpy((own[..., None] == np.arange(many)) & present[..., None]).float()
    frame["barred"] = torch.where(coded.amax(dim=1, keepdim=True) > 0, 0.0, _BARRED)
    return torch.cat([values, coded], dim=2), frame


def _through(values: Tensor, weights: Weights, side: str) -> Tensor:
    """Return what the encoder or the decoder says to values, (c, n, outputs)."""
    last = sum(name.startswith(f"{side}.") for name in weights) // 2 - 1
    for place in range(last):
        values = torch.relu(stacks.affine(values, weights, f"{side}.{place}"))
    return stacks.affine(values, weights, f"{side}.{last}")


def _plain_loss(values: FloatArray, shares: FloatArray, layout: _Layout, parts: Weights) -> float:
    """Return what the rows of one chain, (n, w), cost if each column is modelled by itself."""
    frequencies = shares @ values[:, layout.numbers :]
    surprise = -np.log(np.where(frequencies > 0, frequencies, 1.0))
    return 0.5 * float((parts["scale"] > 0).sum()) + float(frequencies @ surprise)


def _drawn(logits: FloatArray, draws: FloatArray) -> Array:
    """Return a level for each row of logits, (n,), drawn by their softmax."""
    reach = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
    marks = np.minimum(draws * reach[:, -1], np.nextafter(reach[:, -1], 0.0))
    return np.asarray((reach <= marks[:, None]).sum(axis=1))


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
