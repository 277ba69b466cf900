"""Diffusion: the law that walks lead to, what guides them, and chains that do not know who shares the batch."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dwindle.checks.family import check_a_cohort_is_its_lineages
from dwindle.contracts import Rows, Seed
from dwindle.errors import BadInput
from dwindle.families.diffusion import Diffusion
from dwindle.nets.denoisers import Conditions, Dense
from dwindle.nets.denoising import Process, walked
from dwindle.nets.unet import as_pictures, as_rows
from dwindle.samplers import Sampler
from dwindle.seeds import SharedSeed

SEED = Seed(17, ("diffusion",))
PLAIN = Sampler()
SMALL = Diffusion(hidden=32, layers=2, levels=20, steps=300, batch=32, learning_rate=1e-2)
TINY = replace(SMALL, network="unet", channels=4, levels=6, steps=12, batch=8, learning_rate=3e-2)


@dataclass(frozen=True)
class Described:
    """What a source says of rows of so many pixels and classes."""

    shape: tuple[int, int, int] | None = None
    classes: int = 0

    def pixels(self):
        return self.shape

    def images(self, values, *, seed):
        return values

    def label_names(self):
        return tuple("abc"[: self.classes])


def moons(chains, count, name="rows"):
    """Return two half circles in the plane, far from the origin."""
    generator = SEED.at(name).numpy()
    angle, upper = np.pi * generator.random((chains, count)), generator.random((chains, count)) < 0.5
    across = np.where(upper, np.cos(angle), 1.0 - np.cos(angle))
    along = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([across, along], axis=2) + 0.05 * generator.normal(size=(chains, count, 2)) + 9.0


def pictures(chains, count, shape):
    """Return pictures that are bright above or below, and which of the two."""
    generator = SEED.at("pictures").numpy()
    labels = generator.integers(2, size=(chains, count))
    values = 0.1 * generator.random((chains, count, *shape))
    values[..., : shape[0] // 2, :, :] += labels[..., None, None, None]
    values[..., shape[0] // 2 :, :, :] += 1 - labels[..., None, None, None]
    return values.reshape(chains, count, -1), labels


def sampled(model, count=1000, sampler=PLAIN):
    return model.sample(count, sampler=sampler, seed=SEED.at("sample"))


def bytes_of(model):
    return b"".join(part.numpy().tobytes() for part in model.weights.values())


@pytest.mark.parametrize("steps", [100, 25])
def test_exact_velocities_lead_to_the_law_of_the_rows(steps):
    process, variance = Process(100, "cosine"), torch.tensor([2.0, 1.0, 0.2])
    signals = process.signals()

    def predicted(values, level):  # of independent normal dimensions
        signal = signals[level]
        return (1.0 - signal) ** 0.5 * values / (signal * variance + 1.0 - signal)

    drawn = iter(torch.from_numpy(SEED.at("walk").numpy().standard_normal((steps + 2, 1, 10_000, 3))))
    direct = walked(process, predicted, next(drawn), None, steps=steps)[0].var(dim=0) / variance
    random = walked(process, predicted, next(drawn), lambda: next(drawn), steps=steps)[0].var(dim=0) / variance
    chance = 4 * (2 / 10_000) ** 0.5  # standard errors of a variance
    assert random[1] == pytest.approx(1.0, abs=chance)
    torch.testing.assert_close(random, torch.ones_like(random), rtol=0, atol=chance + (0.03 if steps == 100 else 0.12))
    torch.testing.assert_close(direct, torch.ones_like(direct), rtol=0, atol=chance + (0.05 if steps == 100 else 0.14))
    assert (direct < 1.0 + chance).all()


def test_the_signal_falls_from_nearly_all_to_nearly_nothing():
    for schedule in ("linear", "cosine"):
        for levels in (2, 20, 1000):
            signals = Process(levels, schedule).signals()
            assert (np.diff(signals) < 0).all()
            assert 0 < signals[-1] < 0.01
        assert signals[0] > 0.999


def test_the_noise_of_a_velocity_is_the_noise_that_was_added():
    process, generator = Process(30, "cosine"), torch.Generator().manual_seed(1)
    values, noise = torch.randn(2, 2, 50, 3, generator=generator).double()
    levels = torch.randint(30, (2, 50), generator=generator)
    kept = torch.from_numpy(np.sqrt(process.signals()))[levels, None]
    velocity = kept * noise - (1.0 - kept**2).sqrt() * values
    torch.testing.assert_close(
        process.noise(velocity, process.noised(values, levels, noise), levels), noise, rtol=0, atol=1e-5
    )


def test_it_learns_two_moons():
    rows = moons(2, 400)
    samples = sampled(
        replace(SMALL, hidden=64, steps=1500, batch=128, levels=50).fit(Rows(rows), seed=SEED.at("fit"))
    ).values
    for chain in range(2):
        gaps = np.linalg.norm(samples[chain, :, None] - moons(1, 1000, "others")[0, None], axis=2).min(axis=1)
        assert np.mean(gaps < 0.2) > 0.85
    np.testing.assert_allclose(samples.mean(axis=1), rows.mean(axis=1), atol=0.1)
    np.testing.assert_allclose(samples.var(axis=1), rows.var(axis=1), rtol=0.2)


@pytest.mark.parametrize("sampling", ["ddpm", "ddim"])
def test_without_classes_the_variance_factor_scales_a_normal_law(sampling):
    rows = SEED.at("normal").numpy().normal(size=(2, 2000, 2)) * [2.0, 1.0] + 5.0
    model = replace(SMALL, sampling=sampling).fit(Rows(rows), seed=SEED.at("fit"))
    full, half, none = (sampled(model, 4000, Sampler(variance_factor=factor)).values for factor in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(half.var(axis=1) / full.var(axis=1), 0.5, atol=0.05)
    assert none.var(axis=1).max() < 1e-6


def test_classes_are_sampled_as_often_as_they_were_seen_and_rows_look_like_theirs():
    labels = np.tile([0, 0, 0, 1, 1, -1], (2, 60))
    rows = np.where(labels < 0, 0.0, 8.0 * labels - 4.0)[..., None] + SEED.at("noise").numpy().normal(size=(2, 360, 2))
    model = SMALL.given(Described(classes=3)).fit(Rows(rows, labels=labels), seed=SEED.at("fit"))
    samples = sampled(model, 2000)
    shares = [(samples.labels == label).mean() for label in (0, 1, 2, -1)]
    np.testing.assert_allclose(shares, [1 / 2, 1 / 3, 0.0, 1 / 6], atol=0.03)
    means = [samples.values[samples.labels == label].mean() for label in (0, 1)]
    np.testing.assert_allclose(means, [-4.0, 4.0], atol=0.7)


def test_guidance_draws_classes_apart():
    labels = np.tile([0, 1], (2, 150))
    rows = 2.0 * labels[..., None] + SEED.at("noise").numpy().normal(size=(2, 300, 1))
    model = replace(SMALL, drop=0.3).given(Described(classes=2)).fit(Rows(rows, labels=labels), seed=SEED.at("fit"))
    gaps = []
    for factor in (1.0, 0.4):
        samples = sampled(model, 2000, Sampler(variance_factor=factor))
        gaps.append(samples.values[samples.labels == 1].mean() - samples.values[samples.labels == 0].mean())
    assert abs(gaps[0] - 2.0) < 0.5
    assert gaps[1] > gaps[0] + 0.3


def test_a_guidance_that_has_no_meaning_is_refused_for_rows_with_classes():
    for factor, classes, told in ((0.0, 2, True), (1.5, 2, True), (0.5, 2, False), (0.0, 0, False), (1.5, 0, False)):
        recipe = SimpleNamespace(sampler=Sampler(variance_factor=factor), source=Described(classes=classes))
        assert ("above 0 and at most 1" in SMALL.refuses(recipe)) == told


@pytest.mark.parametrize("settings", [{"network": "dense"}, {"network": "unet"}])
def test_a_cohort_of_pictures_with_classes_is_its_lineages_bit_for_bit(settings):
    rows, labels = pictures(3, 30, (5, 4, 3))
    family = replace(TINY, **settings).given(Described((5, 4, 3), 2))
    parts = [Rows(rows[:1], labels=labels[:1]), Rows(rows[1:, :-5], labels=labels[1:, :-5])]
    seeds = [SEED.at("one"), SEED.at("other")]
    shared = SharedSeed.of([(seeds[0], 1), (seeds[1], 2)])
    alone = [family.fit(part, seed=seed) for part, seed in zip(parts, seeds, strict=True)]
    both = family.apart(family.fit(Rows.stack(parts), seed=shared), [1, 2])
    assert [bytes_of(model) for model in both] == [bytes_of(model) for model in alone]
    wide = family.together(alone).sample(9, sampler=Sampler(variance_factor=0.5), seed=shared)
    for model, seed, own in zip(alone, seeds, (slice(0, 1), slice(1, 3)), strict=True):
        samples = model.sample(9, sampler=Sampler(variance_factor=0.5), seed=seed)
        assert samples.values.tobytes() == wide.values[own].tobytes()
        assert samples.labels.tobytes() == wide.labels[own].tobytes()


@pytest.mark.parametrize(
    "settings", [{"hidden": 7, "layers": 3, "batch": 5}, {"sampling": "ddim", "sampling_steps": 4}]
)
def test_a_cohort_is_its_lineages_whatever_the_sizes(settings):
    check_a_cohort_is_its_lineages(replace(SMALL, steps=150, **settings))


def test_more_rows_begin_with_the_same_ones():
    model = SMALL.fit(Rows(moons(2, 100)), seed=SEED.at("fit"))
    fewer, more = (replace(model, sampling="ddim").sample(n, sampler=PLAIN, seed=SEED).values for n in (5, 60))
    np.testing.assert_allclose(fewer, more[:, :5], atol=1e-4)


def test_a_padded_picture_comes_back_as_it_was():
    rows = torch.arange(2 * 3 * 5 * 6 * 3).view(2, 3, 90)
    padded = as_pictures(rows, (5, 6, 3))
    assert padded.shape == (2, 3, 3, 8, 8)
    assert torch.equal(as_rows(padded, (5, 6, 3)), rows)
    assert torch.equal(padded[0, 0, :, 0, 1], rows[0, 0, 3:6])  # the second pixel's colours


def test_a_u_net_learns_that_pictures_are_bright_above_or_below(tmp_path):
    rows, _ = pictures(1, 60, (8, 8, 1))
    family = replace(TINY, channels=8, steps=60, batch=16, levels=10).given(Described((8, 8, 1)))
    model = family.fit(Rows(rows), seed=SEED.at("fit"))
    samples = sampled(model, 30).values
    above, below = samples[0].reshape(30, 2, 32).mean(axis=2).T
    assert np.median(np.abs(above - below)) > 0.6
    assert 0.05 < np.mean(above > below) < 0.95
    model.save(tmp_path)
    assert sampled(family.load(tmp_path), 30).values.tobytes() == samples.tobytes()


def test_the_network_of_diffusers_is_the_same_alone_in_a_batch_and_from_its_file(tmp_path):
    rows, labels = pictures(2, 30, (4, 4, 1))
    family = replace(TINY, network="unet2d", levels=3, steps=20, batch=64).given(Described((4, 4, 1), 2))
    model = family.fit(Rows(rows, labels=labels), seed=SEED)
    alone = family.fit(Rows(rows[:1], labels=labels[:1]), seed=SEED)
    assert bytes_of(family.apart(model, [1, 1])[0]) == bytes_of(alone)
    model.save(tmp_path)
    assert sampled(family.load(tmp_path), 5).values.tobytes() == sampled(model, 5).values.tobytes()


def test_a_u_net_needs_rows_that_are_pixels():
    with pytest.raises(ValueError, match="network unet needs rows that are pixels"):
        TINY.given(Described())
    with pytest.raises(ValueError, match=r"not given a source"):
        TINY.fit(Rows(moons(1, 40)), seed=SEED)


def test_without_diffusers_its_network_is_refused_and_the_others_are_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.setattr("dwindle.families.diffusion.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'dwindle\[diffusion\]'"):
        replace(SMALL, network="unet2d").require()
    SMALL.require()
    TINY.require()


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="sampling_steps 21: there are 20 levels"):
        replace(SMALL, sampling_steps=21)
    with pytest.raises(ValueError, match="channels 6: must be a multiple of 4"):
        replace(SMALL, channels=6)


def test_a_chain_whose_rows_agree_repeats_its_row_beside_one_that_varies():
    rows = moons(2, 100)
    rows[1] = rows[1, :1]
    samples = sampled(SMALL.fit(Rows(rows), seed=SEED.at("fit")), 40).values
    assert (samples[1] == rows[1, 0]).all()
    assert samples[0].var() > 0.3 * rows[0].var()


def test_a_warm_restart_begins_at_the_parent():
    rows = Rows(moons(2, 200))
    parent = SMALL.fit(rows, seed=SEED.at("parent"))
    warm = replace(SMALL, steps=1, learning_rate=1e-6).fit(rows, seed=SEED.at("fit"), parent=parent)
    for name in ("dense.0.weight", "dense.2.weight"):
        torch.testing.assert_close(warm.weights[name], parent.weights[name], rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="other layers"):
        replace(SMALL, hidden=33).fit(rows, seed=SEED, parent=parent)


def test_a_fit_that_has_learnt_nothing_is_refused():
    rows = SEED.at("flat").numpy().normal(size=(2, 200, 4)) * [3.0, 1.0, 0.1, 0.1]
    with pytest.raises(ValueError, match=r"chain 0 has learnt nothing: it misses .* of the noise"):
        replace(SMALL, steps=1, learning_rate=1e-6).fit(Rows(rows), seed=SEED)


def test_the_dense_network_is_told_the_level_and_the_class():
    net = Dense(2, 8, 1, Conditions(10, 3))
    weights = {name: torch.ones(1, block.rows, block.columns) / 9 for name, block in net.blocks.items()}
    values, levels, classes = torch.ones(1, 3, 2), torch.tensor([[4, 4, 5]]), torch.tensor([[0, 0, 0]])
    same, _, other = net(weights, values, levels, classes)[0]
    assert torch.equal(same, net(weights, values, levels, classes)[0, 1])
    assert not torch.equal(same, other)
