from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.families.categorical import CategoricalModel
from dwindle.families.gaussian import GaussianModel
from dwindle.families.linear_regression import LinearRegressionModel
from dwindle.families.logistic_regression import LogisticRegressionModel
from dwindle.metrics.risk import Risk
from dwindle.sources.linear import Linear


def measured(kind, **changes):
    return Risk().measure(replace(evidence(kind), **changes))["risk"]


def test_of_a_gaussian_it_is_the_entropy_plus_half_the_squared_distance():
    generator = np.random.default_rng(5)
    held_out = Rows(generator.standard_normal((1, 100_000, 2)))
    model = GaussianModel(np.array([[0.0, 0.0], [3.0, 4.0]]), np.stack([np.eye(2)] * 2))
    entropy = 1 + np.log(2 * np.pi)
    assert measured("vectors", model=model, held_out=held_out).values == pytest.approx(
        [entropy, entropy + 12.5], abs=0.06
    )


def test_a_symbol_that_was_lost_costs_its_chain_the_number():
    model = CategoricalModel(np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]))
    found = measured("symbols", model=model, held_out=Rows(np.array([[0, 1, 2]])))
    assert np.isnan(found.values[0])
    assert found.values[1] == pytest.approx(-np.log([0.25, 0.25, 0.5]).mean())
    assert found.reason == "the model gives a held-out row density 0"


def test_of_pairs_it_is_the_likelihood_of_the_response_given_its_inputs():
    source = Linear(dimensions=2, noise=0.5, held_out=50_000)
    truth = LinearRegressionModel(source.coefficients(), np.array([0.5]))
    found = measured("pairs", model=truth, held_out=source.draw_held_out(seed=Seed(5)))
    assert found.values == pytest.approx([0.5 + np.log(0.5 * np.sqrt(2 * np.pi))], abs=0.015)


def test_a_model_without_an_opinion_on_labels_has_a_risk_of_log_2():
    assert measured("pairs", model=LogisticRegressionModel(np.zeros((3, 2)))).values == pytest.approx([np.log(2)] * 3)


def test_densities_that_are_nan_are_undefined_in_their_chain():
    model = GaussianModel(np.array([[np.nan, 0.0], [0.0, 0.0]]), np.stack([np.eye(2)] * 2))
    found = measured("vectors", model=model)
    assert np.isnan(found.values).tolist() == [True, False]
    assert "not finite" in found.reason


@pytest.mark.parametrize("kind", ["vectors", "symbols", "pairs", "sequences"])
def test_a_model_without_a_density_has_no_risk(kind):
    found = measured(kind, model=object())
    assert np.isnan(found.values).all()
    assert found.reason == "the model does not know its density"
    assert np.isfinite(measured(kind).values).all()
