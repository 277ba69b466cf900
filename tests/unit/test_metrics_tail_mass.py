from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.tail_mass import TailMass

GENERATOR = np.random.default_rng(4)
HELD_OUT = GENERATOR.normal(size=(1, 4000, 2)) @ np.array([[1.0, 2.0], [0.0, 0.3]])


@dataclass(frozen=True, eq=False)
class Alphabet:
    """A source that knows its probabilities."""

    shares: np.ndarray

    def probabilities(self):
        return self.shares


def tail(samples, held_out=HELD_OUT, quantile=0.05, **changes):
    kind = "symbols" if samples.ndim == 2 else "vectors"
    found = replace(evidence(kind), samples=Rows(samples), held_out=Rows(held_out), **changes)
    return TailMass(quantile).measure(found)["tail_mass"]


def test_a_copy_of_the_real_rows_has_its_tails():
    assert tail(HELD_OUT.copy()).values == [1.0]


def test_samples_of_the_real_law_have_tails_within_noise():
    samples = GENERATOR.normal(size=(20, 4000, 2)) @ np.array([[1.0, 2.0], [0.0, 0.3]])
    # The share of 200 of 4000 rows has a relative standard error of 7 %, in the threshold and in each chain.
    assert tail(samples).values.mean() == pytest.approx(1.0, abs=0.2)


def test_the_quantile_of_a_normal_tail_is_that_of_its_closed_form():
    # P(|Z| > 1.96 sqrt(2)) = erfc(1.96) = 0.00557: with the variance halved, 11 % of the two 2.5 % tails are left.
    samples = GENERATOR.normal(size=(50, 4000, 2)) * np.sqrt(0.5)
    held_out = GENERATOR.normal(size=(1, 200_000, 2))
    assert tail(samples, held_out).values.mean() == pytest.approx(0.1115, rel=0.1)


def test_a_model_without_tails_has_none_whatever_the_directions_of_the_spread():
    assert tail(HELD_OUT * 0.2).values == [0.0]


def test_a_wider_model_has_more_than_all_of_the_tail():
    assert tail(HELD_OUT * 3).values > 5


def test_a_direction_without_real_variance_is_left_out():
    flat = np.concatenate([HELD_OUT, np.ones((1, 4000, 1))], axis=2)
    assert tail(flat + np.array([0.0, 0.0, 5.0]), flat).values == pytest.approx(1.0)


def test_rows_in_one_place_have_no_tail():
    found = tail(np.ones((2, 30, 2)), np.ones((1, 30, 2)))
    assert np.isnan(found.values).all()
    assert found.reason


def test_the_tail_of_an_alphabet_is_its_rarest_symbols():
    truth = Alphabet(np.array([[0.02, 0.9, 0.03, 0.05, 0.0]]))
    samples = np.array([[1] * 95 + [0] * 2 + [2] * 3, [1] * 100, [1] * 80 + [0] * 20, [1] * 90 + [4] * 10])
    held_out = np.zeros((1, 100), dtype=np.int64)
    assert tail(samples, held_out, source=truth).values == pytest.approx([1.0, 0.0, 4.0, 0.0])


def test_without_a_truth_the_held_out_frequencies_serve():
    held_out = np.array([[0] * 96 + [1] * 3 + [2] * 1])
    samples = np.array([[0] * 98 + [2] * 2])
    assert tail(samples, held_out).values == pytest.approx([0.5])


def test_an_alphabet_without_rare_symbols_has_no_tail():
    found = tail(np.zeros((2, 10), dtype=np.int64), np.array([[0, 1] * 5]))
    assert np.isnan(found.values).all()
    assert found.reason == "the rarest symbol holds more than 0.05 of the real mass"
