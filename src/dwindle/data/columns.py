"""Columns of a table, and its rows as points: numbers in units of their deviation, levels as places of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dwindle.data.rows import Array, FloatArray, Rows

__all__ = ["Column", "Frame", "encoded", "frame_of"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its name.
        levels: what a categorical column may hold, in the order of their numbers; empty for a numeric one.
        role: `target` for what a downstream model predicts, `group` for the subgroup that a row belongs to.
    """

    name: str
    levels: tuple[str, ...] = ()
    role: Literal["feature", "target", "group"] = "feature"

    @property
    def categorical(self) -> bool:
        """Whether it holds levels and not numbers."""
        return bool(self.levels)


@dataclass(frozen=True, eq=False)
class Frame:
    """In which units the numbers of a table are compared.

    Args:
        centre: (d,) mean of each numeric column, 0 for categorical ones.
        scale: (d,) deviation of each numeric column, 1 for categorical ones and those that do not vary.
    """

    centre: FloatArray
    scale: FloatArray


def frame_of(rows: Rows, columns: Sequence[Column]) -> Frame:
    """Return the units that rows of all chains together, weighted, give the numbers of a table."""
    weights = rows.filled_weights().reshape(-1, 1)
    values = np.where(weights > 0, rows.values.reshape(-1, len(columns)), 0.0)
    centre = (weights * values).sum(axis=0) / weights.sum()
    scale = np.sqrt((weights * (values - centre) ** 2).sum(axis=0) / weights.sum())
    numeric = np.array([not column.categorical for column in columns])
    return Frame(np.where(numeric, centre, 0.0), np.where(numeric & (scale > 0), scale, 1.0))


def encoded(values: Array, columns: Sequence[Column], frame: Frame) -> FloatArray:
    """Return rows as points, (c, n, k): a numeric column is one axis, a categorical one has an axis a level.

    A level stands 1 / sqrt(2) up its axis, so that two rows of different levels are 1 apart, as two numbers are that
    differ by a deviation. A value that is no level of its column has none.

    Args:
        values: (c, n, d) rows.
        columns: what they hold.
        frame: units of the numbers.
    """
    parts = []
    for place, column in enumerate(columns):
        own = values[..., place]
        if column.categorical:
            parts.append((own[..., None] == np.arange(len(column.levels))) / math.sqrt(2.0))
        else:
            parts.append(((own - frame.centre[place]) / frame.scale[place])[..., None])
    return np.concatenate(parts, axis=2)
