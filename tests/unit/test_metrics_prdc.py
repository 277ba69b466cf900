from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.prdc import Prdc

GENERATOR = np.random.default_rng(3)
NAMES = ("precision", "recall", "density", "coverage")


def prdc(samples, held_out, neighbours=5):
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out))
    return Prdc(neighbours).measure(found)


def numbers(found, chain=0):
    return [found[name].values[chain] for name in NAMES]


def naive(samples, held_out, neighbours):
    """Return the four numbers from whole distance matrices."""
    real_radii = np.sort(cdist(held_out, held_out), axis=1)[:, neighbours]
    sample_radii = np.sort(cdist(samples, samples), axis=1)[:, neighbours]
    distances = cdist(held_out, samples)
    inside = distances <= real_radii[:, None]
    recall = (distances <= sample_radii).any(axis=1).mean()
    return [inside.any(axis=0).mean(), recall, inside.sum(axis=0).mean() / neighbours, inside.any(axis=1).mean()]


@pytest.mark.parametrize(("count", "dimensions"), [(30, 1), (300, 2), (1300, 3), (257, 64)])
def test_tiles_give_what_whole_matrices_give(count, dimensions):
    held_out = GENERATOR.normal(size=(1, count, dimensions))
    samples = GENERATOR.normal(0.3, 0.8, size=(3, count, dimensions))
    found = prdc(samples, held_out)
    for chain in range(3):
        assert numbers(found, chain) == pytest.approx(naive(samples[chain], held_out[0], 5), rel=1e-12)


def test_four_points_on_a_line_give_what_a_pencil_gives():
    # k = 1. Real balls: 0 +- 1, 1 +- 1, 10 +- 1 and 11 +- 1. Sample balls: 0.5 +- 1, 1.5 +- 1, 20 +- 10, 30 +- 10.
    held_out = np.array([0.0, 1.0, 10.0, 11.0]).reshape(1, 4, 1)
    samples = np.array([0.5, 1.5, 20.0, 30.0]).reshape(1, 4, 1)
    found = prdc(samples, held_out, neighbours=1)
    assert numbers(found) == [0.5, 1.0, 3 / 4, 0.5]


def test_a_copy_of_the_real_rows_is_precise_and_complete():
    held_out = GENERATOR.normal(size=(1, 400, 3))
    found = prdc(held_out.copy(), held_out)
    assert numbers(found) == pytest.approx([1.0, 1.0, 6 / 5, 1.0])


def test_a_copy_far_from_zero_is_a_copy_all_the_same():
    held_out = GENERATOR.normal(size=(1, 400, 3)) + 1e6
    assert numbers(prdc(held_out.copy(), held_out)) == pytest.approx([1.0, 1.0, 6 / 5, 1.0])


def test_samples_of_the_real_law_have_density_one():
    held_out, samples = GENERATOR.normal(size=(1, 1000, 2)), GENERATOR.normal(size=(20, 1000, 2))
    assert prdc(samples, held_out)["density"].values.mean() == pytest.approx(1.0, abs=0.03)


def test_a_model_that_has_collapsed_to_a_point_is_precise_and_recalls_nothing():
    held_out = GENERATOR.normal(size=(1, 200, 2))
    found = prdc(np.full((1, 200, 2), 0.1), held_out)
    assert numbers(found)[:2] == [1.0, 0.0]
    assert found["recall"].reason == ""


def test_a_lost_mode_costs_recall_and_coverage_but_no_precision():
    held_out = GENERATOR.normal(size=(1, 400, 2)) * 0.1
    held_out[:, 200:] += 5.0
    samples = GENERATOR.normal(size=(1, 400, 2)) * 0.1
    precision, recall, _, coverage = numbers(prdc(samples, held_out))
    assert precision > 0.9
    assert 0.4 < recall < 0.5
    assert 0.4 < coverage < 0.51


def test_rows_that_occur_many_times_do_not_confuse_the_balls():
    held_out = GENERATOR.integers(0, 12, size=(1, 300, 2)).astype(float)
    samples = GENERATOR.integers(1, 15, size=(1, 300, 2)).astype(float)
    assert numbers(prdc(samples, held_out)) == pytest.approx(naive(samples[0], held_out[0], 5), rel=1e-12)


def test_memory_does_not_grow_with_the_square_of_the_rows():
    rows = GENERATOR.normal(size=(2, 5000, 4))
    tracemalloc.start()
    prdc(rows[:1], rows[1:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * 5000**2 * 8


@pytest.mark.parametrize(
    ("held_out", "reason"),
    [(GENERATOR.normal(size=(1, 5, 2)), "5 rows are too few for 5 neighbours"), (np.ones((1, 50, 2)), "radius 0")],
)
def test_without_balls_it_is_undefined(held_out, reason):
    found = prdc(GENERATOR.normal(size=(2, *held_out.shape[1:])), held_out)
    for name in NAMES:
        assert np.isnan(found[name].values).all()
        assert reason in found[name].reason


def test_nan_in_one_chain_costs_only_that_chain():
    held_out, samples = GENERATOR.normal(size=(1, 50, 2)), GENERATOR.normal(size=(2, 50, 2))
    samples[0, 0] = np.nan
    found = prdc(samples, held_out)
    assert all(np.isnan(found[name].values).tolist() == [True, False] for name in NAMES)
    assert numbers(found, 1) == pytest.approx(naive(samples[1], held_out[0], 5))
