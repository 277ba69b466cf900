"""Classes beside the rows: how often each chain has them, drawn anew, and as numbers for a network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import FloatArray, IntArray, Rows, Seed

__all__ = ["drawn", "marks", "shares"]


def shares(rows: Rows, classes: int) -> FloatArray:
    """Return the share of each class in the weight of a chain's rows, the last that of rows without one, (c, 1, k + 1).

    Args:
        rows: training rows; a chain's shares are those of its own rows alone.
        classes: number of classes k.
    """
    found = np.empty((rows.chains, 1, classes + 1))
    for chain in range(rows.chains):
        own = rows.chain(chain)
        labels, weights = own.filled_labels()[0], own.filled_weights()[0]
        found[chain] = np.bincount(np.where(labels < 0, classes, labels), weights, classes + 1) / weights.sum()
    return found


def drawn(shares: FloatArray, count: int, seed: Seed) -> IntArray:
    """Draw classes in these shares, (c, count), -1 for none; what has no share is never drawn.

    Args:
        shares: (c, 1, k + 1) as `shares` returns them.
        count: rows a chain.
        seed: address; the draws of a chain do not depend on the other chains.
    """
    width = shares.shape[2]
    labels = [seed.at("chain", chain).numpy().choice(width, count, p=own[0]) for chain, own in enumerate(shares)]
    found = np.asarray(labels, dtype=np.int64).reshape(len(shares), count)
    return np.where(found == width - 1, -1, found)


def marks(labels: IntArray, classes: int) -> Tensor:
    """Return what a network is told of each row, (c, n, k): 1 at the place of its class, zeros where it has none."""
    return torch.from_numpy((labels[..., None] == np.arange(classes)).astype(np.float32))
