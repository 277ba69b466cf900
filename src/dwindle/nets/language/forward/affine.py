"""Affine layers whose weights are laid out once for the processor that multiplies by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["ACTIVATIONS", "Affine", "Unsupported", "affine", "head"]

_ROWS = 80  # that the layout is made for; others are multiplied as well

# oneDNN's name and variant of an activation, and the same on other devices.
ACTIVATIONS: dict[str, tuple[str, str, Any]] = {
    "none": ("none", "", lambda values: values),
    "relu": ("relu", "", torch.relu),
    "gelu": ("gelu", "none", nn.functional.gelu),
    "gelu_new": ("gelu", "tanh", lambda values: nn.functional.gelu(values, approximate="tanh")),
    "silu": ("swish", "", nn.functional.silu),
}


class Unsupported(Exception):
    """A network has a part that the forward passes do not know."""


class Affine:
    """x W^T + b, then an activation or a sum, in one call of oneDNN where the processor can.

    A product with weights in oneDNN's own layout took half the time of one with plain weights in float32, and between
    half and nine tenths in bfloat16 (AMD EPYC, torch 2.13).

    Args:
        weight: (outputs, inputs).
        bias: (outputs,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight.detach(), None if bias is None else bias.detach()
        self.packed = _packs(self.weight)
        if self.packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight.contiguous(), _ROWS)

    def __call__(self, values: Tensor, activation: str = "none") -> Tensor:
        """Return the activation of the layer's outputs, (m, outputs), for values (m, inputs)."""
        name, variant, plain = ACTIVATIONS[activation]
        if not self.packed:
            found: Tensor = plain(linear(values, self.weight, self.bias))
            return found
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(values, self.weight, self.bias, name, [], variant)
        return fused

    def onto(self, values: Tensor, sum_: Tensor) -> Tensor:
        """Return the layer's outputs plus what they are added to, (m, outputs)."""
        if not self.packed:
            return linear(values, self.weight, self.bias).add_(sum_)
        fused: Tensor = torch.ops.mkldnn._linear_pointwise.binary(values, sum_, self.weight, self.bias, "add")
        return fused


def _packs(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not torch._C._has_mkldnn:
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32


def affine(*layers: nn.Module) -> Affine:
    """Return plain linear layers of the same inputs as one, their outputs side by side.

    Raises:
        Unsupported: if one of them is more than a linear layer.
    """
    if any(type(layer) is not nn.Linear for layer in layers):
        raise Unsupported(f"a layer is a {type(layers[0]).__name__} where a plain linear one was expected")
    parts = [dict(layer.named_parameters()) for layer in layers]
    if len(parts) == 1:
        return Affine(parts[0]["weight"], parts[0].get("bias"))
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Affine(joined["weight"], joined.get("bias"))


def head(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the layer that finds logits, in float32 whatever the weights' type.

    Rounded to bfloat16, logits near 10 are apart by 1/16 or not at all: sums of log-probabilities over a text would err
    by nats, and beams would be chosen by the rounding.

    Raises:
        Unsupported: if it is more than a linear layer.
    """
    if type(layer) is not nn.Linear:
        raise Unsupported(f"the output layer is a {type(layer).__name__}, no plain linear one")
    weight = layer.weight.detach()
    bias = None if layer.bias is None else layer.bias.detach().float()
    if weight.is_cuda and weight.dtype != torch.float32:
        turned = weight.t()

        def exact(values: Tensor) -> Tensor:
            logits = torch.mm(values, turned, out_dtype=torch.float32)
            return logits if bias is None else logits + bias

        return exact
    whole = Affine(weight.float(), bias)
    return lambda values: whole(values.float())
