"""Curators that check rows against the source, give the tail back, or change rows."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import REAL, Rows, Seed
from dwindle.curators.finite_range import FiniteRange
from dwindle.curators.noise import Noise
from dwindle.curators.outliers import Outliers
from dwindle.curators.quota import Quota
from dwindle.curators.schema import Schema
from dwindle.curators.tail_upsampling import TailUpsampling
from dwindle.data.biases import biases
from dwindle.data.tails import tails
from dwindle.sources.census import Census
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.grammar import Grammar
from dwindle.sources.linear import Linear
from dwindle.sources.zipf import Zipf

SEED = Seed(6, ("repairs",))
PIXELS = Digits(space="pixels")


def curate(curator, rows, anchor=None):
    return curator.curate(rows, anchor=rows if anchor is None else anchor, seed=SEED)


def drawn(source, count=200, chains=3, first=0):
    return source.draw(count, first=first, chains=chains, seed=SEED)


def column(*numbers):
    return Rows(np.array([numbers], dtype=float)[..., None])


def test_rows_that_are_not_finite_go_and_numbers_may_lie_anywhere():
    curated = curate(FiniteRange(), column(1.0, np.nan, 1e300, -np.inf), column(0.0, 1.0))
    assert curated.kept.tolist() == [[True, False, True, False]]
    assert curated.dropped == {"not finite": 2}


def test_a_margin_is_in_widths_of_the_range_of_the_chains_own_anchor():
    rows = Rows(np.array([[[-1.0], [-1.1], [5.0], [np.nan]], [[-1.0], [5.0], [9.0], [0.0]]]))
    anchor = Rows(np.array([[[0.0], [2.0], [9.0]], [[0.0], [9.0], [4.0]]]), np.array([[1.0, 1.0, 0.0], [1.0] * 3]))
    curated = curate(FiniteRange(margin=0.5), rows, anchor)
    assert curated.kept.tolist() == [[True, False, False, False], [True] * 4]
    assert curated.dropped == {"not finite": 1, "outside the range of the anchor": 2}
    with pytest.raises(ValueError, match=r"a chain has no finite anchor row"):
        curate(FiniteRange(margin=0.5), rows, Rows(anchor.values, np.array([[0.0] * 3, [1.0] * 3])))


def test_the_schema_of_a_table_keeps_its_own_rows_and_names_the_column_of_others():
    source = Census()
    rows = drawn(source)
    names = [each.name for each in source.columns()]
    assert curate(Schema().given(source), rows).kept.all()
    for place, (name, value) in enumerate([("education", 1.5), ("education", 4.0), ("hours", np.inf), ("age", np.nan)]):
        rows.values[0, place, names.index(name)] = value
    curated = curate(Schema().given(source), rows)
    assert curated.dropped == {"age: not finite": 1, "education: no level": 2, "hours: not finite": 1}
    assert curated.kept.sum() == 596


def test_ranges_and_whole_numbers_are_those_of_the_anchor():
    source = Census()
    anchor, rows = drawn(source), drawn(source, first=200)
    anchor.values[..., 0] = np.floor(anchor.values[..., 0])
    rows.values[..., 0] = np.floor(np.clip(rows.values[..., 0], 30, 40))
    rows.values[0, :2, 0] = 30.5, 1000.0
    assert curate(Schema().given(source), rows, anchor).kept.all()
    dropped = curate(Schema(ranges=True, whole=True).given(source), rows, anchor).dropped
    assert dropped["age: not whole"] == 1
    assert dropped["age: outside the anchor's range"] == 1
    assert "hours: not whole" not in dropped


def test_rules_compare_columns_with_numbers_and_columns():
    source = Census()
    rows = drawn(source)
    rows.values[0, :3, 0], rows.values[..., 2] = (-1.0, 30.0, 30.0), 38.0
    rows.values[0, 1, 2] = 30.0
    curated = curate(Schema(rules=("age>=0", "hours != age")).given(source), rows)
    assert curated.dropped == {"breaks 'age >= 0'": 1, "breaks 'hours != age'": 1}
    assert np.flatnonzero(~curated.kept[0]).tolist() == [0, 1]


@pytest.mark.parametrize("rule", ["age", "age => 0", "0 < age", "age < ", "1 < age < 9", "age = 3", "__import__('os')"])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(ValueError, match=r"cannot be read; expected a column, one of <=, >=, ==, !=, <, >"):
        Schema(rules=(rule,))


def test_rules_about_what_the_rows_do_not_have_are_refused():
    with pytest.raises(ValueError, match=r"no column 'hour'; did you mean hours\?"):
        Schema(rules=("hour <= 99",)).given(Census())
    with pytest.raises(ValueError, match=r"column 'education' holds levels"):
        Schema(rules=("age > education",)).given(Census())
    with pytest.raises(ValueError, match=r"no column 'x7'"):
        Schema(rules=("x7 > 0",)).given(Gaussian())
    with pytest.raises(ValueError, match=r"the rows of Digits are pixels"):
        Schema(rules=("x7 > 0",)).given(PIXELS)
    with pytest.raises(ValueError, match=r"ranges and whole are for tables"):
        Schema(ranges=True).given(Gaussian())


def test_pixels_lie_between_black_and_white():
    rows = drawn(PIXELS, 20, 1)
    rows.values[0, :3, 5] = -0.1, 1.1, np.nan
    assert curate(Schema().given(PIXELS), rows).dropped == {"not finite": 1, "pixels outside 0..1": 2}


@pytest.mark.parametrize("source", [Gaussian(), Zipf(symbols=50), Linear(), Grammar(), Census()])
def test_outliers_are_real_rows_of_the_tail_and_none_comes_twice_before_all_came(source):
    anchor, rows = drawn(source), drawn(source, first=200)
    curated = curate(Outliers(share=0.25, tail=0.1), rows, anchor)
    assert curated.dropped == {"made room for a real outlier": 150}
    added = curated.added
    assert added.counts.tolist() == [50] * 3
    assert (added.provenance.origin == REAL).all()
    for chain in range(3):
        numbers = added.provenance.row[chain]
        assert sorted(np.bincount(numbers, minlength=200).tolist())[-21:] == [0] + [2] * 10 + [3] * 10
        assert len(set(numbers[:20].tolist())) == 20
        np.testing.assert_array_equal(added.values[chain], anchor.values[chain, numbers])
    np.testing.assert_array_equal(added.provenance.source, anchor.provenance.take(added.provenance.row).source)


def test_outliers_make_the_tail_heavier():
    anchor, rows = drawn(Gaussian(), 500), drawn(Gaussian(), 500, first=500)
    curated = curate(Outliers(share=0.1), rows, anchor)
    assert tails([curated.added], anchor)[0].mean() > 0.95
    left = Rows.join([Rows(rows.values, curated.kept * 1.0), Rows(curated.added.values, curated.added.weights)])
    found = biases(rows, left, anchor=anchor)
    assert (found["tail_removed"][0] < -0.5).all()
    assert (found["variance_factor"][0] > 1.1).all()


def test_outliers_honour_chains_of_unequal_length_and_anchors_without_rows():
    anchor, rows = drawn(Gaussian(), 40), drawn(Gaussian(), 40, first=40)
    present = np.arange(40)[None] < np.array([[40], [20], [40]])
    real = np.arange(40)[None] < np.array([[40], [5], [0]])
    anchor = Rows(anchor.values, real * 1.0, anchor.provenance)
    curated = curate(Outliers(share=0.1), Rows(rows.values, present * 1.0), anchor)
    assert (present & ~curated.kept).sum(axis=1).tolist() == curated.added.counts.tolist() == [4, 2, 0]
    assert len(set(curated.added.provenance.row[1, :2].tolist())) == 1  # a tenth of five rows is one row
    assert curate(Outliers(share=0.0), rows, anchor).added is None
    with pytest.raises(ValueError, match=r"this anchor has none"):
        curate(Outliers(), rows, Rows(anchor.values))


def test_tail_upsampling_keeps_the_weight_and_shifts_it_as_it_says():
    anchor, rows = drawn(Gaussian(), 500), drawn(Gaussian(), 500, first=500)
    curated = curate(TailUpsampling(factor=3.0), rows, anchor)
    (there,) = tails([rows], anchor)
    share = there.mean(axis=1)
    np.testing.assert_allclose(curated.weights.sum(axis=1), 500)
    np.testing.assert_allclose((curated.weights * there).sum(axis=1) / 500, 3 * share / (1 + 2 * share))
    assert curated.kept.all()


def test_tail_upsampling_multiplies_the_weights_that_rows_came_with():
    anchor = Rows(np.repeat([0, 1, 2], [60, 31, 9])[None])
    rows = Rows(np.array([[0, 1, 2, 2]]), np.array([[2.0, 1.0, 1.0, 0.0]]))
    assert curate(TailUpsampling(factor=2.0), rows, anchor).weights == pytest.approx(np.array([[1.6, 0.8, 1.6, 0.0]]))


def test_noise_has_the_deviation_that_was_asked_for_in_every_column():
    anchor = Rows(SEED.at("a").numpy().standard_normal((4, 2000, 2)) * [1.0, 50.0] + 9.0)
    rows = Rows(SEED.at("r").numpy().standard_normal((4, 2000, 2)))
    curated = curate(Noise(scale=0.2).given(Gaussian()), rows, anchor)
    found = (curated.values - rows.values).std(axis=1) / anchor.values.std(axis=1)
    assert (np.abs(found - 0.2) < 4 * 0.2 / np.sqrt(2 * 2000)).all()
    assert curated.repaired["noise"].all()


def test_noise_leaves_labels_and_places_without_a_row_alone_and_clips_pixels():
    pairs = drawn(Linear())
    pairs = Rows(pairs.values, np.where(np.arange(200) < 150, 1.0, 0.0) * np.ones((3, 1)))
    curated = curate(Noise(scale=0.5).given(Linear()), pairs)
    np.testing.assert_array_equal(curated.values[..., -1], pairs.values[..., -1])
    np.testing.assert_array_equal(curated.values[:, 150:], pairs.values[:, 150:])
    np.testing.assert_array_equal(curated.repaired["noise"], pairs.weights > 0)
    noisy = curate(Noise(scale=1.0).given(PIXELS), drawn(PIXELS, 30)).values
    assert (noisy.min(), noisy.max()) == (0.0, 1.0)


@pytest.mark.parametrize("source", [Zipf(symbols=20), Grammar()])
def test_noise_on_tokens_replaces_them_at_its_rate_by_the_anchors_law(source):
    anchor = drawn(source, 1000)
    rows = Rows(np.full_like(anchor.values, 999))
    curated = curate(Noise(rate=0.3).given(source), rows, anchor)
    struck = curated.values != 999
    assert abs(struck.mean() - 0.3) < 4 * np.sqrt(0.21 / struck.size)
    np.testing.assert_array_equal(curated.repaired["noise"], struck.reshape(3, 1000, -1).any(axis=2))
    for chain in range(3):
        law = np.bincount(anchor.values[chain].ravel(), minlength=999) / anchor.values[chain].size
        found = np.bincount(curated.values[chain][struck[chain]], minlength=999)
        allowed = np.sqrt(law * (1 - law) * found.sum())
        assert (np.abs(found - found.sum() * law) <= 5 * allowed).all()


def test_noise_on_tables_draws_levels_of_the_same_column():
    source = Census()
    rows = drawn(source, 500)
    curated = curate(Noise(scale=0.0, rate=1.0).given(source), rows)
    for place, each in enumerate(source.columns()):
        own, noisy = rows.values[..., place], curated.values[..., place]
        assert (np.unique(noisy).tolist() == np.unique(own).tolist()) if each.categorical else (own == noisy).all()


def test_curators_that_must_know_the_source_say_so():
    for curator in (Noise(), Schema()):
        with pytest.raises(ValueError, match=r"was given no source"):
            curate(curator, column(1.0, 2.0))


def test_a_quota_of_sequences_gives_every_band_of_rarity_its_share():
    anchor = Rows(np.array([[[0, 0]] * 6 + [[0, 1]] * 3 + [[2, 1]] * 3]))
    rows = Rows(np.array([[[0, 0]] * 9 + [[1, 0]] * 2 + [[1, 1]]]))
    curated = curate(Quota(bands=4).given(Grammar()), rows, anchor)
    assert [curated.weights[0, place].round(9) for place in (0, 9, 11)] == [round(6 / 9, 9), 1.5, 3.0]
    found = tails([Rows(rows.values, curated.weights)], anchor, 0.25)[0]
    assert (curated.weights * found).sum() == pytest.approx(3.0)


def test_a_quota_of_labelled_sequences_is_one_of_labels():
    values = np.zeros((1, 4, 3), dtype=int)
    rows, anchor = (Rows(values, labels=np.array([labels])) for labels in ([0, 0, 0, 1], [0, 0, 1, 1]))
    np.testing.assert_allclose(curate(Quota(), rows, anchor).weights, [[2 / 3, 2 / 3, 2 / 3, 2.0]])
