"""Training of stacked networks: which rows stand in which batch, and the steps down the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import IntArray, Rows, Seed

__all__ = ["Adam", "batches", "cosine", "descend", "deterministic"]

_MEAN, _SQUARE, _FLOOR = 0.9, 0.999, 1e-8  # Adam's decay rates and floor
_LINE = 64  # weights; a multiple of what any processor takes at once


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


class Adam:
    """Weights and what Adam remembers of their gradients.

    A class of its own because torch's optimisers load its compiler, two seconds that a short fit would not earn back.

    Source: Kingma and Ba 2015, algorithm 1.

    Args:
        flat: (c, P) weights; each step changes them in place.
        mean: decay rate of the gradient's running mean.
        square: decay rate of the running mean of its square.
    """

    def __init__(self, flat: Tensor, *, mean: float = _MEAN, square: float = _SQUARE) -> None:
        self._flat, self._decays, self._steps = flat, (mean, square), torch.zeros((), device=flat.device)
        # torch's step treats what is left over at the end of an array by other means, and rounds it otherwise: which
        # weights these are would depend on the number of chains. They get a whole line of their own.
        self._whole = flat.numel() - flat.numel() % _LINE
        self._end, self._end_gradient = flat.new_zeros(2, _LINE)
        self._means, self._squares = ([flat.new_zeros(self._whole), flat.new_zeros(_LINE)] for _ in range(2))

    def leaf(self) -> Tensor:
        """Return the weights as what a gradient is taken by, (c, P)."""
        return self._flat.detach().requires_grad_()

    def step(self, gradient: Tensor, rate: float) -> None:
        """Take one step at a learning rate down a gradient, (c, P)."""
        (mean, square), flat, slopes = self._decays, self._flat.view(-1), gradient.reshape(-1)
        own, rest = [flat[: self._whole], self._end], flat[self._whole :]
        self._end[: len(rest)].copy_(rest)
        self._end_gradient[: len(rest)].copy_(slopes[self._whole :])
        self._steps += 1
        # torch's own step is one pass over the weights; spelt out in its operations it is six, and takes twice as long.
        torch._fused_adam_(
            own,
            [slopes[: self._whole], self._end_gradient],
            self._means,
            self._squares,
            [],
            [self._steps, self._steps],
            lr=rate,
            beta1=mean,
            beta2=square,
            weight_decay=0.0,
            eps=_FLOOR,
            amsgrad=False,
            maximize=False,
        )
        rest.copy_(self._end[: len(rest)])


def cosine(step: int, steps: int) -> float:
    """Return the share of the first learning rate that a step takes: from 1 to 0 along half a cosine.

    Source: Loshchilov and Hutter 2017, equation 5.
    """
    return 0.5 * (1.0 + math.cos(math.pi * step / steps))


def descend(
    flat: Tensor, loss: Callable[[Tensor, int], Tensor], *, steps: int, learning_rate: float, longest: float = math.inf
) -> None:
    """Take Adam steps in place, every chain by its own gradient; the rate falls to 0 along half a cosine.

    Args:
        flat: (c, P) weights.
        loss: takes weights and the number of a step, returns the losses of all chains, summed.
        steps: number of steps.
        learning_rate: rate of the first step.
        longest: a chain's gradient is shortened to this length.
    """
    adam = Adam(flat)
    for step in range(steps):
        leaf = adam.leaf()
        (gradient,) = torch.autograd.grad(loss(leaf, step), leaf)
        if longest < math.inf:
            gradient = torch.renorm(gradient, 2, 0, longest)
        adam.step(gradient, learning_rate * cosine(step, steps))
