"""Curate: curators judge the new rows, then the regime says what trains the generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.contracts import FRESH, REAL, Curated, Take, TrainingPlan
from dwindle.data.rows import IntArray, Rows
from dwindle.data.shards import link_shard, read_shard, write_shard
from dwindle.errors import Starved
from dwindle.seeds import Seed
from dwindle.stages.described import described
from dwindle.stages.job import Job, facts_of, read_rows, told

__all__ = ["SMALLEST", "run"]

SMALLEST = 2
"""Fewest rows a chain that a generation may train on."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one origin within reach of the regime.

    Args:
        name: the shard's name.
        origin: who made the rows.
        rows: the rows of every chain.
        folder: where the shard stands unchanged, if it does.
    """

    name: str
    origin: int
    rows: Rows
    folder: Path | None = None


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write the generation's dataset.

    Raises:
        Starved: if too few rows are left in a chain.
    """
    if job.generation == 0:
        link_shard(job.inputs["rows"], "real", out)
        return _facts(read_rows(job.inputs["rows"]), ["real"], ["real"], {}, {})
    new, dropped, judged = _judged(job)
    parts = [*_within_reach(job), *new]
    plan = _plan(job, parts)
    chosen = _chosen(parts, plan, job.seed)
    rows = Rows.join([part.rows for part in chosen])
    if int(rows.counts.min()) < SMALLEST:
        raise Starved(f"starved: {rows.counts.min()} rows are left in a chain, {SMALLEST} are needed; {dropped}")
    shards = [_put(part, out) for part in chosen]
    pool = [_put(part, out) for part in parts if part.origin in plan.keep]
    return _facts(rows, shards, pool, dropped, judged)


def _facts(
    rows: Rows, shards: list[str], pool: list[str], dropped: Mapping[str, int], judged: Mapping[str, Any]
) -> Mapping[str, Any]:
    assert rows.provenance is not None
    present = rows.filled_weights() > 0
    origins, counts = np.unique(rows.provenance.origin[present], return_counts=True)
    names = {REAL: "real", FRESH: "fresh"}
    by_origin = {names.get(o, f"{o}"): int(c) for o, c in zip(origins.tolist(), counts.tolist(), strict=True)}
    synthetic = int(counts[origins > 0].sum())
    return {
        "shards": shards,
        "pool": pool,
        "chains": rows.chains,
        "rows": {"total": int(present.sum()), "origin": by_origin},
        "synthetic_ratio": synthetic / int(present.sum()) if present.any() else 0.0,
        "dropped": dict(dropped),
        "judged": dict(judged),
    }


def _judged(job: Job) -> tuple[list[Part], dict[str, int], dict[str, Any]]:
    """Return the new rows that the curators keep, synthetic ones first, what was dropped for which reason, and rates.

    What curators tell of their own work goes by its name, that of a later curator with its place before it.
    """
    parts, anchor = [_synthetic(job), *_fresh(job)], read_rows(job.inputs["real"])
    dropped: dict[str, int] = {}
    judged: dict[str, Any] = {}
    for place, curator in enumerate(job.recipe.curators):
        shown = parts if curator.judges == "new" else parts[:1]
        rows = Rows.join([part.rows for part in shown])
        if not rows.count:
            continue
        verdict = told(curator, job.recipe.source).curate(rows, anchor=anchor, seed=job.seed.at("curator", place))
        for reason, count in verdict.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + int(count)
        for name, fact in verdict.facts.items():
            judged[name if name not in judged else f"{place}.{name}"] = described(fact)
        if verdict.weights is not None or not verdict.kept.all():
            parts = [*_sentenced(shown, rows, verdict), *parts[len(shown) :]]
    return parts, dropped, judged


def _synthetic(job: Job) -> Part:
    """Return the synthetic rows as they were generated."""
    folder = job.inputs["rows"]
    (name,) = facts_of(folder)["shards"]
    return Part(name, job.generation, read_shard(folder, name), folder)


def _sentenced(parts: list[Part], rows: Rows, verdict: Curated) -> Iterator[Part]:
    """Yield what a verdict on the joined rows leaves of each part."""
    weights = rows.filled_weights() if verdict.weights is None else verdict.weights
    left = np.where(verdict.kept, weights, 0.0)
    place = 0
    for part in parts:
        own = left[:, place : place + part.rows.count]
        place += part.rows.count
        yield Part(part.name, part.origin, _compressed(replace(part.rows, weights=own)))


def _compressed(rows: Rows) -> Rows:
    """Move the rows that are left to the front of each chain and cut the places that no chain needs."""
    weights = rows.filled_weights()
    order = np.argsort(weights == 0, axis=1, kind="stable")[:, : max(1, int(rows.counts.max()))]
    short = rows.take(order)
    equal = short.weights is not None and bool((short.weights == 1).all())
    return replace(short, weights=None) if equal else short


def _within_reach(job: Job) -> Iterator[Part]:
    """Yield the anchor, or the pool that the previous dataset kept."""
    if "pool" not in job.inputs:
        folder = job.inputs["real"]
        yield Part("real", REAL, read_shard(folder, "real"), folder)
        return
    folder = job.inputs["pool"]
    for name in facts_of(folder)["pool"] or facts_of(folder)["shards"]:
        rows = read_shard(folder, name)
        assert rows.provenance is not None
        if rows.count:  # all rows of a shard are of one origin; the places where a shorter chain has none say -1
            yield Part(name, int(rows.provenance.origin.max()), rows, folder)


def _fresh(job: Job) -> Iterator[Part]:
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


def _plan(job: Job, parts: list[Part]) -> TrainingPlan:
    """Ask the regime what trains, by the chain that has most; a chain with fewer rows gives what it has."""
    available: dict[int, int] = {}
    for part in parts:
        available[part.origin] = available.get(part.origin, 0) + int(part.rows.counts.max())
    return job.recipe.regime.plan(job.generation, available, budget=job.recipe.budget)


def _chosen(parts: list[Part], plan: TrainingPlan, seed: Seed) -> list[Part]:
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


def _put(part: Part, out: Path) -> str:
    """Put a part into the dataset: linked where it stands unchanged, else written; return the shard's name."""
    if not (out / f"{part.name}.npy").exists():
        if part.folder is None:
            write_shard(out, part.name, part.rows)
        else:
            link_shard(part.folder, part.name, out)
    return part.name
