"""The sources: their truth is known or their rows are real, and no stream ever meets the held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dwindle.checks import check_source
from dwindle.contracts import Moments, Probabilities, Seed
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.zipf import Zipf

SEED = Seed(7, ("lineage", "draw"))
SOURCES = [
    Gaussian(),
    Gaussian(dimensions=5, variance=4.0, correlation=-0.2, centre=3.0),
    Gaussian(dimensions=3, correlation=0.9),
    Zipf(),
    Zipf(symbols=30, exponent=0.0),
    Digits(),
    Digits(dimensions=64, held_out=1000),
]


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_every_setting_keeps_the_contract(source):
    check_source(source)


def test_a_correlation_that_no_covariance_has_is_refused():
    with pytest.raises(ValueError, match=r"3 dimensions cannot all be correlated by less than -0\.5"):
        Gaussian(dimensions=3, correlation=-0.6)


def test_the_lowest_correlation_leaves_no_variance_along_the_diagonal():
    rows = Gaussian(dimensions=3, correlation=-0.5).draw(100, first=0, chains=1, seed=SEED).values
    assert np.abs(rows.sum(axis=2)).max() < 1e-12 < np.abs(rows).max()


def test_the_gaussian_has_the_covariance_that_it_states():
    source = Gaussian(dimensions=3, variance=4.0, correlation=0.5, centre=2.0)
    np.testing.assert_array_equal(source.covariance(), [[[4, 2, 2], [2, 4, 2], [2, 2, 4]]])
    rows = source.draw(50_000, first=0, chains=1, seed=SEED).values[0]
    np.testing.assert_allclose(np.cov(rows.T), source.covariance()[0], atol=0.15)
    np.testing.assert_allclose(rows.mean(axis=0), source.mean()[0], atol=0.05)


def test_zipf_probabilities_fall_with_the_power_of_the_rank():
    shares = Zipf(symbols=100, exponent=1.5).probabilities()[0]
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares[0] / shares, np.arange(1, 101) ** 1.5)


def test_zipf_without_a_tail_to_speak_of_still_draws_symbols_of_its_alphabet():
    rows = Zipf(symbols=5000, exponent=100.0).draw(1000, first=0, chains=2, seed=SEED).values
    assert (rows == 0).all()


def test_sources_say_what_they_know_of_the_truth():
    assert isinstance(Gaussian(), Moments)
    assert isinstance(Zipf(), Probabilities)
    assert not isinstance(Digits(), Moments | Probabilities)


def test_no_seed_of_a_sweep_brings_a_held_out_digit_into_a_stream():
    source = Digits()
    frozen = set(source.draw_held_out(seed=SEED).provenance.source.ravel().tolist())
    assert len(frozen) == source.held_out
    for path in (SEED.path, (), ("another", 3)):
        rows = source.draw(source.capacity, first=0, chains=3, seed=Seed(SEED.root, path))
        for stream in rows.provenance.source.tolist():
            assert not frozen & set(stream)
            assert len(set(stream)) == source.capacity


def test_another_root_seed_holds_other_digits_out():
    held_out = [Digits().draw_held_out(seed=Seed(root)).provenance.source.tolist() for root in (1, 2)]
    assert held_out[0] != held_out[1]


def test_each_chain_has_a_permutation_of_the_digits_of_its_own():
    stream = Digits().draw(100, first=0, chains=2, seed=SEED).provenance.source
    assert stream[0].tolist() != stream[1].tolist()


def test_a_block_of_digits_is_the_same_part_of_the_permutation_however_it_is_drawn():
    whole = Digits().draw(300, first=0, chains=2, seed=SEED)
    part = Digits().draw(100, first=200, chains=2, seed=SEED)
    np.testing.assert_array_equal(part.values, whole.values[:, 200:])
    np.testing.assert_array_equal(part.provenance.source, whole.provenance.source[:, 200:])


def test_a_block_beyond_the_capacity_is_refused():
    with pytest.raises(
        ValueError, match=r"rows 1300\.\.1399 of a stream were asked for, digits has 1350 beside its 447"
    ):
        Digits().draw(100, first=1300, chains=1, seed=SEED)


def test_the_whole_pixel_space_gives_the_images_back():
    source, pixels = Digits(dimensions=64), load_digits().images
    rows = source.draw(50, first=0, chains=1, seed=SEED)
    images = source.images(rows.values[0], seed=SEED)
    np.testing.assert_allclose(images, pixels[rows.provenance.source[0]], atol=1e-9)


def test_fewer_components_give_the_best_images_of_their_number():
    source, pixels = Digits(), load_digits().data
    rows = source.draw(source.capacity, first=0, chains=1, seed=SEED)
    real = pixels[rows.provenance.source[0]]
    lost = ((source.images(rows.values[0], seed=SEED).reshape(-1, 64) - real) ** 2).sum()
    singular = np.linalg.svd(real - real.mean(axis=0), compute_uv=False)
    assert lost == pytest.approx((singular[12:] ** 2).sum())


def test_components_are_uncorrelated_and_widest_first():
    rows = Digits().draw(1350, first=0, chains=1, seed=SEED).values[0]
    covariance = np.cov(rows.T)
    variances = np.diag(covariance)
    assert (np.diff(variances) < 0).all()
    np.testing.assert_allclose(covariance, np.diag(variances), atol=1e-9 * variances[0])
