"""Augmentation by rule: what each rule does to a row, what it leaves alone, and what many generations make of it."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest

from dwindle.checks.examples import rows_of, source_of
from dwindle.contracts import Rows, Seed
from dwindle.data import augmentations as rules
from dwindle.families.augment import Augment
from dwindle.samplers import Sampler
from dwindle.sources.digits import Digits

SEED = Seed(23, ("augment",))
PLAIN = Sampler()
CHANCES = ("flip", "rotation", "crop", "sharpening", "noise", "replace", "insert", "swap", "delete", "jitter")
PICTURES = Digits(space="pixels", labels=True)


def only(source=None, **settings):
    """Return a family of which all rules rest but those that are named."""
    family = Augment(**dict.fromkeys((*CHANCES, "resample"), 0.0) | settings)
    return family if source is None else family.given(source)


def sampled(family, rows, count=None, **options):
    model = family.fit(rows, seed=SEED.at("fit"))
    return model.sample(count or rows.count, sampler=PLAIN, seed=SEED.at("sample"), **options)


def digits(chains=2, count=60):
    return PICTURES.draw(count, first=0, chains=chains, seed=SEED).anonymous()


def square(values):
    return values.reshape(*values.shape[:2], 8, 8)


def blocks(count=300, length=20, symbols=30):
    """Return blocks whose every token stands on its own place modulo the alphabet, and rarely 0."""
    return Rows(np.tile(1 + np.arange(length) % (symbols - 1), (1, count, 1)).astype(np.int64))


def in_their_order(family, rows):
    return sampled(family, rows, prompts=rows).values


def test_every_rule_has_a_chance_and_is_named_here():
    chances = {field.name for field in fields(Augment) if field.type == "Chance"}
    assert chances == {*CHANCES, "resample"}


def test_with_all_rules_at_rest_each_row_comes_back_once_with_its_label():
    rows = digits()
    copies = sampled(only(PICTURES), rows)
    for chain in range(2):
        seen = [tuple(row) for row in copies.values[chain]]
        labels = dict(zip(map(tuple, rows.values[chain]), rows.labels[chain], strict=True))
        assert sorted(seen) == sorted(labels)
        assert [labels[row] for row in seen] == list(copies.labels[chain])
    assert (copies.values != rows.values).any()


def test_weights_say_how_often_a_row_is_copied_and_drawn_rows_die_out():
    rows = Rows(np.arange(40.0).reshape(1, 40, 1), np.repeat([[3.0, 1.0, 0.0, 2.0]], 10, axis=1))
    turn, drawn = (sampled(only(choice=choice), rows, 60).values.astype(int) for choice in ("turn", "drawn"))
    np.testing.assert_array_equal(np.bincount(turn.ravel(), minlength=40), rows.weights[0])
    assert np.unique(drawn).size < 30
    assert set(np.unique(drawn)) <= set(np.flatnonzero(rows.weights[0]))


def test_a_mirrored_picture_is_mirrored_and_twice_it_is_itself():
    rows = digits()
    once = in_their_order(only(PICTURES, flip=1.0), rows)
    np.testing.assert_array_equal(square(once), square(rows.values)[..., ::-1])
    np.testing.assert_array_equal(in_their_order(only(PICTURES, flip=1.0), Rows(once)), rows.values)


def test_a_quarter_turn_of_the_interpolation_is_that_of_numpy_and_colours_stay_apart():
    pictures = SEED.at("pictures").numpy().random((3, 9, 9, 3))
    quarter = rules.warped(pictures, np.full(3, math.pi / 2), np.ones(3), np.full((3, 2), 0.5))
    np.testing.assert_allclose(quarter, np.rot90(pictures, 1, axes=(1, 2)), atol=1e-9)


@pytest.mark.parametrize("corner", [0.0, 1.0])
def test_a_crop_stretches_what_it_keeps(corner):
    ramp = np.tile(np.arange(12.0)[:, None, None], (1, 1, 12, 1))
    kept = rules.warped(ramp, np.zeros(1), np.array([0.5]), np.full((1, 2), corner))[0, :, 5, 0]
    np.testing.assert_allclose(np.diff(kept[1:-1]), 0.5, atol=1e-9)
    np.testing.assert_allclose(kept[5:7].mean(), 2.5 if corner == 0.0 else 8.5, atol=1e-9)


def test_turns_stay_within_the_angle_and_only_turned_pictures_change():
    line = np.zeros((1, 400, 8, 8))
    line[:, :, 3:5] = 1.0
    rows = Rows(line.reshape(1, 400, 64))
    turned = square(in_their_order(only(PICTURES, rotation=0.5, angle=20.0), rows))[0]
    height = (turned * np.arange(8.0)[:, None]).sum(axis=1) / turned.sum(axis=1)
    slopes = np.degrees(np.arctan(np.polyfit(np.arange(2.0, 6.0), height[:, 2:6].T, 1)[0]))
    assert 0.4 < (turned != square(rows.values)[0]).any(axis=(1, 2)).mean() < 0.6
    assert np.abs(slopes).max() < 22.0
    assert np.abs(slopes).max() > 15.0
    assert abs(slopes.mean()) < 4 * slopes.std() / 20


def detail(values):
    return np.abs(np.diff(square(values), axis=3)).mean()


def test_levels_grade_sharpness_and_pixels_stay_in_their_range():
    rows = digits()
    found = [in_their_order(only(PICTURES, sharpening=1.0, level=level), rows) for level in (-1.0, -0.5, 0.0, 0.5, 2.0)]
    assert all(detail(less) < detail(more) for less, more in pairwise(found))
    np.testing.assert_array_equal(found[2], rows.values)
    assert all(some.min() >= 0.0 and some.max() <= 1.0 for some in found)


def test_sharpening_over_generations_amplifies_until_pixels_are_black_or_white():
    values = digits(1, 40).values
    before = ((values > 0.02) & (values < 0.98)).mean()
    for generation in range(12):
        values = in_their_order(only(PICTURES, sharpening=1.0, level=1.0), Rows(values))
        assert generation or detail(values) > detail(digits(1, 40).values)
    assert ((values > 0.02) & (values < 0.98)).mean() < 0.3 * before


def test_noise_of_pictures_is_in_units_of_the_pixel_and_they_keep_their_range():
    grey = Rows(np.full((1, 500, 64), 0.5))
    noisy = in_their_order(only(PICTURES, noise=1.0, noise_deviation=0.1), grey)
    assert abs(noisy.std() - 0.1) < 0.003
    wild = in_their_order(only(PICTURES, noise=1.0, noise_deviation=3.0), grey)
    assert (wild.min(), wild.max()) == (0.0, 1.0)


def test_the_variance_of_noisy_vectors_and_jittered_numbers_grows_as_the_docstring_says():
    # Rows taken in turn: the mean variance of chains grows by 1 + p s^2 in each generation.
    vectors, numbers = only(noise=0.5, noise_deviation=0.8), only(source_of("tables"), jitter=0.5, jitter_deviation=0.8)
    for family, values in (
        (vectors, rows_of("vectors", chains=40).values),
        (numbers, rows_of("tables", chains=40).values),
    ):
        start = values[..., :2].var(axis=1)
        for generation in range(3):
            model = family.fit(Rows(values), seed=SEED.at(generation))
            values = model.sample(values.shape[1], sampler=PLAIN, seed=SEED.at("sample", generation)).values
        growth = np.log(values[..., :2].var(axis=1) / start)
        assert abs(growth.mean() - 3 * math.log(1 + 0.5 * 0.64)) < 4 * growth.std() / math.sqrt(40) + 0.05


def test_each_edit_of_a_block_does_what_it_says_and_keeps_its_length():
    rows = blocks()
    changed = {
        name: in_their_order(only(**{name: 1.0}, edits=0.1), rows)[0]
        for name in ("replace", "insert", "swap", "delete")
    }
    for name, values in changed.items():
        assert values.shape == rows.values[0].shape, name
        assert np.isin(values, rows.values).all(), name
    other = changed["replace"] != rows.values[0]
    assert other.sum(axis=1).max() == 2
    assert abs(other.mean() - 0.1 * 19 / 20) < 0.01
    assert (np.sort(changed["swap"], axis=1) == np.sort(rows.values[0], axis=1)).all()
    moved = (changed["swap"] != rows.values[0]).sum(axis=1)
    assert moved.max() <= 4
    assert moved.mean() > 3


def test_inserted_and_deleted_tokens_move_the_others():
    block = np.array([[1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(rules.inserted(block, np.array([[1, 4]]), np.array([[9, 8]])), [[1, 9, 2, 3, 4]])
    np.testing.assert_array_equal(rules.inserted(block, np.array([[0, 0]]), np.array([[9, 8]])), [[9, 8, 1, 2, 3]])
    gone = np.array([[True, False, True, False, False]])
    np.testing.assert_array_equal(rules.deleted(block, gone, np.full((1, 5), 7)), [[2, 4, 5, 7, 7]])
    swaps = np.array([[[0, 4], [4, 1]]])
    np.testing.assert_array_equal(rules.swapped(block, swaps), [[5, 1, 3, 4, 2]])


def test_replaced_tokens_are_drawn_by_their_weighted_frequency():
    rows = Rows(np.repeat([[[4], [6]]], 500, axis=1), np.repeat([[3.0, 1.0]], 500, axis=1))
    values = in_their_order(only(replace=1.0, edits=1.0), rows)
    assert abs((values == 4).mean() - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 1000)


def test_levels_keep_their_shares_and_lose_their_ties_and_target_and_group_stay():
    rows = rows_of("tables", chains=1, count=4000)
    values = in_their_order(only(source_of("tables"), resample=0.5), rows)
    np.testing.assert_array_equal(values[..., [0, 1, 3, 4]], rows.values[..., [0, 1, 3, 4]])
    shares = [np.bincount(some[0, :, 2].astype(int), minlength=3) / 4000 for some in (rows.values, values)]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.03)
    ties = [np.corrcoef(some[0, :, 0], some[0, :, 2])[0, 1] for some in (rows.values, values)]
    assert abs(ties[1] / ties[0] - 0.5) < 0.1


def test_rows_of_weight_0_do_not_exist():
    rows, weights = rows_of("vectors").values, np.ones((3, 40))
    weights[1, 30:] = 0.0
    broken = rows.copy()
    broken[1, 30:] = np.nan
    first, second = (sampled(Augment(), Rows(some, weights)).values for some in (rows, broken))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", ["vectors", "sequences", "tables", "pictures"])
def test_a_saved_model_samples_the_same_bytes_and_a_chain_ignores_the_others(tmp_path, kind):
    rows = digits(3, 20) if kind == "pictures" else rows_of(kind)
    family = Augment().given(PICTURES if kind == "pictures" else source_of(kind))
    model = family.fit(rows, seed=SEED)
    model.save(tmp_path)
    first, again = (some.sample(30, sampler=PLAIN, seed=SEED) for some in (model, family.load(tmp_path)))
    assert first.values.tobytes() == again.values.tobytes()
    alone = family.fit(rows.chain(0), seed=SEED).sample(30, sampler=PLAIN, seed=SEED)
    np.testing.assert_array_equal(alone.values[0], first.values[0])
    if kind == "pictures":
        np.testing.assert_array_equal(first.labels, again.labels)


def test_a_chain_without_rows_is_refused():
    with pytest.raises(ValueError, match="chain 1 has no rows to copy"):
        Augment().fit(Rows(np.zeros((2, 3, 1)), np.array([[1.0] * 3, [0.0] * 3])), seed=SEED)
