"""What is unusual among real rows: how far from the ordinary each row lies, and which rows lie in the real tail.

One notion of the tail serves what removes it, what restores it and what measures either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.data.summaries import chain_blocks
from dwindle.seeds import Seed

__all__ = ["TAIL", "compact", "quantiles", "surprisals", "tails", "unusual", "usable_rows"]

TAIL = 0.1
"""Share of the anchor that is its tail where no setting says otherwise."""

_LARGEST = 1e140  # its square is finite
_WIDE, _DIRECTIONS = 64, 32
_ROUNDING = 1e-9
_PLACES = 1 << 18  # of a table of counts


def tails(parts: Sequence[Rows], anchor: Rows, share: float = TAIL) -> list[Array]:
    """Say for each part which rows lie in the anchor's tail, (c, n) each; places without a row do not.

    Numbers and sequences: rows more unusual than all but `share` of the anchor's weight. Symbols: the rarest ones that
    together hold at most `share` of it, and those that the anchor does not have.

    Args:
        parts: rows of the anchor's kind and chains.
        anchor: real rows, one or more a chain.
        share: anchor mass of the tail.
    """
    *scores, own = unusual([*parts, anchor], anchor)
    # Symbols are scored by the mass that is not rarer, so their bound is known.
    bounds = np.full(len(own), 1.0 - share) if anchor.values.ndim == 2 else quantiles(own, anchor, 1.0 - share)
    slack = _ROUNDING * np.abs(bounds) * (-1 if anchor.values.ndim == 2 else 1)
    return [_beyond(found, part, bounds + slack) for found, part in zip(scores, parts, strict=True)]


def unusual(parts: Sequence[Rows], anchor: Rows) -> list[FloatArray]:
    """Return how unusual each row of each part is to the anchor, (c, n) each; more is rarer, -inf where there is none.

    Numbers: the squared Mahalanobis distance to the anchor's mean, the anchor's correlations pulled to 0 by
    d / (d + m) for m rows of d columns. More than 64 columns are projected onto 32 random directions, always the same
    ones, first; principal components of so many fit the anchor better than other rows of its law, so that no other row
    would look unusual. Sequences: `surprisals`. Symbols: the share of the anchor's mass in symbols that are not rarer.
    Rows of numbers that are not finite, or too large to square, have no place (-inf).

    Source: Mahalanobis 1936; Ledoit and Wolf 2004 (a covariance that is to be inverted has to be shrunk); Dasgupta
    2000 (random projections keep mixtures apart and make them rounder).
    """
    if anchor.values.ndim == 2:
        scores = _of_symbols(parts, anchor)
    elif np.issubdtype(anchor.values.dtype, np.integer):
        scores = surprisals(parts, anchor)
    else:
        scores = _of_numbers(parts, anchor)
    return [np.where(usable_rows(part), found, -np.inf) for found, part in zip(scores, parts, strict=True)]


def usable_rows(rows: Rows) -> Array:
    """Say which places hold a row of which every number is finite, and its square too, (c, n)."""
    present = rows.filled_weights() > 0
    if not np.issubdtype(rows.values.dtype, np.floating):
        return np.asarray(present)
    with np.errstate(invalid="ignore"):
        return np.asarray(present & (np.abs(rows.values) < _LARGEST).reshape(*present.shape, -1).all(axis=2))


def compact(parts: Sequence[Array]) -> list[Array]:
    """Return whole numbers as they came or, where they are too large to count by place, as ranks among all of them."""
    if max(int(part.max(initial=0)) for part in parts) <= _PLACES:
        return list(parts)
    known = np.unique(np.concatenate([part.ravel() for part in parts]))
    return [np.searchsorted(known, part) for part in parts]


def surprisals(parts: Sequence[Rows], anchor: Rows) -> list[FloatArray]:
    """Return the mean surprisal of each row's tokens under the anchor's unigram law, nats a token, (c, n) each.

    Every token up to the largest one seen is counted once more than it occurs.

    Source: add-one smoothing, Laplace 1814; surprisal, Shannon 1948.
    """
    symbols = 1 + max(int(rows.values.max(initial=0)) for rows in [*parts, anchor])
    found = [np.empty(part.values.shape[:2]) for part in parts]
    length = anchor.values.shape[2]
    for chain, weights in enumerate(anchor.filled_weights()):
        counts = np.bincount(anchor.values[chain].ravel(), np.repeat(weights, length), minlength=symbols) + 1.0
        nats = np.log(counts.sum()) - np.log(counts)
        for scores, part in zip(found, parts, strict=True):
            scores[chain] = nats[part.values[chain]].mean(axis=1) if length else 0.0
    return found


def quantiles(scores: FloatArray, rows: Rows, share: float) -> FloatArray:
    """Return each chain's smallest score up to which `share` of the weight lies, (c,); inf for a chain without rows.

    Args:
        scores: (c, n) one a row; those that are not finite do not count.
        rows: what they are the scores of.
        share: fraction of the weight.
    """
    weights = np.where(np.isfinite(scores), rows.filled_weights(), 0.0)
    order = np.argsort(scores, axis=1)
    heights = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    reached = (heights >= share * (1 - _ROUNDING) * heights[:, -1:]) & (heights > 0)
    first = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    return np.where(reached.any(axis=1), np.take_along_axis(scores, first, axis=1)[:, 0], np.inf)


def _beyond(scores: FloatArray, rows: Rows, bounds: FloatArray) -> Array:
    return np.asarray((scores > bounds[:, None]) & (rows.filled_weights() > 0))


def _of_symbols(parts: Sequence[Rows], anchor: Rows) -> list[FloatArray]:
    """Return 1 less the mass of the symbols up to each row's one, the rarest first, (c, n) each."""
    *codes, own = compact([*(part.values for part in parts), anchor.values])
    symbols = 1 + max(int(values.max(initial=0)) for values in (*codes, own))
    found = [np.empty(part.values.shape) for part in parts]
    for chain, weights in enumerate(anchor.filled_weights()):
        counts = np.bincount(own[chain], weights, minlength=symbols)
        seen = np.flatnonzero(counts)
        order = seen[np.argsort(counts[seen], kind="stable")]
        common = np.ones(symbols)
        common[order] = 1.0 - np.cumsum(counts[order]) / max(counts.sum(), np.finfo(np.float64).tiny)
        for scores, values in zip(found, codes, strict=True):
            scores[chain] = common[values[chain]]
    return found


def _of_numbers(parts: Sequence[Rows], anchor: Rows) -> list[FloatArray]:
    """Return the squared Mahalanobis distances, (c, n) each; those of unusable rows mean nothing."""
    found = [np.empty(part.values.shape[:2]) for part in parts]
    weights = np.where(usable_rows(anchor), anchor.filled_weights(), 0.0)
    for block in chain_blocks(anchor.chains, anchor.values[0].size, limit=1 << 22):
        own, counts = _narrow(anchor, block), np.count_nonzero(weights[block], axis=1)
        shares = weights[block] / np.maximum(weights[block].sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        means = np.matmul(shares[:, None], own)
        axes = _axes((own - means) * np.sqrt(shares)[..., None], counts)
        for scores, part in zip(found, parts, strict=True):
            scores[block] = (np.matmul(_narrow(part, block) - means, axes) ** 2).sum(axis=2)
    return found


def _narrow(rows: Rows, block: slice) -> FloatArray:
    """Return the numbers of some chains, (c, n, k), 0 in unusable rows; many columns projected onto few directions."""
    usable = usable_rows(rows)[block][..., None]
    values = rows.values[block] if usable.all() else np.where(usable, rows.values[block], 0.0)
    columns = values.shape[2]
    if columns <= _WIDE:
        return np.asarray(values)
    return np.asarray(values @ Seed(0, ("tails", columns)).numpy().standard_normal((columns, _DIRECTIONS)))


def _axes(centred: FloatArray, counts: Array) -> FloatArray:
    """Return the directions in which rows are measured, each divided by the rows' deviation along it, (c, k, k).

    Args:
        centred: (c, m, k) rows less their mean, times the root of their share.
        counts: (c,) how many rows there are.
    """
    columns = centred.shape[2]
    scales = np.sqrt((centred**2).sum(axis=1))
    inverse = 1.0 / np.where(scales > 0, scales, np.inf)
    scaled = centred * inverse[:, None]
    kept = counts / (counts + columns)
    correlations = np.matmul(scaled.swapaxes(1, 2), scaled) * kept[:, None, None]
    correlations += np.eye(columns) * (1.0 - kept)[:, None, None]
    variances, directions = np.linalg.eigh(correlations)
    return np.asarray(inverse[..., None] * directions / np.sqrt(np.maximum(variances, _ROUNDING))[:, None])
