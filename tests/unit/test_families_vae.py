"""The variational autoencoder: chains of a batch are the chains alone, and means lose what the decoder misses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dwindle.contracts import Rows, Seed
from dwindle.families.vae import Vae
from dwindle.samplers import Sampler
from dwindle.seeds import SharedSeed

SEED = Seed(11, ("vae",))
PLAIN = Sampler()
SMALL = Vae(latent=2, hidden=16, steps=150, batch=32, learning_rate=1e-2)


def planes(chains, count, name="rows", noise=0.3):
    """Return rows near a plane in five dimensions, far from the origin."""
    generator = SEED.at(name).numpy()
    mixing = np.array([[2.0, 0.0, 1.0, 0.5, -1.0], [0.0, 1.5, 1.0, -1.0, 0.5]])
    return generator.normal(size=(chains, count, 2)) @ mixing + noise * generator.normal(size=(chains, count, 5)) + 7.0


def fitted(values, weights=None, family=SMALL, **settings):
    return replace(family, **settings).fit(Rows(values, weights), seed=SEED.at("fit"))


def sampled(model, count=2000, sampler=PLAIN):
    return model.sample(count, sampler=sampler, seed=SEED.at("sample")).values


def total(values):
    return values.var(axis=1).sum(axis=1)


def assert_a_cohort_is_its_lineages(family, parts):
    """Compare fits and samples, labels too, of lineages alone and in one batch, first cold and then from parents."""
    seeds, sizes = [SEED.at("lineage", name) for name in range(len(parts))], [part.chains for part in parts]
    shared = SharedSeed.of(list(zip(seeds, sizes, strict=True)))
    alone, joint = [None] * len(parts), None
    for start in ("cold", "warm"):
        lone = zip(parts, seeds, alone, strict=True)
        alone = [family.fit(part, seed=seed.at(start), parent=model) for part, seed, model in lone]
        joint = family.fit(Rows.stack(parts), seed=shared.at(start), parent=joint)
        joint = family.together(family.apart(joint, sizes))
        for model, found in zip(alone, family.apart(joint, sizes), strict=True):
            assert all(torch.equal(model.weights[name], found.weights[name]) for name in model.weights)
        wide = joint.sample(50, sampler=PLAIN, seed=shared.at("sample")).split(sizes)
        for model, seed, found in zip(alone, seeds, wide, strict=True):
            own = model.sample(50, sampler=PLAIN, seed=seed.at("sample"))
            np.testing.assert_array_equal(own.values, found.values)
            np.testing.assert_array_equal(own.filled_labels(), found.filled_labels())


def weights_of(model, chain):
    return np.concatenate([part[chain].numpy().ravel() for part in model.weights.values()])


def test_the_first_chain_of_a_batch_is_the_chain_alone():
    rows = planes(3, 200)
    together, alone = fitted(rows), fitted(rows[:1])
    np.testing.assert_array_equal(weights_of(together, 0), weights_of(alone, 0))
    np.testing.assert_array_equal(sampled(together)[:1], sampled(alone))


def test_every_chain_ignores_the_rows_of_the_others():
    rows = planes(3, 200)
    for chain in range(3):
        other = 5.0 * planes(3, 200, "other")[:, ::-1] - 3.0
        other[chain] = rows[chain]
        first, second = (weights_of(fitted(some), chain) for some in (rows, other))
        np.testing.assert_array_equal(first, second)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    rows = Rows(planes(2, 100))
    written = []
    for name, seed in (("first", "fit"), ("again", "fit"), ("other", "another")):
        (tmp_path / name).mkdir()
        SMALL.fit(rows, seed=SEED.at(seed)).save(tmp_path / name)
        written.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert written[0] == written[1] != written[2]


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = fitted(planes(2, 100), decoder="sampled")
    model.save(tmp_path)
    loaded = replace(SMALL, decoder="sampled").load(tmp_path)
    assert sampled(model, 50).tobytes() == sampled(loaded, 50).tobytes()


def test_it_learns_the_plane():
    rows = planes(2, 400)
    samples = sampled(fitted(rows, beta=0.1, steps=600))
    for chain in range(2):
        shared = np.corrcoef(samples[chain], rowvar=False) - np.corrcoef(rows[chain], rowvar=False)
        assert np.abs(shared).max() < 0.2
    np.testing.assert_allclose(samples.mean(axis=1), rows.mean(axis=1), atol=0.3)
    assert (total(samples) > 0.7 * total(rows)).all()


def test_decoder_means_lose_variance_and_decoder_noise_gives_it_back():
    rows = planes(2, 400, noise=1.0)
    means, noisy = (sampled(fitted(rows, beta=0.5, steps=600, decoder=decoder)) for decoder in ("mean", "sampled"))
    assert (total(means) < 0.7 * total(rows)).all()
    assert (np.abs(total(noisy) / total(rows) - 1.0) < 0.1).all()


def test_a_lineage_of_decoder_means_narrows_in_every_generation():
    values = planes(4, 300, noise=1.0)
    kept = [total(values).mean()]
    for generation in range(3):
        values = sampled(SMALL.fit(Rows(values), seed=SEED.at("fit", generation)), 300)
        kept.append(total(values).mean())
    assert (np.diff(np.log(kept)) < -0.1).all()


def test_the_variance_factor_scales_the_latents():
    model = fitted(planes(2, 400))
    ratios = [total(sampled(model, sampler=Sampler(variance_factor=factor))) for factor in (0.0, 0.25, 1.0, 2.0)]
    assert (np.diff(ratios, axis=0) > 0).all()
    np.testing.assert_allclose(ratios[0], 0.0, atol=1e-12)
    assert (ratios[1] < 0.4 * ratios[2]).all()


def test_weights_decide_what_is_learnt():
    near, far = planes(2, 100), planes(2, 100, "far") + 40.0
    rows, heavy = np.concatenate([near, far], axis=1), np.tile(np.repeat([9.0, 1.0], 100), (2, 1))
    shares = [(sampled(fitted(rows, weights)).mean(axis=2) > 27.0).mean(axis=1) for weights in (heavy, heavy[:, ::-1])]
    assert (shares[0] < 0.25).all()
    assert (shares[1] > 0.75).all()


def test_rows_of_weight_0_do_not_exist():
    rows, weights = planes(2, 120), np.ones((2, 120))
    weights[1, 100:] = 0.0
    broken = rows.copy()
    broken[1, 100:] = np.nan
    assert sampled(fitted(rows, weights), 50).tobytes() == sampled(fitted(broken, weights), 50).tobytes()


@pytest.mark.parametrize("scaling", ["whole", "each"])
def test_a_chain_whose_rows_agree_repeats_its_row_beside_one_that_varies(scaling):
    rows = planes(2, 100)
    rows[1] = rows[1, :1]
    samples = sampled(fitted(rows, scaling=scaling), 40)
    assert (samples[1] == rows[1, 0]).all()
    assert total(samples)[0] > 0.3 * total(rows)[0]


def test_scaled_each_by_itself_a_narrow_dimension_is_learnt_too():
    rows = SEED.at("narrow").numpy().normal(size=(1, 400, 2)) * [1.0, 0.1]
    lost, kept = (
        sampled(fitted(rows, scaling=scaling))[0, :, 1].var() / rows[0, :, 1].var() for scaling in ("whole", "each")
    )
    assert kept > 0.4
    assert lost < 0.1


def test_a_warm_restart_begins_at_the_parent():
    rows = Rows(planes(2, 200))
    parent = SMALL.fit(rows, seed=SEED.at("parent"))
    short = replace(SMALL, steps=1, learning_rate=1e-6)
    warm = short.fit(rows, seed=SEED.at("fit"), parent=parent)
    for name in ("encoder.0.weight", "decoder.1.weight"):
        np.testing.assert_allclose(warm.weights[name], parent.weights[name], atol=1e-4)
    with pytest.raises(ValueError, match="other layers"):
        replace(SMALL, hidden=17).fit(rows, seed=SEED, parent=parent)


def test_latents_of_real_rows_are_those_of_the_prior_and_any_chain_can_encode_any_row():
    rows = planes(2, 400)
    model = fitted(rows, beta=0.1, steps=600)
    own, first = model.encode(Rows(rows)), model.encode(Rows(rows[:1]))
    assert own.shape == (2, 400, 2)
    assert (np.abs(own.std(axis=1) - 1.0) < 0.3).all()
    np.testing.assert_array_equal(first[0], own[0])
    np.testing.assert_array_equal(first[1], model.encode(Rows(rows[[0, 0]]))[1])


@pytest.mark.parametrize(
    ("dimensions", "setting"), [(5, {"latent": 1}), (5, {"hidden": 7, "batch": 13}), (1, {"beta": 0.05})]
)
def test_lineages_get_the_same_bits_in_a_cohort_also_from_narrow_layers(dimensions, setting):
    family = replace(SMALL, steps=60, decoder="sampled", **setting)
    parts = (planes(1, 70), planes(2, 51, "other"))
    assert_a_cohort_is_its_lineages(family, [Rows(part[..., :dimensions]) for part in parts])


def test_a_fit_that_has_learnt_nothing_is_refused():
    with pytest.raises(ValueError, match=r"chain 0 has learnt nothing: .* predicting the mean"):
        fitted(planes(2, 100), steps=1, learning_rate=1e-6)
