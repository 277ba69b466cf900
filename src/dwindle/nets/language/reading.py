"""Reading texts token by token: through a forward pass of ours, or through the module of transformers itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dwindle.nets.language.beams import Reshape, searched
from dwindle.nets.language.forward import forward_of
from dwindle.nets.language.forward.blocks import Forward

__all__ = ["Reader", "reader_of"]

Next = Callable[[Tensor], Tensor]


class Reader(Protocol):
    """What decoding asks of a network."""

    def opened(self, texts: Tensor, length: int) -> tuple[Tensor, Next]:
        """Read texts (n, t) that may go on for `length` tokens.

        Returns:
            Logits (n, K) of the token after them, and what takes that token of each text, (n, 1), to the logits of the
            one after it.
        """
        ...

    def searched(self, texts: Tensor, length: int, beams: int, reshape: Reshape | None) -> Tensor:
        """Return the continuations (n, length) that a search with so many beams finds."""
        ...


def reader_of(net: nn.Module, context: int) -> Reader:
    """Return what reads texts of at most `context` tokens by a causal language model of transformers."""
    forward = forward_of(net, context)
    return Foreign(net) if forward is None else Own(forward)


class Own:
    """Reads by a forward pass of ours."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    def opened(self, texts: Tensor, length: int) -> tuple[Tensor, Next]:
        """Read texts into slots of their own."""
        count, seen = texts.shape
        slots = self.forward.slots(count, seen + length - 1)

        def after(tokens: Tensor) -> Tensor:
            return self.forward.read(tokens, slots.used, slots)

        return self.forward.read(texts, 0, slots), after

    def searched(self, texts: Tensor, length: int, beams: int, reshape: Reshape | None) -> Tensor:
        """Search the tree of beams."""
        return searched(self.forward, texts, length, beams, reshape)


class Foreign:
    """Reads by the module of transformers, with its own cache, and searches by its `generate`."""

    def __init__(self, net: Any) -> None:
        self.net = net

    def opened(self, texts: Tensor, length: int) -> tuple[Tensor, Next]:
        """Read texts into a cache of transformers."""
        first = self.net(input_ids=texts, use_cache=True)
        cache = first.past_key_values

        def after(tokens: Tensor) -> Tensor:
            found = self.net(input_ids=tokens, past_key_values=cache, use_cache=True)
            logits: Tensor = found.logits[:, -1].float()
            return logits

        return first.logits[:, -1].float(), after

    def searched(self, texts: Tensor, length: int, beams: int, reshape: Reshape | None) -> Tensor:
        """Let `generate` search; no token ends a text, and settings of its own that the network came with are off."""
        from transformers import GenerationConfig, LogitsProcessorList

        own = self.net.generation_config
        # `generate` fills what a configuration leaves open from the network's.
        self.net.generation_config = GenerationConfig.from_dict({})
        plan = GenerationConfig.from_dict(
            {
                "num_beams": beams,
                "do_sample": False,
                "min_new_tokens": length,
                "max_new_tokens": length,
                "pad_token_id": 0,
            }
        )
        try:
            found: Tensor = self.net.generate(
                texts,
                attention_mask=torch.ones_like(texts),
                generation_config=plan,
                logits_processor=LogitsProcessorList([] if reshape is None else [reshape]),
            )
        finally:
            self.net.generation_config = own
        return found[:, texts.shape[1] :]
