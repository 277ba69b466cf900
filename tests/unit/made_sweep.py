"""A sweep whose evaluations are made up, published in the shape that the evaluate stage publishes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dwindle.config.sweep import load_sweep
from dwindle.data.workspace import publish_document
from dwindle.intervals import summarize
from dwindle.plan import Plan, chain_key, read_plan, unroll, write_plan
from dwindle.report.series import measure_of
from dwindle.stages.steps import output

Chains = Sequence[float]
Made = Mapping[str, Mapping[int, Mapping[str, Chains | tuple[Chains, str]]]]
"""Values of the chains, with a reason where some are nan, by lineage, generation and measure."""

PARAMS = """\
sweep: made
generations: {generations}
chains: 4
budget: 50
source: {{name: gaussian, dimensions: 2}}
family: {family}
metrics: [moments, frechet, prdc, tail_mass]
lineages:
  replace: {{regime: replace}}
  accumulate: {{regime: accumulate}}
  blend: {{regime: {{name: blend, synthetic_ratio: 0.5}}}}
"""


def planned(root: Path, text: str) -> Plan:
    """Write params.yaml and plan.json."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(text)
    write_plan(unroll(load_sweep(root / "params.yaml")), root)
    return read_plan(root)


def made_sweep(root: Path, made: Made, *, family: str = "gaussian_mixture", generations: int = 4) -> Plan:
    """Publish made-up evaluations of the lineages replace, accumulate and blend."""
    plan = planned(root, PARAMS.format(family=family, generations=generations))
    publish(root, plan, made)
    return plan


def publish(root: Path, plan: Plan, made: Made) -> None:
    """Publish made-up evaluations."""
    for lineage, generations in made.items():
        for generation, measures in generations.items():
            described = {name: _described(plan, lineage, name, values) for name, values in measures.items()}
            record = {"stage": "evaluate", "key": "made", "inputs": {}, "recipe": "made", "environment": {}}
            target = root / output(f"evaluate@{chain_key(lineage, generation)}", plan)
            publish_document(target, {"record": [record, {"measures": described}]})


def _described(plan: Plan, lineage: str, name: str, given: Chains | tuple[Chains, str]) -> dict[str, object]:
    values, reason = given if isinstance(given[-1], str) else (given, "")
    summary = summarize(
        np.array(values, dtype=float), scale=measure_of(plan.recipe(lineage), name).scale, reason=reason
    )
    ends = {"mean": summary.mean, "low": summary.low, "high": summary.high}
    described: dict[str, object] = {key: _finite(value) for key, value in ends.items()}
    described["chains"] = [_finite(value) for value in values]
    return described | ({"reason": summary.reason} if summary.reason else {})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def around(centre: float, spread: float) -> list[float]:
    """Return four chains of the given mean, whose 95 % interval has the given half-width."""
    # Deviations -1, -1, 1, 1 have standard error 1/sqrt(3); Student's factor for 3 degrees of freedom is 3.182.
    step = spread * math.sqrt(3) / 3.182446305284263
    return [centre - step, centre - step, centre + step, centre + step]
