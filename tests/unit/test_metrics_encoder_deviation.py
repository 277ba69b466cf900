"""The encoder of generation 0 says how narrow samples have become, in its own units and against real rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.families.gaussian import Gaussian
from dwindle.families.vae import Vae
from dwindle.metrics.encoder_deviation import EncoderDeviation
from dwindle.samplers import Sampler

SEED = Seed(6, ("encoder deviation",))
GENERATOR = np.random.default_rng(8)
FAMILY = Vae(latent=2, hidden=16, steps=150, batch=32, learning_rate=1e-2)


def cloud(chains, count=400):
    mixing = np.array([[2.0, 0.0, 1.0], [0.0, 1.5, 1.0]])
    return GENERATOR.normal(size=(chains, count, 2)) @ mixing + GENERATOR.normal(size=(chains, count, 3)) + 7.0


def measured(samples, held_out=None, **shown):
    held_out = cloud(1) if held_out is None else held_out
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), **shown)
    return EncoderDeviation().measure(found)


@pytest.fixture(scope="module")
def first():
    return FAMILY.fit(Rows(cloud(2)), seed=SEED.at("fit"))


def test_it_is_the_root_of_the_mean_variance_of_the_latents_and_its_ratio_to_real_rows(first):
    samples, held_out = cloud(2, 300), cloud(1, 300)
    found = measured(samples, held_out, reference=first)
    made, real = (np.sqrt(first.encode(Rows(rows)).var(axis=1, ddof=1).mean(axis=1)) for rows in (samples, held_out))
    np.testing.assert_allclose(found["encoder_deviation"].values, made)
    np.testing.assert_allclose(found["encoder_deviation_ratio"].values, made / real)
    assert (np.abs(real - 0.9) < 0.15).all()  # a little below the prior's 1


def test_copies_of_the_held_out_rows_have_a_ratio_of_one(first):
    held_out = cloud(1)
    ratio = measured(np.repeat(held_out, 2, axis=0), held_out, reference=first)["encoder_deviation_ratio"]
    np.testing.assert_allclose(ratio.values, 1.0, rtol=1e-5)


def test_a_lineage_of_decoder_means_narrows_under_the_encoder_that_it_began_with(first):
    model, held_out, found = first, cloud(1), []
    for generation in range(3):
        samples = model.sample(400, sampler=Sampler(), seed=SEED.at("sample", generation))
        found.append(measured(samples.values, held_out, reference=first)["encoder_deviation_ratio"].values)
        model = FAMILY.fit(samples, seed=SEED.at("fit", generation))
    assert (np.diff(np.log(found), axis=0) < 0).all()


def test_collapsed_samples_have_a_deviation_of_zero(first):
    found = measured(np.full((2, 50, 3), 7.0), reference=first)
    np.testing.assert_allclose([part.values for part in found.values()], 0.0, atol=1e-6)


def test_a_chain_that_cannot_be_encoded_costs_only_that_chain(first):
    samples = cloud(2)
    samples[0, 3, 1] = np.nan
    for found in measured(samples, reference=first).values():
        assert np.isnan(found.values).tolist() == [True, False]
        assert "no finite latents" in found.reason
    samples[0, 3, 1] = 1e300
    assert np.isnan(measured(samples, reference=first)["encoder_deviation"].values).tolist() == [True, False]


def test_without_an_encoder_or_two_rows_it_is_undefined(first):
    plain = Gaussian().fit(Rows(cloud(2)), seed=SEED)
    for found, reason in (
        (measured(cloud(2), reference=plain), "has no encoder"),
        (measured(cloud(2), reference=None), "has no encoder"),
        (measured(cloud(2, 1), reference=first), "takes two rows"),
    ):
        assert all(np.isnan(part.values).all() and reason in part.reason for part in found.values())


def test_held_out_rows_that_all_agree_leave_the_ratio_undefined_alone(first):
    found = measured(cloud(2), np.full((1, 40, 3), 7.0), reference=first)
    assert np.isfinite(found["encoder_deviation"].values).all()
    assert np.isnan(found["encoder_deviation_ratio"].values).all()
    assert "no held-out rows apart" in found["encoder_deviation_ratio"].reason
