"""Which token comes next: the law that a sampler makes of logits, and a draw from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dwindle.nets.device import running_sums
from dwindle.samplers import Sampler

__all__ = ["drawn", "penalised", "shaped"]


def penalised(texts: Tensor, logits: Tensor, penalty: float) -> Tensor:
    """Return logits (m, K) with those of tokens that stand in the texts (m, t) made smaller.

    Source: Keskar et al. 2019, section 4.1; that negative logits are multiplied is transformers' reading of it.
    Tokens K and above, such as one that only begins texts, have no logit.
    """
    symbols = logits.shape[1]
    texts, wide = texts.clamp(max=symbols), torch.nn.functional.pad(logits, (0, 1))
    found = wide.gather(1, texts)
    return wide.scatter(1, texts, torch.where(found < 0, found * penalty, found / penalty))[:, :symbols]


def shaped(logits: Tensor, sampler: Sampler) -> Tensor:
    """Return the logits (m, K) of the law that is drawn from: divided by the temperature, -inf where cut off.

    The cuts are made in the order of transformers, each in what the one before has left: top_k, top_p, min_p. A token
    as likely as the last one that is kept by top_k is kept too.
    """
    if sampler.temperature != 1.0:
        logits = logits / sampler.temperature
    if 0 < sampler.top_k < logits.shape[1]:
        logits = logits.masked_fill(logits < logits.topk(sampler.top_k).values[:, -1:], -torch.inf)
    if sampler.top_p < 1.0:
        logits = _nucleus(logits, sampler.top_p)
    if sampler.min_p > 0.0:
        floor = logits.amax(dim=1, keepdim=True) + math.log(sampler.min_p)
        logits = logits.masked_fill(logits < floor, -torch.inf)
    return logits


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Cut off all but the fewest likeliest tokens whose shares reach top_p, at least one."""
    ordered, order = logits.sort(dim=1, descending=True, stable=True)
    shares = torch.softmax(ordered, dim=1)
    ahead = running_sums(shares) - shares
    return logits.scatter(1, order, ordered.masked_fill(ahead >= top_p, -torch.inf))


def drawn(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw a token of each row by inverting its distribution function, (m, 1).

    The sums are taken in double precision: in single precision, tokens rarer than 1 in 10 million, which are what a
    lineage loses first, would come up too often or not at all.

    Args:
        logits: (m, K).
        uniform: (m, 1) numbers of double precision in [0, 1).
    """
    sums = running_sums(torch.softmax(logits.double(), dim=1))
    whole = sums[:, -1:]
    # Below the whole sum, even where the product is rounded up to it.
    below = torch.minimum(uniform * whole, torch.nextafter(whole, torch.zeros_like(whole)))
    return torch.searchsorted(sums, below, right=True)
