"""OPT's forward pass: learned places from the second row on, rectified units, norms before the parts or after them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import layer_norm

from dwindle.nets.language.forward.affine import ACTIVATIONS, Unsupported, affine, head
from dwindle.nets.language.forward.blocks import Feed, Forward, Layer, Norm

__all__ = ["norm", "taken"]

_SKIPPED = 2  # rows of the table of places that no place uses


def norm(layer: nn.LayerNorm) -> Norm:
    """Return a layer norm as a function."""
    return partial(
        layer_norm, normalized_shape=layer.normalized_shape, weight=layer.weight, bias=layer.bias, eps=layer.eps
    )


def taken(net: Any, context: int) -> Forward:
    """Return the forward pass of an OPTForCausalLM.

    Source: Zhang et al. 2022; the placing of norms and the rows skipped as in transformers' OPTDecoder.

    Raises:
        Unsupported: if its activation or a layer is of another kind.
    """
    config, decoder = net.config, net.model.decoder
    if config.activation_function not in ACTIVATIONS:
        raise Unsupported(f"activation {config.activation_function}")
    width = config.hidden_size // config.num_attention_heads
    return Forward(
        table=decoder.embed_tokens.weight.detach(),
        places=decoder.embed_positions.weight.detach()[_SKIPPED : _SKIPPED + context],
        turns=None,
        layers=[_layer(layer, config) for layer in decoder.layers],
        heads=(config.num_attention_heads,) * 2,
        width=width,
        scale=[width**-0.5] * len(decoder.layers),
        last=_same if decoder.final_layer_norm is None else norm(decoder.final_layer_norm),
        head=_head(decoder.project_out, net.lm_head),
        widened=None if decoder.project_in is None else affine(decoder.project_in),
    )


def _layer(layer: Any, config: Any) -> Layer:
    attention = layer.self_attn
    return Layer(
        norms=(norm(layer.self_attn_layer_norm), norm(layer.final_layer_norm)),
        entering=affine(attention.q_proj, attention.k_proj, attention.v_proj),
        leaving=affine(attention.out_proj),
        feed=Feed(affine(layer.fc1), affine(layer.fc2), config.activation_function),
        first=config.do_layer_norm_before,
    )


def _same(values: Tensor) -> Tensor:
    return values


def _head(narrowing: nn.Module | None, last: nn.Module) -> Callable[[Tensor], Tensor]:
    found = head(last)
    if narrowing is None:
        return found
    narrow = affine(narrowing)
    return lambda values: found(narrow(values))
