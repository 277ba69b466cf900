"""Llama's forward pass: root-mean-square norms, turned queries and keys, shared key heads, gated units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import rms_norm

from dwindle.nets.language.forward.affine import Unsupported, affine, head
from dwindle.nets.language.forward.blocks import Feed, Forward, Layer, Norm

__all__ = ["taken"]

_FIXED = ("default", "linear", "llama3", "yarn")  # ways to turn that do not depend on how long the text is


def taken(net: Any, context: int) -> Forward:
    """Return the forward pass of a LlamaForCausalLM.

    Source: Touvron et al. 2023, section 2.2; Ainslie et al. 2023 (shared key heads).

    Raises:
        Unsupported: if its activation, its way to turn or a layer is of another kind.
    """
    config, decoder = net.config, net.model
    if config.hidden_act != "silu" or decoder.rotary_emb.rope_type not in _FIXED:
        raise Unsupported(f"activation {config.hidden_act}, rotary embedding {decoder.rotary_emb.rope_type}")
    table = decoder.embed_tokens.weight.detach()
    cosine, sine = decoder.rotary_emb(table, torch.arange(context, device=table.device)[None])
    return Forward(
        table=table,
        places=None,
        turns=(cosine[0], sine[0]),
        layers=[_layer(layer) for layer in decoder.layers],
        heads=(config.num_attention_heads, config.num_key_value_heads),
        width=decoder.layers[0].self_attn.head_dim,
        scale=[layer.self_attn.scaling for layer in decoder.layers],
        last=_norm(decoder.norm),
        head=head(net.lm_head),
    )


def _layer(layer: Any) -> Layer:
    attention, feed = layer.self_attn, layer.mlp
    return Layer(
        norms=(_norm(layer.input_layernorm), _norm(layer.post_attention_layernorm)),
        entering=affine(attention.q_proj, attention.k_proj, attention.v_proj),
        leaving=affine(attention.o_proj),
        feed=Feed(affine(feed.gate_proj, feed.up_proj), affine(feed.down_proj), "silu", gated=True),
    )


def _norm(layer: Any) -> Norm:
    weight, floor = layer.weight.detach(), layer.variance_epsilon

    def normed(values: Tensor) -> Tensor:
        return rms_norm(values, (values.shape[-1],), weight, floor)

    return normed
