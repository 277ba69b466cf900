"""What selection does to a lineage of Gaussians, against the closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from dwindle.contracts import Rows, Seed
from dwindle.curators.best_of import BestOf
from dwindle.curators.central_mass import CentralMass
from dwindle.curators.reward_tilt import RewardTilt
from dwindle.families.gaussian import Gaussian, GaussianModel
from dwindle.samplers import Sampler

SEED = Seed(11, ("theory", "selection"))


def lineage(curator, count, generations, chains, ddof=1, sampler=None):
    """Return the variance and mean of each generation of a replacing lineage from N(0, 1), (g, c) each."""
    model = GaussianModel(np.zeros((chains, 1)), np.ones((chains, 1, 1)))
    found = []
    for generation in range(1, generations + 1):
        rows = model.sample(count, sampler=sampler or Sampler(), seed=SEED.at("sample", generation))
        if curator is not None:
            curated = curator.curate(rows, anchor=rows, seed=SEED.at("curate", generation))
            weights = rows.filled_weights() if curated.weights is None else curated.weights
            rows = Rows(rows.values, np.where(curated.kept, weights, 0.0))
        model = Gaussian(ddof=ddof).fit(rows, seed=SEED.at("fit", generation))
        found.append((model.covariance()[:, 0, 0], model.mean()[:, 0]))
    return np.swapaxes(np.array(found), 0, 1)


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


def truncated(mass):
    """Return the variance of the central `mass` of N(0, 1): 1 - 2 c phi(c) / mass."""
    cut = norm.ppf((1 + mass) / 2)
    return 1 - 2 * cut * norm.pdf(cut) / mass


@pytest.mark.parametrize(("mass", "factor"), [(0.95, 0.7588), (0.9, 0.6230), (0.8, 0.4377)])
def test_keeping_the_central_mass_takes_a_constant_share_of_the_variance_a_generation(mass, factor):
    variance, mean = lineage(CentralMass(mass=mass), 10_000, 4, 40)
    assert truncated(mass) == pytest.approx(factor, abs=5e-5)
    assert np.abs(z(variance, truncated(mass) ** np.arange(1, 5))).max() < 4
    assert np.abs(z(mean, 0.0)).max() < 4


@pytest.mark.parametrize(("mass", "factor"), [(0.95, 0.7588), (0.9, 0.6230), (0.8, 0.4377)])
def test_top_p_of_a_gaussian_is_the_same_bias_and_exact_at_any_size(mass, factor):
    variance, _ = lineage(None, 20, 5, 4000, sampler=Sampler(top_p=mass))
    assert truncated(mass) == pytest.approx(factor, abs=5e-5)
    assert np.abs(z(variance, truncated(mass) ** np.arange(1, 6))).max() < 4


def test_the_best_of_two_leaves_1_minus_1_over_pi_of_the_variance_a_generation_at_any_size():
    variance, _ = lineage(BestOf(k=2), 40, 6, 4000)
    assert np.abs(z(variance, (1 - 1 / np.pi) ** np.arange(1, 7))).max() < 4


def test_the_best_of_two_walks_up_by_3_deviations_and_a_quarter_and_stops():
    _, mean = lineage(BestOf(k=2), 4000, 30, 50)
    steps = np.sqrt(1 - 1 / np.pi) ** np.arange(30) / np.sqrt(np.pi)
    assert np.abs(z(mean, np.cumsum(steps))).max() < 4
    assert mean[-1].mean() == pytest.approx(3.24, abs=0.03)


def test_a_tilt_of_every_generation_adds_its_precision_each_time():
    variance, mean = lineage(RewardTilt(target=1.0, width=2.0), 20_000, 5, 40, ddof=0)
    precision = 1 + np.arange(1, 6) / 4
    assert np.abs(z(variance, 1 / precision)).max() < 4
    assert np.abs(z(mean, 1 - 1 / precision)).max() < 4
