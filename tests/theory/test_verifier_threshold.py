"""Feng et al. 2025: a classifier trained on verified rows breaks down at p* = 1 / (1 + psi / phi).

The verifier itself judges the rows; the classifier asks which of the two class means is nearer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.curators.verifier import Verifier
from dwindle.theory import verifier as theory

SEED = Seed(11, ("theory", "verifier"))
CHAINS, COUNT, DIMENSIONS = 40, 20_000, 2


@dataclass(frozen=True)
class Halves:
    """Pairs of a normal input and whether its coordinates sum to more than 0."""

    def label(self, inputs):
        return inputs.sum(axis=2) > 0

    def is_right(self, rows):
        return self.label(rows.values[..., :-1]) == (rows.values[..., -1] > 0.5)


def generated(error, name):
    """Return pairs of a generator that gives a wrong label with probability `error`."""
    draws = SEED.at(name).numpy()
    inputs = draws.standard_normal((CHAINS, COUNT, DIMENSIONS))
    return Rows(np.dstack([inputs, Halves().label(inputs) ^ (draws.random((CHAINS, COUNT)) < error)]))


def accuracies(error, keep_right, keep_wrong):
    """Return the accuracy of each chain's classifier on rows with right labels, (c,)."""
    rows = generated(error, "training")
    judge = Verifier(keep_right=keep_right, keep_wrong=keep_wrong).given(Halves())
    kept = judge.curate(rows, anchor=rows, seed=SEED.at("verdict")).kept
    labels, inputs = rows.values[..., -1] > 0.5, rows.values[..., :-1]
    means = []
    for label in (False, True):
        weights = (kept & (labels == label)).astype(float)[..., None]
        means.append((weights * inputs).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True))
    fresh = generated(0.0, "test")
    slope, middle = means[1] - means[0], (means[1] + means[0]) / 2
    said = ((fresh.values[..., :-1] - middle) * slope).sum(axis=2) > 0
    return (said == (fresh.values[..., -1] > 0.5)).mean(axis=1)


def z(values, expected):
    return (values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values)))


def test_the_accuracy_crosses_one_half_between_74_and_76_hundredths():
    assert theory.breakdown(0.9, 0.3) == pytest.approx(0.75)
    below, above = (accuracies(error, 0.9, 0.3) for error in (0.74, 0.76))
    assert z(below, 0.5) > 4
    assert z(above, 0.5) < -4
    assert below.mean() > 0.8
    assert above.mean() < 0.2


@pytest.mark.parametrize(("keep_right", "keep_wrong"), [(0.5, 0.5), (0.9, 0.1)])
def test_another_verifier_breaks_down_where_the_formula_says(keep_right, keep_wrong):
    edge = float(theory.breakdown(keep_right, keep_wrong))
    assert accuracies(edge - 0.02, keep_right, keep_wrong).mean() > 0.8
    assert accuracies(edge + 0.02, keep_right, keep_wrong).mean() < 0.2


@pytest.mark.parametrize("error", [0.1, 0.5, 0.75, 0.9])
def test_the_share_of_right_rows_behind_the_verifier_is_that_of_bayes(error):
    rows = generated(error, "share")
    kept = Verifier().given(Halves()).curate(rows, anchor=rows, seed=SEED.at("verdict")).kept
    found = (kept & Halves().is_right(rows)).sum(axis=1) / kept.sum(axis=1)
    assert abs(z(found, theory.right_share(error, 0.9, 0.3))) < 4


def test_at_the_breakdown_point_half_of_what_stays_is_right():
    keep_right, keep_wrong = np.array([0.9, 0.5, 0.2]), np.array([0.3, 0.5, 0.7])
    edge = theory.breakdown(keep_right, keep_wrong)
    np.testing.assert_allclose(theory.right_share(edge, keep_right, keep_wrong), 0.5)


def test_the_oracle_never_breaks_down_and_a_share_of_nothing_is_nan():
    assert theory.breakdown(0.9, 0.0) == 1.0
    assert np.isnan(theory.breakdown(0.0, 0.0))
    assert np.isnan(theory.right_share(1.0, 0.9, 0.0))
