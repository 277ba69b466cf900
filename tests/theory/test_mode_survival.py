"""Shumailov et al. 2024, Alemohammad et al. 2023: a mixture refitted to its own samples loses its modes for good.

Chains are grown by the family itself and measured by the metric itself; the closed form is approximate.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.config.recipe import Recipe
from dwindle.contracts import Seed
from dwindle.families.gaussian import Gaussian
from dwindle.families.gaussian_mixture import GaussianMixture
from dwindle.metrics.modes import Modes
from dwindle.regimes import Accumulate, Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth
from dwindle.sources.grid_of_gaussians import GridOfGaussians
from dwindle.theory import categorical_replace
from dwindle.theory import mode_survival as theory

SEED = Seed(11, ("theory", "mode-survival"))


def recipe(**changes):
    """Return the recipe that the closed form speaks of, or another one."""
    parts = {"seed": 11, "chains": 60, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 100}
    parts |= {"source": GridOfGaussians(side=3, held_out=50), "regime": Replace(), "sampler": Sampler()}
    return Recipe(**(parts | {"family": GaussianMixture(components=9)} | changes))


def covered(grower, generations):
    """Return the modes covered by as many samples as are held out, (g, c)."""
    source = grower.source
    rows = source.draw(grower.budget, first=0, chains=grower.chains, seed=SEED).anonymous()
    seen = replace(evidence("vectors"), source=source, held_out=source.draw_held_out(seed=SEED))
    found = []
    for generation in range(generations + 1):
        model = grower.family.fit(rows, seed=SEED.at("fit", generation))
        shown = model.sample(source.held_out, sampler=Sampler(), seed=SEED.at("samples", generation))
        found.append(Modes().measure(replace(seen, samples=shown))["modes_covered"].values)
        rows = model.sample(grower.budget, sampler=Sampler(), seed=SEED.at("sample", generation))
    return np.stack(found)


def test_a_mixture_loses_its_modes_as_branching_predicts():
    values, curve = covered(recipe(), 20), theory.curves(recipe(), 20)["modes_covered"]
    assert curve.mean[0] > 8.8
    assert curve.mean[-1] < 5.5
    assert "approximate" in curve.source
    np.testing.assert_allclose(values.mean(axis=1), curve.mean, atol=0.6)


def test_shares_of_equal_symbols_lose_the_same_modes_where_no_mixture_has_to_be_fitted():
    generator, chains, rows, modes = SEED.at("symbols").numpy(), 4000, 500, 25
    counts = generator.multinomial(rows, np.full(modes, 1 / modes), size=chains)
    for fit in range(1, 21):
        alive = np.count_nonzero(counts, axis=1).mean()
        seen = np.count_nonzero(generator.multinomial(1000, counts / rows), axis=1).mean()
        expected = theory.alive(np.array([fit]), rows, modes)[0], theory.covered(np.array([fit]), rows, modes, 1000)[0]
        np.testing.assert_allclose([alive, seen], expected, rtol=0.02)
        counts = generator.multinomial(rows, counts / rows)


def test_it_is_the_survival_of_equally_likely_symbols():
    fits = np.array([1, 2, 10, 50])
    symbols = categorical_replace.support(fits, 500, np.full(25, 1 / 25))
    np.testing.assert_allclose(theory.alive(fits, 500, 25), symbols)


def test_the_more_samples_the_more_of_what_is_alive_is_seen():
    fits = np.arange(1, 40)
    few, many, alive = (
        theory.covered(fits, 500, 25, 50),
        theory.covered(fits, 500, 25, 50_000),
        theory.alive(fits, 500, 25),
    )
    assert (few < alive).all()
    np.testing.assert_allclose(many, alive)
    # Fifty samples of a first fit with all modes: 25 (1 - (24/25)^50) = 21.8, and a little less of unequal shares.
    assert few[0] == pytest.approx(21.3, abs=0.3)


def test_it_applies_to_a_mixture_with_enough_components_on_the_grid_that_replaces():
    assert theory.applies(recipe())
    assert theory.applies(recipe(family=GaussianMixture(components=12)))
    for change in (
        {"family": GaussianMixture(components=8)},
        {"family": Gaussian()},
        {"source": Truth(dimensions=2)},
        {"regime": Accumulate()},
        {"sampler": Sampler(variance_factor=0.9)},
        {"curators": ("a curator",)},
    ):
        assert not theory.applies(recipe(**change))
