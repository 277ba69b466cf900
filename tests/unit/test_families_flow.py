"""The neural spline flow: its densities are zuko's and integrate to 1, and its chains are chains alone."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from dwindle.contracts import Rows, Seed
from dwindle.errors import BadInput
from dwindle.families.flow import Flow
from dwindle.samplers import Sampler
from dwindle.seeds import SharedSeed
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.moons import Moons

SEED = Seed(19, ("flow",))
PLAIN = Sampler()
SMALL = Flow(transforms=2, bins=5, hidden=16, depth=1, steps=100, batch=50, learning_rate=1e-2)


def moons(chains, count, name="rows"):
    return Moons(deviation=0.15).draw(count, first=0, chains=chains, seed=SEED.at(name)).anonymous()


def normals(dimensions, chains=2, count=400):
    return Rows(3.0 + 2.0 * SEED.at("normals").numpy().normal(size=(chains, count, dimensions)))


def sampled(model, count=500, sampler=PLAIN):
    return model.sample(count, sampler=sampler, seed=SEED.at("sample")).values


@pytest.fixture(scope="module")
def fitted():
    return Flow(steps=300).fit(moons(2, 800), seed=SEED.at("fit"))


@pytest.fixture(scope="module")
def grid():
    """Return points of a fine grid over the moons, and the area that each stands for."""
    across, up = np.linspace(-3.5, 4.5, 251), np.linspace(-3.0, 3.5, 251)
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(1, -1, 2)
    return Rows(points), (across[1] - across[0]) * (up[1] - up[0])


@pytest.mark.parametrize("family", [SMALL, replace(SMALL, depth=2, layers="coupling")])
def test_its_density_is_that_of_zukos_own_flow(family):
    from zuko.flows import NSF

    rows = normals(3)
    model = family.fit(rows, seed=SEED.at("fit"))
    for chain in range(2):
        passes = 2 if family.layers == "coupling" else None
        flow = NSF(3, bins=5, transforms=2, hidden_features=(16,) * family.depth, passes=passes).double()
        for transform, net in enumerate(flow.transform.transforms):
            for layer, dense in enumerate(list(net.hyper)[::2]):
                name = f"{transform}.{layer}"
                dense.weight.data = model.weights[f"{name}.weight"][chain].T.double()
                dense.bias.data = model.weights[f"{name}.bias"][chain, 0].double()
        centre, scale = (model.weights[name][chain] for name in ("centre", "scale"))
        with torch.no_grad():
            theirs = flow().log_prob((torch.from_numpy(rows.values[chain]) - centre) / scale) - scale.log().sum()
        np.testing.assert_allclose(model.log_prob(rows)[chain], theirs.numpy(), rtol=1e-10)


def test_its_density_integrates_to_1(fitted, grid):
    rows, area = grid
    np.testing.assert_allclose(np.exp(fitted.log_prob(rows)).sum(axis=1) * area, 1.0, atol=0.01)


def test_it_learns_what_no_normal_law_fits(fitted):
    new = moons(1, 1000, "new")
    deviations = new.values[0] - new.values[0].mean(axis=0)
    volume = math.log(np.linalg.det(2.0 * math.pi * np.cov(deviations.T)))
    best_normal = -0.5 * (2.0 + volume)
    assert (fitted.log_prob(new).mean(axis=1) > best_normal + 0.4).all()


def test_its_samples_have_the_density_that_it_states(fitted, grid):
    # The mean log-density under the model itself, by samples and by an integral.
    logs = fitted.log_prob(grid[0])
    expected = (np.exp(logs) * logs).sum(axis=1) * grid[1]
    found = fitted.log_prob(Rows(sampled(fitted, 4000)))
    assert (np.abs(found.mean(axis=1) - expected) < 4 * found.std(axis=1) / math.sqrt(4000) + 0.01).all()


def test_rows_of_one_dimension_are_fitted_too():
    model = replace(SMALL, steps=200).fit(normals(1, count=2000), seed=SEED.at("fit"))
    for chain in sampled(model, 2000)[..., 0]:
        assert kstest(chain, norm(3.0, 2.0).cdf).statistic < 0.06


def test_the_variance_factor_is_that_of_the_latents():
    model = SMALL.fit(normals(2), seed=SEED.at("fit"))
    spread = [sampled(model, 2000, Sampler(variance_factor=factor)).var(axis=1) for factor in (0.0, 0.25, 1.0)]
    np.testing.assert_allclose(spread[0], 0.0, atol=1e-20)
    np.testing.assert_allclose(spread[1], 0.25 * spread[2], rtol=0.4)


def test_one_seed_gives_one_latent_to_every_generation_whatever_the_count():
    model = SMALL.fit(moons(2, 100), seed=SEED.at("fit"))
    np.testing.assert_allclose(sampled(model, 7), sampled(model, 50)[:, :7], rtol=1e-9)


@pytest.mark.parametrize("count", [1, 2])
def test_chains_of_several_lineages_are_those_of_each_alone_to_the_last_bit(count):
    parts = [moons(count, 90, "one"), moons(2, 61, "two")]
    seeds = [SEED.at("one"), SEED.at("two")]
    shared = SharedSeed.of([(seed, part.chains) for seed, part in zip(seeds, parts, strict=True)])
    whole = SMALL.fit(Rows.stack(parts), seed=shared.at("fit"))
    for model, part, seed in zip(SMALL.apart(whole, [count, 2]), parts, seeds, strict=True):
        alone = SMALL.fit(part, seed=seed.at("fit"))
        assert all((model.weights[name] == alone.weights[name]).all() for name in alone.weights)


def test_weights_decide_what_is_learnt():
    near, far = normals(2).values, normals(2).values + 30.0
    heavy = np.tile(np.repeat([9.0, 1.0], 400), (2, 1))
    rows = np.concatenate([near, far], axis=1)
    for weights, low, high in ((heavy, 0.0, 0.25), (heavy[:, ::-1], 0.75, 1.0)):
        share = (sampled(SMALL.fit(Rows(rows, weights), seed=SEED.at("fit")))[..., 0] > 18.0).mean(axis=1)
        assert ((low < share) & (share < high)).all()


def test_rows_of_weight_0_do_not_exist():
    rows, weights = normals(2).values, np.ones((2, 400))
    weights[1, 300:] = 0.0
    broken = rows.copy()
    broken[1, 300:] = np.nan
    first, second = (sampled(SMALL.fit(Rows(some, weights), seed=SEED)) for some in (rows, broken))
    assert first.tobytes() == second.tobytes()


def test_a_dimension_that_does_not_vary_is_repeated_and_the_density_is_that_on_the_others():
    rows = normals(2)
    flat = Rows(np.dstack([rows.values[..., 0], np.full(rows.values.shape[:2], 0.1), rows.values[..., 1]]))
    model = SMALL.fit(flat, seed=SEED.at("fit"))
    assert (sampled(model)[..., 1] == 0.1).all()
    off = flat.values + np.array([0.0, 1e-3, 0.0])
    assert (model.log_prob(Rows(off)) == -np.inf).all()
    entropy = -math.log(2.0 * math.pi * math.e * 4.0)
    np.testing.assert_allclose(model.log_prob(flat).mean(axis=1), entropy, atol=0.25)


def test_a_chain_that_collapsed_to_a_point_repeats_it_beside_one_that_varies():
    rows = normals(2).values
    rows[1] = rows[1, :1]
    samples = sampled(SMALL.fit(Rows(rows), seed=SEED))
    assert (samples[1] == rows[1, 0]).all()
    assert (samples[0].var(axis=0) > 2.0).all()


def test_a_warm_restart_begins_at_the_parent_and_another_shape_is_refused():
    rows = moons(2, 100)
    parent = SMALL.fit(rows, seed=SEED.at("parent"))
    warm = replace(SMALL, steps=1, learning_rate=1e-6).fit(rows, seed=SEED, parent=parent)
    np.testing.assert_allclose(warm.weights["1.0.weight"], parent.weights["1.0.weight"], atol=1e-5)
    with pytest.raises(ValueError, match="other layers"):
        replace(SMALL, hidden=17).fit(rows, seed=SEED, parent=parent)


def test_a_fit_that_ends_above_a_normal_law_is_refused():
    with pytest.raises(ValueError, match=r"chain 0 has learnt nothing: .* nats a row, that of a normal law 1"):
        replace(SMALL, steps=3, learning_rate=1.0).fit(moons(1, 100), seed=SEED)


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = SMALL.fit(moons(2, 100), seed=SEED)
    model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
    assert sampled(SMALL.load(tmp_path)).tobytes() == sampled(model).tobytes()


def test_without_zuko_one_message_names_the_extra(monkeypatch):
    Flow().require()
    monkeypatch.setitem(sys.modules, "zuko.transforms", None)
    with pytest.raises(BadInput, match=r"family flow needs zuko .*; pip install 'dwindle\[flow\]'"):
        Flow().require()


def test_three_generations_of_flows_keep_the_variance_within_its_random_walk():
    # The log-variance of n rows wanders by sqrt(2 / n) a generation; a biased fit would show in all chains alike.
    values = Gaussian(dimensions=2).draw(300, first=0, chains=6, seed=SEED.at("lineage")).values
    for generation in range(3):
        values = (
            SMALL.fit(Rows(values), seed=SEED.at("fit", generation))
            .sample(300, sampler=PLAIN, seed=SEED.at("rows", generation))
            .values
        )
    logs = np.log(values.var(axis=1)).mean(axis=1)
    assert abs(logs.mean()) < 4 * math.sqrt(4 * 2 / 300 / 12) + 3 * 0.02
