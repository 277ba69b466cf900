"""Forward passes of language models in plain torch, from the weights of a transformers module.

They exist because decoding is what a lineage of language models costs: the module of transformers copies its cache at
every token, and its linear layers read weights in an order that the processor does not like.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from dwindle.nets.language.forward import gpt2, llama, opt
from dwindle.nets.language.forward.affine import Unsupported
from dwindle.nets.language.forward.blocks import Forward

__all__ = ["forward_of"]

_log = logging.getLogger(__name__)
_told: set[str] = set()

_ADAPTERS: Mapping[str, Callable[[Any, int], Forward]] = {
    "OPTForCausalLM": opt.taken,
    "GPT2LMHeadModel": gpt2.taken,
    "LlamaForCausalLM": llama.taken,
}


def forward_of(net: nn.Module, context: int) -> Forward | None:
    """Return the forward pass of a transformers module, or None if it is of another architecture, which is logged once.

    Args:
        net: a causal language model of transformers, in eval mode on its device.
        context: the longest run of tokens that will be asked for.
    """
    name = type(net).__name__
    try:
        if name not in _ADAPTERS:
            raise Unsupported("another architecture than OPT, GPT-2 and Llama")
        return _ADAPTERS[name](net, context)
    except Unsupported as reason:
        if name not in _told:
            _told.add(name)
            _log.warning("%s is decoded by transformers itself, which is slower: %s", name, reason)
        return None
