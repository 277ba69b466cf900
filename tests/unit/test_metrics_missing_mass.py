from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.missing_mass import MissingMass
from dwindle.sources.categorical import Categorical

SOURCE = Categorical(shares=(0.6, 0.3, 0.0, 0.1))


@dataclass(frozen=True, eq=False)
class Alphabet:
    """A model that knows its probabilities."""

    shares: np.ndarray

    def probabilities(self):
        return self.shares


def measured(shares, **changes):
    samples = Rows(np.zeros((len(shares), 20), dtype=np.int64))
    parts = {"samples": samples, "model": Alphabet(np.array(shares)), "source": SOURCE} | changes
    found = MissingMass().measure(replace(evidence("symbols"), **parts))
    return found["missing_mass"], found["absent"]


def test_what_the_model_cannot_draw_is_missing_by_its_real_probability():
    mass, absent = measured([[0.5, 0.3, 0.0, 0.2], [1.0, 0.0, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]])
    assert mass.values == pytest.approx([0.0, 0.4, 0.1])
    assert absent.values == pytest.approx([0.0, 2 / 3, 1 / 3])
    assert mass.reason == absent.reason == ""


def test_a_symbol_that_is_not_real_is_no_loss_and_no_gain():
    mass, absent = measured([[0.0, 0.0, 0.5, 0.5]])
    assert (mass.values[0], absent.values[0]) == pytest.approx((0.9, 2 / 3))


def test_model_and_source_may_know_alphabets_of_different_size():
    mass, absent = measured([[0.5, 0.3, 0.0, 0.1, 0.1]])
    assert (mass.values[0], absent.values[0]) == (0.0, 0.0)
    mass, absent = measured([[0.5, 0.5]])
    assert (mass.values[0], absent.values[0]) == pytest.approx((0.1, 1 / 3))


def test_a_model_that_does_not_know_its_probabilities_is_judged_by_its_samples():
    mass, absent = measured([[1.0]], model=object(), samples=Rows(np.array([[0, 0, 3], [0, 1, 7]])))
    assert mass.values == pytest.approx([0.3, 0.1])
    assert absent.values == pytest.approx([1 / 3, 1 / 3])


def test_a_source_that_does_not_know_its_probabilities_is_judged_by_the_held_out_rows():
    held_out = Rows(np.array([[0, 0, 1, 5]]))
    mass, absent = measured([[0.5, 0.0, 0.5]], source=object(), held_out=held_out)
    assert (mass.values[0], absent.values[0]) == pytest.approx((0.5, 2 / 3))


def test_probabilities_that_are_nan_are_undefined_in_their_chain():
    mass, absent = measured([[np.nan, 0.5, 0.0, 0.5], [0.5, 0.2, 0.0, 0.3]])
    assert np.isnan(mass.values).tolist() == np.isnan(absent.values).tolist() == [True, False]
    assert mass.reason
    assert absent.reason


def test_no_samples_are_undefined_where_the_model_knows_nothing():
    mass, absent = measured([[1.0]], model=object(), samples=Rows(np.zeros((2, 0), dtype=np.int64)))
    assert np.isnan(mass.values).all()
    assert mass.reason == absent.reason == "there are no samples"


@pytest.mark.parametrize("shares", [(), (0.0, 0.0), (1.0, -0.5), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_shares_that_are_no_law_are_refused(shares):
    with pytest.raises(ValueError, match=r"shares must be numbers >= 0"):
        Categorical(shares=shares)


def test_shares_need_not_sum_to_one():
    np.testing.assert_allclose(Categorical(shares=(98, 2)).probabilities(), [[0.98, 0.02]])
    np.testing.assert_allclose(Categorical(shares=(1e307, 3e307)).probabilities(), [[0.25, 0.75]])
    assert Categorical(shares=(98, 2)).symbols == 2
