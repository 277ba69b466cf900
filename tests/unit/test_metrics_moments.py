from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.moments import Moments

GENERATOR = np.random.default_rng(1)
HELD_OUT = GENERATOR.normal(size=(1, 500, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]])


@dataclass(frozen=True, eq=False)
class Known:
    """A model or source that knows its moments."""

    its_mean: np.ndarray
    its_covariance: np.ndarray

    def mean(self):
        return self.its_mean

    def covariance(self):
        return self.its_covariance


def measured(samples, held_out=HELD_OUT, **changes):
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), **changes)
    return Moments().measure(found)


def test_a_copy_of_the_held_out_rows_has_no_error_and_ratio_one():
    found = measured(HELD_OUT.copy())
    assert found["mean_error"].values == pytest.approx([0.0], abs=1e-20)
    assert found["variance_ratio"].values == pytest.approx([1.0])
    assert found["log_variance"].values == pytest.approx([0.0], abs=1e-12)
    assert found["correlation_error"].values == pytest.approx([0.0], abs=1e-12)
    assert found["mean"].values == pytest.approx([HELD_OUT.mean()])
    assert found["variance"].values == pytest.approx([HELD_OUT[0].var(axis=0, ddof=1).mean()])


def test_scaling_all_rows_scales_the_variance_by_the_square():
    found = measured(HELD_OUT * np.array([0.1, 0.5, 3.0])[:, None, None])
    assert found["variance_ratio"].values == pytest.approx([0.01, 0.25, 9.0])
    assert found["log_variance"].values == pytest.approx(2 * np.log([0.1, 0.5, 3.0]))
    assert found["correlation_error"].values == pytest.approx(np.zeros(3), abs=1e-12)


def test_a_shift_is_the_mean_error_averaged_over_the_dimensions():
    found = measured(HELD_OUT + np.array([3.0, 1.0]))
    assert found["mean_error"].values == pytest.approx([5.0])
    assert found["mean"].values == pytest.approx([HELD_OUT.mean() + 2.0])


def test_a_model_and_a_source_that_know_their_moments_are_asked_instead_of_rows():
    truth = Known(np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.5, 1.0]]]))
    model = Known(np.full((3, 2), 0.5), np.array([np.eye(2), 2 * np.eye(2), np.diag([4.0, 1.0])]))
    found = measured(np.full((3, 500, 2), np.nan), model=model, source=truth)
    assert found["mean_error"].values == pytest.approx([0.25, 0.25, 0.25])
    assert found["variance_ratio"].values == pytest.approx([1.0, 2.0, 2.5])
    assert found["log_variance"].values == pytest.approx(0.5 * np.log(np.array([1.0, 4.0, 4.0]) / 0.75))
    assert found["correlation_error"].values == pytest.approx([0.5, 0.5, 0.5])


def test_one_dimension_has_no_correlations_and_says_so():
    found = measured(HELD_OUT[:, :, :1], HELD_OUT[:, :, :1])
    assert np.isnan(found["correlation_error"].values).all()
    assert found["correlation_error"].reason == "one dimension has no correlations"
    assert found["log_variance"].values == pytest.approx([0.0], abs=1e-12)


def test_a_point_has_variance_zero_but_no_log_variance():
    found = measured(np.full((1, 500, 2), 1 / 3))
    assert found["variance_ratio"].values == [0.0]
    assert np.isnan(found["log_variance"].values).all()
    assert "singular" in found["log_variance"].reason
    assert np.isnan(found["correlation_error"].values).all()


def test_rows_on_a_line_have_no_log_variance_in_any_units():
    line = HELD_OUT[:, :, :1] * np.array([1.0, 1e-9])
    assert np.isnan(measured(line)["log_variance"].values).all()


def test_a_chain_that_has_collapsed_by_twenty_orders_still_has_its_log_variance():
    found = measured(HELD_OUT * 1e-20)
    assert found["log_variance"].values == pytest.approx([2 * np.log(1e-20)])
    assert found["correlation_error"].values == pytest.approx([0.0], abs=1e-9)


def test_a_chain_that_has_collapsed_far_from_zero_keeps_its_digits():
    found = measured(HELD_OUT * 2.0**-30 + 1024.0)
    assert found["variance_ratio"].values == pytest.approx([2.0**-60], rel=1e-3)


def test_a_chain_with_nan_is_undefined_and_the_others_are_not():
    samples = np.repeat(HELD_OUT, 2, axis=0)
    samples[1, 7, 0] = np.nan
    for name, measurement in measured(samples).items():
        assert np.isfinite(measurement.values[0]), name
        assert np.isnan(measurement.values[1]), name
        assert "not finite" in measurement.reason


def test_a_pixel_that_is_constant_in_the_real_rows_is_left_out_of_the_correlations():
    real = np.concatenate([HELD_OUT, np.ones((1, 500, 1))], axis=2)
    found = measured(real.copy(), real)
    assert found["correlation_error"].values == pytest.approx([0.0], abs=1e-12)
    assert np.isnan(found["log_variance"].values).all()


def test_real_rows_that_do_not_vary_leave_the_ratio_undefined():
    found = measured(HELD_OUT, np.ones_like(HELD_OUT))
    assert np.isnan(found["variance_ratio"].values).all()
    assert found["variance_ratio"].reason == "the real rows do not vary"


def test_symbols_have_no_moments():
    found = Moments().measure(evidence("symbols"))
    assert set(found) == set(Moments.measures)
    assert all(np.isnan(measurement.values).all() for measurement in found.values())
