"""Evaluate: every metric on equal-size samples of the generation's model and the frozen held-out rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dwindle.contracts import Evidence, Measurement
from dwindle.intervals import summarize
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from dwindle.stages.job import Job, read_rows, told
from dwindle.stages.lift import load_model

__all__ = ["run"]


def run(job: Job) -> Mapping[str, Any]:
    """Return, for each measure, its value in every chain and its summary over chains.

    The model is sampled without the sampler's bias: what is measured is the model, as many rows as are held out.
    """
    evidence = _evidence(job)
    measured: dict[str, Any] = {}
    for metric in job.recipe.metrics:
        for name, measurement in metric.measure(evidence).items():
            measured[name] = _described(measurement, metric.measures[name].scale)
    return measured


def _evidence(job: Job) -> Evidence:
    recipe, real = job.recipe, job.inputs["real"]
    model = load_model(told(recipe.family, recipe.source), job.inputs["model"])
    held_out = read_rows(real, "held_out")
    return Evidence(
        generation=job.generation,
        model=model,
        samples=model.sample(held_out.count, sampler=Sampler(), seed=job.seed.at("samples")),
        held_out=held_out,
        anchor=read_rows(real),
        training=read_rows(job.inputs["train"]),
        source=recipe.source,
        seed=Seed(recipe.seed).at("metric"),  # the same in every generation, so that curves are comparable
    )


def _described(measurement: Measurement, scale: Any) -> Mapping[str, Any]:
    summary = summarize(measurement.values, scale=scale, reason=measurement.reason)
    described = {
        "mean": _finite(summary.mean),
        "low": _finite(summary.low),
        "high": _finite(summary.high),
        "chains": [_finite(value) for value in measurement.values.tolist()],
    }
    return described | ({"reason": summary.reason} if summary.reason else {})


def _finite(value: float) -> float | None:
    """Return null for what JSON cannot say; the reason stands beside it."""
    return value if math.isfinite(value) else None
