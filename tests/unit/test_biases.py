from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.curators.best_of import BestOf
from dwindle.curators.central_mass import CentralMass
from dwindle.curators.quota import Quota
from dwindle.data.biases import biases
from dwindle.data.tails import tails, unusual

CHAINS, COUNT = 24, 1500
GENERATOR = np.random.default_rng(7)
NORMAL = Rows(GENERATOR.standard_normal((CHAINS, COUNT, 1)))
ANCHOR = Rows(GENERATOR.standard_normal((CHAINS, COUNT, 1)))
ANCHOR_ONE = Rows(ANCHOR.values[:1])


def curated(curator, rows=NORMAL, anchor=ANCHOR):
    verdict = curator.curate(rows, anchor=anchor, seed=Seed(3))
    weights = rows.filled_weights() if verdict.weights is None else verdict.weights
    return Rows(rows.values, np.where(verdict.kept, weights, 0.0), labels=rows.labels)


def z_score(values, expected):
    return (values.mean() - expected) / (values.std(ddof=1) / math.sqrt(len(values)))


def measured(name, before, after, **known):
    values, reason = biases(before, after, **({"anchor": before} | known))[name]
    assert bool(reason) == bool(np.isnan(values).any())
    return values


@pytest.mark.parametrize(("mass", "factor"), [(0.95, 0.7588), (0.9, 0.6230), (0.8, 0.4377)])
def test_trimming_leaves_the_variance_of_the_truncated_normal_law(mass, factor):
    values = measured("variance_factor", NORMAL, curated(CentralMass(mass)), anchor=ANCHOR)
    assert abs(z_score(values, factor)) < 4
    assert values.std() < 0.05


def test_the_best_of_two_leaves_the_variance_of_a_maximum():
    values = measured("variance_factor", NORMAL, curated(BestOf(2)), anchor=ANCHOR)
    assert abs(z_score(values, 1 - 1 / math.pi)) < 4


def test_trimming_removes_the_part_of_the_tail_that_lies_beyond_it():
    values = measured("tail_removed", NORMAL, curated(CentralMass(0.95)), anchor=ANCHOR)
    assert abs(z_score(values, 1 - 0.05 / 0.95 / 0.1)) < 4
    assert (measured("tail_removed", NORMAL, curated(CentralMass(0.8)), anchor=ANCHOR) == 1).all()


def test_dropping_at_random_is_no_bias():
    weights = (GENERATOR.random((CHAINS, COUNT)) < 0.3) * 1.0
    found = biases(NORMAL, Rows(NORMAL.values, weights), anchor=ANCHOR)
    assert abs(z_score(found["variance_factor"][0], 1.0)) < 4
    assert abs(z_score(found["tail_removed"][0], 0.0)) < 4
    assert found["effective_rows"][0] == pytest.approx(np.ones(CHAINS))


def test_dropping_few_symbols_at_random_keeps_their_heterozygosity_on_average():
    values = GENERATOR.integers(0, 3, size=(800, 12))
    found = measured("variance_factor", Rows(values), Rows(values[:, :4]))
    assert abs(z_score(found, 1.0)) < 4


def test_effective_rows_are_those_of_kish():
    rows = Rows(np.arange(4.0).reshape(1, 4, 1), np.array([[1.0, 1.0, 2.0, 0.0]]))
    assert measured("effective_rows", rows, rows) == pytest.approx([16 / 6 / 3])


def test_weights_count_as_so_many_rows_and_weight_zero_as_none():
    once = Rows(np.array([[[0.0], [4.0], [9.0]]]), np.array([[1.0, 3.0, 0.0]]))
    shown = Rows(np.array([[[0.0], [4.0]]]))
    # Weighted: mean 3, sum w d^2 = 3, over 1 - (1 + 9) / 16; the two rows alone have 8.
    assert measured("variance_factor", shown, once) == pytest.approx([3.0 / (1 - 10 / 16) / 8.0])


def test_a_quota_shifts_the_groups_by_what_it_repairs():
    anchor = Rows(np.zeros((1, 10, 1)), labels=np.array([[0] * 5 + [1] * 5]))
    rows = Rows(np.arange(10.0).reshape(1, 10, 1), labels=np.array([[0] * 8 + [1] * 2]))
    assert measured("group_shift", rows, curated(Quota(), rows, anchor), anchor=anchor) == pytest.approx([0.3])
    assert measured("effective_rows", rows, curated(Quota(), rows, anchor)) == pytest.approx(
        [100 / (3.125 + 12.5) / 10]
    )


def test_the_shift_is_that_of_groups_that_are_given_or_of_the_labels_of_pairs():
    pairs = Rows(np.array([[[0.3, 0.0], [0.4, 1.0], [0.1, 1.0], [0.7, 1.0]]]))
    left = Rows(pairs.values[:, :2])
    assert measured("group_shift", pairs, left) == pytest.approx([0.25])
    groups = np.array([[0, 1, -1, -1]])
    assert measured("group_shift", pairs, left, groups_before=groups, groups_after=groups[:, :2]) == pytest.approx(
        [0.5]
    )
    assert biases(NORMAL, NORMAL, anchor=ANCHOR)["group_shift"][1] == "the rows have no groups"


def test_the_tail_of_symbols_is_the_rarest_tenth_and_what_the_anchor_does_not_have():
    anchor = Rows(np.repeat([0, 1, 2, 3], [60, 30, 6, 4])[None])
    rows = Rows(np.array([[0, 1, 2, 3, 4, 0, 1, 0]]))
    assert tails([rows], anchor)[0].tolist() == [[False, False, True, True, True, False, False, False]]
    left = Rows(rows.values, np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]))
    assert measured("tail_removed", rows, left, anchor=anchor) == pytest.approx([1 - 0.25 / 0.375])
    even = Rows(np.array([[0, 1]]))
    assert biases(even, even, anchor=even)["tail_removed"][1] == "no row that was shown lay in the anchor's tail"


def test_sequences_are_judged_by_their_tokens():
    common, rare = np.zeros((1, 90, 4), dtype=int), np.array([[[0, 0, 0, 1]] * 10])
    rows = Rows(np.concatenate([common, rare], axis=1))
    assert tails([rows], rows)[0].sum() == 10
    assert measured("tail_removed", rows, Rows(rows.values[:, :91])) == pytest.approx([1 - 10 / 91])
    half = Rows(np.array([[[0, 1], [0, 1], [0, 0], [0, 0]]]))
    unbiased = 2 * 0.25 * 0.75 / (1 - 1 / 8)
    assert measured("variance_factor", half, Rows(half.values[:, :2])) == pytest.approx([0.5 / (1 - 1 / 4) / unbiased])


@pytest.mark.parametrize("columns", [2, 20, 784])
def test_about_a_tenth_of_other_rows_of_the_anchors_law_lies_in_its_tail(columns):
    anchor, rows = (Rows(GENERATOR.standard_normal((2, 600, columns))) for _ in range(2))
    shares = tails([rows], anchor)[0].mean(axis=1)
    assert ((shares > 0.05) & (shares < 0.2)).all()
    assert tails([anchor], anchor)[0].sum(axis=1).tolist() == [60, 60]
    assert tails([Rows(rows.values + 9.0)], anchor)[0].all()


def test_units_of_columns_do_not_matter_to_the_tail_nor_to_scaled_variances():
    values = GENERATOR.standard_normal((2, 200, 3))
    left, units = values[:, :70], np.array([1e-9, 1.0, 1e9])
    plain = biases(Rows(values), Rows(left), anchor=Rows(values), scaled=True)
    other = biases(Rows(values * units), Rows(left * units), anchor=Rows(values * units), scaled=True)
    for name in ("variance_factor", "tail_removed"):
        assert other[name][0] == pytest.approx(plain[name][0])


def test_chains_are_judged_alone_and_padding_is_no_row():
    short = Rows(NORMAL.values[:2], np.where(np.arange(COUNT) < [[COUNT], [400]], 1.0, 0.0))
    anchor = Rows(ANCHOR.values[:2], np.where(np.arange(COUNT) < [[COUNT], [300]], 1.0, 0.0))
    found = biases(short, Rows(NORMAL.values[:2, :200]), anchor=anchor)
    alone = biases(short.chain(1), Rows(NORMAL.values[1:2, :200]), anchor=anchor.chain(1))
    for name in ("variance_factor", "tail_removed", "effective_rows"):
        assert found[name][0][1] == pytest.approx(alone[name][0][0])


def test_what_cannot_be_told_is_nan_with_a_reason():
    one = Rows(NORMAL.values[:1], (np.arange(COUNT) < 1)[None] * 1.0)
    for values, reason in biases(Rows(NORMAL.values[:1]), one, anchor=one).values():
        assert np.isnan(values).all()
        assert "fewer than two rows were shown or left" in reason
    still = Rows(np.ones((1, 5, 2)))
    assert biases(still, still, anchor=still)["variance_factor"][1] == "the rows that were shown did not vary"


def test_rows_that_are_not_finite_count_in_the_weights_alone():
    broken = NORMAL.values[:1].copy()
    broken[0, :3, 0] = np.nan, np.inf, 1e200
    found = biases(Rows(broken), Rows(NORMAL.values[:1, 3:]), anchor=ANCHOR_ONE)
    assert found["variance_factor"][0] == pytest.approx([1.0])
    assert found["tail_removed"][0] == pytest.approx([0.0])
    assert np.isneginf(unusual([Rows(broken)], ANCHOR_ONE)[0][0, :3]).all()


def test_symbols_of_any_size_need_no_table_of_all_of_them():
    small = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3]])
    small = np.repeat(small, 2, axis=1)
    found, large = (biases(Rows(v), Rows(v[:, ::3]), anchor=Rows(v)) for v in (small, small * 2**60))
    for name in ("variance_factor", "tail_removed", "effective_rows"):
        assert large[name][0] == pytest.approx(found[name][0])
        assert np.isfinite(found[name][0]).all()
