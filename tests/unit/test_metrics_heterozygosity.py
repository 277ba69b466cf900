from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.heterozygosity import Heterozygosity


@dataclass(frozen=True, eq=False)
class Alphabet:
    """A model that knows its probabilities."""

    shares: np.ndarray

    def probabilities(self):
        return self.shares


def measured(samples, **changes):
    return Heterozygosity().measure(replace(evidence("symbols"), samples=Rows(samples), **changes))


def test_an_even_alphabet_has_the_closed_forms():
    found = measured(np.tile(np.arange(8), (2, 5)))
    assert found["heterozygosity"].values == pytest.approx([7 / 8, 7 / 8])
    assert found["support"].values.tolist() == [8, 8]
    assert found["entropy"].values == pytest.approx([np.log(8), np.log(8)])


def test_one_symbol_left_is_zero_and_defined():
    found = measured(np.full((1, 20), 3))
    assert [found[name].values[0] for name in ("heterozygosity", "support", "entropy")] == [0.0, 1.0, 0.0]
    assert all(measurement.reason == "" for measurement in found.values())


def test_two_draws_differ_as_often_as_it_says():
    generator = np.random.default_rng(5)
    symbols = generator.choice(4, p=[0.5, 0.3, 0.15, 0.05], size=(1, 200_000))
    pairs = symbols.reshape(-1, 2)
    differ = (pairs[:, 0] != pairs[:, 1]).mean()
    assert measured(symbols)["heterozygosity"].values == pytest.approx([differ], abs=0.005)


def test_a_model_that_knows_its_probabilities_is_asked_instead_of_its_samples():
    model = Alphabet(np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]))
    found = measured(np.zeros((2, 20), dtype=np.int64), model=model)
    assert found["heterozygosity"].values == pytest.approx([0.5, 0.62])
    assert found["support"].values.tolist() == [2, 3]
    assert found["entropy"].values == pytest.approx([np.log(2), -(np.array([0.2, 0.3, 0.5]) @ np.log([0.2, 0.3, 0.5]))])


def test_probabilities_that_are_nan_are_undefined_in_their_chain():
    found = measured(np.zeros((2, 20), dtype=np.int64), model=Alphabet(np.array([[np.nan, 0.5], [0.5, 0.5]])))
    assert np.isnan(found["entropy"].values).tolist() == [True, False]
    assert found["entropy"].reason


def test_vectors_have_no_symbols():
    found = Heterozygosity().measure(evidence("vectors"))
    assert all(np.isnan(measurement.values).all() and measurement.reason for measurement in found.values())
