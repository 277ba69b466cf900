"""Evaluate: every metric on equal-size samples of the generation's model and the frozen held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dwindle.contracts import Evidence
from dwindle.data.rows import Rows
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from dwindle.stages.described import described
from dwindle.stages.job import Job, read_rows, shared_seed, told
from dwindle.stages.lift import load_model, sample_model, sample_together

__all__ = ["run", "together"]


def run(job: Job) -> Mapping[str, Any]:
    """Return, for each measure, its value in every chain and its summary over chains.

    The model is sampled without the sampler's bias: what is measured is the model, as many rows as are held out.
    """
    evidence = _evidence(job)
    measured: dict[str, Any] = {}
    for metric in job.recipe.metrics:
        for name, measurement in metric.measure(evidence).items():
            measured[name] = described(measurement, metric.measures[name].scale)
    return measured


def together(jobs: Sequence[Job]) -> list[Rows]:
    """Sample the models of a cohort in one batch, as many rows as are held out; return those of each job."""
    count = read_rows(jobs[0].inputs["real"], "held_out").count
    return sample_together(jobs, "model", count, Sampler(), shared_seed(jobs).at("samples"))


def _evidence(job: Job) -> Evidence:
    recipe, real, family = job.recipe, job.inputs["real"], told(job.recipe.family_of(job.generation), job.recipe.source)
    model = load_model(family, job.inputs["model"])
    origin = told(recipe.family_of(0), recipe.source)
    reference = load_model(origin, job.inputs["reference"]) if "reference" in job.inputs else None
    held_out = read_rows(real, "held_out")
    ready = job.ready and job.ready.made
    return Evidence(
        generation=job.generation,
        model=model,
        samples=ready or sample_model(model, job, held_out.count, sampler=Sampler(), seed=job.seed.at("samples")),
        held_out=held_out,
        anchor=read_rows(real),
        training=read_rows(job.inputs["train"]),
        source=recipe.source,
        seed=Seed(recipe.seed).at("metric"),  # the same in every generation, so that curves are comparable
        reference=model if job.generation == 0 else reference,
        knobs=family.knobs,
    )
