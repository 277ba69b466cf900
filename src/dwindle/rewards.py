"""Rewards: what selecting curators score rows by, likelihoods too, and which rows of a chain lead by a score.

Selection by a reward is a bias of the loop beside that of the sampler: what scores well gains in every generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_type_hints

import numpy as np

from dwindle.contracts import Array, FloatArray, Model, Rows, Scorable

__all__ = ["Reward", "best_of", "idle", "leading", "likelihood", "reward", "unscorable"]

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


def best_of(scores: FloatArray, present: Array, k: int) -> tuple[Array, dict[str, Array]]:
    """Say which rows are the best of k consecutive rows of their chain, (c, n), and why the others are not.

    Groups are counted over the rows that exist; of equal rows the first is the best, and a row whose score is nan is
    only if all of its group are. Rows that make no full group are not.

    Args:
        scores: (c, n), the higher the better; anything, nan included, where there is no row.
        present: (c, n) True where there is a row.
        k: rows of a group.
    """
    chains, groups = len(scores), scores.shape[1] // k
    scores = np.where(present & ~np.isnan(scores), scores, -np.inf)
    order = np.argsort(~present, axis=1, kind="stable")[:, : groups * k].reshape(chains, groups, k)
    grouped = np.take_along_axis(scores[:, None], order, axis=2)
    best = np.take_along_axis(order, grouped.argmax(axis=2)[..., None], axis=2)[..., 0]
    counts = present.sum(axis=1, keepdims=True)
    kept = np.zeros_like(present)
    np.put_along_axis(kept, best, np.arange(groups) < counts // k, axis=1)
    full = np.cumsum(present, axis=1) <= counts - counts % k  # a row's number among the rows of its chain, from 1
    why = {f"not the best of {k}": present & full & ~kept, f"no full group of {k}": present & ~full}
    return kept, why


def likelihood(model: Any, rows: Rows, *, whose: str) -> FloatArray:
    """Return the log-likelihood of each row under a model, or under a source that knows its law, nats, (c, n).

    Of blocks of tokens it is the whole block's.

    Args:
        model: what judges.
        rows: rows to judge.
        whose: who it is, for the message: `the model of generation 0`.

    Raises:
        ValueError: if nobody was shown, or it does not know its density.
    """
    if model is None:
        raise ValueError(f"this curator was not shown {whose}")
    if not isinstance(model, Scorable):
        raise ValueError(f"{whose} does not know its density")
    return np.asarray(model.log_prob(rows), dtype=np.float64)


def unscorable(family: Any) -> bool:
    """Say whether models of a family surely do not know their density, by what its `fit` says that it returns.

    A family from outside that does not say it is found out when its model judges.
    """
    try:
        made = get_type_hints(type(family).fit).get("return", Model)
    except Exception:  # whatever an annotation from outside stumbles over says nothing about densities
        return False
    return isinstance(made, type) and made is not Model and not hasattr(made, "log_prob")


def idle(curator: Any, action: str, needed: Mapping[str, str]) -> None:
    """Refuse settings that would change nothing because they belong to another action.

    Args:
        curator: the curator.
        action: what it does.
        needed: for each setting, the action that reads it.

    Raises:
        ValueError: naming the first one that is off its default.
    """
    for name, other in needed.items():
        if action != other and getattr(curator, name) != getattr(type(curator), name):
            given = getattr(curator, name)
            raise ValueError(f"{name} {given} belongs to action {other} and changes nothing for action {action}")
