"""How likely rows are by what real rows say alone: densities that are quickly fitted, for judges without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dwindle.data.columns import Column
from dwindle.data.lenses import Lens, are_tokens, plain
from dwindle.data.ngram_laws import interpolated, scored
from dwindle.data.ngrams import context_numbers, counted, preceding
from dwindle.data.rows import Array, FloatArray, IntArray, Rows

__all__ = ["Standing", "compared", "parts_of", "standing"]

_SMOOTHING = 0.1  # weight of the shorter context
_DIGITS = 9  # of nats; what differs less differs by rounding
_FLOOR = 1e-6  # variance of what does not vary, in units of real rows' variance

_Fit = Callable[[Array], tuple[FloatArray, FloatArray]]
"""From (c, m) True for the real rows that count, to the log-densities of all real rows and of the others."""


@dataclass(frozen=True, eq=False)
class Standing:
    """How rows stand among real ones by their log-density.

    Args:
        upto: (c, n) how many real rows are at most as likely as each row.
        onwards: (c, n) how many are at least as likely.
        real: (c, m) log-density of each real row, nats; of blocks of tokens it may be nats a token.
        counts: (c,) how many real rows there are.
    """

    upto: IntArray
    onwards: IntArray
    real: FloatArray
    counts: IntArray


def standing(found: FloatArray, real: FloatArray, counting: Array) -> Standing:
    """Return how rows stand among real ones; what is nan is as unlikely as can be.

    Args:
        found: (c, n) log-density of each row.
        real: (c, m) that of each real row, under the same model.
        counting: (c, m) the real rows that count.
    """
    found, real = _comparable(found), _comparable(real)
    counts = counting.sum(axis=1)
    upto, onwards = (np.empty(found.shape, dtype=np.int64) for _ in range(2))
    for chain, own in enumerate(counting):
        ordered = np.sort(real[chain, own])
        upto[chain] = np.searchsorted(ordered, found[chain], side="right")
        onwards[chain] = counts[chain] - np.searchsorted(ordered, found[chain], side="left")
    return Standing(upto, onwards, real, counts)


def _comparable(logs: FloatArray) -> FloatArray:
    return np.asarray(np.round(np.where(np.isnan(logs), -np.inf, logs), _DIGITS), dtype=np.float64)


def compared(rows: Rows, anchor: Rows, columns: Sequence[Column] = (), *, parts: int = 5) -> Standing:
    """Return how rows stand among those of their chain's anchor, by densities that are fitted to the anchor.

    A real row is likelier under what has seen it, so that the rows are compared with each part of the anchor under a
    density that is fitted to the other parts. Rows of the anchor's own law then stand at no place more often than at
    any other. Where real rows are few and wide, the parts give unlike densities, and rows stand nearer to the middle.

    Vectors, pairs and tables have a Gaussian with a shrunk covariance, in deviations of the real rows; beyond 64
    numbers along their 64 widest axes, and with one variance for all that lies beside them. Tokens have bigrams that
    fall back on unigrams, in nats a token; symbols their frequencies with one more of each.

    Args:
        rows: rows to judge.
        anchor: real rows.
        columns: what the numbers of a table are.
        parts: of the anchor.

    Source: Vovk 2015, Cross-conformal predictors (the comparison); Ledoit and Wolf 2004 (the covariance); Tipping and
    Bishop 1999 (one variance beside the axes); Jelinek and Mercer 1980 (the bigrams).
    """
    fit = _fitter(rows, anchor, columns)
    present = anchor.filled_weights() > 0
    several = present.sum(axis=1, keepdims=True) > 1  # a single row has no others
    part, own = parts_of(present, parts), np.full(present.shape, -np.inf)
    upto, onwards = (np.zeros((rows.chains, rows.count), dtype=np.int64) for _ in range(2))
    for one in range(parts):
        asked = present & (part == one)
        real, found = fit(present & ~(asked & several))
        stands = standing(found, real, asked)
        upto, onwards = upto + stands.upto, onwards + stands.onwards
        own[asked] = real[asked]
    return Standing(upto, onwards, own, present.sum(axis=1))


def parts_of(present: Array, parts: int) -> IntArray:
    """Return the part of each row, (c, n), by its number among the rows of its chain."""
    return np.asarray((np.cumsum(present, axis=1) - 1) % parts, dtype=np.int64)


def _fitter(rows: Rows, anchor: Rows, columns: Sequence[Column]) -> _Fit:
    if rows.values.ndim == 2:
        return _frequencies(rows, anchor)
    return _bigrams(rows, anchor) if are_tokens(anchor.values) else _gaussian(rows, anchor, columns)


def _frequencies(rows: Rows, anchor: Rows) -> _Fit:
    symbols = 1 + max(int(part.values.max(initial=0)) for part in (rows, anchor))
    cells = anchor.values + symbols * np.arange(anchor.chains)[:, None]

    def fit(counting: Array) -> tuple[FloatArray, FloatArray]:
        counts = np.bincount(cells[counting], minlength=symbols * anchor.chains).reshape(anchor.chains, symbols) + 1.0
        logs = np.log(counts / counts.sum(axis=1, keepdims=True))
        return np.take_along_axis(logs, anchor.values, axis=1), np.take_along_axis(logs, rows.values, axis=1)

    return fit


def _bigrams(rows: Rows, anchor: Rows) -> _Fit:
    symbols = 1 + max(int(part.values.max(initial=0)) for part in (rows, anchor))

    def fit(counting: Array) -> tuple[FloatArray, FloatArray]:
        tables = counted(Rows(anchor.values, counting.astype(np.float64)), order=2, symbols=symbols)
        laws = interpolated(tables, _SMOOTHING)

        def score(blocks: Array) -> FloatArray:
            flat = np.asarray(blocks, dtype=np.int64).reshape(-1, blocks.shape[2])
            chain = np.repeat(np.arange(len(blocks), dtype=np.int64), blocks.shape[1])
            chain = np.broadcast_to(chain[:, None], flat.shape)
            numbers = context_numbers(tables, chain, [preceding(flat, 1, symbols)])
            return np.asarray(scored(laws, numbers, flat).mean(axis=1).reshape(blocks.shape[:2]))

        return score(anchor.values), score(rows.values)

    return fit


def _gaussian(rows: Rows, anchor: Rows, columns: Sequence[Column]) -> _Fit:
    real, others = plain(anchor.values, columns), plain(rows.values, columns)

    def fit(counting: Array) -> tuple[FloatArray, FloatArray]:
        lens = Lens.of(real[counting])
        inside, beside = lens.along(real)
        left = real.shape[2] - inside.shape[2]
        count = np.maximum(counting.sum(axis=1), 1)[:, None]
        mean = (inside * counting[..., None]).sum(axis=1, keepdims=True) / count[..., None]
        roots, logs = _whitening((inside - mean) * counting[..., None], count[:, 0])
        rest = (beside * counting).sum(axis=1, keepdims=True) / (count * max(left, 1)) + _FLOOR

        def score(points: FloatArray, off: FloatArray) -> FloatArray:
            turned = (points - mean) @ roots
            whole = left + points.shape[2]
            distance = (turned * turned).sum(axis=2) + off / rest + left * np.log(rest)
            return np.asarray(-0.5 * (distance + logs[:, None] + whole * np.log(2 * np.pi)))

        return score(inside, beside), score(*lens.along(others))

    return fit


def _whitening(centred: FloatArray, counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return what makes rows of each chain uncorrelated, (c, k, k), and the log-determinant of its covariance, (c,).

    The covariance is drawn towards a multiple of the identity as far as its error asks for.

    Source: Ledoit and Wolf 2004, section 3.3.

    Args:
        centred: (c, n, k) rows less their mean, 0 where there is none.
        counts: (c,) rows of each chain.
    """
    size = centred.shape[2]
    covariance = np.matmul(centred.swapaxes(1, 2), centred) / counts[:, None, None]
    middle = np.trace(covariance, axis1=1, axis2=2) / size
    square = (covariance * covariance).sum(axis=(1, 2))
    gap = np.maximum(square - size * middle * middle, 0.0)
    error = ((centred * centred).sum(axis=2) ** 2).sum(axis=1) / counts - square
    shrinkage = np.clip(error / (counts * np.where(gap > 0, gap, 1.0)), 0.0, 1.0) * (gap > 0)
    values, vectors = np.linalg.eigh(covariance)
    shrunk = (1.0 - shrinkage)[:, None] * values + (shrinkage * middle)[:, None] + _FLOOR
    return vectors / np.sqrt(shrunk)[:, None], np.asarray(np.log(shrunk).sum(axis=1))
