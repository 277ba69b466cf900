"""What training rows are made of, as it is measured and as the plans have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import CHAINS, evidence
from dwindle.contracts import FRESH, REAL, Provenance, Rows
from dwindle.curators.top_fraction import TopFraction
from dwindle.expectations import expected
from dwindle.metrics.composition import Composition
from dwindle.regimes import Accumulate, AccumulateSubsample, Mixture, Replace, Web
from tests.theory.grown_chains import recipe


def measured(origins, weights=None):
    """Return what is measured of training rows of these origins, the same in every chain."""
    row = np.tile(np.asarray(origins), (CHAINS, 1))
    provenance = replace(Provenance.of(1, *row.shape), origin=row)
    rows = Rows(np.zeros((*row.shape, 2)), None if weights is None else np.tile(weights, (CHAINS, 1)), provenance)
    found = Composition().measure(replace(evidence("vectors"), training=rows))
    return [found[name].values[0] for name in ("real_share", "effective_real_rows")]


def test_a_quarter_real_of_eight_rows_is_worth_half_a_row():
    assert measured([REAL, FRESH, 1, 2, 2, 2, 2, 2]) == [0.25, 0.5]
    assert measured([REAL] * 8) == [1.0, 8.0]
    assert measured([2] * 8) == [0.0, 0.0]


def test_weights_count_and_a_place_without_a_row_is_neither_real_nor_there():
    assert measured([REAL, 1, 1], [2.0, 1.0, 1.0]) == pytest.approx([0.5, 4 / 6])
    assert measured([REAL, 1, FRESH], [1.0, 1.0, 0.0]) == pytest.approx([0.5, 0.5])


def test_without_training_rows_there_is_no_number_and_a_reason():
    rows = Rows(np.zeros((CHAINS, 0, 2)), None, Provenance.of(1, CHAINS, 0))
    found = Composition().measure(replace(evidence("vectors"), training=rows))
    assert all(np.isnan(one.values).all() and one.reason for one in found.values())


@pytest.mark.parametrize(
    ("regime", "share", "effective"),
    [
        (Replace(), [1, 0, 0], [20, 0, 0]),
        (Accumulate(), [1, 1 / 2, 1 / 3], [20, 10, 20 / 3]),
        (Mixture(0.8), [1, 0.2, 0.2], [20, 0.8, 0.8]),
        (Mixture(0.8, real_weight=0.5), [1, 0.5, 0.5], [20, *2 * [100 / (4 * 2.5**2 + 16 * 0.625**2)]]),
        (Web(synthetic_ratio=0.0, supply=0.5, fill=False), [1, 1, 1], [20, 10, 5]),
        (Web(synthetic_ratio=0.0, supply=0.5, archive_share=0.5), [1, 0.75, 0.6], [20, 11.25, 7.2]),
        (AccumulateSubsample(), [1, 1 / 2, 1 / 3], [20, 5 + 0.25 * 20 / 39, 20 / 9 + 2 / 9 * 40 / 59]),
        (AccumulateSubsample(replacement=True), [1, 1 / 2, 1 / 3], [20, 5.25, 20 / 9 + 2 / 9]),
    ],
    ids=repr,
)
def test_the_plans_of_a_regime_say_what_will_be_measured(regime, share, effective):
    curves = expected(recipe(regime=regime, metrics=(Composition(),)), 2)
    np.testing.assert_allclose(curves["real_share"].mean, share)
    np.testing.assert_allclose(curves["effective_real_rows"].mean, effective)


def test_theory_is_silent_where_nobody_asks_or_a_curator_drops_rows():
    for change in ({}, {"metrics": (Composition(),), "curators": (TopFraction(),)}):
        assert "real_share" not in expected(recipe(**change), 2)
