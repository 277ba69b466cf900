"""Training of stacked networks: which rows stand in which batch, and the steps down the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import IntArray, Rows, Seed

__all__ = ["batches", "descend", "deterministic"]

_MEAN, _SQUARE, _FLOOR = 0.9, 0.999, 1e-8  # Adam's decay rates and floor


@contextmanager
def deterministic(place: torch.device | None = None) -> Iterator[None]:
    """Let torch run only algorithms that give the same bits each time, and put its settings back.

    Args:
        place: what they run on; on a GPU products are taken in float32 too, not in TF32.
    """
    # torch.use_deterministic_algorithms does the same and loads torch's compiler, two seconds in every process.
    before = torch.are_deterministic_algorithms_enabled()
    torch._C._set_deterministic_algorithms(True)
    try:
        with _float32_products() if place is not None and place.type == "cuda" else nullcontext():
            yield
    finally:
        torch._C._set_deterministic_algorithms(before)


@contextmanager
def _float32_products() -> Iterator[None]:
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before


def batches(rows: Rows, *, steps: int, batch: int, seed: Seed) -> IntArray:
    """Return which rows each chain's steps look at, (c, steps, batch), in proportion to their weights.

    A chain of n rows is passed in epochs of n places. A row of share s of the weight gets n s places in each, rounded
    up or down at random (systematic sampling), and the places are shuffled: equal weights give plain epochs, whole
    numbers what repeated rows would give, and a row of weight 0 never stands anywhere.

    Args:
        rows: the training rows.
        steps: batches of each chain.
        batch: rows in a batch.
        seed: address; the places of a chain do not depend on the other chains.

    Raises:
        ValueError: if a chain has no rows.
    """
    empty = np.flatnonzero(rows.counts == 0)
    if empty.size:
        raise ValueError(f"chain {empty[0]} has no rows to fit")
    weights, total = rows.filled_weights(), steps * batch
    places = [_places(weights[chain], total, seed.at("chain", chain).numpy()) for chain in range(rows.chains)]
    return np.stack(places).reshape(rows.chains, steps, batch)


def _places(weights: np.ndarray, total: int, generator: np.random.Generator) -> IntArray:
    """Return the rows of one chain in the order of training, (total,)."""
    present = np.flatnonzero(weights > 0)
    count = present.size
    epochs = -(-total // count)
    edges = np.cumsum(weights[present])
    marks = (generator.random((epochs, 1)) + np.arange(count)) * (edges[-1] / count)
    order = np.minimum(np.searchsorted(edges, marks, side="right"), count - 1)
    return np.asarray(present[generator.permuted(order, axis=1)].reshape(-1)[:total])


def descend(
    flat: Tensor, loss: Callable[[Tensor, int], Tensor], *, steps: int, learning_rate: float, longest: float = math.inf
) -> None:
    """Take Adam steps in place, every chain by its own gradient; the rate falls to 0 along half a cosine.

    Written out because torch's optimisers load its compiler, two seconds that a short fit would not earn back.

    Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2017, equation 5.

    Args:
        flat: (c, P) weights.
        loss: takes weights and the number of a step, returns the losses of all chains, summed.
        steps: number of steps.
        learning_rate: rate of the first step.
        longest: a chain's gradient is shortened to this length.
    """
    mean, square = torch.zeros_like(flat), torch.zeros_like(flat)
    for step in range(steps):
        leaf = flat.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf, step), leaf)
        if longest < math.inf:
            gradient = torch.renorm(gradient, 2, 0, longest)
        mean.lerp_(gradient, 1.0 - _MEAN)
        square.mul_(_SQUARE).addcmul_(gradient, gradient, value=1.0 - _SQUARE)
        rate = 0.5 * learning_rate * (1.0 + math.cos(math.pi * step / steps)) / (1.0 - _MEAN ** (step + 1))
        flat.addcdiv_(mean, (square / (1.0 - _SQUARE ** (step + 1))).sqrt_().add_(_FLOOR), value=-rate)
