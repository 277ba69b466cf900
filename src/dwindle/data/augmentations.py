"""Rules that change rows: pictures, blocks of tokens, columns of numbers and of levels.

No rule draws: whoever calls it says which rows are changed and by how much.
"""

from __future__ import annotations

import numpy as np

from dwindle.data.rows import Array, FloatArray, IntArray

__all__ = ["deleted", "drawn", "flipped", "inserted", "sharpened", "spread", "swapped", "taken_in_turn", "warped"]

_RADIUS = 1.0  # pixels: deviation of the blur that sharpening is held against
_AT_ONCE = 1 << 20  # pixels whose places are held at once


def taken_in_turn(weights: FloatArray, count: int, generator: np.random.Generator) -> IntArray:
    """Return the places of `count` rows in random order: a row of share s has `count` s of them, rounded at random.

    Systematic sampling: as many places as there are rows of equal weight take each row once.
    """
    marks = (generator.random() + np.arange(count)) / max(count, 1)
    return generator.permutation(_found(weights, marks))


def drawn(weights: FloatArray, shape: int | tuple[int, ...], generator: np.random.Generator) -> IntArray:
    """Return places drawn independently, with replacement, in proportion to their weights."""
    return _found(weights, generator.random(shape))


def _found(weights: FloatArray, marks: FloatArray) -> IntArray:
    """Return the place whose part of the cumulative weights holds each mark of 0..1; never one of weight 0."""
    reach = np.cumsum(weights)
    places = np.searchsorted(reach / reach[-1], marks, side="right")
    return np.asarray(np.minimum(places, np.flatnonzero(weights)[-1]), dtype=np.int64)


def spread(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted deviation of each column of (n, d) rows, (d,), exactly 0 where nothing varies."""
    shares = weights[:, None] / weights.sum()
    shifted = values - values[:1]
    return np.asarray(np.sqrt((shares * (shifted - (shares * shifted).sum(axis=0)) ** 2).sum(axis=0)))


def flipped(pictures: FloatArray, chosen: Array) -> FloatArray:
    """Return pictures, (n, h, w, colours), of which the chosen ones, (n,), are seen in a mirror, left for right."""
    return np.where(chosen[:, None, None, None], pictures[:, :, ::-1], pictures)


def warped(pictures: FloatArray, angles: FloatArray, sides: FloatArray, corners: FloatArray) -> FloatArray:
    """Return turned and cropped pictures in their old size, by bilinear interpolation, their edges drawn out.

    Args:
        pictures: (n, h, w, colours).
        angles: (n,) radians, counter-clockwise.
        sides: (n,) which share of height and width is kept.
        corners: (n, 2) where the part that is kept begins: 0 at the upper and left edge, 1 at the lower and right.
    """
    result = pictures.copy()
    moved = np.flatnonzero((angles != 0.0) | (sides < 1.0))
    step = max(1, _AT_ONCE // (pictures.shape[1] * pictures.shape[2]))
    for some in np.split(moved, range(step, moved.size, step)):
        result[some] = _warped(pictures[some], angles[some], sides[some], corners[some])
    return result


def _warped(pictures: FloatArray, angles: FloatArray, sides: FloatArray, corners: FloatArray) -> FloatArray:
    from scipy.ndimage import map_coordinates

    count, height, width, colours = pictures.shape
    down = (np.arange(height) - (height - 1) / 2)[:, None]
    right = (np.arange(width) - (width - 1) / 2)[None]
    cosine, sine, side = (part[:, None, None] for part in (np.cos(angles), np.sin(angles), sides))
    middle, extent = (np.array([height, width]) - 1) / 2, np.array([height, width])
    centres = middle + (corners - 0.5) * (1.0 - sides)[:, None] * extent
    rows = centres[:, :1, None] + side * (cosine * down + sine * right)
    columns = centres[:, 1:, None] + side * (cosine * right - sine * down)
    places = np.stack([np.broadcast_to(np.arange(count)[:, None, None], rows.shape), rows, columns])
    seen = [map_coordinates(pictures[..., colour], places, order=1, mode="nearest") for colour in range(colours)]
    return np.stack(seen, axis=-1)


def sharpened(pictures: FloatArray, level: float) -> FloatArray:
    """Return x + level (x - blurred x) of pictures, (n, h, w, colours): unsharp masking; -1 is the blurred picture."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(pictures, sigma=(0.0, _RADIUS, _RADIUS, 0.0), mode="nearest")
    return np.asarray(pictures + level * (pictures - blurred))


def swapped(blocks: IntArray, places: IntArray) -> IntArray:
    """Return blocks of tokens, (n, L), with the tokens at k pairs of places, (n, k, 2), exchanged one after another."""
    result, rows = blocks.copy(), np.arange(len(blocks))
    for first, second in places.transpose(1, 2, 0):
        result[rows, first], result[rows, second] = result[rows, second], result[rows, first]
    return result


def deleted(blocks: IntArray, gone: Array, filling: IntArray) -> IntArray:
    """Return blocks, (n, L), without the tokens that are gone, (n, L); what is then free at the end is filled."""
    kept = np.take_along_axis(blocks, np.argsort(gone, axis=1, kind="stable"), axis=1)
    return np.where(np.arange(blocks.shape[1]) < (~gone).sum(axis=1)[:, None], kept, filling)


def inserted(blocks: IntArray, places: IntArray, tokens: IntArray) -> IntArray:
    """Return blocks, (n, L), with tokens, (n, k), put in before those at `places`, (n, k); the last k fall off."""
    length = blocks.shape[1]
    order = np.concatenate([np.broadcast_to(np.arange(length), blocks.shape), places - 0.5], axis=1)
    chosen = np.argsort(order, axis=1, kind="stable")[:, :length]
    return np.take_along_axis(np.concatenate([blocks, tokens], axis=1), chosen, axis=1)
