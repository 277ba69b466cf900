"""Generate: the new rows of a generation, sampled from the parent's model; generation 0 takes the anchor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.data.rows import Provenance, Rows
from dwindle.data.shards import link_shard, write_shard
from dwindle.samplers import Sampler
from dwindle.stages.job import Job, facts_of, read_rows, shared_seed, told
from dwindle.stages.lift import load_model, sample_model, sample_together

__all__ = ["asked", "run", "shared", "together"]


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write the new rows, each with its provenance; the facts say whether a model, rules or a simulator made them."""
    chains = job.recipe.chains
    known = {"chains": chains, "content": job.recipe.content}
    if job.generation == 0:
        link_shard(job.inputs["generator"], "real", out)
        purpose = facts_of(job.inputs["generator"]).get("purpose", "")
        return {
            "shards": ["real"],
            "rows": {"real": job.recipe.budget},
            "depth": _depth(job),
            "purpose": purpose,
        } | known
    rows = _sample(job)
    name = f"synthetic-{job.generation:03d}"
    write_shard(out, name, rows)
    maker = job.recipe.family_of(job.generation - 1)
    return {
        "shards": [name],
        "rows": {"synthetic": rows.count},
        "made": getattr(maker, "makes", "modelled"),
        "depth": _depth(job) + 1,
        "purpose": job.recipe.purpose,
    } | known


def _depth(job: Job) -> int:
    """Return how many synthetic ancestors the rows have at most that the generator was trained on, or is."""
    return int(facts_of(job.inputs["generator"]).get("depth", 0))


def asked(job: Job) -> int:
    """Return how many rows a chain the regime asks the model for, more where curators are to have a choice."""
    recipe, generation = job.recipe, job.generation
    return round(recipe.regime.asks(generation, budget=recipe.budget).get(generation, 0) * recipe.sampler.oversample)


def together(jobs: Sequence[Job]) -> list[Rows]:
    """Sample the models of a cohort in one batch; return the rows of each job, without provenance."""
    return sample_together(jobs, "generator", asked(jobs[0]), jobs[0].recipe.sampler, shared_seed(jobs).at(0))


def shared(job: Job) -> bool:
    """Say whether a cohort can sample for a job: some rows, of a model that is asked nothing."""
    return bool(job.generation) and job.recipe.sampler.prompts == "none" and asked(job) > 0


def _sample(job: Job) -> Rows:
    recipe, generation = job.recipe, job.generation
    if job.ready is not None:
        rows: Rows = job.ready.made
        return replace(rows, provenance=Provenance.of(generation, rows.chains, rows.count))
    family = told(recipe.family_of(generation - 1), recipe.source)
    model, count = load_model(family, job.inputs["generator"]), asked(job)
    if count == 0:  # a generation of real rows only: an empty shard of the model's shape
        rows = sample_model(model, job, 1, sampler=Sampler(), seed=job.seed.at(0))
        return Rows(rows.values[:, :0], provenance=Provenance.of(generation, rows.chains, 0))
    if recipe.sampler.prompts == "none":
        rows = sample_model(model, job, count, sampler=recipe.sampler, seed=job.seed.at(0))
        return replace(rows, provenance=Provenance.of(generation, rows.chains, rows.count))
    prompts = read_rows(job.inputs["prompts"])
    rows = sample_model(model, job, count, sampler=recipe.sampler, seed=job.seed.at(0), prompts=prompts.anonymous())
    # Of a chain that is shorter than another, places are empty, and nobody is asked what is not there.
    there = np.argsort(prompts.filled_weights() == 0, axis=1, kind="stable")
    asked_by = np.take_along_axis(there, np.arange(count) % prompts.counts[:, None], axis=1)
    asked_by = np.broadcast_to(asked_by, (rows.chains, count))
    return replace(rows, provenance=Provenance.of(generation, rows.chains, rows.count, source=asked_by))
