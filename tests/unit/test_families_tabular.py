"""Families of tables: the copula is consistent and keeps its columns, the autoencoder draws only what is there."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from dwindle.contracts import Column, Rows, Seed
from dwindle.families.tabular import Tabular
from dwindle.families.tabular_vae import TabularVae
from dwindle.samplers import Sampler
from dwindle.sources.census import Census
from dwindle.sources.gaussian import Gaussian

SEED = Seed(6, ("tabular",))


def source_of(*levels):
    """Return a source of a column for each number of levels, 0 for numbers; only its columns are asked for."""
    columns = tuple(
        Column(f"c{place}", tuple(map(str, range(many)))) if many else Column(f"c{place}")
        for place, many in enumerate(levels)
    )
    return SimpleNamespace(columns=lambda: columns)


def fit(rows, *levels, family=None, **settings):
    known = (family or Tabular)(**settings).given(source_of(*levels))
    return known.fit(rows if isinstance(rows, Rows) else Rows(np.asarray(rows, dtype=float)), seed=SEED.at("fit"))


def sampled(model, count=2000, factor=1.0):
    return model.sample(count, sampler=Sampler(variance_factor=factor), seed=SEED.at("sample")).values


def correlations(model):
    return model.factor @ model.factor.swapaxes(1, 2)


def tied(chains=2, count=400, correlation=0.8, name="rows"):
    """Return a number, a number that goes with it, and a level of three that does."""
    generator = SEED.at(name).numpy()
    first = generator.standard_normal((chains, count))
    second, third = (
        correlation * first + np.sqrt(1 - correlation**2) * generator.standard_normal((chains, count)) for _ in range(2)
    )
    return np.stack([first, np.exp(second), np.searchsorted([-0.5, 0.7], third)], axis=2)


def test_numbers_follow_hazens_quantiles():
    rows = tied(chains=1)
    model = fit(rows, 0, 0, 3)
    marks = np.linspace(0, 1, 97)
    for place in range(2):
        found = np.interp(marks, model.places[0, :, place], model.knots[0, :, place])
        np.testing.assert_allclose(found, np.quantile(rows[0, :, place], marks, method="hazen"))


def test_sampled_columns_are_distributed_as_the_weighted_rows_are():
    rows = tied(chains=1)
    weights = np.where(rows[..., 2] == 2, 3.0, 1.0)
    values, shares = sampled(fit(Rows(rows, weights), 0, 0, 3), 100_000)[0], weights[0] / weights.sum()
    for level in range(3):
        wanted = shares[rows[0, :, 2] == level].sum()
        assert abs((values[:, 2] == level).mean() - wanted) < 4 * np.sqrt(wanted / 100_000)
    for place in range(2):
        wanted, spread = shares @ rows[0, :, place], values[:, place].std()
        assert abs(values[:, place].mean() - wanted) < 4 * spread / np.sqrt(100_000) + spread / 400


def test_equal_numbers_stay_as_frequent_as_they_were_and_the_range_does_not_grow():
    rows = SEED.at("zeros").numpy().exponential(size=(1, 500, 1)) * (np.arange(500) % 2)[:, None]
    values = sampled(fit(rows, 0), 20_000)[0, :, 0]
    assert abs((values == 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000) + 1 / 500
    assert values.min() == 0
    assert values.max() <= rows.max()


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.9, 0.3), (0.2, 0.97)])
@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.4, 0.85])
def test_the_correlation_behind_two_levels_is_the_tetrachoric_one(first, second, correlation):
    """The chances of the four pairs are those of a bivariate normal, cut where the frequencies say."""
    ends = [ndtri(first), ndtri(second)]
    both = multivariate_normal.cdf(ends, cov=[[1, correlation], [correlation, 1]])
    weights = np.array([[both, first - both, second - both, 1 - first - second + both]])
    model = fit(Rows(np.array([[[0.0, 0], [0, 1], [1, 0], [1, 1]]]), np.maximum(weights, 1e-12)), 2, 2)
    assert correlations(model)[0, 0, 1] == pytest.approx(correlation, abs=5e-3)


def test_a_fit_of_many_rows_of_a_copula_is_that_copula():
    """What a lineage loses it loses by sampling: no pair of columns drifts by more than chance over generations."""
    family, chains, count = Tabular().given(source_of(0, 0, 3, 2)), 20, 4000
    rows = tied(chains, count, name="many")
    start = model = family.fit(Rows(np.dstack([rows, rows[..., 0] + rows[..., 2] > 1.5])), seed=SEED)
    for generation in range(3):
        rows = model.sample(count, sampler=Sampler(), seed=SEED.at("generation", generation))
        model = family.fit(rows, seed=SEED)
    drift = (correlations(model) - correlations(start))[:, *np.triu_indices(4, 1)]
    error = drift.std(axis=0, ddof=1) / np.sqrt(chains)
    assert (np.abs(drift.mean(axis=0)) < 4 * error + 2e-3).all()
    assert np.abs(correlations(start)[:, 0, 2] - 0.8).max() < 0.05


def test_correlations_that_contradict_each_other_are_mended():
    """Three pairs of levels, found one by one, may be what no three normals are."""
    values = np.array([[[0, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]]])
    found = correlations(fit(values, 2, 2, 2))
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), 1.0)
    assert np.linalg.eigvalsh(found).min() > 0


def test_chains_of_unlike_length_have_the_model_that_each_has_alone():
    rows = tied()
    weights = np.ones(rows.shape[:2])
    weights[1, ::3] = 0.0
    both, alone = fit(Rows(rows, weights), 0, 0, 3), fit(rows[1:, weights[1] > 0], 0, 0, 3)
    np.testing.assert_array_equal(both.factor[1:], alone.factor)
    np.testing.assert_array_equal(both.reach[1:], alone.reach)
    np.testing.assert_array_equal(both.knots[1:, : alone.knots.shape[1]], alone.knots)


SMALL = {"latent": 2, "hidden": 16, "layers": 1, "steps": 250, "batch": 64, "learning_rate": 1e-2}
FAMILIES = pytest.mark.parametrize(("family", "settings"), [(Tabular, {}), (TabularVae, SMALL)], ids=["copula", "vae"])


@FAMILIES
def test_a_level_that_no_row_has_is_never_sampled(family, settings):
    rows = tied(chains=2)
    rows[0, :, 2] = np.where(rows[0, :, 2] == 1, 0, rows[0, :, 2])
    values = sampled(fit(rows, 0, 0, 4, family=family, **settings), 5000)
    assert set(values[0, :, 2]) == {0, 2}
    assert set(values[1, :, 2]) == {0, 1, 2}


@FAMILIES
def test_a_value_that_is_no_level_and_a_source_without_columns_are_refused(family, settings):
    with pytest.raises(ValueError, match=r"2 is no level of column c2: it has 2"):
        fit(tied(), 0, 0, 2, family=family, **settings)
    with pytest.raises(ValueError, match=r"rows of 3 values; the source given has 2 columns"):
        fit(tied(), 0, 0, family=family, **settings)
    with pytest.raises(ValueError, match=r"needs a source with columns; Gaussian has none"):
        family().given(Gaussian())


@FAMILIES
@pytest.mark.parametrize("levels", [(0, 0), (3, 2)], ids=["numbers", "levels"])
def test_tables_of_one_kind_of_column_are_fitted(family, settings, levels):
    rows = np.where(np.array(levels) > 0, np.abs(tied()[..., :2]) > 0.7, tied()[..., :2])
    values = sampled(fit(rows, *levels, family=family, **settings))
    assert abs(values.mean(axis=1) - rows.mean(axis=1)).max() < 0.25


@FAMILIES
def test_a_column_that_does_not_vary_is_repeated(family, settings):
    rows = tied(chains=1)
    rows[..., 1], rows[..., 2] = 7.25, 1
    values = sampled(fit(rows, 0, 0, 3, family=family, **settings))
    assert (values[..., 1] == 7.25).all()
    assert (values[..., 2] == 1).all()
    assert values[..., 0].std() > 0.7


def test_the_autoencoder_learns_columns_and_what_ties_them():
    rows = tied(chains=1, count=1500)
    values = sampled(fit(rows, 0, 0, 3, family=TabularVae, **SMALL), 5000)[0]
    real, made = (np.corrcoef(some[:, [0, 2]], rowvar=False)[0, 1] for some in (rows[0], values))
    assert made > 0.5 * real > 0.25
    shares = [np.bincount(some[:, 2].astype(int), minlength=3) / len(some) for some in (rows[0], values)]
    assert np.abs(shares[0] - shares[1]).max() < 0.08
    assert values[:, 0].std() == pytest.approx(rows[0, :, 0].std(), rel=0.2)


def test_a_latent_of_less_variance_gives_numbers_of_less_variance():
    model = fit(tied(chains=1), 0, 0, 3, family=TabularVae, **SMALL)
    assert sampled(model, factor=0.01)[..., 0].std() < sampled(model)[..., 0].std()


def test_a_warm_restart_begins_at_the_parents_weights_and_refuses_other_layers():
    family = TabularVae(**{**SMALL, "steps": 1, "learning_rate": 1e-6}).given(source_of(0, 0, 3))
    parent = fit(tied(), 0, 0, 3, family=TabularVae, **SMALL)
    child = family.fit(Rows(tied()), seed=SEED, parent=parent)
    assert (child.weights["encoder.0.weight"] - parent.weights["encoder.0.weight"]).abs().max() < 1e-5
    with pytest.raises(ValueError, match=r"other layers"):
        replace(family, hidden=8).given(source_of(0, 0, 3)).fit(Rows(tied()), seed=SEED, parent=parent)


def test_an_autoencoder_that_has_learnt_nothing_is_refused():
    with pytest.raises(ValueError, match=r"chain 0 has learnt nothing.*independent columns"):
        fit(tied(), 0, 0, 3, family=TabularVae, **{**SMALL, "steps": 2, "learning_rate": 1.0})


def test_a_lineage_of_copulas_keeps_the_census_groups_on_average():
    """The share of the minority is a martingale: its mean over chains stays, while its spread grows."""
    source, count, chains = Census(), 200, 60
    family = Tabular().given(source)
    rows = source.draw(count, first=0, chains=chains, seed=SEED)
    shares = [source.groups(rows).mean(axis=1)]
    for generation in range(8):
        rows = family.fit(rows, seed=SEED).sample(count, sampler=Sampler(), seed=SEED.at("census", generation))
        shares.append(source.groups(rows).mean(axis=1))
    change = shares[-1] - shares[0]
    assert abs(change.mean()) < 4 * change.std(ddof=1) / np.sqrt(chains)
    assert shares[-1].var() > 3 * shares[0].var()
