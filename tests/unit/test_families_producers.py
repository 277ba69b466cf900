"""Producers who share a pool: disjoint parts, rows in turn, and a mixture that keeps the pool's moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian import Gaussian
from dwindle.families.producers import Producers, ProducersModel
from dwindle.samplers import Sampler

SEED = Seed(7, ("producers",))


def drawn(*shape):
    return SEED.at("rows").numpy().standard_normal(shape) * np.arange(1, shape[-1] + 1) + 5.0


@pytest.mark.parametrize("dimensions", [1, 3])
def test_with_equal_parts_mean_and_covariance_are_those_of_one_gaussian_for_the_pool(dimensions):
    rows = Rows(drawn(4, 60, dimensions))
    model, one = Producers(count=5).fit(rows, seed=SEED), Gaussian().fit(rows, seed=SEED)
    np.testing.assert_allclose(model.mean(), one.mean())
    np.testing.assert_allclose(model.covariance(), one.covariance())


def test_one_producer_is_one_gaussian_weights_and_ddof_included():
    rows = Rows(drawn(3, 30, 2), SEED.at("weights").numpy().random((3, 30)))
    for ddof in (0, 1):
        model, one = Producers(count=1, ddof=ddof).fit(rows, seed=SEED), Gaussian(ddof=ddof).fit(rows, seed=SEED)
        np.testing.assert_allclose(model.covariance(), one.covariance())


def test_parts_are_disjoint_differ_by_a_row_at_most_and_use_every_row_that_is_there():
    values = np.broadcast_to(2.0 ** np.arange(11)[None, :, None], (50, 11, 1)).copy()
    weights = np.ones((50, 11))
    values[:, 10], weights[:, 10] = np.nan, 0.0
    means = Producers(count=3).fit(Rows(values, weights), seed=SEED).means[..., 0]
    for chain in means:
        (sizes,) = [s for s in ((3, 3, 4), (3, 4, 3), (4, 3, 3)) if (chain * s).sum() == pytest.approx(2**10 - 1)]
        bits = [f"{round(mean * size):b}" for mean, size in zip(chain, sizes, strict=True)]
        assert [word.count("1") for word in bits] == list(sizes)
    assert len({tuple(chain) for chain in means}) > 40


def test_rows_are_written_in_turn_each_with_its_producers_spread():
    means, deviations = np.array([[[0.0], [100.0], [200.0]]]), np.array([1.0, 2.0, 3.0])
    model = ProducersModel(means, (deviations**2).reshape(1, 3, 1, 1))
    values = model.sample(6001, sampler=Sampler(variance_factor=0.25), seed=SEED).values
    assert values.shape == (1, 6001, 1)
    for producer in range(3):
        own = values[0, producer::3, 0]
        assert own.mean() == pytest.approx(100 * producer, abs=0.2)
        assert own.std() == pytest.approx(0.5 * deviations[producer], rel=0.1)


def test_another_seed_deals_other_parts():
    rows, family = Rows(drawn(2, 20, 1)), Producers(count=2)
    first, again, other = (family.fit(rows, seed=SEED.at(name)).means for name in ("a", "a", "b"))
    assert (first == again).all()
    assert (first != other).any()


def test_too_few_rows_for_all_producers_are_refused_and_say_so():
    rows = Rows(drawn(2, 7, 1))
    Producers(count=7).fit(rows, seed=SEED)
    with pytest.raises(ValueError, match=r"^4 producers need 8 rows; chain 0 has 7$"):
        replace(Producers(), ddof=1).fit(rows, seed=SEED)
