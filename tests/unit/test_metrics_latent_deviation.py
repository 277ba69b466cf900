from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.latent_deviation import LatentDeviation

GENERATOR = np.random.default_rng(5)
SPREAD = np.array([9.0, 3.0, 1.0, 0.1])


def cloud(chains, count=400, spread=SPREAD):
    return GENERATOR.normal(size=(chains, count, 4)) * spread + 20.0


def deviation(samples, held_out, anchor, components=8):
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), anchor=Rows(anchor))
    return LatentDeviation(components).measure(found)["latent_deviation"]


def by_hand(samples, held_out, anchor, components):
    spectrum, axes = np.linalg.eigh(np.cov(anchor, rowvar=False))
    encoder = (axes / np.sqrt(spectrum))[:, ::-1][:, :components]
    real, made = ((rows @ encoder).var(axis=0, ddof=1).mean() for rows in (held_out, samples))
    return np.sqrt(made / real)


@pytest.mark.parametrize("components", [1, 2, 4])
def test_it_equals_the_formula_chain_by_chain(components):
    samples, held_out, anchor = cloud(3, 300, 0.7 * SPREAD), cloud(1, 300), cloud(3)
    expected = [by_hand(samples[c], held_out[0], anchor[c], components) for c in range(3)]
    assert deviation(samples, held_out, anchor, components).values == pytest.approx(expected, rel=1e-9)


def test_copies_of_the_held_out_rows_have_ratio_one():
    held_out = cloud(1)
    assert deviation(np.repeat(held_out, 2, axis=0), held_out, cloud(2)).values == pytest.approx([1.0, 1.0])


def test_narrowed_samples_have_the_ratio_they_were_narrowed_by():
    held_out = cloud(1)
    narrowed = held_out.mean(axis=1, keepdims=True) + 0.4 * (held_out - held_out.mean(axis=1, keepdims=True))
    assert deviation(narrowed, held_out, cloud(1)).values == pytest.approx([0.4])


def test_a_narrow_direction_counts_as_much_as_a_wide_one():
    held_out, anchor = cloud(1), cloud(1, 4000)
    flat = held_out.copy()
    flat[..., 3] = 20.0
    assert deviation(flat, held_out, anchor).values == pytest.approx([np.sqrt(3 / 4)], abs=0.05)
    assert deviation(flat, held_out, anchor, components=3).values == pytest.approx([1.0], abs=0.01)


def test_directions_along_which_the_anchor_is_flat_are_left_out():
    held_out, anchor, samples = cloud(1), cloud(1), cloud(1, spread=0.5 * SPREAD)
    anchor[..., 2] = 20.0
    found = deviation(samples, held_out, anchor, 4)
    assert found.values == pytest.approx(
        deviation(samples[..., [0, 1, 3]], held_out[..., [0, 1, 3]], anchor[..., [0, 1, 3]]).values
    )


def test_a_collapsed_chain_has_ratio_zero():
    assert deviation(np.full((1, 50, 4), 3.7), cloud(1), cloud(1)).values == pytest.approx([0.0], abs=1e-9)


def test_nan_in_one_chain_costs_only_that_chain():
    samples = cloud(2)
    samples[0, 3, 1] = np.nan
    found = deviation(samples, cloud(1), cloud(2))
    assert np.isnan(found.values).tolist() == [True, False]
    assert "nan, inf" in found.reason


@pytest.mark.parametrize(
    ("held_out", "anchor", "reason"),
    [
        (np.ones((1, 40, 4)), cloud(2), "do not vary"),
        (cloud(1), np.ones((2, 40, 4)), "do not vary"),
        (cloud(1, 1), cloud(2), "takes two rows"),
    ],
)
def test_without_real_variance_it_is_undefined(held_out, anchor, reason):
    found = deviation(cloud(2), held_out, anchor)
    assert np.isnan(found.values).all()
    assert reason in found.reason
