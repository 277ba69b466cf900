"""Nearest neighbours by Euclidean distance: exact, and in tiles of distances that stay in the processor's cache."""

from __future__ import annotations

import numpy as np

from dwindle.data.kept import kept
from dwindle.data.rows import Array, FloatArray
from dwindle.data.summaries import chain_blocks
from dwindle.data.tiles import COLUMNS, ROWS, product, room_for, slices

__all__ = ["balls", "nearest_two"]

# A row on the surface of a ball is inside it; rounding must not decide otherwise.
_ROUNDING = 1e-10


def balls(samples: FloatArray, real: FloatArray, neighbours: int) -> tuple[FloatArray, str]:
    """Return precision, recall, density and coverage of each chain, (4, c), and why there are none, else "".

    Balls are closed and reach to the k-th nearest neighbour. Precision is the share of samples inside any ball around
    a real row, recall the share of real rows inside any ball around a sample, density the mean number of real balls
    around a sample over k, coverage the share of real balls that hold a sample.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2 (precision, recall); Naeem et al. 2020, section 3 (density,
        coverage).

    Args:
        samples: (c, n, d) finite numbers.
        real: (m, d) finite numbers; their radii are kept for the next call.
        neighbours: k.
    """
    fewest = min(samples.shape[1], len(real))
    if fewest <= neighbours:
        return np.full((4, len(samples)), np.nan), f"{fewest} rows are too few for {neighbours} neighbours"
    shift = real.mean(axis=0)
    real = np.ascontiguousarray(real - shift, dtype=np.float64)
    radii = _real_radii(real, neighbours)
    if not radii.max() > _noise(real):
        reason = "the held-out rows lie in so few places that every ball has radius 0"
        return np.full((4, len(samples)), np.nan), reason
    return _compared(samples - shift, real, radii, neighbours), ""


def _compared(samples: FloatArray, real: FloatArray, radii: FloatArray, neighbours: int) -> FloatArray:
    chains, count, dimensions = samples.shape
    numbers = min(count, ROWS) * min(max(count, len(real)), COLUMNS) + count * (dimensions + 2)
    blocks = chain_blocks(chains, numbers, limit=ROWS * COLUMNS)
    measured = [_measured(samples[block], real, radii, neighbours) for block in blocks]
    return np.concatenate(measured, axis=1) if measured else np.empty((4, 0))


def _measured(samples: FloatArray, real: FloatArray, radii: FloatArray, neighbours: int) -> FloatArray:
    """Return the four shares of a block of chains, (4, c), in one pass over the tiles."""
    chains, count = samples.shape[:2]
    reach = _widened(radii, real)
    sample_reach = _widened(_squared_radii(samples, neighbours), samples)
    around = np.zeros((chains, count), dtype=np.int64)
    covered, recalled = np.zeros((2, chains, len(real)), dtype=bool)
    left, right = _left(samples), _right(real[None])
    room = room_for(left, right)
    answers = np.empty(room.shape, dtype=bool)
    for rows in slices(count, ROWS):
        for columns in slices(len(real), COLUMNS):
            tile = product(left[:, rows], right[:, :, columns], room)
            inside = np.less_equal(tile, reach[columns], out=answers[: tile.size].reshape(tile.shape))
            around[:, rows] += np.add.reduce(inside.view(np.uint8), axis=2, dtype=np.uint16)
            covered[:, columns] |= inside.any(axis=1)
            recalled[:, columns] |= np.less_equal(tile, sample_reach[:, rows, None], out=inside).any(axis=1)
    shares = (around > 0, recalled, around / neighbours, covered)
    return np.stack([share.mean(axis=1) for share in shares])


def _squared_radii(rows: FloatArray, neighbours: int) -> FloatArray:
    """Return the squared distance of each row to its k-th nearest other row of the same chain, (c, n)."""
    chains, count = rows.shape[:2]
    # Centred anew: a chain that has nearly collapsed far from the real rows keeps its digits.
    rows = rows - rows.mean(axis=1, keepdims=True)
    left, right = _left(rows), _right(rows)
    radii = np.empty((chains, count))
    nearest = neighbours + 1  # a row is its own nearest neighbour
    for some in slices(count, ROWS):
        buffer = np.full((chains, len(range(count)[some]), nearest + min(count, COLUMNS)), np.inf)
        for columns in slices(count, COLUMNS):
            filled = buffer[:, :, : nearest + len(range(count)[columns])]
            np.matmul(left[:, some], right[:, :, columns], out=filled[:, :, nearest:])
            filled.partition(neighbours, axis=2)
        radii[:, some] = buffer[:, :, :nearest].max(axis=2)
    return np.maximum(radii, 0.0)


@kept
def _real_radii(real: FloatArray, neighbours: int) -> FloatArray:
    """Return the squared radii of the real rows, (m,); every generation of a lineage asks for the same ones."""
    return np.asarray(_squared_radii(real[None], neighbours)[0])


def _widened(radii: FloatArray, rows: FloatArray) -> FloatArray:
    return np.asarray(radii * (1 + _ROUNDING) + _noise(rows))


def nearest_two(samples: Array, rows: Array) -> FloatArray:
    """Return the distances of each sample to its nearest and second nearest row, (n, 2); inf for a row alone.

    Tiles find which rows they are; the distances themselves are taken from differences, so that a sample which equals a
    row is at exactly 0 from it, however far both lie from zero.

    Args:
        samples: (n, d) numbers.
        rows: (m, d) numbers, m >= 1.
    """
    samples, rows = np.asarray(samples, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    found = np.empty((len(samples), 2))
    centre = rows.mean(axis=0)
    left, right = _left((samples - centre)[None])[0], _right((rows - centre)[None])[0]
    room = room_for(left, right)
    for some in slices(len(samples), ROWS):
        found[some] = _two(samples[some], rows, left[some], right, room)
    return found


def _two(samples: FloatArray, rows: FloatArray, left: FloatArray, right: FloatArray, room: FloatArray) -> FloatArray:
    """Return the distances of a few samples to the two rows that the tiles find nearest, (n, 2)."""
    candidates: list[Array] = []
    for columns in slices(len(rows), COLUMNS):
        tile = product(left, right[:, columns], room)
        for _ in range(min(2, tile.shape[1])):
            chosen = tile.argmin(axis=1)[:, None]
            candidates.append(chosen + columns.start)
            np.put_along_axis(tile, chosen, np.inf, axis=1)
    gaps = np.stack([np.linalg.norm(samples - rows[chosen[:, 0]], axis=1) for chosen in candidates])
    gaps.sort(axis=0)
    return gaps[:2].T if len(gaps) > 1 else np.column_stack([gaps[0], np.full(len(samples), np.inf)])


def _left(rows: FloatArray) -> FloatArray:
    """Return (c, n, d + 2) rows whose products with `_right` are squared distances: no sums beside them."""
    squares = np.einsum("cnd,cnd->cn", rows, rows)[..., None]
    return np.concatenate([-2.0 * rows, squares, np.ones_like(squares)], axis=2)


def _right(rows: FloatArray) -> FloatArray:
    """Return the (c, d + 2, n) columns that go with `_left`."""
    squares = np.einsum("cnd,cnd->cn", rows, rows)[..., None]
    return np.asarray(np.concatenate([rows, np.ones_like(squares), squares], axis=2).swapaxes(1, 2))


def _noise(rows: FloatArray) -> float:
    """Return the rounding error of a squared distance between rows of this size."""
    return float(32 * np.finfo(np.float64).eps * np.einsum("...d,...d->...", rows, rows).max(initial=0.0))
