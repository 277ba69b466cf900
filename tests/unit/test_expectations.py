"""Expectations: which closed form a recipe meets, and how far chains are from it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.contracts import Curve
from dwindle.expectations import expected, z_scores
from tests.unit.made_sweep import made_sweep


def test_a_recipe_meets_the_closed_form_of_its_regime(tmp_path):
    plan = made_sweep(tmp_path, {}, family="gaussian")
    replaced = expected(plan.recipe("replace"), 4)
    np.testing.assert_allclose(replaced["variance"].mean, (1 - 1 / 50) ** np.arange(1, 6))
    accumulated = expected(plan.recipe("accumulate"), 4)
    np.testing.assert_allclose(accumulated["variance"].mean, np.cumprod(1 - 1 / (50 * np.arange(1.0, 6.0) ** 2)))
    assert "Shumailov" in replaced["variance"].source


def test_where_no_closed_form_is_known_nothing_is_expected(tmp_path):
    plan = made_sweep(tmp_path, {}, family="gaussian_mixture")
    assert expected(plan.recipe("replace"), 4) == {}


def test_a_z_score_is_the_distance_in_standard_errors_of_the_chains():
    scores = z_scores(Curve(np.array([1.0, 5.0]), "here"), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    np.testing.assert_allclose(scores, [math.sqrt(3), 0.0])


def test_a_deviation_that_theory_knows_stands_in_for_that_of_the_chains():
    curve = Curve(np.array([1.0]), "here", deviation=np.array([4.0]))
    np.testing.assert_allclose(z_scores(curve, np.array([[1.0, 2.0, 3.0, 2.0]])), [0.5])


def test_chains_without_a_value_are_left_out_of_a_z_score():
    curve = Curve(np.array([1.0]), "here")
    with_gap = z_scores(curve, np.array([[1.0, 2.0, np.nan, 3.0]]))
    np.testing.assert_allclose(with_gap, z_scores(curve, np.array([[1.0, 2.0, 3.0]])))


@pytest.mark.parametrize("chains", [[np.nan, np.nan], [1.0, np.nan], [2.0, 2.0]])
def test_without_a_standard_error_a_z_score_is_undefined(chains):
    assert np.isnan(z_scores(Curve(np.array([1.0]), "here"), np.array([chains]))).all()


def test_theory_may_look_further_ahead_than_chains_have_grown_but_not_the_other_way_round():
    assert z_scores(Curve(np.zeros(5), "here"), np.ones((2, 3))).shape == (2,)
    with pytest.raises(ValueError, match="2 generations were measured, theory speaks of 1"):
        z_scores(Curve(np.zeros(1), "here"), np.ones((2, 3)))


def test_chains_that_follow_the_law_have_z_scores_of_a_standard_normal():
    draws = np.random.default_rng(7).normal(3.0, 2.0, size=(400, 200))
    scores = z_scores(Curve(np.full(400, 3.0), "here"), draws)
    assert abs(scores.mean()) < 4 / math.sqrt(400)
    assert 0.85 < scores.std() < 1.15
