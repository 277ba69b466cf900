from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.curators.deduplicate import Deduplicate
from dwindle.curators.keep_all import KeepAll

ANCHOR = Rows(np.array([[[1.0, 1.0], [2.0, 2.0]], [[9.0, 9.0], [8.0, 8.0]]]))
ROWS = Rows(
    np.array([[[3.0, 3.0], [1.0, 1.0], [3.0, 3.0], [4.0, 4.0]], [[1.0, 1.0], [9.0, 9.0], [9.0, 9.0], [5.0, 5.0]]])
)


def curate(curator, rows=ROWS, anchor=ANCHOR):
    return curator.curate(rows, anchor=anchor, seed=Seed(0))


def test_keep_all_keeps_every_row_and_its_weight():
    rows = Rows(ROWS.values, np.array([[1.0, 2.0, 3.0, 0.5]] * 2))
    curated = curate(KeepAll(), rows)
    assert curated.kept.all()
    assert curated.weights is rows.weights
    assert dict(curated.dropped) == {}


def test_a_place_without_a_row_is_neither_kept_nor_dropped():
    rows = Rows(np.zeros((1, 3, 2)), np.array([[1.0, 1.0, 0.0]]))
    assert curate(KeepAll(), rows).kept.tolist() == [[True, True, False]]
    deduplicated = curate(Deduplicate(), rows)
    assert deduplicated.kept.tolist() == [[True, False, False]]
    assert deduplicated.dropped["copy of a new row"] == 1


def test_the_first_of_equal_rows_stays_and_copies_of_the_chains_own_anchor_go():
    curated = curate(Deduplicate())
    assert curated.kept.tolist() == [[True, False, False, True], [True, False, False, True]]
    assert dict(curated.dropped) == {"copy of a new row": 1, "copy of an anchor row": 3}


def test_copies_of_anchor_rows_stay_if_nobody_asks():
    curated = curate(Deduplicate(against_anchor=False))
    assert curated.kept.tolist() == [[True, True, False, True], [True, True, False, True]]
    assert dict(curated.dropped) == {"copy of a new row": 2, "copy of an anchor row": 0}


def test_an_anchor_row_of_weight_zero_does_not_exist():
    anchor = Rows(ANCHOR.values, np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert curate(Deduplicate(), anchor=anchor).kept[0].tolist() == [True, True, False, True]


def test_symbols_are_deduplicated_like_vectors():
    rows, anchor = Rows(np.array([[3, 1, 3, 2]])), Rows(np.array([[2, 2]]))
    assert curate(Deduplicate(), rows, anchor).kept.tolist() == [[True, True, False, False]]


def test_zero_equals_minus_zero():
    rows = Rows(np.array([[[0.0], [-0.0]]]))
    assert curate(Deduplicate(), rows, Rows(np.zeros((1, 0, 1)))).kept.tolist() == [[True, False]]


@pytest.mark.parametrize("count", [0, 1, 500])
def test_deduplicating_agrees_with_counting_distinct_rows(count):
    values = np.random.default_rng(8).integers(0, 6, size=(3, count, 3)).astype(float)
    curated = curate(Deduplicate(against_anchor=False), Rows(values), Rows(values[:, :0]))
    for chain in range(3):
        assert curated.kept[chain].sum() == len({tuple(row) for row in values[chain]})
        assert len(np.unique(values[chain][curated.kept[chain]], axis=0)) == curated.kept[chain].sum()
