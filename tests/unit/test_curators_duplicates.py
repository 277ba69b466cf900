"""The curators of duplicates: what goes is a copy of something that stays, and each copy is counted once."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.curators.deduplicate import Deduplicate
from dwindle.curators.near_duplicates import NearDuplicates
from dwindle.data.resemblance import Shingles, bands_of

ANCHOR, EARLIER, NEW = "an anchor row", "a row of an earlier generation", "a new row"


def curate(curator, rows, anchor, earlier=None):
    return curator.shown(earlier=earlier).curate(rows, anchor=anchor, seed=Seed(3))


def tokens(count, *, chains=1, length=40, symbols=500, seed=0):
    return np.random.default_rng(seed).integers(symbols, size=(chains, count, length))


def changed(values, places):
    """Return rows with other tokens, which no row has, at some places."""
    values = values.copy()
    values[..., places] += 1000
    return values


def sets(row, length):
    return {tuple(row[place : place + length]) for place in range(max(1, len(row) - length + 1))}


def jaccard(first, second, length):
    one, other = sets(first, length), sets(second, length)
    return len(one & other) / len(one | other)


def test_an_exact_copy_of_an_earlier_row_goes_only_if_asked():
    rows, anchor = Rows(np.array([[[1.0], [2.0], [3.0]]])), Rows(np.array([[[9.0]]]))
    earlier = Rows(np.array([[[2.0], [5.0]]]))
    assert curate(Deduplicate(), rows, anchor, earlier).kept.all()
    curated = curate(Deduplicate(against_earlier=True), rows, anchor, earlier)
    assert curated.kept.tolist() == [[True, False, True]]
    assert curated.dropped == {f"copy of {ANCHOR}": 0, f"copy of {EARLIER}": 1, f"copy of {NEW}": 0}


def test_an_exact_copy_of_several_counts_for_the_anchor_before_earlier_rows_and_these_before_new_ones():
    rows = Rows(np.array([[[1.0], [1.0], [2.0], [2.0], [3.0], [3.0]]]))
    anchor, earlier = Rows(np.array([[[1.0]]])), Rows(np.array([[[1.0], [2.0]]]))
    curated = curate(Deduplicate(against_earlier=True), rows, anchor, earlier)
    assert curated.kept.tolist() == [[False, False, False, False, True, False]]
    assert curated.dropped == {f"copy of {ANCHOR}": 2, f"copy of {EARLIER}": 2, f"copy of {NEW}": 1}


def test_earlier_rows_of_weight_zero_do_not_exist():
    rows, anchor = Rows(np.array([[[1.0], [2.0]]])), Rows(np.zeros((1, 0, 1)))
    earlier = Rows(np.array([[[1.0], [2.0]]]), np.array([[0.0, 1.0]]))
    assert curate(Deduplicate(against_earlier=True), rows, anchor, earlier).kept.tolist() == [[True, False]]


@pytest.mark.parametrize("kind", [Deduplicate, NearDuplicates])
def test_earlier_rows_are_needed_only_where_they_are_compared_with(kind):
    assert kind().needs == frozenset()
    assert kind(against_earlier=True).needs == {"earlier"}


@pytest.mark.parametrize("kind", [Deduplicate, NearDuplicates])
def test_the_first_generation_has_no_earlier_rows(kind):
    assert curate(kind(against_earlier=True), Rows(tokens(5)), Rows(tokens(5, seed=1))).kept.all()


def test_a_row_with_one_token_changed_is_a_near_copy_and_one_with_every_other_token_changed_is_not():
    anchor = tokens(30)
    rows = Rows(np.concatenate([changed(anchor, 39), changed(anchor, slice(None, None, 2))], axis=1))
    curated = curate(NearDuplicates(), rows, Rows(anchor))
    assert curated.dropped == {f"near copy of {ANCHOR}": 30, f"near copy of {NEW}": 0}
    assert not curated.kept[0, :30].any()
    assert curated.kept[0, 30:].all()


def test_near_copies_are_those_of_a_comparison_of_all_pairs():
    origin = tokens(12, seed=5)[0]
    generator = np.random.default_rng(6)
    rows = origin[generator.integers(12, size=150)]
    for _ in range(3):
        rows[np.arange(150), generator.integers(40, size=150)] = generator.integers(500, size=150)
    kept = []
    for place, row in enumerate(rows):
        if all(jaccard(row, rows[other], 2) < 0.6 for other in kept):
            kept.append(place)
    curated = curate(NearDuplicates(shingle=2, threshold=0.6, permutations=256), Rows(rows[None]), Rows(rows[None, :0]))
    assert 20 < len(kept) < 100
    assert np.flatnonzero(curated.kept[0]).tolist() == kept


def test_no_row_goes_that_is_less_alike_than_the_threshold_however_many_are_suspected():
    origin = tokens(1, seed=5)[0]
    rows = np.repeat(origin, 200, axis=0)
    rows[:, :30:3] = tokens(200, length=10, seed=7)[0]
    curated = curate(NearDuplicates(shingle=1, threshold=0.75), Rows(rows[None]), Rows(rows[None, :0]))
    kept = np.flatnonzero(curated.kept[0]).tolist()
    for place in set(range(200)) - set(kept):
        assert any(jaccard(rows[place], rows[other], 1) >= 0.75 for other in kept if other < place)
    assert 100 < len(kept) < 200


def test_a_near_copy_of_several_counts_for_the_anchor_before_earlier_rows_and_these_before_new_ones():
    first, second, third = (tokens(1, seed=seed) for seed in (1, 2, 3))
    rows = Rows(np.concatenate([changed(part, place) for part in (first, second, third) for place in (0, 39)], axis=1))
    earlier = Rows(np.concatenate([first, second], axis=1))
    curated = curate(NearDuplicates(against_earlier=True), rows, Rows(first), earlier)
    assert curated.kept.tolist() == [[False, False, False, False, True, False]]
    reasons = {f"near copy of {ANCHOR}": 2, f"near copy of {EARLIER}": 2, f"near copy of {NEW}": 1}
    assert curated.dropped == reasons


def test_what_is_not_compared_with_stays():
    anchor = tokens(4)
    rows = Rows(np.concatenate([anchor, anchor], axis=1))
    assert curate(NearDuplicates(within=False), rows, Rows(anchor)).dropped == {f"near copy of {ANCHOR}": 8}
    assert curate(NearDuplicates(against_anchor=False), rows, Rows(anchor)).dropped == {f"near copy of {NEW}": 4}
    with pytest.raises(ValueError, match="compared with nothing"):
        NearDuplicates(against_anchor=False, within=False)


def test_chains_are_judged_apart_and_places_without_a_row_do_not_count():
    values = tokens(3, chains=2)
    values[1] = values[0]
    values[:, 2] = values[:, 0]
    rows = Rows(values, np.array([[1.0, 2.0, 1.0], [0.0, 1.0, 1.0]]))
    anchor = Rows(values[:, 1:2].copy(), np.array([[0.0], [1.0]]))
    curated = curate(NearDuplicates(), rows, anchor)
    assert curated.kept.tolist() == [[True, True, False], [False, False, True]]
    assert curated.weights is rows.weights
    assert curated.dropped == {f"near copy of {ANCHOR}": 1, f"near copy of {NEW}": 1}
    alone = curate(NearDuplicates(), rows.chain(0), Rows(values[:1, :0]))
    assert alone.kept.tolist() == curated.kept[:1].tolist()


def test_rows_shorter_than_a_shingle_are_near_copies_of_their_equals_alone():
    rows = Rows(np.array([[[1, 2, 3], [1, 2, 4], [1, 2, 3]]]))
    assert curate(NearDuplicates(threshold=0.1), rows, Rows(rows.values[:, :0])).kept.tolist() == [[True, True, False]]


def test_chains_without_rows_have_no_copies():
    rows = Rows(tokens(2), np.zeros((1, 2)))
    assert not curate(NearDuplicates(), rows, Rows(tokens(3))).kept.any()
    assert curate(NearDuplicates(), Rows(tokens(0)), Rows(tokens(3))).kept.shape == (1, 0)


def test_likeness_counts_a_shingle_that_a_row_repeats_once():
    rows = np.array([[1, 2, 1, 2, 1, 2], [1, 2, 1, 2, 1, 9], [7, 7, 7, 7, 7, 7], [8, 8, 8, 8, 8, 8]])
    shingles = Shingles(rows, 2)
    expected = [jaccard(rows[0], row, 2) for row in rows]
    assert shingles.likeness(0, [0, 1, 2, 3]).tolist() == expected == [1.0, 2 / 3, 0.0, 0.0]
    assert shingles.likeness(2, [3]).tolist() == [0.0]


@pytest.mark.parametrize(("threshold", "permutations"), [(0.8, 128), (0.5, 128), (0.95, 64), (1.0, 16), (0.1, 128)])
def test_bands_find_a_pair_at_the_threshold_nearly_always(threshold, permutations):
    bands, length = bands_of(threshold, permutations)
    assert bands * length <= permutations
    assert length == 1 or 1 - (1 - threshold**length) ** bands >= 0.99
