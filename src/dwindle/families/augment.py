"""Augmentation by rule: training rows, turned, sharpened, cut, mixed up or jittered; nothing is learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Column,
    FloatArray,
    IntArray,
    Kind,
    Model,
    Rows,
    Seed,
    Source,
    Tabular,
    Within,
    knowing,
    pixels_of,
)
from dwindle.data import augmentations as rules
from dwindle.samplers import Sampler

__all__ = ["Augment", "AugmentModel"]

Chance = Annotated[float, Within(low=0.0, high=1.0, unit="probability")]


@dataclass(frozen=True)
class Augment:
    """Copies of the training rows, changed by rules: pictures, blocks of tokens, tables and plain vectors.

    A model holds its training rows and answers with changed copies, which keep their labels; given prompts, it answers
    with changed copies of these. Rules that do not fit the rows are not read: of vectors that are no pictures only
    noise is.

    In a lineage each generation changes what the one before has changed. With p the chance of a rule and t the
    generation: angles do a random walk of variance t p angle^2 / 3; every turn and crop interpolates, which blurs, and
    crops zoom in without end; sharpening multiplies detail by up to (1 + level)^t until pixels stay black or white,
    and blurring wears it off; noise of pictures adds up, t p noise_deviation^2, while that of vectors and tables is
    measured by rows that are noisy already, so that their variance grows as (1 + p noise_deviation^2)^t; levels keep
    their shares and lose what they have to do with other columns, as (1 - p)^t; tokens keep their frequencies, up to
    the luck of the draw, and lose their order. A mirror and a swap only mix.

    Source: Wei and Zou 2019, EDA, section 2 (edits of text), with tokens drawn by frequency in place of synonyms;
        Shorten and Khoshgoftaar 2019, A survey on image data augmentation (flips, rotation, crops, noise, kernels).

    Args:
        choice: which rows are copied: in `turn`, all of them equally often, so that none dies out, or `drawn` with
            replacement; by their weights either way.
        flip: chance that a picture is mirrored, left for right.
        rotation: chance that it is turned.
        angle: farthest turn, either way; all are equally likely.
        crop: chance that it is cut and stretched to its size again.
        crop_side: smallest share of height and width that a cut leaves; all are equally likely.
        sharpening: chance that it is sharpened, or blurred.
        level: how much: x + level (x - x blurred by a pixel), within 0..1; below 0 it blurs, at -1 wholly.
        noise: chance that normal noise is added to a picture or to a plain vector.
        noise_deviation: deviation of the noise, in a picture in units of the range of its pixels, which they do not
            leave, in a vector in those of each dimension's deviation among the chain's training rows.
        replace: chance that tokens of a block are replaced by ones drawn by their frequency among the chain's training
            rows; in generation 0 these are the anchor.
        insert: chance that tokens drawn like this are put in; what they push over the end of the block is lost.
        swap: chance that pairs of its tokens change places.
        delete: chance that tokens of it are dropped; what follows moves up, and drawn tokens fill the end.
        edits: share of a block's tokens that a rule edits, one token at the least; of `delete`, the chance of each.
        jitter: chance that a number of a table, one that is not the target, gets normal noise.
        jitter_deviation: its deviation, in units of the column's deviation among the chain's training rows.
        resample: chance that a level of a table, one that is not target or group, is drawn anew by its share.
        source: the source it was given; no setting.
    """

    kind: ClassVar[Kind] = "vectors"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "sequences", "tables"})
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"prompts"})
    makes: ClassVar[str] = "rule_augmented"

    choice: Literal["turn", "drawn"] = "turn"
    flip: Chance = 0.5
    rotation: Chance = 0.5
    angle: Annotated[float, Within(low=0.0, high=180.0, unit="degrees")] = 10.0
    crop: Chance = 0.5
    crop_side: Annotated[float, Within(low=0.05, high=1.0, unit="fraction")] = 0.9
    sharpening: Chance = 0.5
    level: Annotated[float, Within(low=-1.0, high=100.0)] = 0.5
    noise: Chance = 0.5
    noise_deviation: Annotated[float, Within(low=0.0, high=1e3)] = 0.05
    replace: Chance = 0.25
    insert: Chance = 0.25
    swap: Chance = 0.25
    delete: Chance = 0.25
    edits: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.1
    jitter: Chance = 0.5
    jitter_deviation: Annotated[float, Within(low=0.0, high=1e3, unit="deviations")] = 0.1
    resample: Chance = 0.05

    source: Source | None = field(default=None, init=False, repr=False, compare=False)

    def given(self, source: Source) -> Self:
        """Return a family that knows whether the rows are pictures, or which columns they have."""
        return knowing(self, source=source)

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> AugmentModel:
        """Keep the rows of every chain; seed and parent change nothing.

        Raises:
            ValueError: if a chain has no rows.
        """
        empty = np.flatnonzero(rows.counts == 0)
        if empty.size:
            raise ValueError(f"chain {empty[0]} has no rows to copy")
        return AugmentModel(rows.anonymous(), self)

    def load(self, folder: Path) -> AugmentModel:
        """Read what `AugmentModel.save` wrote."""
        parts = {file.stem: np.load(file, allow_pickle=False) for file in folder.glob("*.npy")}
        return AugmentModel(Rows(parts["values"], parts.get("weights"), labels=parts.get("labels")), self)

    def changed(self, values: Array, held: Rows, generator: np.random.Generator) -> Array:
        """Return changed copies of rows, (n, ...), of one chain.

        Args:
            values: the rows.
            held: the chain's training rows, whose frequencies and deviations the rules go by.
            generator: of every draw.
        """
        if np.issubdtype(values.dtype, np.integer):
            return self._edited(values, held, generator)
        if isinstance(self.source, Tabular):
            return self._jittered(values, held, self.source.columns(), generator)
        shape = pixels_of(self.source)
        if shape is not None:
            return self._pictured(values.reshape(-1, *shape), generator).reshape(values.shape)
        noise = generator.standard_normal(values.shape) * rules.spread(held.values[0], held.filled_weights()[0])
        chosen = generator.random((len(values), 1)) < self.noise
        return np.asarray(values + self.noise_deviation * chosen * noise)

    def _pictured(self, pictures: FloatArray, generator: np.random.Generator) -> FloatArray:
        count, chances = len(pictures), (self.flip, self.rotation, self.crop, self.sharpening, self.noise)
        mirrored, turned, cut, sharp, noisy = generator.random((5, count)) < np.array(chances)[:, None]
        angles = np.where(turned, np.deg2rad(generator.uniform(-self.angle, self.angle, count)), 0.0)
        sides = np.where(cut, generator.uniform(self.crop_side, 1.0, count), 1.0)
        pictures = rules.flipped(pictures, mirrored)
        pictures = rules.warped(pictures, angles, sides, generator.random((count, 2)))
        pictures[sharp] = np.clip(rules.sharpened(pictures[sharp], self.level), 0.0, 1.0)
        noise = self.noise_deviation * generator.standard_normal((np.count_nonzero(noisy), *pictures.shape[1:]))
        pictures[noisy] = np.clip(pictures[noisy] + noise, 0.0, 1.0)
        return pictures

    def _edited(self, blocks: Array, held: Rows, generator: np.random.Generator) -> Array:
        """Return blocks, (n, L), after the four edits, each with its chance."""
        count, length = blocks.shape
        edits = max(1, round(self.edits * length))
        known, places = np.unique(held.values[0], return_inverse=True)
        shares: FloatArray = np.bincount(places.reshape(-1), np.repeat(held.filled_weights()[0], length)).astype(
            np.float64
        )

        def tokens(width: int) -> IntArray:
            return np.asarray(known[rules.drawn(shares, (count, width), generator)])

        new = blocks.copy()
        np.put_along_axis(new, generator.random(blocks.shape).argsort(axis=1)[:, :edits], tokens(edits), axis=1)
        blocks = np.where(_chosen(self.replace, blocks, generator), new, blocks)
        new = rules.inserted(blocks, generator.integers(0, length, (count, edits)), tokens(edits))
        blocks = np.where(_chosen(self.insert, blocks, generator), new, blocks)
        new = rules.swapped(blocks, generator.integers(0, length, (count, edits, 2)))
        blocks = np.where(_chosen(self.swap, blocks, generator), new, blocks)
        new = rules.deleted(blocks, generator.random(blocks.shape) < self.edits, tokens(length))
        return np.where(_chosen(self.delete, blocks, generator), new, blocks)

    def _jittered(
        self, values: FloatArray, held: Rows, columns: tuple[Column, ...], generator: np.random.Generator
    ) -> FloatArray:
        """Return rows of a table, (n, d), with some numbers moved and some levels drawn anew."""
        result, weights = values.copy(), held.filled_weights()[0]
        for place, column in enumerate(columns):
            chance = self.resample if column.categorical else self.jitter
            chosen = generator.random(len(values)) < chance
            if column.role == "target" or (column.categorical and column.role == "group"):
                continue
            own = held.values[0, :, place]
            if column.categorical:
                result[chosen, place] = own[rules.drawn(weights, len(values), generator)][chosen]
            else:
                deviation = self.jitter_deviation * rules.spread(own[:, None], weights)
                result[chosen, place] += (deviation * generator.standard_normal(len(values)))[chosen]
        return result

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


@dataclass(frozen=True, eq=False)
class AugmentModel:
    """The training rows of every chain and the rules.

    Args:
        rows: (c, n, ...) what is copied, with weights and labels.
        family: the rules.
    """

    rows: Rows
    family: Augment

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Return changed copies of the training rows, or of the prompts in their order, with the labels of both."""
        chains = range(self.rows.chains)
        return Rows.stack([self._sampled(chain, count, seed.at("chain", chain).numpy(), prompts) for chain in chains])

    def _sampled(self, chain: int, count: int, generator: np.random.Generator, prompts: Rows | None) -> Rows:
        held = self.rows.chain(chain)
        if prompts is not None:
            copied = prompts.chain(chain)
            places: IntArray = np.arange(count) % copied.count
        else:
            copied, taken = held, rules.taken_in_turn if self.family.choice == "turn" else rules.drawn
            places = taken(held.filled_weights()[0], count, generator)
        labels = None if copied.labels is None else copied.labels[:, places]
        return Rows(self.family.changed(copied.values[0, places], held, generator)[None], labels=labels)

    def save(self, folder: Path) -> None:
        """Write values.npy and, where there are any, weights.npy and labels.npy."""
        for name, part in (("values", self.rows.values), ("weights", self.rows.weights), ("labels", self.rows.labels)):
            if part is not None:
                np.save(folder / f"{name}.npy", part, allow_pickle=False)


def _chosen(chance: float, blocks: Array, generator: np.random.Generator) -> Array:
    """Return which blocks a rule is applied to, (n, 1)."""
    return generator.random((len(blocks), 1)) < chance
