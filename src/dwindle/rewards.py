"""Rewards: what selecting curators score rows by, and which rows of a chain lead by a score.

Selection by a reward is a bias of the loop beside that of the sampler: what scores well gains in every generation.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from dwindle.contracts import Array, FloatArray

__all__ = ["Reward", "leading", "reward"]

Reward = Literal["coordinate", "nearness"]
"""`coordinate`: the first coordinate of a row. `nearness`: how near a row lies to a target."""


def reward(values: Array, name: Reward, *, target: float = 0.0, width: float = 1.0) -> FloatArray:
    """Return the reward of each row, (c, n).

    `coordinate`: x_0, source units. `nearness`: -|x - target|^2 / (2 width^2), nats, which is -inf where it overflows.

    Args:
        values: (c, n, d) rows; a row that holds nan has the reward nan.
        name: which reward.
        target: where nearness is highest, the same in every dimension.
        width: how far from the target the weight e^reward has fallen to e^(-1/2); it orders no two rows otherwise.

    Source: the quadratic reward is the Gaussian example of Ferbach et al. 2024; nearness to u* orders the rows of
    Qiao et al. 2026.
    """
    if name == "coordinate":
        return np.asarray(values[..., 0], dtype=np.float64)
    with np.errstate(over="ignore"):
        away = (np.asarray(values, dtype=np.float64) - target) / width
        return np.asarray(-0.5 * (away * away).sum(axis=2), dtype=np.float64)


def leading(scores: FloatArray, present: Array, fraction: float) -> Array:
    """Say which rows are among the best `fraction` of the rows of their chain, (c, n); of equal ones the earlier leads.

    Args:
        scores: (c, n), the higher the better; anything, nan included, where there is no row.
        present: (c, n) True where there is a row.
        fraction: share of the rows that lead, rounded to whole rows.
    """
    order = np.lexsort((-scores, ~present), axis=1)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(order.shape[1])[None], axis=1)
    return np.asarray(places < np.rint(fraction * present.sum(axis=1, keepdims=True)))
