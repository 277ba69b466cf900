"""Alemohammad et al. 2023: with fresh real rows in each generation the drift ends, at a level that depends on them.

Chains are grown by the family itself and held to the closed forms at |z| < 4.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.config.recipe import Recipe
from dwindle.contracts import FRESH, REAL, Rows, Seed
from dwindle.families.categorical import Categorical
from dwindle.regimes import Accumulate, AccumulateSubsample, Blend, Fresh, Mixture, Replace
from dwindle.samplers import Sampler
from dwindle.sources.zipf import Zipf
from dwindle.theory import categorical_mixed as theory

SEED = Seed(11, ("theory", "fresh-symbols"))
SOURCE = Zipf(symbols=20)
ALIKE = float((SOURCE.probabilities()[0] ** 2).sum())
ROWS = 50


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": 2000, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": ROWS}
    parts |= {"family": Categorical(symbols=20), "source": SOURCE, "regime": Fresh(0.9), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def taken(take, rows, seed):
    """Return the rows that a take names, with its weight."""
    if take.count < rows.count and not take.fixed:
        order = seed.numpy().random((rows.chains, rows.count)).argsort(axis=1)
        rows = rows.take(order[:, : take.count])
    return Rows(rows.values[:, : take.count], np.full((rows.chains, take.count), take.weight))


def grown(grower, generations):
    """Return the heterozygosity of the models, (g, c), of a regime that mixes real rows with the newest ones."""
    regime, chains, budget, found = grower.regime, grower.chains, grower.budget, []
    anchor = rows = SOURCE.draw(budget, first=0, chains=chains, seed=SEED)
    for generation in range(1, generations + 2):
        seed = SEED.at(generation)
        model = grower.family.fit(rows.anonymous(), seed=seed.at("fit"))
        found.append(1.0 - (model.probabilities() ** 2).sum(axis=1))
        asks = regime.asks(generation, budget=budget)
        within = {REAL: anchor, generation: model.sample(asks[generation], sampler=grower.sampler, seed=seed)}
        if asks.get(FRESH):
            within[FRESH] = SOURCE.draw(asks[FRESH], first=generation * budget, chains=chains, seed=SEED)
        plan = regime.plan(generation, {origin: rows.count for origin, rows in within.items()}, budget=budget)
        rows = Rows.join([taken(take, within[take.origin], seed.at("take", take.origin)) for take in plan.takes])
    return np.stack(found)


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


@pytest.mark.parametrize(
    "regime",
    [
        Fresh(0.9),
        Blend(0.8),
        Mixture(0.9, real="fixed"),
        Mixture(0.9, real_weight=0.4),
        Mixture(0.8, schedule="linear", ramp=5),
    ],
    ids=repr,
)
def test_heterozygosity_follows_the_curve_in_every_mixed_regime(regime):
    grower = recipe(regime=regime)
    assert np.abs(z(grown(grower, 25), theory.curves(grower, 25)["heterozygosity"].mean)).max() < 4


def test_one_row_in_ten_keeps_nine_tenths_of_the_heterozygosity_for_good():
    curve = theory.curves(recipe(), 400)["heterozygosity"].mean / (1.0 - ALIKE)
    assert curve[-1] == pytest.approx(0.904, abs=5e-4)
    assert (np.diff(curve) <= 0).all()
    assert 1.0 - theory.limit(ROWS, 0.1, ALIKE) == pytest.approx(curve[-1] * (1.0 - ALIKE), abs=1e-9)


@pytest.mark.parametrize("ratio", [0.02, 0.5, 0.9, 0.98])
def test_the_curve_is_the_recursion_of_homozygosity(ratio):
    curve = theory.curves(recipe(regime=Fresh(ratio)), 50)["heterozygosity"]
    expected = 1.0 - theory.homozygosity(np.arange(1, 52), ROWS, 1.0 - ratio, ALIKE)
    np.testing.assert_allclose(curve.mean, expected, rtol=1e-12)


def test_without_fresh_rows_all_is_lost_and_with_nothing_else_nothing():
    assert theory.limit(ROWS, 0.0, ALIKE) == pytest.approx(1.0)
    assert theory.limit_of_random_counts(ROWS, 0.0, ALIKE) == pytest.approx(1.0)
    real_alone = ALIKE + (1.0 - ALIKE) / ROWS
    assert theory.limit(ROWS, 1.0, ALIKE) == pytest.approx(real_alone)
    assert theory.limit_of_random_counts(ROWS, 1.0, ALIKE) == pytest.approx(real_alone)


def test_rows_that_are_fresh_by_chance_drift_a_little_further_than_a_fixed_number_of_them():
    generator, fresh, chains = SEED.at("chance").numpy(), 0.1, 4000
    real = SOURCE.probabilities()
    shares = np.broadcast_to(real, (chains, 20))
    for _ in range(120):
        shares = generator.multinomial(ROWS, fresh * real + (1.0 - fresh) * shares) / ROWS
    alike = (shares**2).sum(axis=1)[None]
    assert np.abs(z(alike, theory.limit_of_random_counts(ROWS, fresh, ALIKE))) < 4
    assert theory.limit_of_random_counts(ROWS, fresh, ALIKE) > theory.limit(ROWS, fresh, ALIKE)


def test_it_applies_to_mixed_regimes_alone():
    for regime in (Fresh(0.5), Blend(0.5), Mixture(0.5), AccumulateSubsample()):
        assert theory.applies(recipe(regime=regime))
    for change in (
        {"regime": Replace()},
        {"regime": Accumulate()},
        {"regime": Fresh(1.0)},
        {"sampler": replace(Sampler(), temperature=0.9)},
        {"family": Categorical(symbols=20, smoothing=0.1)},
        {"curators": ("a curator",)},
    ):
        assert not theory.applies(recipe(**change))
