"""Gaussian chains without rows: the mean and the covariance of n rows are a normal vector and a Wishart matrix.

A fit with divisor N' - ddof to n new rows of N(m, S) beside N old ones, whose own fit is (m, S), makes

    S' = S^(1/2) [(N - ddof) I + W + (N / N') z z'] S^(1/2) / (N' - ddof),    m' = m + (sqrt n / N') S^(1/2) z,

N' = N + n, W a Wishart matrix of n - 1 degrees and z a standard normal vector; the old rows' I falls away where N = 0.
Replace has N = 0 in every generation, accumulate N = t n.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.seeds import Seed
from dwindle.sufficient.paths import Path, Workflow, at_least, followed, gathered, one_of

__all__ = ["bartlett", "grow", "walk"]


def grow(
    *,
    regime: Workflow = "replace",
    rows: int = 100,
    generations: int = 100,
    chains: int = 10_000,
    seed: Seed,
    dimensions: int = 1,
    ddof: int = 0,
) -> Path:
    """Return the means over chains of `variance`, `log_variance` and `mean_error`, as the metric `moments` has them.

    The real rows are N(0, I). Any other Gaussian is a linear map away from it: `log_variance` stays as it is, and where
    all dimensions have one variance the others take it as their unit.

    Args:
        regime: `replace` or `accumulate`.
        rows: n, rows a generation.
        generations: the last generation's number; generation 0 is the fit to real rows.
        chains: independent replicates.
        seed: address of every random draw.
        dimensions: d.
        ddof: what is taken from the divisor of the covariance, 0 or 1.

    Raises:
        BadInput: if a number is out of range.

    Source: the loop of Shumailov et al. 2024, Theorem 3.1; Bartlett 1933 for the Wishart matrix.
    """
    at_least(rows=(rows, 2), dimensions=(dimensions, 1))
    one_of("ddof", ddof, (0, 1))
    steps = partial(walk, regime=regime, rows=rows, generations=generations, dimensions=dimensions, ddof=ddof)
    numbers = 4 if dimensions == 1 else 4 * dimensions * (dimensions + 1)
    return gathered(steps, chains=chains, seed=seed, numbers=numbers)


def walk(
    count: int,
    generator: np.random.Generator,
    *,
    regime: Workflow,
    rows: int,
    generations: int,
    dimensions: int = 1,
    ddof: int = 0,
) -> Iterator[Mapping[str, FloatArray]]:
    """Walk a block of chains; yields `variance`, `log_variance` and `mean_error` of each generation, (c,).

    `log_variance` is nan where n <= d, for the covariance is singular.

    Args:
        count: chains of the block.
        generator: what all draws come from.
        regime: as `grow`, like all that follow.
        rows: n.
        generations: the last generation's number.
        dimensions: d.
        ddof: 0 or 1.
    """
    before = followed(regime, rows, generations)
    if dimensions == 1:
        return _line(count, generator, before, rows, ddof)
    return _space(count, generator, before, rows, ddof, dimensions)


def _line(
    count: int, generator: np.random.Generator, before: Iterator[int], rows: int, ddof: int
) -> Iterator[Mapping[str, FloatArray]]:
    """Walk chains of one dimension: no matrix is needed. The logarithm is the state, so that nothing underflows."""
    log, variance, mean = np.zeros(count), np.ones(count), np.zeros(count)
    normal, factor = np.empty(count), np.empty(count)
    for old in before:
        after = old + rows
        generator.standard_normal(out=normal)
        generator.standard_gamma((rows - 1) / 2, out=factor)  # half a chi-squared variable
        factor *= 2.0 / (after - ddof)
        if old:
            factor += (old - ddof) / (after - ddof) + normal * normal * (old / after / (after - ddof))
        np.sqrt(variance, out=variance)
        variance *= normal
        variance *= math.sqrt(rows) / after
        mean += variance
        np.log(factor, out=factor)
        log += factor
        np.exp(log, out=variance)
        yield {"variance": variance, "log_variance": log, "mean_error": np.multiply(mean, mean, out=normal)}


def _space(
    count: int, generator: np.random.Generator, before: Iterator[int], rows: int, ddof: int, dimensions: int
) -> Iterator[Mapping[str, FloatArray]]:
    """Walk chains of d dimensions; the state is a triangular root of S, to which the next one is multiplied."""
    root, mean = np.broadcast_to(np.eye(dimensions), (count, dimensions, dimensions)), np.zeros((count, dimensions))
    log = np.zeros(count) if rows > dimensions else np.full(count, np.nan)
    for old in before:
        after = old + rows
        normal = generator.standard_normal((count, dimensions))
        factor = bartlett(count, rows - 1, dimensions, generator)
        if old:
            own = factor @ factor.swapaxes(1, 2) + (old / after) * normal[:, :, None] * normal[:, None]
            factor = np.asarray(np.linalg.cholesky(own + (old - ddof) * np.eye(dimensions)), dtype=np.float64)
        factor /= math.sqrt(after - ddof)
        mean += (root @ normal[:, :, None])[:, :, 0] * (math.sqrt(rows) / after)
        root = root @ factor
        if rows > dimensions:
            log += 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).mean(axis=1)
        yield {
            "variance": np.einsum("cij,cij->c", root, root) / dimensions,
            "log_variance": log,
            "mean_error": np.einsum("ci,ci->c", mean, mean) / dimensions,
        }


def bartlett(count: int, freedom: int, dimensions: int, generator: np.random.Generator) -> FloatArray:
    """Return a lower triangular root A of a Wishart matrix A A' of scale I for each chain, (c, d, d).

    Args:
        count: chains.
        freedom: degrees of freedom v; with v < d the matrix is singular, and A has v columns that are not 0.
        dimensions: d.
        generator: what all draws come from.

    Source: Bartlett 1933; Muirhead 1982, theorem 3.2.14. Its QR proof holds for v < d as well.
    """
    root = np.zeros((count, dimensions, dimensions))
    below, above = np.tril_indices(dimensions, -1)
    kept = above < freedom
    root[:, below[kept], above[kept]] = generator.standard_normal((count, int(kept.sum())))
    for place in range(min(dimensions, freedom)):
        root[:, place, place] = np.sqrt(2.0 * generator.standard_gamma((freedom - place) / 2, count))
    return root
