from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.data.neighbours import nearest_two
from dwindle.metrics.memorisation import Memorisation

GENERATOR = np.random.default_rng(14)


def memorisation(samples, training, *, anchor=None, held_out=None, weights=None):
    """Return the four measurements of (c, n, d) samples of a model of (c, m, d) training rows."""
    held_out = GENERATOR.normal(size=(1, *samples.shape[1:])) if held_out is None else held_out
    rows = Rows(training, weights)
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), training=rows)
    return Memorisation().measure(replace(found, anchor=rows if anchor is None else Rows(anchor)))


@pytest.mark.parametrize(("count", "dimensions"), [(2, 1), (30, 2), (1500, 3), (2100, 64)])
def test_nearest_rows_are_those_of_a_tree(count, dimensions):
    samples, rows = GENERATOR.normal(size=(300, dimensions)), GENERATOR.normal(size=(count, dimensions))
    expected, _ = cKDTree(rows).query(samples, k=2)
    assert nearest_two(samples, rows) == pytest.approx(expected, rel=1e-12)


def test_a_copy_far_from_zero_is_at_no_distance():
    rows = GENERATOR.normal(size=(50, 3)) * 1e-3 + 1e6
    assert (nearest_two(rows, rows)[:, 0] == 0.0).all()


def test_ratio_and_copies_are_those_of_a_tree_chain_by_chain():
    samples, training = GENERATOR.normal(size=(3, 200, 4)), GENERATOR.normal(size=(3, 120, 4))
    held_out, anchor = GENERATOR.normal(size=(1, 150, 4)), GENERATOR.normal(size=(3, 90, 4))
    found = memorisation(samples, training, anchor=anchor, held_out=held_out)
    for prefix, rows in (("", training), ("anchor_", anchor)):
        for chain in range(3):
            tree = cKDTree(rows[chain])
            nearest, second = tree.query(samples[chain], k=2)[0].T
            ratio = np.median(nearest) / np.median(tree.query(held_out[0])[0])
            assert found[f"{prefix}memorisation_ratio"].values[chain] == pytest.approx(ratio, rel=1e-12)
            assert found[f"{prefix}copied_share"].values[chain] == (nearest < second / 3).mean()


def test_samples_of_the_real_law_have_ratio_one_and_are_hardly_ever_copies():
    found = memorisation(GENERATOR.normal(size=(20, 500, 5)), GENERATOR.normal(size=(20, 500, 5)))
    assert np.log(found["memorisation_ratio"].values).mean() == pytest.approx(0.0, abs=0.05)
    assert found["copied_share"].values.mean() < 0.02


def test_a_model_that_repeats_half_of_its_rows_has_copied_half():
    training, fresh = GENERATOR.normal(size=(1, 200, 20)), GENERATOR.normal(size=(1, 200, 20))
    samples = np.concatenate([training[:, :100] + 1e-4, fresh[:, :100]], axis=1)
    found = memorisation(samples, training, held_out=fresh)
    assert found["copied_share"].values == [0.5]
    assert found["memorisation_ratio"].values[0] < 0.6
    assert all(measurement.reason == "" for measurement in found.values())


def test_what_is_new_to_the_training_rows_may_be_a_copy_of_the_anchor():
    anchor, training = GENERATOR.normal(size=(2, 1, 100, 8))
    found = memorisation(anchor, training, anchor=anchor)
    assert found["copied_share"].values[0] < 0.1
    assert found["anchor_copied_share"].values == [1.0]
    assert found["anchor_memorisation_ratio"].values == [0.0]


def test_rows_that_stand_twice_or_nowhere_do_not_count():
    training, samples = GENERATOR.normal(size=(1, 60, 3)), GENERATOR.normal(size=(1, 80, 3))
    held_out = GENERATOR.normal(size=(1, 70, 3))
    plain = memorisation(samples, training, held_out=held_out)
    padded = np.concatenate([training, training, samples], axis=1)
    weights = np.repeat([1.0, 2.0, 0.0], [60, 60, 80])[None]
    found = memorisation(samples, padded, held_out=held_out, weights=weights)
    assert {name: one.values[0] for name, one in found.items()} == {name: one.values[0] for name, one in plain.items()}


@pytest.mark.parametrize(
    ("training", "names", "reason"),
    [
        (np.ones((1, 30, 2)), {"memorisation_ratio", "copied_share"}, "fewer than two training rows differ"),
        (np.arange(60.0).reshape(1, 30, 2), {"memorisation_ratio"}, "half of the held-out rows are training rows"),
    ],
)
def test_without_anything_to_compare_with_it_is_undefined(training, names, reason):
    found = memorisation(GENERATOR.normal(size=(1, 30, 2)), training, held_out=np.arange(60.0).reshape(1, 30, 2))
    missing = {name for name, measurement in found.items() if np.isnan(measurement.values).any()}
    assert missing == names | {f"anchor_{name}" for name in names}
    assert all(reason in found[name].reason for name in missing)


def test_nan_in_one_chain_costs_only_that_chain():
    samples, training = GENERATOR.normal(size=(2, 50, 2)), GENERATOR.normal(size=(2, 50, 2))
    samples[0, 0] = np.nan
    found = memorisation(samples, training)
    assert all(np.isnan(measurement.values).tolist() == [True, False] for measurement in found.values())
