"""A fitted causal language model: what it samples, what it scores, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch

from dwindle.contracts import FloatArray, IntArray, Rows, Seed
from dwindle.errors import BadInput
from dwindle.nets import training
from dwindle.nets.device import device
from dwindle.nets.language import shapes
from dwindle.nets.language.blocks import next_shares, refuse_unknown, token_scores
from dwindle.nets.language.decoding import continued
from dwindle.nets.language.fitting import Precision
from dwindle.nets.language.memory import enough_memory
from dwindle.nets.language.serving import served
from dwindle.samplers import Sampler

__all__ = ["CausalLmModel", "Writer"]

Writer = Literal["own", "server"]
"""Who writes texts: the decoder of this process, or a server that loads the model (`dwindle.nets.language.serving`)."""

_PLAIN = "blocks.json"


@dataclass(frozen=True, eq=False)
class CausalLmModel:
    """The language model of one chain.

    Args:
        net: of transformers, in evaluation mode and the processor's memory.
        length: tokens of a block L.
        symbols: tokens of the alphabet K.
        begin: the token that stands before every block.
        context: the longest run of tokens that the net is asked to see, begin token included.
        sampling_batch: rows that are sampled at once.
        precision: that sampling computes in; scores are always computed in float32.
        writer: who writes the texts.
    """

    net: shapes.Net
    length: int
    symbols: int
    begin: int
    context: int
    sampling_batch: int
    precision: Precision = "float32"
    writer: Writer = "own"

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample blocks, (1, n, L), each after the begin token and its prompt, if there are prompts.

        Raises:
            ValueError: if a prompt holds a token outside the alphabet.
            StageFailed: if memory does not suffice.
        """
        asked = np.empty((1, 0), dtype=np.int64) if prompts is None else prompts.chain(0).values[0]
        refuse_unknown(asked, self.symbols)
        asked = asked[np.arange(count) % len(asked)]
        if self.writer == "server":
            return Rows(self._served(asked, sampler, seed)[None])
        options = {"begin": self.begin, "context": self.context, "batch": self.sampling_batch}
        work = f"sampling batches of {self.sampling_batch} rows of {self.length} tokens"
        with self._ready(work, "lower sampling_batch") as kept:
            net = shapes.copied(kept).to(torch.bfloat16) if self.precision == "bfloat16" else kept
            with shapes.narrowed(net, self.symbols):
                values = continued(net, asked, self.length, sampler=sampler, seed=seed, **options)
        return Rows(values[None])

    def _served(self, asked: IntArray, sampler: Sampler, seed: Seed) -> IntArray:
        if asked.shape[1] + self.length >= self.context:
            seen = f"a prompt of {asked.shape[1]} tokens and {self.length} new ones"
            raise BadInput(
                f"writer server: {seen} do not fit a context of {self.context}, and a server moves no window"
            )
        never = range(self.symbols, self.net.config.vocab_size)
        return served(self.save, asked, self.length, sampler=sampler, seed=seed, begin=self.begin, never=never)

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each block, nats, (c, n); the sum over its tokens.

        Raises:
            ValueError: if a block holds a token outside the alphabet, or more tokens than the model has places for.
        """
        return np.asarray(self.token_log_prob(rows).sum(axis=2))

    def token_log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each token after the ones before it, nats, (c, n, L).

        Raises:
            ValueError: as `log_prob` does.
        """
        self._refuse(rows, rows.values.shape[2])
        flat = rows.values.reshape(rows.chains * rows.count, rows.values.shape[2])
        with self._ready(f"scoring {len(flat)} rows", "take shorter blocks") as net:
            scores = token_scores(net, flat, begin=self.begin, symbols=self.symbols)
        return scores.reshape(rows.values.shape)

    def next_probabilities(self, rows: Rows) -> FloatArray:
        """Return the probability of each token after each whole row, (c, n, K), for beginnings (c, n, P).

        Raises:
            ValueError: as `log_prob` does.
        """
        self._refuse(rows, rows.values.shape[2] + 1)
        flat = rows.values.reshape(rows.chains * rows.count, rows.values.shape[2])
        with self._ready(f"scoring {len(flat)} rows", "take fewer at once") as net:
            shares = next_shares(net, flat, begin=self.begin, symbols=self.symbols)
        return shares.reshape(*rows.values.shape[:2], self.symbols)

    def save(self, folder: Path) -> None:
        """Write model.safetensors and config.json, as transformers reads them, and blocks.json."""
        shapes.save(self.net, folder)
        plain = {"length": self.length, "symbols": self.symbols, "begin": self.begin, "context": self.context}
        (folder / _PLAIN).write_text(json.dumps(plain))

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        dropout: float,
        sampling_batch: int,
        precision: Precision = "float32",
        writer: Writer = "own",
    ) -> Self:
        """Read what `save` wrote.

        Args:
            folder: where it stands.
            dropout: share of activations that are dropped if training goes on from it.
            sampling_batch: rows that are sampled at once.
            precision: that sampling computes in.
            writer: who writes the texts.
        """
        plain = json.loads((folder / _PLAIN).read_text())
        net = shapes.load(folder, dropout)
        return cls(net, sampling_batch=sampling_batch, precision=precision, writer=writer, **plain)

    def _refuse(self, rows: Rows, seen: int) -> None:
        refuse_unknown(rows.values, self.symbols)
        if seen > self.context:
            raise ValueError(f"rows make the model see {seen} tokens; it sees {self.context} at most")

    @contextmanager
    def _ready(self, work: str, hint: str) -> Iterator[shapes.Net]:
        """Have the net on the device that was asked for."""
        place = device()
        with training.deterministic(place), enough_memory(work, hint), shapes.placed(self.net, place) as net:
            yield net
