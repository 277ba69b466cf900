"""The language model of questions and answers that preferences teach: what it trains on against what it says itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch

from dwindle.contracts import FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.data.unfinished import shelf
from dwindle.nets import training
from dwindle.nets.device import device
from dwindle.nets.language import gate, shapes
from dwindle.nets.language.blocks import refuse_unknown
from dwindle.nets.language.fitting import Course, Training
from dwindle.nets.language.kept import Keeper
from dwindle.nets.language.memory import enough_memory
from dwindle.nets.language.models import CausalLmModel
from dwindle.nets.language.preferences import PreferenceTraining
from dwindle.samplers import Sampler

__all__ = ["PreferenceLm", "PreferenceLmModel"]


@dataclass(frozen=True)
class PreferenceLm:
    """A causal language model over prompts and answers, taught by example first and by preferences afterwards.

    A block is a prompt of so many tokens and its answer. Training by example is that of `causal_lm` from random
    weights, or from the parent's. Then the model is taught to prefer the answer of each training row to the one that
    its opponent gives to the same prompt: the parent's model in a recipe that restarts `warm`, else itself as it is
    before this. What it is before this is the reference, too.

    It plays two roles when it writes: it asks, unless the sampler gives it prompts, and it answers. Where the sampler
    asks for more rows than train (`oversample`), it answers each of its questions `answers` times, in rows that follow
    each other, so that a curator can keep the best of them.

    Source: Chen et al. 2024, Self-play fine-tuning (SPIN), algorithm 1; Rafailov et al. 2023, Direct preference
        optimization, equation 7; generator and responder as in Nemotron-4 340B, Adler et al. 2024, section 3.2.

    Args:
        symbols: size K of the alphabet 0 .. K-1; the model has one token more, which begins blocks.
        prompt: tokens of a block before the answer; 0: the whole block is the answer.
        answers: answers to each of its questions, where rows are oversampled; one, where they are evaluated.
        model: architecture, `opt`, `gpt2` or `llama`.
        layers: attention layers.
        width: dimensions of an embedding.
        heads: attention heads.
        steps: optimiser steps of the training by example.
        batch: blocks in a step, or pairs, drawn in proportion to their weights.
        learning_rate: of AdamW, at its highest, in the training by example.
        preference_steps: optimiser steps of the training by preferences; 0: none.
        preference_rate: learning rate there, at its highest.
        beta: how dear it is to leave the reference: high, and the model stays near it.
        warmup: share of the steps in which a rate rises; afterwards it falls to 0 along half a cosine.
        weight_decay: of AdamW, on matrices.
        clip: gradients are shortened to this length; 0: never.
        sampling_batch: rows that are sampled at once; another number gives other draws.
    """

    kind: ClassVar[Kind] = "sequences"
    chains_at_once: ClassVar[bool] = False
    knobs: ClassVar[frozenset[str]] = frozenset(
        {"temperature", "top_p", "top_k", "min_p", "beams", "repetition_penalty", "prompts"}
        | {"watermark", "watermark_share"}
    )
    on_device: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    symbols: Annotated[int, Within(low=2, high=10_000_000, unit="symbols")]
    prompt: Annotated[int, Within(low=0, high=1_000_000, unit="tokens")] = 0
    answers: Annotated[int, Within(low=1, high=1_000, unit="answers")] = 1
    model: Literal["opt", "gpt2", "llama"] = "opt"
    layers: Annotated[int, Within(low=1, high=200, unit="layers")] = 2
    width: Annotated[int, Within(low=2, high=16_384, unit="dimensions")] = 64
    heads: Annotated[int, Within(low=1, high=256, unit="heads")] = 2
    steps: Annotated[int, Within(low=1, unit="steps")] = 200
    batch: Annotated[int, Within(low=1, unit="rows")] = 16
    learning_rate: Annotated[float, Within(low=1e-8, high=1.0)] = 5e-3
    preference_steps: Annotated[int, Within(low=0, unit="steps")] = 50
    preference_rate: Annotated[float, Within(low=1e-8, high=1.0)] = 5e-4
    beta: Annotated[float, Within(low=1e-6, high=1e3)] = 0.1
    warmup: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.05
    weight_decay: Annotated[float, Within(low=0.0, high=10.0)] = 0.01
    clip: Annotated[float, Within(low=0.0, high=1e6)] = 1.0
    sampling_batch: Annotated[int, Within(low=1, unit="rows")] = 256

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other.

        Raises:
            ValueError: if heads do not part the width, or settings would change nothing.
        """
        if self.width % self.heads or (self.model == "llama" and self.width // self.heads % 2):
            each = "an even number of dimensions" if self.model == "llama" else "the same number of dimensions"
            raise ValueError(f"width {self.width} with heads {self.heads}: every head takes {each}")
        if self.answers > 1 and not self.prompt:
            raise ValueError(f"answers {self.answers} with prompt 0: there is no question to be answered")
        for name in ("beta", "preference_rate"):
            if not self.preference_steps and getattr(self, name) != getattr(type(self), name):
                raise ValueError(f"preference_steps 0: {name} {getattr(self, name)} would change nothing")

    def refuses(self, recipe: Any) -> str:
        """Say why prompts or rows of a recipe's sampler would not be what its settings are about."""
        if self.answers > 1 and recipe.sampler.oversample == 1.0:
            return f"answers {self.answers} with sampler.oversample 1: nobody could choose among them"
        length = getattr(recipe.source, "length", None)
        if isinstance(length, int) and self.prompt >= length:
            return f"prompt {self.prompt} leaves no answer in the source's blocks of {length} tokens; expected less"
        if recipe.sampler.prompts == "none":
            return ""
        if not self.prompt:
            return f"prompt 0 reads none of sampler.prompts {recipe.sampler.prompts}"
        if self.answers > 1:
            return f"answers {self.answers} are to its own questions, and sampler.prompts asks others"
        return ""

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> PreferenceLmModel:
        """Train one chain's model; a parent's weights are where a warm restart begins, and it is the opponent.

        Raises:
            ValueError: if a block holds a token outside the alphabet or is all prompt, there are no rows, the parent
                has another shape, a gradient is not finite, or nothing was learnt.
            BadInput, NotReachable: as `dwindle.nets.device.device` does.
            StageFailed: if memory does not suffice.
        """
        weights, length = rows.filled_weights()[0], rows.values.shape[2]
        if self.prompt >= length:
            raise ValueError(f"blocks of {length} tokens have no answer after a prompt of {self.prompt}")
        tokens = np.where((weights > 0)[:, None], rows.values[0], 0).astype(np.int64)
        refuse_unknown(tokens, self.symbols)
        grown = parent if isinstance(parent, PreferenceLmModel) else None
        model = self._begun(length, grown, seed.at("initial"))
        work = f"training on batches of {self.batch} rows of {length} tokens"
        self._taught(model, tokens, weights, seed, work, anew=grown is None)
        if self.preference_steps:
            self._preferred(model, grown or model, tokens, weights, seed.at("preferences"), work)
        return model

    def _begun(self, length: int, parent: PreferenceLmModel | None, seed: Seed) -> PreferenceLmModel:
        """Return the model that training starts from, with memory of its own."""
        sizes = {"symbols": self.symbols, "layers": self.layers, "width": self.width, "heads": self.heads}
        config = shapes.configuration(self.model, length=length, **sizes)
        if parent is None:
            net = shapes.untrained(config, seed)
        elif shapes.sizes(config) != shapes.sizes(parent.net.config):
            raise ValueError("the parent's network has another shape, vocabulary or length of blocks")
        else:
            net = shapes.copied(parent.net)
        plain = (length, self.symbols, shapes.begin_of(config), length + 1, self.sampling_batch)
        return PreferenceLmModel(net, *plain, prompt=self.prompt, answers=self.answers)

    def _taught(
        self, model: PreferenceLmModel, tokens: IntArray, weights: FloatArray, seed: Seed, work: str, *, anew: bool
    ) -> None:
        """Train a model by example, in place."""
        order = self._order(tokens, weights, self.steps, seed.at("batches"))
        judge = gate.Judge(tokens, weights, order, begin=model.begin, symbols=self.symbols, anew=anew)
        course = self._course(self.steps, self.learning_rate, model.begin)
        with _ready(model, work) as net:
            run = Training(net, course, seed, Keeper(shelf(seed.at("training"))))
            judge.before(net, run.trained)
            judge.moved(run.trained, run.run(torch.from_numpy(tokens).to(net.device), order))
            judge.after(net)

    def _preferred(
        self,
        model: PreferenceLmModel,
        opponent: PreferenceLmModel,
        tokens: IntArray,
        weights: FloatArray,
        seed: Seed,
        work: str,
    ) -> None:
        """Train a model in place by pairs of a training row and the opponent's answer to its prompt."""
        asked = replace(opponent, prompt=self.prompt, answers=1)
        said = asked.sample(len(tokens), sampler=Sampler(), seed=seed.at("answers"), prompts=Rows(tokens[None]))
        pairs = torch.from_numpy(np.stack([tokens, said.values[0]], axis=1))
        order = self._order(tokens, weights, self.preference_steps, seed.at("batches"))
        course = self._course(self.preference_steps, self.preference_rate, model.begin)
        options: dict[str, Any] = {"prompt": self.prompt, "beta": self.beta}
        with _ready(model, work) as net:
            keeper = Keeper(shelf(seed.at("training")))
            PreferenceTraining(net, course, seed, keeper, pairs=pairs.to(net.device), **options).prefer(order)

    def _order(self, tokens: IntArray, weights: FloatArray, steps: int, seed: Seed) -> IntArray:
        """Return which rows each step looks at, (steps, batch)."""
        rows = Rows(tokens[None], weights[None])
        return np.asarray(training.batches(rows, steps=steps, batch=self.batch, seed=seed)[0])

    def _course(self, steps: int, rate: float, begin: int) -> Course:
        longest = self.clip or math.inf
        shared: dict[str, Any] = {"accumulation": 1, "precision": "float32", "begin": begin, "symbols": self.symbols}
        return Course(steps, rate, self.warmup, self.weight_decay, longest, **shared)

    def load(self, folder: Path) -> PreferenceLmModel:
        """Read what `PreferenceLmModel.save` wrote."""
        found = PreferenceLmModel.read(folder, dropout=0.0, sampling_batch=self.sampling_batch)
        return replace(found, prompt=self.prompt, answers=self.answers)

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny net of one layer over eight symbols, and a few steps."""
        sizes: dict[str, Any] = {"layers": 1, "width": 16, "steps": 20, "batch": 10, "learning_rate": 1e-2}
        return cls(symbols=8, prompt=2, answers=2, preference_steps=6, **sizes)


@contextmanager
def _ready(model: CausalLmModel, work: str) -> Iterator[shapes.Net]:
    """Have a model's net on the device that was asked for."""
    place = device()
    with training.deterministic(place), enough_memory(work, "lower batch"), shapes.placed(model.net, place) as net:
        yield net


@dataclass(frozen=True, eq=False)
class PreferenceLmModel(CausalLmModel):
    """The language model of one chain, which asks and answers.

    Args:
        prompt: tokens of a block before its answer.
        answers: answers to each question that it asks itself, where rows are oversampled.
    """

    prompt: int = 0
    answers: int = 1

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample blocks, (1, n, L): answers to the first tokens of the prompts, or to questions of its own.

        Raises:
            ValueError: if a prompt holds a token outside the alphabet.
            StageFailed: if memory does not suffice.
        """
        if prompts is not None:
            asked = prompts.chain(0).values[0][:, : self.prompt]
            return self._answered(asked[np.arange(count) % len(asked)], sampler, seed)
        if self.answers == 1 or sampler.oversample == 1.0:
            return super().sample(count, sampler=sampler, seed=seed)
        questions = -(-count // self.answers)
        written = super().sample(questions, sampler=sampler, seed=seed.at("questions")).values[0]
        asked = np.repeat(written[:, : self.prompt], self.answers, axis=0)[:count]
        return self._answered(asked, sampler, seed.at("answers"))

    def _answered(self, asked: IntArray, sampler: Sampler, seed: Seed) -> Rows:
        """Return questions, (n, P), with an answer to each."""
        rest = replace(self, length=self.length - self.prompt)
        told = CausalLmModel.sample(rest, len(asked), sampler=sampler, seed=seed, prompts=Rows(asked[None]))
        return Rows(np.concatenate([asked[None], told.values], axis=2))
