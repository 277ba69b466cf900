"""Reach: which rows a regime may take for a generation, and those that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dwindle.contracts import FRESH, REAL, Take, TrainingPlan
from dwindle.data.rows import IntArray, Rows
from dwindle.data.shards import read_shard
from dwindle.seeds import Seed
from dwindle.stages.job import Job, Part, compressed, facts_of

__all__ = ["chosen_parts", "fresh_parts", "plan_of", "with_room", "within_reach"]


def within_reach(job: Job) -> Iterator[Part]:
    """Yield the pool that the previous dataset kept; the anchor, and what else trained there, where it kept none."""
    anchor = Part("real", REAL, read_shard(job.inputs["real"], "real"), job.inputs["real"])
    if "pool" not in job.inputs or not job.recipe.pools(job.generation):
        yield anchor
        return
    folder, kept = job.inputs["pool"], facts_of(job.inputs["pool"])["pool"]
    if not kept:  # the regime was switched to one that pools
        yield anchor
    for name in kept or facts_of(folder)["shards"]:
        rows = read_shard(folder, name)
        assert rows.provenance is not None
        # All rows of a shard are of one origin; the places where a shorter chain has none say -1.
        origin = int(rows.provenance.origin.max(initial=FRESH))
        if rows.count and (kept or origin != REAL):
            yield Part(name, origin, rows, folder)


def fresh_parts(job: Job) -> Iterator[Part]:
    """Yield the new real rows that the regime asks for, the next of each chain's stream."""
    recipe, t = job.recipe, job.generation
    counts = [recipe.regime.asks(g, budget=recipe.budget).get(FRESH, 0) for g in range(1, t + 1)]
    if counts[-1]:
        first = recipe.budget + sum(counts[:-1])
        seed = Seed(recipe.seed).at("real")
        rows = recipe.source.draw(counts[-1], first=first, chains=recipe.chains, seed=seed)
        assert rows.provenance is not None
        marked = replace(rows.provenance, origin=np.full_like(rows.provenance.origin, FRESH))
        yield Part(f"fresh-{t:03d}", FRESH, replace(rows, provenance=marked))


def plan_of(job: Job, parts: list[Part]) -> TrainingPlan:
    """Ask the regime what trains, by the chain that has most; a chain with fewer rows gives what it has."""
    available: dict[int, int] = {}
    for part in parts:
        available[part.origin] = available.get(part.origin, 0) + int(part.rows.counts.max())
    return job.recipe.regime.plan(job.generation, available, budget=job.recipe.budget)


def with_room(part: Part, added: list[Part], asked: int, seed: Seed) -> Part:
    """Return the synthetic rows without as many, at random, as take the places of those that curators have added.

    Args:
        part: the synthetic rows that curators keep; more than are asked for where more were sampled.
        added: what they have added.
        asked: rows a chain that the regime asks for.
        seed: address of the draw.
    """
    room = np.maximum(0, asked - np.sum([one.rows.counts for one in added], axis=0))
    if (part.rows.counts <= room).all():
        return part
    present = part.rows.filled_weights() > 0
    keys = np.where(present, seed.numpy().random(present.shape), 2.0)  # after every row that exists
    ranks = np.argsort(np.argsort(keys, axis=1), axis=1)
    left = np.where(ranks < room[:, None], part.rows.filled_weights(), 0.0)
    return Part(part.name, part.origin, compressed(replace(part.rows, weights=left)))


def chosen_parts(parts: list[Part], plan: TrainingPlan, seed: Seed) -> list[Part]:
    """Return the rows that train, as parts; a part without a folder is a shard to be written."""
    taken = [part for take in plan.takes for part in _taken(parts, take, seed.at("take", take.origin))]
    if plan.draw is None:
        return taken
    rows = Rows.join([part.rows for part in taken])
    if plan.replacement:
        drawn = _with_replacement(rows, plan.draw, seed.at("draw"))
    elif plan.draw < rows.counts.max():
        drawn = _without_replacement(rows, plan.draw, seed.at("draw"))
    else:
        return taken
    return [Part("drawn", taken[0].origin, drawn)]


def _taken(parts: list[Part], take: Take, seed: Seed) -> list[Part]:
    own = [part for part in parts if part.origin == take.origin]
    rows = Rows.join([part.rows for part in own])
    if take.weight != 1.0:
        rows, own = replace(rows, weights=rows.filled_weights() * take.weight), []
    if take.fixed and take.count < rows.count:
        return [Part(f"fixed-{take.origin}", take.origin, rows.take(_first(rows.chains, take.count)))]
    if take.count < rows.counts.max():
        rows, own = _without_replacement(rows, take.count, seed), []
    return own or [Part(f"taken-{take.origin}" if take.origin != FRESH else "taken-fresh", take.origin, rows)]


def _first(chains: int, count: int) -> IntArray:
    return np.broadcast_to(np.arange(count, dtype=np.int64), (chains, count))


def _without_replacement(rows: Rows, count: int, seed: Seed) -> Rows:
    """Draw `count` rows of each chain, kept in their order."""
    keys = seed.numpy().random((rows.chains, rows.count))
    if rows.weights is not None:
        keys[rows.weights == 0] = 2.0  # after every row that exists
    index = np.argpartition(keys, count - 1, axis=1)[:, :count]
    return rows.take(np.sort(index, axis=1))


def _with_replacement(rows: Rows, count: int, seed: Seed) -> Rows:
    """Draw `count` rows of each chain, any row any number of times."""
    existing = np.argsort(rows.filled_weights() == 0, axis=1, kind="stable")
    places = (seed.numpy().random((rows.chains, count)) * rows.counts[:, None]).astype(np.int64)
    index: IntArray = np.take_along_axis(existing, places, axis=1)
    return rows.take(index)
