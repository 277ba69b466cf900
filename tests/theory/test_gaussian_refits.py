"""Muirhead 1982, chapter 3: second moments of Wishart matrices carry the scatter of chains from refit to refit.

The recursion is held to the refits themselves, without chance: moments of degree four under normal noise are exact sums
over three nodes a coordinate, -sqrt 3, 0 and sqrt 3 (Gauss-Hermite), and no refit needs a higher degree in its noise.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dwindle.theory.gaussian_refits import Refit, trajectory

COVARIANCE = np.array([[2.0, 0.6], [0.6, 0.5]])
ROOT = np.sqrt(3.0)
CHANCE = {-ROOT: 1 / 6, 0.0: 2 / 3, ROOT: 1 / 6}


def enumerate_refits(refits):
    """Return mean and deviation of tr V / d and of |m|^2 / d after the refits, over all nodes of their noise."""
    covariance, mean, weight = COVARIANCE[None], np.zeros((1, 2, 1)), np.ones(1)
    for refit in refits:
        nodes = np.array(list(product(CHANCE, repeat=2 * (refit.freedom + 1)))).reshape(-1, 2, refit.freedom + 1)
        chances = np.vectorize(CHANCE.get)(nodes).prod(axis=(1, 2))
        moved = np.linalg.cholesky(covariance)[:, None] @ nodes[None]
        scatter, step = moved[..., 1:], moved[..., :1]
        covariance = (
            refit.kept * covariance[:, None]
            + refit.spread * scatter @ scatter.swapaxes(2, 3)
            + refit.between * step @ step.swapaxes(2, 3)
        ).reshape(-1, 2, 2)
        mean = (mean[:, None] + np.sqrt(refit.step) * step).reshape(-1, 2, 1)
        weight = (weight[:, None] * chances).reshape(-1)
    found = []
    for values in (np.trace(covariance, axis1=1, axis2=2) / 2, (mean**2).sum(axis=(1, 2)) / 2):
        expected = weight @ values
        found += [expected, np.sqrt(weight @ (values - expected) ** 2)]
    return found


@pytest.mark.parametrize(
    "refits",
    [
        (Refit(0.3, 0.2, 1, 0.3, 0.5), Refit(0.1, 0.3, 1, 0.2, 0.4), Refit(0.5, 0.1, 1, 0.4, 0.3)),
        (Refit(0.3, 0.2, 2, 0.3, 0.5), Refit(0.1, 0.3, 2, 0.2, 0.4)),
        (Refit(0.2, 0.4, 1, 0.0, 0.5), Refit(0.6, 0.0, 2, 0.7, 0.9)),
    ],
    ids=["three", "two of more freedom", "without one part"],
)
def test_means_and_scatter_after_refits_are_exact(refits):
    path = trajectory(refits, COVARIANCE)
    found = [path.variance, path.variance_deviation, path.mean_error, path.mean_error_deviation]
    np.testing.assert_allclose([curve[-1] for curve in found], enumerate_refits(refits), rtol=1e-9)
