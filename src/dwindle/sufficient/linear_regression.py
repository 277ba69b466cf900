"""Chains of linear regressions without rows: least squares misses by a normal vector over the root of a Wishart matrix.

n inputs of N(0, I) have X'X = W, Wishart of n degrees, and labels of noise s around the last line move it by
s W^(-1/2) z. In `replace` with a fresh X that is s z over the root of a chi-squared variable of n - d + 1 degrees. In
`accumulate` the move is s G^-1 W^(1/2) z, G the sum of all W so far, which for the same X is the move of `replace` over
the number of fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Literal

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.seeds import Seed
from dwindle.sufficient.gaussian import bartlett
from dwindle.sufficient.paths import Path, Workflow, at_least, gathered, one_of

__all__ = ["Inputs", "grow", "walk"]

Inputs = Literal["fresh", "same"]
"""Whether the inputs X are drawn anew in each generation or stay those of the anchor."""


def grow(
    *,
    regime: Workflow = "replace",
    rows: int = 100,
    generations: int = 100,
    chains: int = 10_000,
    seed: Seed,
    dimensions: int = 1,
    noise: float = 1.0,
    inputs: Inputs = "fresh",
) -> Path:
    """Return the mean over chains of `parameter_error`: |b - b_0|^2, also the excess test error.

    Args:
        regime: `replace` or `accumulate`.
        rows: n, pairs a generation.
        generations: the last generation's number; generation 0 is the fit to real pairs.
        chains: independent replicates.
        seed: address of every random draw.
        dimensions: d.
        noise: s, standard deviation of every label around its line, real or sampled; it is known, not estimated.
        inputs: whether X is `fresh` in each generation or the `same`.

    Raises:
        BadInput: if a number is out of range.

    Source: the linear model of Gerstgrasser et al. 2024, section 2 (same X); Bartlett 1933 for the Wishart matrix.
    """
    at_least(dimensions=(dimensions, 1), rows=(rows, dimensions), noise=(noise, 0.0))
    one_of("inputs", inputs, ("fresh", "same"))
    steps = partial(walk, regime=regime, rows=rows, generations=generations, dimensions=dimensions, inputs=inputs)
    scaled = partial(_scaled, steps, noise)
    return gathered(scaled, chains=chains, seed=seed, numbers=4 * dimensions * (dimensions + 1))


def walk(
    count: int,
    generator: np.random.Generator,
    *,
    regime: Workflow,
    rows: int,
    generations: int,
    dimensions: int = 1,
    inputs: Inputs = "fresh",
) -> Iterator[Mapping[str, FloatArray]]:
    """Walk a block of chains; yields `parameter_error` of each generation for unit noise, (c,).

    Args:
        count: chains of the block.
        generator: what all draws come from.
        regime: as `grow`, like all that follow.
        rows: n.
        generations: the last generation's number.
        dimensions: d.
        inputs: `fresh` or `same`.
    """
    moves = _same if inputs == "same" else _fresh if regime == "replace" else _pooled
    missed, pooled = np.zeros((count, dimensions)), regime == "accumulate"
    for fit, move in zip(range(1, generations + 2), moves(count, rows, dimensions, generator), strict=False):
        missed += move / fit if pooled and inputs == "same" else move
        yield {"parameter_error": np.einsum("ci,ci->c", missed, missed)}


def _scaled(
    steps: partial[Iterator[Mapping[str, FloatArray]]], noise: float, count: int, generator: np.random.Generator
) -> Iterator[Mapping[str, FloatArray]]:
    return ({name: noise**2 * values for name, values in measured.items()} for measured in steps(count, generator))


def _fresh(count: int, rows: int, dimensions: int, generator: np.random.Generator) -> Iterator[FloatArray]:
    """Yield W^(-1/2) z for a new W each time, (c, d).

    Source: Muirhead 1982, theorem 3.2.12: z' W^-1 z is |z|^2 over a chi-squared variable that knows nothing of z.
    """
    while True:
        normal = generator.standard_normal((count, dimensions))
        spread = 2.0 * generator.standard_gamma((rows - dimensions + 1) / 2, count)
        yield normal / np.sqrt(spread)[:, None]


def _same(count: int, rows: int, dimensions: int, generator: np.random.Generator) -> Iterator[FloatArray]:
    """Yield W^(-1/2) z for one W, (c, d), in its principal axes, for no direction is told from another."""
    root = bartlett(count, rows, dimensions, generator)
    deviation = 1.0 / np.sqrt(np.linalg.eigvalsh(root @ root.swapaxes(1, 2)))
    while True:
        yield deviation * generator.standard_normal((count, dimensions))


def _pooled(count: int, rows: int, dimensions: int, generator: np.random.Generator) -> Iterator[FloatArray]:
    """Yield G^-1 W^(1/2) z for a new W each time, G the sum of all so far, (c, d)."""
    gram = np.zeros((count, dimensions, dimensions))
    while True:
        root = bartlett(count, rows, dimensions, generator)
        gram += root @ root.swapaxes(1, 2)
        moved = np.linalg.solve(gram, root @ generator.standard_normal((count, dimensions, 1)))
        yield np.asarray(moved[:, :, 0], dtype=np.float64)
