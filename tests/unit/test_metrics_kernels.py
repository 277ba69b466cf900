from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import rbf_kernel
from vendi_score import vendi

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.data.kernels import CubicKernel, GaussianKernel, discrepancies, median_distance
from dwindle.metrics.mmd import Mmd
from dwindle.metrics.vendi import Vendi

GENERATOR = np.random.default_rng(16)


def of(samples, held_out, anchor=None):
    anchor = GENERATOR.normal(size=(1, 100, samples.shape[2])) if anchor is None else anchor
    return replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), anchor=Rows(anchor))


@pytest.mark.parametrize(("count", "real", "dimensions"), [(40, 30, 1), (300, 257, 3), (700, 1100, 20)])
def test_tiles_give_the_discrepancy_of_whole_matrices(count, real, dimensions):
    samples, held_out = GENERATOR.normal(size=(2, count, dimensions)) * 0.8, GENERATOR.normal(size=(real, dimensions))
    gamma = 1 / (2 * 1.7**2)
    for value, rows in zip(discrepancies(samples, held_out, GaussianKernel(1.7)), samples, strict=True):
        own, theirs = rbf_kernel(rows, gamma=gamma), rbf_kernel(held_out, gamma=gamma)
        within = (own.sum() - count) / (count * (count - 1)) + (theirs.sum() - real) / (real * (real - 1))
        expected = within - 2 * rbf_kernel(rows, held_out, gamma=gamma).mean()
        assert value == pytest.approx(expected, rel=1e-9)


def test_single_precision_for_thousands_of_rows_costs_no_digit_that_counts():
    samples, held_out = GENERATOR.normal(size=(2, 2100, 8)) * [[[0.9]], [[0.99]]], GENERATOR.normal(size=(2000, 8))
    kernel = GaussianKernel(4.0)
    assert kernel.suited(samples[0], held_out).single
    single = discrepancies(samples, held_out, kernel)
    shifted = discrepancies(samples + 100.0, held_out + 100.0, kernel)  # too far for it
    assert single == pytest.approx(shifted, rel=0.0, abs=2e-9)


def test_rows_beyond_all_widths_resemble_nothing_but_themselves():
    samples, held_out = GENERATOR.normal(size=(1, 300, 3)) * 1e100, GENERATOR.normal(size=(250, 3))
    near = discrepancies(held_out[None], held_out, GaussianKernel(1.0))
    assert near < 0.0 < discrepancies(samples, held_out, GaussianKernel(1.0)) < 2.0


def test_two_points_against_two_give_what_a_pencil_gives():
    samples, held_out = np.array([[[0.0], [1.0]]]), np.array([[0.0], [2.0]])
    within = np.exp(-0.5) + np.exp(-2.0)
    between = (1.0 + np.exp(-2.0) + 2 * np.exp(-0.5)) / 4
    assert discrepancies(samples, held_out, GaussianKernel(1.0)) == pytest.approx([within - 2 * between])
    # cubic: within (0 + 1)^3 twice, between 1, 1, 1 and (2 + 1)^3
    assert discrepancies(samples, held_out, CubicKernel(1)) == pytest.approx([2.0 - 2 * (1 + 1 + 1 + 27) / 4])


def test_the_width_is_the_median_distance_of_the_present_anchor_rows():
    rows = GENERATOR.normal(size=(2, 60, 3))
    weights = np.ones((2, 60))
    weights[:, 40:] = 0.0
    expected = np.median(pdist(rows[:, :40].reshape(80, 3)))
    assert median_distance(Rows(rows, weights)) == pytest.approx(expected, rel=1e-12)


def test_mmd_uses_that_width_and_is_nought_on_average_for_the_real_law():
    held_out, samples, anchor = (GENERATOR.normal(size=(c, 200, 2)) for c in (1, 60, 1))
    found = of(samples, held_out, anchor)
    width = np.median(pdist(anchor[0]))
    expected = discrepancies(samples, held_out[0], GaussianKernel(2.0 * width))
    assert Mmd(width=2.0).measure(found)["mmd"].values == pytest.approx(expected, rel=1e-9)
    fresh = [
        Mmd().measure(of(some[None], other[None], anchor))["mmd"].values[0]
        for some, other in zip(samples[:30], samples[30:], strict=True)
    ]
    assert np.mean(fresh) == pytest.approx(0.0, abs=4 * np.std(fresh) / np.sqrt(30))


def test_a_collapsed_model_is_farther_than_a_faithful_one():
    held_out, samples = GENERATOR.normal(size=(1, 200, 2)), GENERATOR.normal(size=(2, 200, 2))
    near, far = Mmd().measure(of(samples * [[[1.0]], [[0.1]]], held_out))["mmd"].values
    assert abs(near) < 0.02 < far


def test_memory_of_mmd_does_not_grow_with_the_square_of_the_rows():
    rows = GENERATOR.normal(size=(2, 4000, 4))
    tracemalloc.start()
    discrepancies(rows[:1], rows[1], GaussianKernel(2.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * 4000**2 * 8


@pytest.mark.parametrize("shape", [(30, 50), (120, 4)])
def test_vendi_of_the_cosine_is_that_of_the_library_in_either_form(shape):
    samples, held_out = GENERATOR.normal(size=(2, *shape)) + 0.5, GENERATOR.normal(size=(1, *shape))
    found = Vendi(kernel="cosine").measure(of(samples, held_out))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (*samples, held_out[0])]
    first, second, real = (
        vendi.score_dual(rows, normalize=False) if shape[0] > shape[1] else vendi.score_K(rows @ rows.T)
        for rows in unit
    )
    assert found["vendi"].values == pytest.approx([first, second], rel=1e-9)
    assert found["vendi_ratio"].values == pytest.approx([first / real, second / real], rel=1e-9)


def test_vendi_of_a_gaussian_kernel_is_that_of_the_whole_matrix():
    samples, held_out, anchor = (GENERATOR.normal(size=(c, 80, 3)) for c in (2, 1, 1))
    gamma = 0.5 / np.median(pdist(anchor[0])) ** 2
    found = Vendi(rows=60).measure(of(samples, held_out, anchor))["vendi"]
    expected = [vendi.score_K(rbf_kernel(rows[:60], gamma=gamma)) for rows in samples]
    assert found.values == pytest.approx(expected, rel=1e-9)


def test_vendi_counts_places():
    anchor = np.arange(4.0).reshape(1, 4, 1)
    places = np.repeat([[0.0, 1e6, 2e6, 3e6], [5.0] * 4], 10, axis=1)[..., None]
    found = Vendi().measure(of(places, GENERATOR.normal(size=(1, 40, 1)), anchor))
    assert found["vendi"].values == pytest.approx([4.0, 1.0])


def test_without_a_width_or_a_direction_they_are_undefined():
    samples, held_out, flat = GENERATOR.normal(size=(1, 30, 2)), GENERATOR.normal(size=(1, 30, 2)), np.ones((1, 20, 2))
    assert "in so few places" in Mmd().measure(of(samples, held_out, flat))["mmd"].reason
    assert "no width" in Vendi().measure(of(samples, held_out, flat))["vendi"].reason
    samples[0, 3] = 0.0
    found = Vendi(kernel="cosine").measure(of(samples, held_out))
    assert "has no direction" in found["vendi"].reason
    assert "has no direction" in found["vendi_ratio"].reason
