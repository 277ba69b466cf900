from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Seed
from dwindle.families.linear_regression import LinearRegression
from dwindle.metrics.parameter_error import ParameterError
from dwindle.sources.linear import Linear


@dataclass(frozen=True, eq=False)
class Known:
    """A model that knows its coefficients."""

    slopes: np.ndarray

    def coefficients(self):
        return self.slopes


def measured(**changes):
    return ParameterError().measure(replace(evidence("pairs"), **changes))["parameter_error"]


def test_it_is_the_squared_distance_of_the_coefficients():
    found = measured(model=Known(np.array([[1.0, 1.0], [4.0, 5.0], [1.0, 0.0]])))
    assert found.values.tolist() == [0.0, 25.0, 1.0]
    assert found.reason == ""


def test_of_least_squares_it_is_the_excess_squared_error_of_new_rows():
    source, seed = Linear(dimensions=3, noise=0.5), Seed(5, ("parameter-error",))
    model = LinearRegression().fit(source.draw(8, first=0, chains=3, seed=seed).anonymous(), seed=seed)
    fresh = source.draw(200_000, first=100, chains=1, seed=seed).values[0]
    risks = ((fresh[:, -1] - model.coefficients() @ fresh[:, :-1].T) ** 2).mean(axis=1)
    np.testing.assert_allclose(measured(model=model, source=source).values, risks - 0.25, atol=0.01)


def test_a_chain_whose_coefficients_are_not_finite_is_undefined_alone():
    found = measured(model=Known(np.array([[1.0, np.inf], [1.0, 1.0], [1e300, 0.0]])))
    assert np.isnan(found.values).tolist() == [True, False, True]
    assert "not finite" in found.reason


@pytest.mark.parametrize(("part", "reason"), [("model", "model does not know"), ("source", "true coefficients")])
def test_without_coefficients_on_both_sides_it_is_undefined(part, reason):
    found = measured(**{part: object()})
    assert np.isnan(found.values).all()
    assert reason in found.reason
