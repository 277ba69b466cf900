from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import sqrtm

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.frechet import Frechet

GENERATOR = np.random.default_rng(2)


def frechet(samples, held_out):
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out))
    return Frechet().measure(found)["frechet"]


def by_matrix_root(samples, held_out):
    first, second = np.cov(samples, rowvar=False), np.cov(held_out, rowvar=False)
    shift = ((samples.mean(axis=0) - held_out.mean(axis=0)) ** 2).sum()
    return (shift + np.trace(first + second - 2 * sqrtm(first @ second).real)) / np.trace(second)


def test_in_one_dimension_it_is_the_closed_form():
    held_out, samples = GENERATOR.normal(size=(1, 300, 1)), GENERATOR.normal(2.0, 3.0, size=(4, 300, 1))
    means, deviations = samples.mean(axis=1)[:, 0], samples.std(axis=1, ddof=1)[:, 0]
    real = held_out.std(ddof=1)
    expected = ((means - held_out.mean()) ** 2 + (deviations - real) ** 2) / real**2
    assert frechet(samples, held_out).values == pytest.approx(expected, rel=1e-10)


def test_it_equals_the_matrix_root_formula_chain_by_chain():
    mixing = GENERATOR.normal(size=(5, 5))
    held_out = GENERATOR.normal(size=(1, 200, 5)) @ mixing
    samples = GENERATOR.normal(size=(3, 200, 5)) @ (mixing + 0.3 * GENERATOR.normal(size=(3, 5, 5))) + 0.2
    expected = [by_matrix_root(chain, held_out[0]) for chain in samples]
    assert frechet(samples, held_out).values == pytest.approx(expected, rel=1e-9)


def test_a_copy_has_distance_zero():
    held_out = GENERATOR.normal(size=(1, 100, 6))
    assert frechet(held_out.copy(), held_out).values == pytest.approx([0.0], abs=1e-7)


def test_a_point_at_the_real_mean_has_lost_all_real_variance():
    held_out = GENERATOR.normal(size=(1, 100, 3))
    point = np.broadcast_to(held_out.mean(axis=1, keepdims=True), held_out.shape)
    assert frechet(point, held_out).values == pytest.approx([1.0])


def test_real_rows_with_a_constant_dimension_have_a_distance():
    held_out = np.concatenate([GENERATOR.normal(size=(1, 100, 2)), np.ones((1, 100, 1))], axis=2)
    samples = held_out * 2.0
    expected = (((samples - held_out).mean(axis=1) ** 2).sum() + np.trace(np.cov(held_out[0].T))) / np.trace(
        np.cov(held_out[0].T)
    )
    assert frechet(samples, held_out).values == pytest.approx([expected], rel=1e-7)


def test_many_chains_in_blocks_give_what_each_gives_alone():
    held_out, samples = GENERATOR.normal(size=(1, 50, 30)), GENERATOR.normal(size=(700, 50, 30))
    together = frechet(samples, held_out).values
    alone = np.concatenate([frechet(samples[chain : chain + 1], held_out).values for chain in (0, 299, 699)])
    assert together[[0, 299, 699]] == pytest.approx(alone, rel=1e-12)


def test_nan_in_one_chain_costs_only_that_chain():
    held_out, samples = GENERATOR.normal(size=(1, 50, 2)), GENERATOR.normal(size=(2, 50, 2))
    samples[0, 0, 0] = np.inf
    found = frechet(samples, held_out)
    assert np.isnan(found.values).tolist() == [True, False]
    assert "nan, inf" in found.reason


@pytest.mark.parametrize(
    ("held_out", "reason"), [(np.ones((1, 40, 2)), "do not vary"), (np.ones((1, 1, 2)), "takes two rows")]
)
def test_without_real_variance_it_is_undefined(held_out, reason):
    found = frechet(GENERATOR.normal(size=(2, *held_out.shape[1:])), held_out)
    assert np.isnan(found.values).all()
    assert reason in found.reason
