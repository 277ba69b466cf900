"""Chains of Gaussians grown in memory by family, sampler, regime and curators, for tests that hold them to theory."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from dwindle.config.recipe import Recipe
from dwindle.contracts import FRESH, REAL, Provenance, Rows, Seed
from dwindle.families.gaussian import Gaussian
from dwindle.regimes import Replace
from dwindle.samplers import Sampler
from dwindle.sources.gaussian import Gaussian as Truth

SEED = Seed(11, ("theory", "grown-chains"))


def recipe(**changes):
    """Return a Gaussian recipe: 2000 chains of 20 rows that replace, but for the changes."""
    parts = {"seed": 11, "chains": 2000, "threads": 1, "restart": "cold", "metrics": (), "curators": (), "budget": 20}
    parts |= {"family": Gaussian(), "source": Truth(), "regime": Replace(), "sampler": Sampler()}
    return Recipe(**(parts | changes))


def measured(grower, generations):
    """Return variance, mean_error and mean as the `moments` metric has them, by name, (g, c)."""
    truth, found = grower.source.mean()[0], []
    for model in _models(grower, generations):
        spread = np.trace(model.covariance(), axis1=1, axis2=2) / len(truth)
        found.append((spread, ((model.mean() - truth) ** 2).mean(axis=1), model.mean().mean(axis=1)))
    return dict(zip(("variance", "mean_error", "mean"), np.array(found).swapaxes(0, 1), strict=True))


def z(values, expected):
    """Return how many standard errors the mean over chains lies off, (g,)."""
    return (values.mean(axis=1) - expected) / (values.std(axis=1, ddof=1) / np.sqrt(values.shape[1]))


def _models(grower, generations):
    seed = SEED.at(*_address(grower))
    anchor = grower.source.draw(grower.budget, first=0, chains=grower.chains, seed=seed)
    model = grower.family.fit(anchor.anonymous(), seed=seed.at("fit", 0))
    yield model
    pool, used = {REAL: anchor}, grower.budget
    for generation in range(1, generations + 1):
        asked = grower.regime.asks(generation, budget=grower.budget)
        new = {generation: _sampled(grower, model, generation, asked[generation], seed.at("sample", generation))}
        if asked.get(FRESH):
            new[FRESH] = grower.source.draw(asked[FRESH], first=used, chains=grower.chains, seed=seed)
            used += asked[FRESH]
        available = pool | _judged(grower, new, seed.at("sample", generation, "curate"))
        counts = {origin: part.count for origin, part in available.items()}
        plan = grower.regime.plan(generation, counts, budget=grower.budget)
        pool = {origin: available[origin] for origin in plan.keep} or {REAL: anchor}
        rows = _drawn(plan, available, seed.at("draw", generation).numpy())
        model = grower.family.fit(rows.anonymous(), seed=seed.at("fit", generation))
        yield model


def _address(grower):
    """Return what tells a recipe from another one, and stays when a recipe gains a setting."""
    biased = [f"{f.name}={value}" for f in fields(Sampler) if (value := getattr(grower.sampler, f.name)) != f.default]
    parts = (grower.family, grower.source, grower.regime, *grower.curators)
    return (grower.chains, grower.budget, *map(repr, parts), *biased)


def _sampled(grower, model, generation, count, seed):
    rows = model.sample(round(count * grower.sampler.oversample), sampler=grower.sampler, seed=seed)
    return replace(rows, provenance=Provenance.of(generation, rows.chains, rows.count))


def _judged(grower, new, seed):
    """Return what the curators leave of the new rows, synthetic ones first, by origin."""
    for curator in grower.curators:
        shown = list(new) if curator.judges == "new" else list(new)[:1]
        rows = Rows.join([new[origin] for origin in shown])
        verdict = curator.curate(rows, anchor=rows, seed=seed)
        weights = np.where(verdict.kept, rows.filled_weights() if verdict.weights is None else verdict.weights, 0.0)
        ends = np.cumsum([new[origin].count for origin in shown])[:-1]
        for origin, own in zip(shown, np.split(weights, ends, axis=1), strict=True):
            left = np.argsort(own == 0, axis=1, kind="stable")[:, : (own > 0).sum(axis=1).max()]
            new[origin] = replace(new[origin], weights=own).take(left)
    return new


def _drawn(plan, available, random):
    parts = []
    for take in plan.takes:
        part = available[take.origin]
        if take.count < part.count:
            part = part.take(_places(random, part, take.count, take.fixed))
        parts.append(Rows(part.values, part.filled_weights() * take.weight))
    rows = Rows.join(parts)
    if plan.draw is None:
        return rows
    if plan.replacement:
        return rows.take(random.integers(rows.count, size=(rows.chains, plan.draw)))
    return rows.take(_places(random, rows, min(plan.draw, rows.count), False))


def _places(random, rows, count, fixed):
    """Return the places of rows drawn without replacement, or of the first ones, (c, count)."""
    shape = (rows.chains, rows.count)
    keys = np.broadcast_to(np.arange(rows.count), shape) if fixed else random.random(shape)
    return np.argsort(np.where(rows.filled_weights() > 0, keys, np.inf), axis=1)[:, :count]
