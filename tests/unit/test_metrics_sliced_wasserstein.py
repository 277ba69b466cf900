from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.metrics.sliced_wasserstein import SlicedWasserstein

GENERATOR = np.random.default_rng(6)


def sliced(samples, held_out, projections=64, seed=7):
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), seed=Seed(seed))
    return SlicedWasserstein(projections).measure(found)["sliced_wasserstein"]


def test_in_one_dimension_it_is_the_cheapest_assignment():
    held_out, samples = GENERATOR.normal(size=(1, 80, 1)), GENERATOR.exponential(size=(3, 80, 1))
    for chain, value in enumerate(sliced(samples, held_out).values):
        costs = cdist(samples[chain], held_out[0]) ** 2
        assert value**2 == pytest.approx(costs[linear_sum_assignment(costs)].mean(), rel=1e-12)


def test_a_shift_in_one_dimension_is_its_own_distance():
    held_out = GENERATOR.normal(size=(1, 100, 1))
    value = sliced(held_out - 2.5, held_out).values
    assert value == pytest.approx([wasserstein_distance(held_out[0, :, 0] - 2.5, held_out[0, :, 0])])
    assert value == pytest.approx([2.5])


def test_a_shift_in_many_dimensions_is_seen_by_its_share_of_the_directions():
    held_out = GENERATOR.normal(size=(1, 50, 8))
    shift = np.zeros(8)
    shift[3] = 4.0
    value = sliced(held_out + shift, held_out, projections=20_000).values
    assert value == pytest.approx([4.0 / np.sqrt(8)], rel=0.02)


def test_the_order_of_the_rows_does_not_matter():
    held_out = GENERATOR.normal(size=(1, 60, 3))
    assert sliced(held_out[:, ::-1], held_out).values == pytest.approx([0.0], abs=1e-12)


def test_all_chains_are_seen_from_the_same_directions():
    held_out, rows = GENERATOR.normal(size=(1, 60, 3)), GENERATOR.normal(size=(1, 60, 3))
    together = sliced(np.concatenate([rows, rows * 2, rows]), held_out, projections=3).values
    assert together[0] == together[2]
    assert together[0] == sliced(rows, held_out, projections=3).values[0]


def test_another_seed_looks_from_other_directions():
    held_out, rows = GENERATOR.normal(size=(1, 60, 3)), GENERATOR.normal(size=(1, 60, 3))
    assert sliced(rows, held_out, 3, seed=1).values != sliced(rows, held_out, 3, seed=2).values


def test_many_chains_in_blocks_give_what_each_gives_alone():
    held_out, samples = GENERATOR.normal(size=(1, 100, 2)), GENERATOR.normal(size=(400, 100, 2))
    together = sliced(samples, held_out).values
    assert together[399] == pytest.approx(sliced(samples[399:], held_out).values[0], rel=1e-12)


def test_unequal_numbers_of_rows_are_undefined():
    found = sliced(np.zeros((2, 30, 2)), np.zeros((1, 40, 2)))
    assert np.isnan(found.values).all()
    assert found.reason == "there are 30 samples and 40 held-out rows"


def test_nan_in_one_chain_costs_only_that_chain():
    held_out, samples = GENERATOR.normal(size=(1, 50, 2)), GENERATOR.normal(size=(2, 50, 2))
    samples[1, 4, 1] = np.nan
    assert np.isnan(sliced(samples, held_out).values).tolist() == [False, True]
