"""The recurrent language model: a gated recurrent layer over tokens, the networks of all chains trained as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding

from dwindle.contracts import Array, FloatArray, IntArray, Kind, Model, Rows, Seed, Within
from dwindle.nets import stacks, training
from dwindle.nets.device import device, running_sums
from dwindle.nets.recurrence import recur, step
from dwindle.samplers import Sampler

__all__ = ["RecurrentLm", "RecurrentLmModel"]

_TOKENS = 1 << 15  # that are scored at once
_ROWS = 2048  # of a chain that are sampled at once
_LONGEST = 1.0  # length of a gradient
_SLACK = 0.1  # nats a token; where tokens have no order, a fit only comes near their shares

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class RecurrentLm(stacks.Stacked["RecurrentLmModel"]):
    """A recurrent language model over blocks of tokens, each block from a begin token and a state of zeros.

    Embedding, one gated recurrent layer, softmax; trained from random weights in every generation unless the recipe
    restarts `warm`.

    Source: Cho et al. 2014, equations 5 to 8 (the layer); Gerstgrasser et al. 2024, section 3 (language models that
        start anew in every generation and are sampled at a temperature).

    Args:
        symbols: size K of the vocabulary 0 .. K-1; characters or other tokens.
        hidden: units of the recurrent layer.
        embedding: dimensions of a token's embedding.
        steps: optimiser steps.
        batch: blocks of each chain in a step; blocks are drawn in proportion to their weights.
        learning_rate: of the first step; it falls to 0 along half a cosine.
    """

    kind: ClassVar[Kind] = "sequences"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p"})
    on_device: ClassVar[bool] = True
    continues: ClassVar[bool] = True

    symbols: Annotated[int, Within(low=1, unit="symbols")]
    hidden: Annotated[int, Within(low=1, high=4096, unit="units")] = 96
    embedding: Annotated[int, Within(low=1, high=4096, unit="dimensions")] = 32
    steps: Annotated[int, Within(low=1, unit="steps")] = 300
    batch: Annotated[int, Within(low=1, unit="rows")] = 32
    learning_rate: Annotated[float, Within(low=1e-6, high=1.0)] = 1e-2

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> RecurrentLmModel:
        """Train the networks of every chain; a parent's weights are where a warm restart begins.

        Raises:
            ValueError: if a block holds a token outside the vocabulary, a chain has no blocks or has learnt nothing,
                or the parent has other layers.
            BadInput, NotReachable: as `dwindle.nets.device.device` does.
        """
        place = device()
        places = training.batches(rows, steps=self.steps, batch=self.batch, seed=seed.at("batches"))
        present = rows.filled_weights() > 0
        tokens = np.where(present[..., None], rows.values, 0).astype(np.int64)
        _refuse_unknown(tokens, self.symbols)
        blocks = self._blocks()
        flat = stacks.initial(blocks, rows.chains, seed.at("initial"))
        if isinstance(parent, RecurrentLmModel):
            flat = stacks.joined(parent.weights, blocks)
        flat = flat.to(place)
        with training.deterministic(place):
            self._train(flat, blocks, torch.from_numpy(tokens).to(place), torch.from_numpy(places).to(place))
        model = RecurrentLmModel(stacks.cut(flat.cpu(), blocks), tokens.shape[2])
        last = Rows(tokens).take(places[:, -1])
        losses = -model.log_prob(last).mean(axis=1) / tokens.shape[2]
        _refuse_untrained(losses, _plain(tokens, rows.filled_weights(), last.values))
        return model

    def _blocks(self) -> Mapping[str, stacks.Block]:
        wide = 3 * self.hidden
        return {
            "embedding": stacks.Block(self.symbols + 1, self.embedding, 1.0),  # the last row is the begin token's
            "entering.weight": stacks.weight(self.embedding, wide),
            "entering.bias": stacks.bias(wide),
            "state.weight": stacks.weight(self.hidden, wide),
            "state.bias": stacks.bias(wide),
            "leaving.weight": stacks.weight(self.hidden, self.symbols),
            "leaving.bias": stacks.bias(self.symbols),
        }

    def _train(self, flat: Tensor, blocks: Mapping[str, stacks.Block], tokens: Tensor, places: Tensor) -> None:
        chains = torch.arange(len(tokens), device=tokens.device)[:, None]

        def loss(leaf: Tensor, number: int) -> Tensor:
            seen = tokens[chains, places[:, number]]
            logits = _logits(stacks.cut(leaf, blocks), seen)
            return (
                cross_entropy(logits.flatten(0, 2), seen.transpose(1, 2).flatten(), reduction="sum") / seen[0].numel()
            )

        training.descend(flat, loss, steps=self.steps, learning_rate=self.learning_rate, longest=_LONGEST)

    def load(self, folder: Path) -> RecurrentLmModel:
        """Read what `RecurrentLmModel.save` wrote."""
        weights = stacks.load(folder)
        return RecurrentLmModel(weights, int(weights.pop("length")))

    @classmethod
    def smallest(cls) -> Self:
        """Return a tiny network over eight symbols and a few steps."""
        return cls(symbols=8, hidden=8, embedding=4, steps=30, batch=10, learning_rate=3e-2)


@dataclass(frozen=True, eq=False)
class RecurrentLmModel:
    """The language model of every chain.

    Args:
        weights: the layers' matrices, (c, rows, columns), in the processor's memory.
        length: tokens of a block L.
    """

    weights: Weights
    length: int

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample blocks token by token from p^(1/T), T the sampler's temperature, cut to its top_p afterwards."""
        chains = len(self.weights["embedding"])
        values = np.empty((chains, count, self.length), dtype=np.int64)
        place = device()
        weights = stacks.moved(self.weights, place)
        with training.deterministic(place), torch.no_grad():
            for block in _slices(count, _ROWS):
                generators = [seed.at("chain", chain, block.start).numpy() for chain in range(chains)]
                values[:, block] = self._sampled(weights, block.stop - block.start, sampler, generators)
        return Rows(values)

    def _sampled(
        self, weights: Weights, count: int, sampler: Sampler, generators: Sequence[np.random.Generator]
    ) -> IntArray:
        """Sample some blocks of every chain together, (c, count, L)."""
        table, drawn = _table(weights), np.empty((len(generators), count, 1), dtype=np.float32)
        chains, symbols = len(table), table.shape[1] - 1
        state = table.new_zeros(chains, count, weights["state.weight"].shape[1])
        token = torch.full((chains, count), symbols, device=table.device)
        tokens = []
        for _ in range(self.length):
            state = step(state, _looked_up(table, token), weights["state.weight"], weights["state.bias"])
            logits = stacks.affine(state, weights, "leaving")
            for generator, own in zip(generators, drawn, strict=True):
                generator.random(out=own, dtype=np.float32)
            uniform = torch.from_numpy(drawn).to(table.device)
            token = _drawn(torch.softmax(logits / sampler.temperature, dim=2), sampler.top_p, uniform)
            tokens.append(token)
        return np.asarray(torch.stack(tokens, dim=2).cpu().numpy())

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each block, nats, (c, n); the sum over its tokens.

        Raises:
            ValueError: if a block holds a token outside the vocabulary.
        """
        return np.asarray(self.token_log_prob(rows).sum(axis=2))

    def token_log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each token, nats, (c, n, L).

        Raises:
            ValueError: if a block holds a token outside the vocabulary.
        """
        tokens = self._of_every_chain(rows)
        scores, place = np.empty(tokens.shape), device()
        weights = stacks.moved(self.weights, place)
        with training.deterministic(place), torch.no_grad():
            for block in _slices(tokens.shape[1], max(1, _TOKENS // (len(tokens) * tokens.shape[2]))):
                seen = torch.from_numpy(np.array(tokens[:, block], dtype=np.int64)).to(place)
                logs = torch.log_softmax(_logits(weights, seen).double(), dim=3)
                own = logs.gather(3, seen.transpose(1, 2)[..., None])[..., 0]
                scores[:, block] = own.transpose(1, 2).cpu().numpy()
        return scores

    def next_probabilities(self, rows: Rows) -> FloatArray:
        """Return the probability of each token after each whole row, (c, n, K).

        Raises:
            ValueError: if a row holds a token outside the vocabulary.
        """
        tokens, place = self._of_every_chain(rows), device()
        with training.deterministic(place), torch.no_grad():
            weights = stacks.moved(self.weights, place)
            last = _states(weights, torch.from_numpy(tokens.copy()).to(place))[:, -1]
            return np.asarray(torch.softmax(stacks.affine(last, weights, "leaving").double(), dim=2).cpu().numpy())

    def _of_every_chain(self, rows: Rows) -> IntArray:
        """Return the tokens that every chain is to score, (c, n, L)."""
        chains = max(rows.chains, len(self.weights["embedding"]))
        tokens = np.broadcast_to(np.asarray(rows.values, dtype=np.int64), (chains, *rows.values.shape[1:]))
        _refuse_unknown(tokens, self.weights["embedding"].shape[1] - 1)
        return tokens

    def save(self, folder: Path) -> None:
        """Write weights.safetensors."""
        stacks.save({**self.weights, "length": torch.tensor(self.length)}, folder)


def _table(weights: Weights) -> Tensor:
    """Return what each token adds to gates and candidate, (c, K + 1, 3 h)."""
    return stacks.affine(weights["embedding"], weights, "entering")


def _looked_up(table: Tensor, tokens: Tensor) -> Tensor:
    """Return the rows of each chain's own table, (c, ..., 3 h), for tokens (c, ...)."""
    offsets = torch.arange(len(table), device=table.device) * table.shape[1]
    return embedding(tokens + offsets.reshape(-1, *(1,) * (tokens.ndim - 1)), table.flatten(0, 1))


def _logits(weights: Weights, tokens: Tensor) -> Tensor:
    """Return the logits of every token after the ones before it, (c, L, n, K), for blocks (c, n, L)."""
    states = _states(weights, tokens[..., :-1])
    return stacks.affine(states.flatten(1, 2), weights, "leaving").reshape(*states.shape[:3], -1)


def _states(weights: Weights, tokens: Tensor) -> Tensor:
    """Return the states after the begin token and after every token of the blocks, (c, L + 1, n, h)."""
    symbols = weights["embedding"].shape[1] - 1
    entered = torch.nn.functional.pad(tokens, (1, 0), value=symbols).transpose(1, 2)
    return recur(_looked_up(_table(weights), entered), weights["state.weight"], weights["state.bias"])


def _drawn(shares: Tensor, top_p: float, uniform: Tensor) -> Tensor:
    """Draw tokens by inverting the distribution function, (c, n), for shares (c, n, K) and uniform numbers (c, n, 1).

    Below 1, top_p leaves the fewest likeliest tokens whose shares reach it, at least one.
    """
    if top_p < 1.0:
        ordered, order = shares.sort(dim=2, descending=True, stable=True)
        ahead = running_sums(ordered) - ordered
        shares = torch.zeros_like(shares).scatter_(2, order, ordered * (ahead < top_p))
    sums = running_sums(shares)
    return torch.searchsorted(sums, uniform * sums[..., -1:], right=True)[..., 0]


def _slices(count: int, width: int) -> Iterator[slice]:
    return (slice(start, min(start + width, count)) for start in range(0, count, width))


def _refuse_unknown(tokens: Array, symbols: int) -> None:
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < symbols:
        raise ValueError(f"rows hold tokens {tokens.min()}..{tokens.max()}; the vocabulary is 0..{symbols - 1}")


def _plain(tokens: IntArray, weights: FloatArray, last: IntArray) -> FloatArray:
    """Return the nats a token of some blocks under the shares of the tokens in all blocks, (c,)."""
    sums = np.zeros((len(tokens), int(tokens.max()) + 1))
    np.add.at(sums, (np.arange(len(tokens))[:, None, None], tokens), weights[..., None])
    shares = np.take_along_axis(sums, last.reshape(len(last), -1), axis=1) / sums.sum(axis=1, keepdims=True)
    return np.asarray(-np.log(shares).mean(axis=1))


def _refuse_untrained(losses: FloatArray, plain: FloatArray) -> None:
    """Refuse a chain that has not learnt as much as the shares of the tokens, nats a token."""
    for chain in np.flatnonzero(~(losses < plain + _SLACK)):
        found = f"{losses[chain]:.4g} nats a token of its last batch, {plain[chain]:.4g} by the tokens' shares alone"
        raise ValueError(f"the language model of chain {chain} has learnt nothing: {found}; take more steps")
