from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Seed
from dwindle.metrics.accuracy import Accuracy
from dwindle.sources.logistic import Logistic

SOURCE = Logistic(dimensions=2, held_out=20_000)


@dataclass(frozen=True, eq=False)
class Known:
    """A model that knows its coefficients."""

    slopes: np.ndarray

    def coefficients(self):
        return self.slopes


def measured(slopes, **changes):
    parts = {"source": SOURCE, "held_out": SOURCE.draw_held_out(seed=Seed(5)), "model": Known(np.array(slopes))}
    return Accuracy().measure(replace(evidence("pairs"), **(parts | changes)))["accuracy"]


def test_the_truth_is_always_right_and_its_opposite_never():
    found = measured([[1.0, 1.0], [0.1, 0.1], [-1.0, -1.0]])
    assert found.values.tolist() == [1.0, 1.0, 0.0]
    assert found.reason == ""


def test_a_tilted_plane_is_wrong_for_the_angle_over_pi():
    angles = np.pi / 4 + np.array([0.1, 0.5, 1.5])
    found = measured(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert found.values == pytest.approx(1 - np.array([0.1, 0.5, 1.5]) / np.pi, abs=0.014)


def test_right_is_what_the_source_says_and_not_the_label_that_was_drawn():
    held_out = SOURCE.draw_held_out(seed=Seed(5))
    assert SOURCE.is_right(held_out).mean() < 0.75
    assert measured([[1.0, 1.0]]).values.tolist() == [1.0]


def test_a_chain_whose_coefficients_are_not_finite_is_undefined_alone():
    found = measured([[1.0, np.nan], [1.0, 1.0]])
    assert np.isnan(found.values).tolist() == [True, False]
    assert "not finite" in found.reason


@pytest.mark.parametrize(("part", "reason"), [("model", "model does not know"), ("source", "true coefficients")])
def test_without_coefficients_on_both_sides_it_is_undefined(part, reason):
    found = measured([[1.0, 1.0]], **{part: object()})
    assert np.isnan(found.values).all()
    assert reason in found.reason
