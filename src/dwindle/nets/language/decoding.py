"""Texts from a causal language model: drawn, or searched for, batch by batch, each batch from a seed of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dwindle.contracts import IntArray
from dwindle.data.unfinished import Shelf, shelf, tell
from dwindle.nets.language import shapes
from dwindle.nets.language.beams import Reshape
from dwindle.nets.language.drawing import drawn, penalised, shaped
from dwindle.nets.language.reading import Reader, reader_of
from dwindle.nets.training import deterministic
from dwindle.samplers import Sampler
from dwindle.seeds import Seed

__all__ = ["continued"]

_PAUSE = 20.0  # seconds between two times that unfinished work is kept
_SHORT = 1.0  # seconds of work that are done again sooner than they are kept
_PLAIN = Sampler()
_SHAPING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
_NAME, _FILE = "continued", "tokens.npy"


def continued(
    net: nn.Module,
    prompts: IntArray,
    length: int,
    *,
    sampler: Sampler,
    seed: Seed,
    begin: int,
    context: int,
    batch: int,
) -> IntArray:
    """Return what the network goes on with after each prompt, (n, length).

    Every token is an ordinary one: none ends a text, and none is held back. The network sees `begin`, the prompt and
    what has been written since. Where these fill its context, it goes on from the last half of the tokens, with `begin`
    in front of them; a search commits itself to its best beam there and starts again from it.

    Draws invert the distribution function of a token with a number from the seed of the batch, so that the same batches
    give the same bytes, wherever the work was interrupted. With beams, penalties and marks reshape log-probabilities,
    as in `generate` of transformers; else they reshape logits.

    Args:
        net: a causal language model of transformers, in eval mode on its device.
        prompts: (n, P) tokens; of P = 0 texts are written freely.
        length: tokens to go on for.
        sampler: how the next token is found.
        seed: address of the draws; the batch that starts with row i draws below it at i.
        begin: token that stands before every text.
        context: the longest run of tokens, `begin` included, that the network is asked to see.
        batch: rows at once. Another number gives other draws, and in the last bits other logits.

    Raises:
        ValueError: if context, batch, length or the number of beams is out of range.
    """
    prompts = np.asarray(prompts, dtype=np.int64)
    place = next(net.parameters()).device
    with deterministic(place), torch.no_grad():
        writer = _Writer(reader_of(net, context), sampler, begin, context, _symbols(net))
        _refuse(writer, length, batch, shapes.positions(net.config) or context)
        work = _Work(shelf(seed), len(prompts), length)
        for start in range(work.done, len(prompts), batch):
            rows = torch.from_numpy(prompts[start : start + batch]).to(place)
            work.add(writer.written(rows, length, seed.at(start)).cpu().numpy())
    return work.ended()


def _symbols(net: nn.Module) -> int:
    head = net.get_output_embeddings()  # type: ignore[operator]
    return int(head.weight.shape[0])


@dataclass(frozen=True)
class _Writer:
    """Goes on with the texts of a batch."""

    reader: Reader
    sampler: Sampler
    begin: int
    context: int
    symbols: int

    def written(self, prompts: Tensor, length: int, seed: Seed) -> Tensor:
        """Return the continuations of prompts (n, P), (n, length), window after window."""
        texts = torch.nn.functional.pad(prompts, (1, 0), value=self.begin)
        prompt, generator = texts.shape[1], seed.numpy()
        reshape = self._reshape(len(prompts), texts.device, seed)
        while texts.shape[1] < prompt + length:
            window = self._window(texts)
            room = min(self.context - window.shape[1], prompt + length - texts.shape[1])
            if self.sampler.beams > 1:
                made = self.reader.searched(window, room, self.sampler.beams, reshape)
            else:
                made = self._drawn(window, room, generator, reshape)
            texts = torch.cat((texts, made), dim=1)
        return texts[:, prompt:]

    def _window(self, texts: Tensor) -> Tensor:
        """Return what the network sees of texts that begin with `begin`: all, or the last half of what it can see."""
        if texts.shape[1] < self.context:
            return texts
        half = (self.context - 1) // 2
        return torch.cat((texts[:, :1], texts[:, texts.shape[1] - half :]), dim=1)

    def _reshape(self, count: int, place: torch.device, seed: Seed) -> Reshape | None:
        """Return what the sampler's settings make of the logits of a batch, or None if they leave them alone."""
        sampler = self.sampler
        mark = _mark(sampler, count, self.symbols, place, seed)
        if mark is None and all(getattr(sampler, name) == getattr(_PLAIN, name) for name in _SHAPING):
            return None

        def reshape(texts: Tensor, logits: Tensor) -> Tensor:
            if sampler.repetition_penalty != 1.0:
                logits = penalised(texts, logits, sampler.repetition_penalty)
            logits = shaped(logits, sampler)
            return logits if mark is None else mark(texts, logits)

        return reshape

    def _drawn(self, window: Tensor, length: int, generator: np.random.Generator, reshape: Reshape | None) -> Tensor:
        """Draw tokens one after another, or take the likeliest, (n, length)."""
        logits, after = self.reader.opened(window, length)
        texts = window
        for step in range(length):
            if reshape is not None:
                logits = reshape(texts, logits)
            if self.sampler.beams == 1:
                token = logits.argmax(dim=1, keepdim=True)
            else:
                token = drawn(logits, torch.from_numpy(generator.random((len(texts), 1))).to(texts.device))
            texts = torch.cat((texts, token), dim=1)
            if step + 1 < length:
                logits = after(token)
        return texts[:, window.shape[1] :]


def _mark(sampler: Sampler, count: int, symbols: int, place: torch.device, seed: Seed) -> Reshape | None:
    """Return what weaves the sampler's mark into a batch, or None where it has none."""
    if sampler.watermark == "none":
        return None
    from dwindle.nets.language import watermarks

    marked = None if sampler.watermark_share == 1.0 else watermarks.marked_rows(sampler, count, seed)
    return watermarks.processor(sampler, symbols, place, marked=marked)


class _Work:
    """The rows that are written, kept now and then so that a killed process's successor goes on from them."""

    def __init__(self, place: Shelf, rows: int, length: int) -> None:
        self.place, self.tokens = place, np.empty((rows, length), dtype=np.int64)
        self.began = self.kept = time.monotonic()
        found = self._found()
        self.done = self.given = len(found)
        self.tokens[: self.done] = found

    def _found(self) -> IntArray:
        folder = self.place.read(_NAME)
        kept = self.tokens[:0] if folder is None else np.load(folder / _FILE, allow_pickle=False)
        whole = kept.dtype == self.tokens.dtype and kept.shape[1:] == self.tokens.shape[1:]
        return kept if whole and len(kept) <= len(self.tokens) else self.tokens[:0]

    def add(self, tokens: IntArray) -> None:
        """Take in the rows of a batch, and tell how far the work has come."""
        self.tokens[self.done : self.done + len(tokens)] = tokens
        self.done += len(tokens)
        now = time.monotonic()
        # What this process was given took none of its time: the rate is that of its own rows.
        seconds = (now - self.began) * self.done / (self.done - self.given)
        tell(self.done * self.tokens.shape[1], self.tokens.size, "tokens", seconds)
        if now - self.kept > _PAUSE:
            self._keep(now)

    def ended(self) -> IntArray:
        """Keep the whole work, if it took longer than keeping it does, and return it."""
        now = time.monotonic()
        if self.done > self.given and now - self.began > _SHORT:
            self._keep(now)
        return self.tokens

    def _keep(self, now: float) -> None:
        def write(folder: Path) -> None:
            np.save(folder / _FILE, self.tokens[: self.done], allow_pickle=False)

        self.place.keep(_NAME, write)
        self.kept = now


def _refuse(writer: _Writer, length: int, batch: int, places: int) -> None:
    """Refuse what cannot be written."""
    if not 2 <= writer.context <= places:
        raise ValueError(f"context {writer.context}: the network has places for 2 .. {places} tokens")
    if length < 1 or batch < 1:
        raise ValueError(f"length {length} and batch {batch} must be at least 1")
    if writer.sampler.beams > writer.symbols:
        raise ValueError(f"beams {writer.sampler.beams} are more than the {writer.symbols} symbols")
