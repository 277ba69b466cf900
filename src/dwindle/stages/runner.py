"""Run a stage of the plan: find out whether it is done, and if not, do it and publish what it made.

Every caller comes through here: `dwindle run`, a Prefect task, a worker process and `dvc repro`.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dwindle.config.recipe import Recipe
from dwindle.data.manifest import digest_of
from dwindle.data.unfinished import keeping
from dwindle.data.workspace import held, publish_document, publish_folder, publish_text, sweep_litter
from dwindle.errors import RolledBack, Stopped
from dwindle.plan import Plan, read_plan, stage_seed
from dwindle.review.cases import demand
from dwindle.seeds import Seed
from dwindle.stages import compare
from dwindle.stages.environment import fingerprint
from dwindle.stages.job import Job, Ready, facts_of
from dwindle.stages.results import evaluations, fired
from dwindle.stages.seconds import note_seconds
from dwindle.stages.sharing import one_at_a_time, taken_over
from dwindle.stages.steps import CURVES, StageName, Step, published, stage_key, step_of

__all__ = ["Outcome", "job_of", "let_through", "numerical_threads", "run_compare", "run_stage"]


@dataclass(frozen=True)
class Outcome:
    """What became of a stage.

    Args:
        stage: its name.
        ran: False if it was done already.
        digest: digest of its output.
    """

    stage: StageName
    ran: bool
    digest: str


def run_stage(root: Path, name: StageName, *, plan: Plan | None = None, ready: Ready | None = None) -> Outcome:
    """Bring one stage of the plan up to date.

    Args:
        root: the workspace.
        name: the stage.
        plan: the plan, if the caller has read it already.
        ready: what a cohort has reckoned for it.

    Raises:
        BadInput: if the plan has no such stage.
        DataDamaged: if an input is missing or is not what its manifest says.
        StageFailed: if the stage cannot do its work.
        Ended: if a gate or a reviewer ends the lineage before it.
    """
    plan = plan or read_plan(root)
    if name == "compare":
        return run_compare(root, plan)
    step = step_of(root, plan, name)
    key, inputs = stage_key(step)
    with one_at_a_time(root, step):
        if (found := published(step, key, whole=True)) is not None:
            return Outcome(name, ran=False, digest=found)
        if (found := taken_over(root, plan, name, key, inputs)) is not None:
            return Outcome(name, ran=True, digest=found)
        let_through(root, plan, step)
        begun = time.monotonic()
        with keeping(root, name, key):
            digest = _run(replace(job_of(plan, step), ready=ready), step, key, inputs)
        note_seconds(root, name, time.monotonic() - begun + (ready.seconds if ready is not None else 0.0))
        return Outcome(name, ran=True, digest=digest)


def let_through(root: Path, plan: Plan, step: Step) -> None:
    """Hold a generation to the gates before its rows are made, and to curators' alarms and reviewers before it trains.

    What was grown before a gate was set stays.

    Raises:
        Ended: if a gate, an alarm or a reviewer ends the lineage here.
    """
    if step.verb == "train":
        _refuse_alarming(plan.recipe(step.lineage), step)
        demand(root, plan.recipe(step.lineage).review, step.lineage, step.generation)
    elif step.verb == "generate" and step.generation and plan.recipe(step.lineage).gates:
        before = plan.generations(step.lineage)[step.generation - 1]
        run_stage(root, f"evaluate@{before}", plan=plan)
        for finding in fired(root, plan, step.lineage, step.generation - 1):
            if finding.gate.action != "warn":
                raise (RolledBack if finding.gate.action == "roll_back" else Stopped)(str(finding))


def _refuse_alarming(recipe: Recipe, step: Step) -> None:
    """Let no dataset train whose curation is alarming, where the recipe says to stop; it stays to be looked at."""
    if recipe.curation.on_alarm == "stop":
        report = facts_of(step.inputs["train"])["curation"]
        alarms = [f"{line['curator']}: {alarm}" for line in report for alarm in line["alarms"]]
        if alarms:
            raise Stopped(f"stopped: the curation of generation {step.generation} is alarming: {'; '.join(alarms)}")


def job_of(plan: Plan, step: Step) -> Job:
    """Return what a stage is given."""
    recipe = plan.recipe(step.lineage)
    drawn = Seed(recipe.seed).at("real")
    seed = drawn if step.verb == "draw" else stage_seed(recipe, step.lineage, step.generation, step.verb)
    return Job(recipe, step.generation, seed, step.inputs)


def _run(job: Job, step: Step, key: str, inputs: Mapping[str, str]) -> str:
    recipe = job.recipe
    family = None if step.verb in ("draw", "curate") else recipe.family_of(step.generation)
    environment = fingerprint(recipe.threads, family)
    stage = importlib.import_module(f"dwindle.stages.{step.verb}")
    with numerical_threads(recipe.threads):
        if step.verb == "evaluate":
            return _publish_evaluation(step, stage.run(job), key, inputs, recipe.digest, environment)
        manifest = publish_folder(
            step.target,
            lambda out: stage.run(job, out),
            stage=step.verb,
            key=key,
            inputs=inputs,
            recipe=recipe.digest,
            environment=environment,
        )
    return manifest.digest


def numerical_threads(count: int) -> AbstractContextManager[Any]:
    """Hold the numerical libraries to so many threads."""
    limited: AbstractContextManager[Any] = _libraries(len(sys.modules)).limit(limits=count)
    return limited


@lru_cache(maxsize=1)
def _libraries(_modules: int) -> Any:
    """Return the handle on the numerical libraries' threads; looked for anew only when a module was imported since."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _publish_evaluation(
    step: Step, measured: Mapping[str, Any], key: str, inputs: Mapping[str, str], recipe: str, environment: Any
) -> str:
    """Publish the measures of a generation.

    DVC shows the numbers at the top of a metrics file and passes over lists, so all but the means stands in a list.
    """
    record = {"stage": "evaluate", "key": key, "inputs": dict(inputs), "recipe": recipe, "environment": environment}
    means = {name: described["mean"] for name, described in measured.items() if described["mean"] is not None}
    document = {**means, "record": [record, {"measures": dict(measured)}]}
    return publish_document(step.target, document)


def run_compare(root: Path, plan: Plan) -> Outcome:
    """Gather the metrics of all lineages of the plan into one CSV."""
    known = ((name, *found) for name in plan.recipes for found in evaluations(root, plan, name))
    target = root / CURVES
    with held(root, "compare", wait=True):  # read inside, or what another process has read since would be undone
        text = compare.run(known)
        sweep_litter(target.parent)
        ran = not target.exists() or target.read_text() != text
        if ran:
            publish_text(target, text)
    return Outcome("compare", ran, digest_of(text))
