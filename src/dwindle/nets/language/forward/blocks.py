"""A stack of transformer layers, as OPT, GPT-2 and Llama have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding

from dwindle.nets.language.forward.affine import Affine
from dwindle.nets.language.forward.slots import Slots

__all__ = ["Feed", "Forward", "Layer"]

Norm = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Feed:
    """The feed-forward part of a layer.

    Args:
        wide: to the inner units; of a gated part, to the gates and then to the units that they gate.
        narrow: back.
        activation: a name of `affine.ACTIVATIONS`.
        gated: whether half of the wide outputs gate the other half. Source: Shazeer 2020, equation 6.
    """

    wide: Affine
    narrow: Affine
    activation: str
    gated: bool = False

    def onto(self, values: Tensor, sum_: Tensor) -> Tensor:
        """Return the outputs plus what they are added to, (m, H)."""
        if not self.gated:
            return self.narrow.onto(self.wide(values, self.activation), sum_)
        gate, inner = self.wide(values).chunk(2, dim=1)
        return self.narrow.onto(torch.nn.functional.silu(gate) * inner, sum_)


@dataclass(frozen=True)
class Layer:
    """One layer: attention, then a feed-forward part, each added to what it reads.

    Args:
        norms: of the attention and of the feed-forward part.
        entering: to queries, keys and values, side by side.
        leaving: from what attention found.
        feed: the feed-forward part.
        first: whether the norms come before the parts, or after the sums.
    """

    norms: tuple[Norm, Norm]
    entering: Affine
    leaving: Affine
    feed: Feed
    first: bool = True


@dataclass(frozen=True)
class Forward:
    """A causal language model that reads tokens of several texts, new ones only.

    Args:
        table: (K, .) embeddings.
        places: (context, H) embeddings of places; None where queries and keys are turned instead.
        turns: cosines and sines, each (context, d), by which queries and keys are turned; None where they are not.
        layers: the layers.
        heads: query heads and key heads.
        width: dimensions of a head.
        scale: of the products of queries and keys, by layer.
        last: norm after the layers.
        head: from the last norm to logits, float32.
        widened: from embeddings to the layers' width, where that is another.
    """

    table: Tensor
    places: Tensor | None
    turns: tuple[Tensor, Tensor] | None
    layers: list[Layer]
    heads: tuple[int, int]
    width: int
    scale: list[float]
    last: Norm
    head: Callable[[Tensor], Tensor]
    widened: Affine | None = None

    def slots(self, texts: int, size: int) -> Slots:
        """Return empty slots for so many tokens of so many texts."""
        queries, keys = self.heads
        shape = (texts, keys, size, self.width)
        return Slots(len(self.layers), shape, queries // keys, self.scale, self.table)

    def read(self, tokens: Tensor, place: int, slots: Slots, visible: Tensor | None = None) -> Tensor:
        """Read tokens and return the logits after them, float32.

        Args:
            tokens: (n, t). Into empty slots they are the texts' beginnings; into others, alternatives at one place.
            place: of the first of them in its text.
            slots: of what was read before; the tokens' are added.
            visible: what the tokens see, as `Slots.read` takes it.

        Returns:
            (n t, K) logits after each alternative; (n, K) after the last token of each beginning.
        """
        opening = slots.used == 0
        slots.read(tokens.shape[1], visible)
        values = embedding(tokens, self.table).flatten(0, 1)
        if self.widened is not None:
            values = self.widened(values)
        span = slice(place, place + (tokens.shape[1] if opening else 1))
        if self.places is not None:
            values = values.add_(self.places[span].repeat(len(tokens) if opening else 1, 1))
        for number in range(len(self.layers)):
            values = self._through(number, values, slots, span)
        if opening:
            values = values.view(*tokens.shape, -1)[:, -1].contiguous()
        return self.head(self.last(values))

    def _through(self, number: int, values: Tensor, slots: Slots, span: slice) -> Tensor:
        layer = self.layers[number]
        before, between = layer.norms
        entering = layer.entering(before(values) if layer.first else values)
        found = slots.attend(number, *self._parts(entering.view(slots.texts, slots.tokens, -1, self.width), span))
        values = layer.leaving.onto(found, values)
        if layer.first:
            return layer.feed.onto(between(values), values)
        values = before(values)
        return between(layer.feed.onto(values, values))

    def _parts(self, entering: Tensor, span: slice) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys = self.heads
        query, key = entering[:, :, :queries], entering[:, :, queries : queries + keys]
        if self.turns is not None:
            cosine, sine = (part[span, None] for part in self.turns)
            query, key = _turned(query, cosine, sine), _turned(key, cosine, sine)
        return query, key, entering[:, :, queries + keys :]


def _turned(values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair of dimensions (i, i + d/2) by its angle. Source: Su et al. 2021, equation 34."""
    low, high = values.chunk(2, dim=3)
    return values * cosine + torch.cat((-high, low), dim=3) * sine
