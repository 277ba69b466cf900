"""The causal language model: any decoder of transformers, trained from scratch on blocks or from given weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.data.unfinished import shelf
from dwindle.nets import training
from dwindle.nets.device import device
from dwindle.nets.language import adapters, gate, given, shapes, together
from dwindle.nets.language.blocks import refuse_unknown
from dwindle.nets.language.fitting import Course, Precision, Training
from dwindle.nets.language.kept import Keeper
from dwindle.nets.language.memory import enough_memory
from dwindle.nets.language.models import CausalLmModel, Writer
from dwindle.nets.language.serving import command, unserved

__all__ = ["CausalLm"]


@dataclass(frozen=True)
class CausalLm:
    """A causal language model over blocks of tokens, each block after a begin token; any decoder of transformers.

    `model` is the name of an architecture, whose weights are drawn and trained from scratch, or a model that is given:
    a folder of safetensors, or one on the hub at a pinned revision. Code that comes with a model is never run, and
    pickles are never read.

    Source: Shumailov et al. 2024, section "Collapse in language models" (fine-tuning over generations); Hu et al. 2022
        (low-rank adaptation).

    Args:
        symbols: size K of the alphabet 0 .. K-1. Trained from scratch, a model has one token more, which begins blocks;
            a given one begins with its own begin or end token, and its vocabulary must hold K tokens.
        model: `opt`, `gpt2` or `llama`; or a folder; or `org/name@revision` with all 40 digits of the revision.
        layers: attention layers; of a model from scratch.
        width: dimensions of an embedding, a quarter of the feed-forward layers' width; of a model from scratch.
        heads: attention heads; of a model from scratch.
        context: tokens that the model is asked to see, begin token included; 0: a block and its begin token, or all
            that a given model has places for.
        epochs: passes over the training rows; 0: as `steps` says. Exactly one of the two is above 0.
        steps: optimiser steps; 0: as `epochs` says.
        batch: blocks in a step, drawn in proportion to their weights.
        accumulation: parts in which a batch is computed, one after another; more parts take less memory.
        learning_rate: of AdamW, at its highest.
        warmup: share of the steps in which the rate rises; afterwards it falls to 0 along half a cosine.
        weight_decay: of AdamW, on matrices.
        clip: gradients are shortened to this length; 0: never.
        dropout: share of activations that are dropped in training.
        precision: that training and sampling compute in: `float32`; or `bfloat16`, training under autocast with weights
            in float32. Scores are computed in float32 either way.
        checkpoint: which weights are the model: the `last`, or the `best` by the validation rows after each epoch.
        validation: share of the training rows that only choose the best weights; above 0 with `best`, 0 with `last`.
        lora_rank: rank of the change of a given model's attention that is trained alone and merged; 0: all is trained.
        lora_alpha: the change is multiplied by lora_alpha / lora_rank.
        sampling_batch: rows that are sampled at once; another number gives other draws.
        writer: who writes the texts: `own`, the decoder of this process, or `server`, a program that DWINDLE_LM_SERVER
            names and that serves the model by the OpenAI completions interface; its bytes are its own affair.
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
    model: str = "opt"
    layers: Annotated[int, Within(low=1, high=200, unit="layers")] = 4
    width: Annotated[int, Within(low=2, high=16_384, unit="dimensions")] = 128
    heads: Annotated[int, Within(low=1, high=256, unit="heads")] = 4
    context: Annotated[int, Within(low=0, high=10_000_000, unit="tokens")] = 0
    epochs: Annotated[int, Within(low=0, high=100_000, unit="epochs")] = 0
    steps: Annotated[int, Within(low=0, unit="steps")] = 0
    batch: Annotated[int, Within(low=1, unit="rows")] = 8
    accumulation: Annotated[int, Within(low=1, unit="parts")] = 1
    learning_rate: Annotated[float, Within(low=1e-8, high=1.0)] = 1e-3
    warmup: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.05
    weight_decay: Annotated[float, Within(low=0.0, high=10.0)] = 0.01
    clip: Annotated[float, Within(low=0.0, high=1e6)] = 1.0
    dropout: Annotated[float, Within(low=0.0, high=0.99, unit="fraction")] = 0.0
    precision: Precision = "float32"
    checkpoint: Literal["last", "best"] = "last"
    validation: Annotated[float, Within(low=0.0, high=0.9, unit="fraction")] = 0.0
    lora_rank: Annotated[int, Within(low=0, high=4096, unit="dimensions")] = 0
    lora_alpha: Annotated[float, Within(low=1e-3, high=1e6)] = 32.0
    sampling_batch: Annotated[int, Within(low=1, unit="rows")] = 64
    writer: Writer = "own"

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other, and a given model that cannot be.

        Raises:
            ValueError: if so; a given model's config.json is read, its weights are not.
            NotReachable: if the hub does not answer.
        """
        if (self.epochs > 0) == (self.steps > 0):
            raise ValueError(f"epochs {self.epochs} and steps {self.steps}: set one of them, and the other to 0")
        if (self.checkpoint == "best") != (self.validation > 0):
            raise ValueError(
                f"checkpoint {self.checkpoint} with validation {self.validation}: best is chosen by a share of the "
                "rows above 0, last by none"
            )
        if self.accumulation > self.batch:
            raise ValueError(f"accumulation {self.accumulation}: a batch of {self.batch} rows has no so many parts")
        if self.pretrained:
            self._refuse_given()
        else:
            self._refuse_sizes()

    @property
    def pretrained(self) -> bool:
        """Whether training starts from weights that are given."""
        return self.model not in shapes.SHAPES

    def _refuse_sizes(self) -> None:
        if self.lora_rank:
            raise ValueError(
                f"lora_rank {self.lora_rank} changes a given model; {self.model} starts from random weights"
            )
        if self.width % self.heads or (self.model == "llama" and self.width // self.heads % 2):
            each = "an even number of dimensions" if self.model == "llama" else "the same number of dimensions"
            raise ValueError(f"width {self.width} with heads {self.heads}: every head takes {each}")

    def _refuse_given(self) -> None:
        config = given.described(self.model)
        if self.symbols > config["vocab_size"]:
            raise ValueError(
                f"symbols {self.symbols}: the vocabulary of {self.model} has {config['vocab_size']} tokens"
            )
        if not any(config.get(key) is not None for key in ("bos_token_id", "eos_token_id")):
            raise ValueError(f"model {self.model}: its config.json names no begin or end token to begin blocks with")

    def refuses(self, recipe: Any) -> str:
        """Say why a server cannot sample as a recipe says, or its source's rows are no text to a given model."""
        if self.writer == "server" and (ignored := unserved(recipe.sampler)):
            return f"writer server and sampler.{ignored}"
        tokenizer = str(getattr(recipe.source, "tokenizer", "") or "")
        if not self.pretrained or given.same_tokenizer(self.model, tokenizer):
            return ""
        told = f"tokenizer {tokenizer}" if tokenizer else "a numbering of its own"
        return f"model {self.model} knows the tokens of its own tokenizer, and the source has {told}"

    def require(self) -> None:
        """Refuse a machine on which nobody could write the texts.

        Raises:
            BadInput: if a server is to write them and DWINDLE_LM_SERVER names none.
            NotReachable: if it names a program that is not there.
        """
        if self.writer == "server":
            command()

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> CausalLmModel:
        """Train one chain's model; a parent's weights are where a warm restart begins.

        Raises:
            ValueError: if a block holds a token outside the alphabet or is longer than the model's places, there are
                too few rows, the parent has another shape, a gradient is not finite, or nothing was learnt.
            BadInput, NotReachable: as `dwindle.nets.device.device` does; if a batch has no equal parts for all GPUs.
            StageFailed: if memory does not suffice, or one of several processes that train together ends.
        """
        weights = rows.filled_weights()[0]
        tokens = np.where((weights > 0)[:, None], rows.values[0], 0).astype(np.int64)
        refuse_unknown(tokens, self.symbols)
        held, place = self._held(weights, seed.at("validation")), device()
        count = together.processes(place, self.batch)
        apart = np.isin(np.arange(len(weights)), held)
        held = self._scored(tokens, np.where(apart, weights, 0.0), len(held), seed.at("validation", "rows"))
        weights = np.where(apart, 0.0, weights)
        steps = self.steps or math.ceil(self.epochs * np.count_nonzero(weights) / self.batch)
        order = training.batches(
            Rows(tokens[None], weights[None]), steps=max(1, steps), batch=self.batch, seed=seed.at("batches")
        )[0]
        grown = parent if isinstance(parent, CausalLmModel) else None
        model = self._begun(tokens.shape[1], grown, seed.at("initial"))
        start = {"anew": grown is None, "given": self.pretrained}
        judge = gate.Judge(tokens, weights, order, begin=model.begin, symbols=self.symbols, **start)
        work = f"training on batches of {self.batch} rows of {tokens.shape[1]} tokens"
        hint = f"lower batch, or set accumulation above {self.accumulation}: the same steps in smaller parts"
        with training.deterministic(place), enough_memory(work, hint), shapes.placed(model.net, place) as net:
            self._train(net, judge, torch.from_numpy(tokens).to(place), torch.from_numpy(held).to(place), seed, count)
        return model

    def _train(self, net: shapes.Net, judge: gate.Judge, blocks: Tensor, held: Tensor, seed: Seed, count: int) -> None:
        """Train a net on its device, in place, by so many processes, and let the gate judge it."""
        course = Course(
            steps=len(judge.order),
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            longest=self.clip or math.inf,
            accumulation=self.accumulation,
            precision=self.precision,
            begin=judge.begin,
            symbols=self.symbols,
            checked=math.ceil(np.count_nonzero(judge.weights) / self.batch),
        )
        run = self._begun_on(net, course, seed, count)
        judge.before(net, run.trained)
        taken = run.run(blocks, judge.order, blocks[held] if len(held) else None)
        judge.moved(run.trained, taken)
        adapters.merge(net)
        judge.after(net)

    def _begun_on(self, net: shapes.Net, course: Course, seed: Seed, count: int) -> Training:
        keeper = Keeper(shelf(seed.at("training")))
        if count > 1:
            lora = self.lora_rank, self.lora_alpha
            return together.Together(net, course, seed, keeper, count=count, lora=lora, dropout=self.dropout)
        if self.lora_rank:
            adapters.adapt(net, rank=self.lora_rank, alpha=self.lora_alpha, seed=seed.at("lora"))
        return Training(net, course, seed, keeper)

    def _held(self, weights: FloatArray, seed: Seed) -> IntArray:
        """Return the rows that only choose the best weights."""
        present = np.flatnonzero(weights > 0)
        count = max(1, round(self.validation * len(present))) if self.validation else 0
        if count and count >= len(present):
            raise ValueError(f"validation {self.validation}: of {len(present)} rows none would be left to train on")
        return np.sort(seed.numpy().permutation(present)[:count])

    def _scored(self, tokens: IntArray, weights: FloatArray, count: int, seed: Seed) -> IntArray:
        """Return the rows that validation looks at, (count,): those held, each as often as its weight says."""
        if not count:
            return np.empty(0, dtype=np.int64)
        return np.sort(training.batches(Rows(tokens[None], weights[None]), steps=1, batch=count, seed=seed)[0, 0])

    def _begun(self, length: int, parent: CausalLmModel | None, seed: Seed) -> CausalLmModel:
        """Return the model that training starts from, with memory of its own."""
        config = None
        if not self.pretrained:
            sizes = {"symbols": self.symbols, "layers": self.layers, "width": self.width, "heads": self.heads}
            config = shapes.configuration(self.model, length=length, dropout=self.dropout, **sizes)
        if parent is not None:
            if config is not None and shapes.sizes(config) != shapes.sizes(parent.net.config):
                raise ValueError("the parent's network has another shape, vocabulary or length of blocks")
            net = shapes.copied(parent.net)
        else:
            net = given.load_given(self.model, self.dropout) if config is None else shapes.untrained(config, seed)
        places = shapes.positions(net.config)
        context = self.context or (places if config is None and places else length + 1)
        if not length < context <= (places or context):
            told = f"{length} tokens and the one that begins them; the model has {places} places, context is {context}"
            raise ValueError(f"blocks have {told}")
        begin = shapes.begin_of(net.config)
        return CausalLmModel(
            net, length, self.symbols, begin, context, self.sampling_batch, self.precision, self.writer
        )

    def load(self, folder: Path) -> CausalLmModel:
        """Read what `CausalLmModel.save` wrote."""
        return CausalLmModel.read(
            folder,
            dropout=self.dropout,
            sampling_batch=self.sampling_batch,
            precision=self.precision,
            writer=self.writer,
        )

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny net of one layer over eight symbols, and a few steps."""
        return cls(symbols=8, layers=1, width=16, heads=2, steps=30, batch=10, learning_rate=1e-2)
