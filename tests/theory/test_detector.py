"""What a detector leaves of real rows, and what that does to a Gaussian in the fresh data loop."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import FRESH, Provenance, Rows, Seed
from dwindle.curators.detector import Detector
from dwindle.families.gaussian import Gaussian, GaussianModel
from dwindle.samplers import Sampler
from dwindle.theory.verifier import real_share

SEED = Seed(11, ("theory", "detector"))


def mixed(synthetic, real, chains):
    """Return the training rows of a generation: these synthetic ones, and new real ones from N(0, 1)."""
    fresh = SEED.at("fresh", real).numpy().standard_normal((chains, real, 1))
    origins = [(synthetic, 1), (fresh, FRESH)]
    return Rows.join([Rows(v, None, Provenance.of(origin, *v.shape[:2])) for v, origin in origins])


def z(values, expected):
    """Return how many standard errors the mean over the last axis lies off."""
    return (values.mean(axis=-1) - expected) / (values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1]))


@pytest.mark.parametrize("synthetic_ratio", [0.2, 0.5, 0.9])
@pytest.mark.parametrize(("caught", "mistaken"), [(0.9, 0.1), (0.5, 0.5), (0.3, 0.0), (0.2, 0.6)])
def test_the_real_share_that_is_left_is_that_of_bayes(synthetic_ratio, caught, mistaken):
    count, chains = 1000, 200
    synthetic = round(synthetic_ratio * count)
    rows = mixed(np.zeros((chains, synthetic, 1)), count - synthetic, chains)
    kept = Detector(true_positive_rate=caught, false_positive_rate=mistaken)
    kept = kept.curate(rows, anchor=rows, seed=SEED.at(synthetic)).kept
    real = (kept & (rows.provenance.origin == FRESH)).sum(axis=1)
    share = real_share(synthetic_ratio, caught, mistaken)
    # The ratio of two sums: its error to first order is that of real - share * kept, whose mean is 0.
    assert abs(z(real - share * kept.sum(axis=1), 0.0)) < 4


def test_a_detector_that_guesses_leaves_the_share_as_it_was():
    ratios = np.linspace(0, 1, 11)
    for rate in (0.0, 0.3, 0.99):
        np.testing.assert_allclose(real_share(ratios, rate, rate), 1 - ratios)


def test_a_perfect_detector_leaves_real_rows_alone_and_of_nothing_there_is_no_share():
    assert real_share(0.9, 1.0, 0.0) == 1.0
    assert np.isnan(real_share(1.0, 1.0, 0.0))


def variances(detector, surplus, generations=25, chains=800, synthetic=18, real=2):
    """Return the variance of the last generation of a fresh data loop of 20 rows, (c,); a surplus feeds the detector.

    The detector is shown `surplus` times as many rows, and the first 20 of what it leaves, in random order, train.
    """
    model = GaussianModel(np.zeros((chains, 1)), np.ones((chains, 1, 1)))
    for generation in range(generations):
        seed = SEED.at("loop", generation)
        sampled = model.sample(synthetic * surplus, sampler=Sampler(), seed=seed.at("sample")).values
        fresh = seed.at("fresh").numpy().standard_normal((chains, real * surplus, 1))
        joined = [Rows(v, None, Provenance.of(o, *v.shape[:2])) for v, o in ((sampled, 1), (fresh, FRESH))]
        rows = Rows.join(joined)
        kept = detector.curate(rows, anchor=rows, seed=seed.at("detector")).kept
        keys = np.where(kept, seed.at("order").numpy().random(kept.shape), 2.0)
        chosen = np.argsort(keys, axis=1)[:, : synthetic + real]
        weights = np.take_along_axis(kept, chosen, axis=1).astype(float)
        model = Gaussian(ddof=0).fit(Rows(rows.take(chosen).values, weights), seed=seed.at("fit"))
    return model.covariance()[:, 0, 0]


def test_a_guessing_detector_is_no_filter_and_a_good_one_keeps_variance():
    none = variances(Detector(true_positive_rate=0.0, false_positive_rate=0.0), 20)
    guesses = variances(Detector(true_positive_rate=0.5, false_positive_rate=0.5), 20)
    knows = variances(Detector(true_positive_rate=0.9, false_positive_rate=0.1), 20)
    error = np.sqrt((none.var(ddof=1) + guesses.var(ddof=1)) / len(none))
    assert abs(guesses.mean() - none.mean()) < 4 * error
    assert knows.mean() > none.mean() + 4 * error
