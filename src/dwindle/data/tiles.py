"""Products of many rows with many rows, tile by tile: what stays in the processor's cache is not waited for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dwindle.data.rows import Array

__all__ = ["COLUMNS", "ROWS", "product", "room_for", "slices"]

ROWS, COLUMNS = 256, 1024
"""Places of a tile, 2 MB: larger ones leave the second-level cache and cost more time than they save."""


def slices(count: int, step: int) -> Iterator[slice]:
    """Return the slices of at most `step` places that make up `count` places."""
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def room_for(left: Array, right: Array) -> Array:
    """Return room for any tile of factors (..., n, k) and (..., k, m).

    To ask for memory anew with every tile would cost half as much as the product, in page faults.
    """
    places = math.prod(left.shape[:-2]) * min(ROWS, left.shape[-2]) * min(COLUMNS, right.shape[-1])
    return np.empty(places, dtype=np.result_type(left, right))


def product(left: Array, right: Array, room: Array) -> Array:
    """Return the product of factors (..., r, k) and (..., k, s), in the room for it."""
    shape = (*left.shape[:-1], right.shape[-1])
    return np.matmul(left, right, out=room[: math.prod(shape)].reshape(shape))
