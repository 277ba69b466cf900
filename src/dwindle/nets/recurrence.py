"""A gated recurrent layer of every chain, unrolled over a sequence, with its gradient written out.

Automatic differentiation would keep a graph of a dozen nodes a token and multiply small matrices a token; written out,
a token costs one product forwards, one backwards and one for the weights.

Source: Cho et al. 2014, equations 5 to 8; the reset gate acts on the product with the state, as in cuDNN.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["recur", "step"]


def step(state: Tensor, entering: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the state after one token, (c, b, h).

    Args:
        state: (c, b, h) the state before it.
        entering: (c, b, 3 h) what the token adds to reset gate, update gate and candidate.
        weight: (c, h, 3 h) from the state to the three.
        bias: (c, 1, 3 h) of that product.
    """
    product = torch.baddbmm(bias, state, weight)
    after, _, _ = _cell(state, entering, product)
    return after


def recur(entering: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the states after each token, (c, l, b, h), from a state of zeros.

    Args:
        entering: (c, l, b, 3 h) what each token adds to reset gate, update gate and candidate.
        weight: (c, h, 3 h) from the state to the three.
        bias: (c, 1, 3 h) of that product.
    """
    states: Tensor = _Recurrence.apply(entering, weight, bias)  # type: ignore[no-untyped-call]
    return states


def _cell(state: Tensor, entering: Tensor, product: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the next state, the gates (c, b, 2 h) and the candidate (c, b, h)."""
    width = state.shape[2]
    # A sigmoid by way of tanh, which rounds the end of an array as the rest: chains must not depend on their place.
    gates = torch.add(entering[..., : 2 * width], product[..., : 2 * width]).mul_(0.5).tanh_().add_(1.0).mul_(0.5)
    candidate = torch.addcmul(entering[..., 2 * width :], gates[..., :width], product[..., 2 * width :]).tanh_()
    return torch.lerp(candidate, state, gates[..., width:]), gates, candidate


class _Recurrence(torch.autograd.Function):
    """The layer and its gradient."""

    @staticmethod
    def forward(ctx: Any, entering: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Unroll the layer and keep what its gradient takes."""
        chains, length, batch, _ = entering.shape
        state = entering.new_zeros(chains, batch, weight.shape[1])
        states, kept = [], []
        for token in range(length):
            product = torch.baddbmm(bias, state, weight)
            after, gates, candidate = _cell(state, entering[:, token], product)
            kept.append((state, gates, candidate, product))
            states.append(after)
            state = after
        ctx.kept, ctx.weight = kept, weight
        return torch.stack(states, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Walk back from the last token; `carried` is the gradient of the state between two tokens."""
        (arriving,), width = gradients, ctx.weight.shape[1]
        turned = ctx.weight.transpose(1, 2)
        entering = arriving.new_empty(*arriving.shape[:3], 3 * width)
        weight, bias = torch.zeros_like(ctx.weight), arriving.new_zeros(arriving.shape[0], 1, 3 * width)
        carried = torch.zeros_like(arriving[:, 0])
        for token in reversed(range(arriving.shape[1])):
            state, gates, candidate, product = ctx.kept[token]
            reset, update = gates[..., :width], gates[..., width:]
            carried = carried + arriving[:, token]
            leaning = carried * update
            inner = entering[:, token, :, 2 * width :]
            torch.mul(carried - leaning, 1.0 - candidate * candidate, out=inner)
            torch.mul(leaning - leaning * update, state - candidate, out=entering[:, token, :, width : 2 * width])
            through = inner * reset
            torch.mul(through * product[..., 2 * width :], 1.0 - reset, out=entering[:, token, :, :width])
            sums = torch.cat([entering[:, token, :, : 2 * width], through], dim=2)
            carried = torch.baddbmm(leaning, sums, turned)
            weight.baddbmm_(state.transpose(1, 2), sums)
            bias += sums.sum(dim=1, keepdim=True)
        return entering, weight, bias
