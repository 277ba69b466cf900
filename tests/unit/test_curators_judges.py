"""Curators that know more than the rows show: the verifier the truth, the detector the origin, the quota the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from dwindle.contracts import FRESH, Informed, Provenance, Rows, Seed
from dwindle.curators.detector import Detector
from dwindle.curators.quota import Quota
from dwindle.curators.verifier import Verifier
from dwindle.sources.census import Census
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.iris import Iris

SEED = Seed(4, ("judges",))


@dataclass(frozen=True)
class Positive:
    """A source of pairs whose label is right if it says whether the input is positive."""

    def is_right(self, rows):
        return (rows.values[..., 0] > 0) == (rows.values[..., -1] == 1)


def curate(curator, rows, anchor=None):
    return curator.curate(rows, anchor=rows if anchor is None else anchor, seed=SEED)


def pairs(chains=20, count=2000, wrong=0.4):
    """Return pairs of which so many are wrong, and which are right."""
    draws = SEED.at("pairs").numpy()
    inputs, right = draws.standard_normal((chains, count)), draws.random((chains, count)) >= wrong
    return Rows(np.dstack([inputs, (inputs > 0) == right])), right


def within(found, rate, count):
    """Say whether a frequency among so many trials agrees with a rate."""
    return abs(found - rate) < 4 * np.sqrt(rate * (1 - rate) / count)


def test_the_verifier_keeps_right_and_wrong_rows_at_its_rates():
    rows, right = pairs()
    curated = curate(Verifier(keep_right=0.8, keep_wrong=0.25).given(Positive()), rows)
    assert within(curated.kept[right].mean(), 0.8, right.sum())
    assert within(curated.kept[~right].mean(), 0.25, (~right).sum())
    assert curated.dropped["right, rejected"] == (right & ~curated.kept).sum()
    assert curated.dropped["wrong, rejected"] == (~right & ~curated.kept).sum()


def test_the_oracle_keeps_the_right_rows_and_no_others():
    rows, right = pairs()
    assert (curate(Verifier(keep_right=1.0, keep_wrong=0.0).given(Positive()), rows).kept == right).all()


def test_the_verifier_refuses_a_source_that_does_not_know_and_does_not_guess_without_one():
    with pytest.raises(ValueError, match=r"tell right rows from wrong ones; object cannot"):
        Verifier().given(object())
    with pytest.raises(ValueError, match=r"given no source"):
        curate(Verifier(), pairs()[0])


def test_the_source_is_no_setting_of_the_verifier():
    verifier = Verifier(keep_right=0.7)
    knowing = verifier.given(Positive())
    assert isinstance(verifier, Informed)
    assert knowing == verifier
    assert repr(knowing) == repr(verifier) == "Verifier(keep_right=0.7, keep_wrong=0.3)"
    assert verifier.source is None


def new_rows(synthetic=600, fresh=400, chains=30):
    """Return synthetic rows of generation 3 with fresh real rows behind them, and which are synthetic."""
    parts = ((3, synthetic), (FRESH, fresh))
    joined = Rows.join([Rows(np.zeros((chains, n, 1)), None, Provenance.of(o, chains, n)) for o, n in parts])
    return joined, joined.provenance.origin == 3


def test_the_detector_drops_synthetic_and_real_rows_at_its_rates():
    rows, synthetic = new_rows()
    curated = curate(Detector(true_positive_rate=0.7, false_positive_rate=0.2), rows)
    assert within(1 - curated.kept[synthetic].mean(), 0.7, synthetic.sum())
    assert within(1 - curated.kept[~synthetic].mean(), 0.2, (~synthetic).sum())
    assert curated.dropped["synthetic, detected"] == (synthetic & ~curated.kept).sum()
    assert curated.dropped["real, taken for synthetic"] == (~synthetic & ~curated.kept).sum()


def test_the_detector_is_shown_all_new_rows_and_a_perfect_one_leaves_the_real_ones():
    rows, synthetic = new_rows()
    assert Detector.judges == "new"
    assert (curate(Detector(true_positive_rate=1.0, false_positive_rate=0.0), rows).kept == ~synthetic).all()


@pytest.mark.parametrize(("marked", "producers"), [(0.5, 4), (0.25, 8), (0.3, 10), (2 / 3, 3), (0.0, 5), (1.0, 5)])
def test_rows_are_marked_in_turn_so_that_a_producer_marks_all_its_rows_or_none(marked, producers):
    pattern = Detector(marked=marked).marks(np.arange(1000 * producers)).reshape(-1, producers)
    assert (pattern == pattern[0]).all()
    assert pattern[0].sum() == round(marked * producers)


def test_a_synthetic_row_without_a_mark_goes_as_a_real_one_does():
    rows, synthetic = new_rows()
    detector = Detector(true_positive_rate=0.9, false_positive_rate=0.2, marked=0.5)
    curated, marked = curate(detector, rows), synthetic & detector.marks(rows.provenance.row)
    assert within(1 - curated.kept[marked].mean(), 0.9, marked.sum())
    assert within(1 - curated.kept[~marked].mean(), 0.2, (~marked).sum())
    assert curated.dropped["synthetic, detected"] == (marked & ~curated.kept).sum()
    assert curated.dropped["synthetic, unmarked"] == (synthetic & ~marked & ~curated.kept).sum()


def test_the_detector_needs_provenance():
    with pytest.raises(ValueError, match=r"do not say"):
        curate(Detector(), Rows(np.zeros((1, 3, 1))))


def shares(rows, weights, symbols):
    """Return the share of each symbol in the weight of its chain, (c, K)."""
    total = np.stack([np.bincount(v, w, symbols) for v, w in zip(rows.values, weights, strict=True)])
    return total / total.sum(axis=1, keepdims=True)


def test_the_quota_gives_every_symbol_the_share_that_the_chains_anchor_gives_it():
    draws = SEED.at("symbols").numpy()
    rows, anchor = (Rows((5 * draws.random((4, 200)) ** power).astype(int)) for power in (3.0, 1.0))
    curated = curate(Quota(), rows, anchor)
    np.testing.assert_allclose(shares(rows, curated.weights, 5), shares(anchor, anchor.filled_weights(), 5))
    np.testing.assert_allclose(curated.weights.sum(axis=1), 200)
    assert curated.kept.all()


def test_the_quota_counts_labels_of_pairs():
    rows = Rows(np.array([[[9.0, 0], [8.0, 0], [7.0, 0], [6.0, 1]]]))
    anchor = Rows(np.array([[[1.0, 0], [2.0, 1]]]))
    np.testing.assert_allclose(curate(Quota(), rows, anchor).weights, [[2 / 3, 2 / 3, 2 / 3, 2.0]])


def test_the_quota_counts_labels_of_vectors():
    vectors, anchor = np.zeros((1, 4, 2)), Rows(np.ones((1, 3, 2)), labels=np.array([[0, 1, 1]]))
    curated = curate(Quota(), Rows(vectors, labels=np.array([[0, 0, 1, -1]])), anchor)
    np.testing.assert_allclose(curated.weights, [[2 / 3, 2 / 3, 8 / 3, 0.0]])


def test_the_quota_gives_the_groups_of_a_table_their_shares_and_touches_nothing_inside_them():
    source = Census(minority=0.3)
    anchor = source.draw(500, first=0, chains=3, seed=SEED)
    rows = Census(minority=0.05).draw(400, first=0, chains=3, seed=SEED)
    curated, groups = curate(Quota().given(source), rows, anchor), source.groups(rows)
    found = (curated.weights * groups).sum(axis=1) / curated.weights.sum(axis=1)
    np.testing.assert_allclose(found, source.groups(anchor).mean(axis=1))
    for chain in range(3):
        assert len(np.unique(curated.weights[chain])) == 2


def test_a_quota_of_rows_without_groups_or_labels_is_refused():
    with pytest.raises(ValueError, match=r"Iris has no column of groups"):
        Quota().given(Iris())
    assert "carry none" in Quota().refuses(SimpleNamespace(source=Gaussian()))
    assert Quota().refuses(SimpleNamespace(source=Census())) == ""
    assert Quota().refuses(SimpleNamespace(source=Digits(labels=True))) == ""


def test_a_stratum_that_is_lost_stays_lost_and_one_that_never_was_goes():
    curated = curate(Quota(), Rows(np.array([[0, 0, 1, 7]])), Rows(np.array([[0, 1, 1, 2]])))
    assert curated.kept.tolist() == [[True, True, True, False]]
    np.testing.assert_allclose(curated.weights, [[0.5, 0.5, 2.0, 0.0]])
    assert dict(curated.dropped) == {"a stratum that the anchor does not have": 1}
    assert curated.weights.sum() == pytest.approx(4 * 0.75)


def test_the_quota_honours_weights_on_both_sides():
    rows = Rows(np.array([[0, 0, 1, 99]]), np.array([[1.0, 2.0, 1.0, 0.0]]))
    anchor = Rows(np.array([[0, 1, 5]]), np.array([[1.0, 3.0, 0.0]]))
    curated = curate(Quota(), rows, anchor)
    np.testing.assert_allclose(curated.weights, [[1 / 3, 2 / 3, 3.0, 0.0]])
    assert dict(curated.dropped) == {"a stratum that the anchor does not have": 0}


def test_the_quota_of_many_symbols_in_many_chains_needs_no_table_of_them():
    draws = SEED.at("many").numpy()
    rows = Rows(draws.integers(0, 2**60, (50, 400)))
    curated = curate(Quota(), rows, Rows(rows.values[:, ::-1]))
    np.testing.assert_allclose(curated.weights, 1.0)
