"""The keys and values of every token that was read: buffers allocated once, in which nothing moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["Slots", "additive"]


class Slots:
    """Slots for the keys and values of tokens, of some texts and every layer.

    Args:
        layers: of the network.
        shape: (n, h, S, d): texts, key heads, slots and dimensions of a head.
        groups: query heads that share a key head.
        scale: of the products of queries and keys.
        like: a tensor whose type and device the slots have.
    """

    def __init__(
        self, layers: int, shape: tuple[int, int, int, int], groups: int, scale: Sequence[float], like: Tensor
    ) -> None:
        self.keys = [like.new_empty(shape) for _ in range(layers)]
        self.values = [like.new_empty(shape) for _ in range(layers)]
        self.texts, self.heads, self.size, self.width = shape
        self.groups, self.scale = groups, scale
        self.used = 0
        self.mask: Tensor | None = None

    def read(self, tokens: int, visible: Tensor | None = None) -> None:
        """Say what the next pass reads: so many tokens of each text, which take the next slots.

        Args:
            tokens: of each text. Into empty slots they are a text; into others they are alternatives to one another.
            visible: (n, tokens, used slots with theirs), 0 where a token sees a slot and -inf where not; None: all.
        """
        self.start, self.used = self.used, self.used + tokens
        self.tokens = tokens
        self.mask = None if visible is None else visible.repeat(1, self.groups, 1)[:, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Keep the keys and values of the tokens that are read, and return what their queries find, (n t, h g d).

        Args:
            layer: number of the layer.
            query: (n, t, h g, d) of the tokens.
            key: (n, t, h, d).
            value: (n, t, h, d).
        """
        key, value = key.transpose(1, 2), value.transpose(1, 2)
        self.keys[layer][:, :, self.start : self.used] = key
        self.values[layer][:, :, self.start : self.used] = value
        if self.start == 0:
            return self._as_text(layer, query, key, value)
        keys, values = self.keys[layer][:, :, : self.used], self.values[layer][:, :, : self.used]
        # Query heads of one key head stand below one another, so that each key is read once for all of them.
        query = query.view(self.texts, self.tokens, self.heads, self.groups, -1).permute(0, 2, 3, 1, 4).flatten(2, 3)
        found = scaled_dot_product_attention(query, keys, values, attn_mask=self.mask, scale=self.scale[layer])
        found = found.view(self.texts, self.heads, self.groups, self.tokens, -1).permute(0, 3, 1, 2, 4)
        return found.reshape(self.texts * self.tokens, -1)

    def _as_text(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend where each token sees those before it and itself."""
        keys, values = (part.repeat_interleave(self.groups, 1) if self.groups > 1 else part for part in (key, value))
        found = scaled_dot_product_attention(
            query.transpose(1, 2), keys, values, is_causal=True, scale=self.scale[layer]
        )
        return found.transpose(1, 2).reshape(self.texts * self.tokens, -1)


def additive(seen: Tensor, like: Tensor) -> Tensor:
    """Return 0 where a slot is seen and -inf where not."""
    return torch.zeros_like(seen, dtype=like.dtype).masked_fill_(~seen, -torch.inf)
