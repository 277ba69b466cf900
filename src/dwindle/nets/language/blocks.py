"""Blocks of tokens under a causal language model: how they are laid out, and the law of each token after those before.

A block t1 .. tL is read as begin, t1 .. tL: L tokens enter, and the law of L tokens comes out. The law is one on the
tokens of the alphabet; what else a vocabulary holds, the begin token among it, has no mass.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, pad

from dwindle.contracts import Array, FloatArray, IntArray
from dwindle.nets.language.shapes import SHAPES, Net

__all__ = ["answer_scores", "logits_of", "loss_of", "next_shares", "refuse_unknown", "shares_alone", "token_scores"]

_LOGITS = {"cpu": 1 << 24, "cuda": 1 << 28}  # that are held at once where rows are scored


def logits_of(net: Net, before: Tensor, symbols: int, *, last: bool = False) -> Tensor:
    """Return the logits of what follows each token, (n, L, K).

    Args:
        net: a causal language model of transformers.
        before: (n, L) tokens, the begin token first.
        symbols: tokens of the alphabet K.
        last: only of what follows the last token, (n, 1, K).
    """
    if net.config.model_type not in SHAPES:
        whole: Tensor = net(input_ids=before, use_cache=False).logits
        return whole[:, -1 if last else 0 :, :symbols]
    states = net.base_model(input_ids=before, use_cache=False).last_hidden_state
    # Of these architectures the head is a product and no more, and a slice of its matrix costs less than one of logits.
    return linear(states[:, -1:] if last else states, net.get_output_embeddings().weight[:symbols])


def loss_of(net: Net, seen: Tensor, begin: int, symbols: int) -> Tensor:
    """Return the nats of all tokens of some blocks, (n, L), summed."""
    logits = logits_of(net, _shifted(seen, begin), symbols)
    return cross_entropy(logits.flatten(0, 1).float(), seen.flatten(), reduction="sum")


def answer_scores(net: Net, seen: Tensor, *, prompt: int, begin: int, symbols: int) -> Tensor:
    """Return the log-probability of what stands after the prompt of some blocks, (n, L), nats, (n,)."""
    logits = logits_of(net, _shifted(seen, begin), symbols)[:, prompt:].float()
    nats = cross_entropy(logits.flatten(0, 1), seen[:, prompt:].flatten(), reduction="none")
    return -nats.view(len(seen), -1).sum(dim=1)


def token_scores(net: Net, values: Array, *, begin: int, symbols: int) -> FloatArray:
    """Return the log-probability of each token of blocks (n, L), nats, (n, L), summed in float64."""
    count, length = values.shape
    scores, place = np.empty((count, length)), net.device
    width = max(1, _LOGITS[place.type] // (max(1, length) * symbols))
    with torch.no_grad():
        for start in range(0, count, width):
            seen = torch.from_numpy(np.array(values[start : start + width], dtype=np.int64)).to(place)
            logits = logits_of(net, _shifted(seen, begin), symbols).double()
            picked = logits.gather(2, seen[..., None])[..., 0] - logits.logsumexp(dim=2)
            scores[start : start + width] = picked.cpu().numpy()
    return scores


def next_shares(net: Net, values: Array, *, begin: int, symbols: int) -> FloatArray:
    """Return the probability of each token after each of some beginnings (n, P), (n, K)."""
    count, length = values.shape
    shares, place = np.empty((count, symbols)), net.device
    width = max(1, _LOGITS[place.type] // ((length + 1) * symbols))
    with torch.no_grad():
        for start in range(0, count, width):
            seen = torch.from_numpy(np.array(values[start : start + width], dtype=np.int64)).to(place)
            logits = logits_of(net, pad(seen, (1, 0), value=begin), symbols, last=True)
            shares[start : start + width] = torch.softmax(logits[:, 0].double(), dim=1).cpu().numpy()
    return shares


def shares_alone(tokens: IntArray, weights: FloatArray, some: IntArray) -> float:
    """Return the nats a token of some blocks under the shares of the tokens in all blocks.

    Args:
        tokens: (n, L) all blocks.
        weights: (n,) weight of each.
        some: (m, L) blocks among them.
    """
    sums = np.bincount(tokens.ravel(), weights=np.repeat(weights, tokens.shape[1]))
    return float(-np.log(sums[some] / sums.sum()).mean())


def refuse_unknown(tokens: Array, symbols: int) -> None:
    """Refuse tokens outside the alphabet.

    Raises:
        ValueError: if there is one.
    """
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < symbols:
        raise ValueError(f"rows hold tokens {tokens.min()}..{tokens.max()}; the vocabulary is 0..{symbols - 1}")


def _shifted(seen: Tensor, begin: int) -> Tensor:
    return pad(seen[:, :-1], (1, 0), value=begin)
