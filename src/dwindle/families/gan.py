"""The generative adversarial network: generators and critics of all chains trained as one; the critic may filter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import Array, Kind, Model, Rows, Seed, Within, classes_of, knowing, pixels_of
from dwindle.nets import classes, stacks, training
from dwindle.nets.adversaries import Adversaries, Convolutional, Dense, made, scores
from dwindle.nets.contests import Contest
from dwindle.nets.device import device
from dwindle.nets.frames import Scaling, framed
from dwindle.nets.judgement import Judgement, Made, gathered
from dwindle.samplers import Sampler

__all__ = ["Gan", "GanModel"]

_JUDGED = 1000  # generated rows of a chain that its critic is calibrated on
_NARROWEST = 1e-6  # generated variance over that of the rows below which a generator has collapsed

Output = Literal["all", "rejection", "threshold", "top"]
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Gan(stacks.Stacked["GanModel"]):
    """A Wasserstein network with gradient penalty and a normal latent prior, on rows in the frame of the training rows.

    The critic can go on working once training is over and decide which generated rows are given out. That raises their
    quality and, where the critic prefers some modes, lowers their diversity.

    Where the source has classes, generator and critic are told each row's, and a model draws classes as often as its
    chain's training rows had them: a class that is gone stays gone. The critic may shift their shares.

    Source: Gulrajani et al. 2017, algorithm 1; Mirza and Osindero 2014 (classes).

    Args:
        network: `dense` layers, or `convolutional` ones for sources of pictures.
        latent: dimensions of the latent space.
        hidden: units of a hidden layer, of dense networks.
        layers: hidden layers of generator and critic, of dense networks.
        channels: channels at half the resolution, half as many as at a quarter, of convolutional networks.
        steps: steps of the generator.
        critic_steps: steps of the critic before each.
        batch: rows of each chain in a step; rows are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
        momentum: decay rate of a gradient's running mean; Source: 0 in the paper, 0.5 in its experiments in the plane.
        penalty: weight of the gradient penalty; Source: 10 in the paper, 0.1 in its experiments in the plane, where
            only a steep critic can tell narrow modes apart.
        scaling: `whole` divides all dimensions by one number and keeps the shape of the cloud, `each` gives every
            dimension a variance of 1.
        output: which generated rows are given out: `all`; `top`, the best `share` of them by score; `threshold`, those
            that score as well as the best `share` of the training rows; or `rejection`, discriminator rejection
            sampling, which accepts at random by an estimated ratio of densities. Source: Azadi et al. 2019; Turner et
            al. 2019 (calibration of a critic that is no classifier).
        share: see `output`; of rejection sampling, the share of generated rows that it accepts with a chance of a half
            or more.
        source: the source it was given; no setting.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"variance_factor"})
    on_device: ClassVar[bool] = True
    fixed_latents: ClassVar[bool] = True

    network: Literal["dense", "convolutional"] = "dense"
    latent: Annotated[int, Within(low=1, high=1024, unit="dimensions")] = 16
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 128
    layers: Annotated[int, Within(low=1, high=8, unit="layers")] = 2
    channels: Annotated[int, Within(low=1, high=512, unit="channels")] = 16
    steps: Annotated[int, Within(low=1, unit="steps")] = 1000
    critic_steps: Annotated[int, Within(low=1, high=100, unit="steps")] = 5
    batch: Annotated[int, Within(low=1, unit="rows")] = 64
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 1e-3
    momentum: Annotated[float, Within(low=0.0, high=0.999)] = 0.5
    penalty: Annotated[float, Within(low=0.0, high=1e4)] = 10.0
    scaling: Scaling = "whole"
    output: Output = "all"
    share: Annotated[float, Within(low=1e-3, high=1.0, unit="fraction")] = 0.5
    source: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that would change nothing.

        Raises:
            ValueError: if the network or the output does not read a setting that is off its default.
        """
        idle = {"dense": ("channels",), "convolutional": ("hidden", "layers")}[self.network]
        unread = [("network", name) for name in idle] + ([("output", "share")] if self.output == "all" else [])
        for key, name in unread:
            if (value := getattr(self, name)) != getattr(type(self), name):
                raise ValueError(f"{key} {getattr(self, key)} does not read {name}, so {name} {value} changes nothing")

    def given(self, source: Any) -> Self:
        """Return the family that knows how many classes and which size of pictures a source has.

        Raises:
            ValueError: if convolutions are asked for and the source's rows are not the pixels of pictures.
        """
        if self.network == "convolutional" and pixels_of(source) is None:
            raise ValueError(
                f"network convolutional needs rows that are pixels; those of {type(source).__name__} are not"
            )
        return knowing(self, source=source)

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> GanModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Chains whose rows all agree repeat that row, whatever their networks say.

        Raises:
            ValueError: if a chain has no rows, if what its generator makes is not finite or does not vary, if the
                parent has other layers, or if convolutions were not given a source of pictures.
            BadInput, NotReachable: as `dwindle.nets.device.device` does.
        """
        place, nets = device(), self._nets(rows.values.shape[2])
        if not nets.classes:
            rows = replace(rows, labels=None)
        contest = Contest(self.steps, self.critic_steps, self.batch, self.learning_rate, self.momentum, self.penalty)
        steps = self.steps * self.critic_steps
        places = training.batches(rows, steps=steps, batch=self.batch, seed=seed.at("batches"))
        values, frame = framed(rows, self.scaling)
        marks = classes.marks(rows.filled_labels(), nets.classes)
        shown = values.to(place), marks.to(place)
        maker = _initial(nets.generator(), rows.chains, seed.at("generator"), parent).to(place)
        critic = _initial(nets.critic(), rows.chains, seed.at("critic"), parent).to(place)
        with training.deterministic(place):
            contest.held(nets, maker, critic, shown, places=places, seed=seed.at("draws"))
        weights = stacks.cut(maker.cpu(), nets.generator()) | stacks.cut(critic.cpu(), nets.critic()) | frame
        weights["shares"] = torch.from_numpy(classes.shares(rows, nets.classes))
        model = GanModel(weights, nets, self.output, self.share)
        return model.judged(rows, (values, marks), seed.at("judge"))

    def _nets(self, dimensions: int) -> Adversaries:
        known = len(classes_of(self.source))
        if self.network == "dense":
            return Dense(dimensions, known, self.latent, self.hidden, self.layers)
        pixels = pixels_of(self.source)
        if pixels is None:
            raise ValueError("network convolutional was not given a source: call Gan.given(source) first")
        return Convolutional(pixels, known, self.latent, self.channels)

    def load(self, folder: Path) -> GanModel:
        """Read what `GanModel.save` wrote."""
        weights = stacks.load(folder)
        return GanModel(weights, self._nets(weights["centre"].shape[2]), self.output, self.share)

    @classmethod
    def smallest(cls) -> Self:
        """Return tiny networks and a few steps."""
        return cls(latent=2, hidden=8, layers=1, steps=20, critic_steps=2, batch=16, learning_rate=1e-2)


@dataclass(frozen=True, eq=False)
class GanModel:
    """The generator and the critic of every chain.

    Args:
        weights: the layers' matrices, (c, rows, columns); the frame they work in, `centre` and `scale`, (c, 1, d); the
            `shares` of the classes, the last that of none, (c, 1, k + 1); and the critics' `judgement`, (c, 1, 4), in
            the order of `Judgement`; all in the processor's memory.
        nets: how the matrices belong together.
        output: which generated rows are given out.
        share: the share that `top` gives out.
    """

    weights: Weights
    nets: Adversaries
    output: Output
    share: float

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Generate rows from latents of N(0, variance_factor I) until the critic has let `count` rows a chain pass.

        A variance_factor below 1 is the truncation of the latents by psi, its root. A chain whose rows agreed repeats
        them, and its critic lets all pass.

        Raises:
            ValueError: if a critic accepts so few rows that generating them would take too long.
        """
        spread = math.sqrt(sampler.variance_factor)
        if self.output == "all":
            given = self._made(count, spread, seed, scored=False)
        elif self.output == "top":
            given = self._made(math.ceil(count / self.share), spread, seed).best(count)
        else:
            given = gathered(count, lambda number, size: self._tried(size, spread, seed.at("round", number)))
        centre, scale = self.weights["centre"].numpy(), self.weights["scale"].numpy()
        return Rows(centre + scale * given.values, labels=given.labels if self.nets.classes else None)

    def save(self, folder: Path) -> None:
        """Write weights.safetensors."""
        stacks.save(self.weights, folder)

    def judged(self, rows: Rows, shown: tuple[Tensor, Tensor], seed: Seed) -> GanModel:
        """Return the model with its critics calibrated, chain by chain.

        Args:
            rows: the training rows.
            shown: the training rows in their frame, (c, n, d), and their classes, (c, n, k).
            seed: address of the generated rows that are held against them.

        Raises:
            ValueError: if what a generator makes is not finite, or does not vary where its training rows do.
        """
        given, present = self._made(_JUDGED, 1.0, seed), rows.filled_weights() > 0
        judgements = []
        for chain, varies in enumerate((self.weights["scale"] > 0).any(dim=2)[:, 0].tolist()):
            if not varies:
                judgements.append(Judgement.lenient())
                continue
            _refuse_collapsed(given.values[chain], chain)
            own = {name: part[chain : chain + 1] for name, part in self.weights.items()}
            values, marks = (some[chain : chain + 1, present[chain]] for some in shown)
            real = scores(self.nets, own, values, marks)[0]
            weights = rows.filled_weights()[chain, present[chain]]
            judgements.append(Judgement.calibrated(real, weights, given.scores[chain], self.share))
        table = np.array([[[one.cutoff, one.slope, one.highest, one.shift]] for one in judgements])
        return replace(self, weights={**self.weights, "judgement": torch.from_numpy(table)})

    def _made(self, count: int, spread: float, seed: Seed, *, scored: bool = True) -> Made:
        labels = classes.drawn(self.weights["shares"].numpy(), count, seed.at("label"))
        values, marks = made(self.nets, self.weights, labels, spread=spread, seed=seed.at("latent"))
        known = scores(self.nets, self.weights, torch.from_numpy(values), marks) if scored else np.zeros(labels.shape)
        return Made(values, labels, known)

    def _tried(self, count: int, spread: float, seed: Seed) -> tuple[Made, Array]:
        """Return generated rows and which of them pass, (c, n)."""
        given = self._made(count, spread, seed)
        passing = np.empty(given.labels.shape, dtype=bool)
        for chain, numbers in enumerate(self.weights["judgement"][:, 0].tolist()):
            judgement, own = Judgement(*numbers), given.scores[chain]
            if self.output == "threshold":
                passing[chain] = judgement.above(own)
            else:
                chances = seed.at("chance", "chain", chain).numpy().random(count)
                passing[chain] = judgement.sampled(own, chances)
        return given, passing


def _initial(blocks: Mapping[str, stacks.Block], chains: int, seed: Seed, parent: Model | None) -> Tensor:
    """Return a parent's weights, or new ones, (c, P)."""
    if isinstance(parent, GanModel):
        return stacks.joined(parent.weights, blocks)
    return stacks.initial(blocks, chains, seed)


def _refuse_collapsed(values: Array, chain: int) -> None:
    """Refuse generated rows of a chain, (n, d) in its frame, that are broken or all the same."""
    if not np.isfinite(values).all():
        raise ValueError(f"the generator of chain {chain} makes rows that are not finite; learn at a smaller rate")
    variance = float(values.astype(np.float64).var(axis=0).mean())
    if variance < _NARROWEST:
        found = f"its rows vary {variance:.2g} as much as those it was trained on"
        raise ValueError(f"the generator of chain {chain} has collapsed: {found}; take more steps or another rate")
