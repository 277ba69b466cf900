"""GPT-2's forward pass: learned places, weights stored the other way round, a head tied to the embeddings."""

from __future__ import annotations

from typing import Any

from dwindle.nets.language.forward.affine import ACTIVATIONS, Affine, Unsupported, head
from dwindle.nets.language.forward.blocks import Feed, Forward, Layer
from dwindle.nets.language.forward.opt import norm

__all__ = ["taken"]


def taken(net: Any, context: int) -> Forward:
    """Return the forward pass of a GPT2LMHeadModel.

    Source: Radford et al. 2019, section 2.3.

    Raises:
        Unsupported: if its activation, its attention or a layer is of another kind.
    """
    config, decoder = net.config, net.transformer
    if config.activation_function not in ACTIVATIONS:
        raise Unsupported(f"activation {config.activation_function}")
    if config.reorder_and_upcast_attn or config.add_cross_attention:
        raise Unsupported("attention of another kind")
    return Forward(
        table=decoder.wte.weight.detach(),
        places=decoder.wpe.weight.detach()[:context],
        turns=None,
        layers=[_layer(block, config) for block in decoder.h],
        heads=(config.num_attention_heads,) * 2,
        width=config.hidden_size // config.num_attention_heads,
        scale=[block.attn.scaling for block in decoder.h],
        last=norm(decoder.ln_f),
        head=head(net.lm_head),
    )


def _layer(block: Any, config: Any) -> Layer:
    return Layer(
        norms=(norm(block.ln_1), norm(block.ln_2)),
        entering=_turned_round(block.attn.c_attn),
        leaving=_turned_round(block.attn.c_proj),
        feed=Feed(_turned_round(block.mlp.c_fc), _turned_round(block.mlp.c_proj), config.activation_function),
    )


def _turned_round(layer: Any) -> Affine:
    if type(layer).__name__ != "Conv1D":
        raise Unsupported(f"a layer is a {type(layer).__name__} where transformers' Conv1D was expected")
    return Affine(layer.weight.t(), layer.bias)
