"""Cohorts: lineages of one family whose chains are trained and sampled as one batch of networks.

Each lineage keeps its own stages, inputs, seeds and outputs; only the arithmetic is shared. What a lineage gets is what
it would have got alone, to the last bit on the processor, so nothing that is published says who shared the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dwindle.config.recipe import Recipe
from dwindle.contracts import Cohort
from dwindle.data.manifest import digest_of
from dwindle.errors import DataDamaged, Ended
from dwindle.plan import Plan
from dwindle.stages import evaluate, generate, train
from dwindle.stages.job import Job, Ready
from dwindle.stages.runner import Outcome, job_of, let_through, numerical_threads, run_stage
from dwindle.stages.steps import StageName, Step, published, stage_key, step_of

__all__ = ["JOINT", "divided", "run_stages"]

JOINT: Mapping[str, Callable[[Sequence[Job]], list[Any]]] = {
    "generate": generate.together,
    "train": train.together,
    "evaluate": evaluate.together,
}
"""How the stages that a cohort shares are worked at together."""


def divided(recipes: Mapping[str, Recipe], *, most: int, places: int) -> list[tuple[str, ...]]:
    """Return the cohorts of a sweep: lineages whose networks can share a batch, as many cohorts as there are workers.

    Args:
        recipes: the lineages to grow.
        most: chains in a batch; a lineage is never divided.
        places: worker processes; a cohort that leaves one idle would be slower than two.
    """
    alike: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        if isinstance(recipe.family, Cohort):
            alike.setdefault(_likeness(recipe), []).append(name)
    cohorts = []
    for names in alike.values():
        wide = max(1, most // max(recipes[name].chains for name in names))
        pieces = max(-(-len(names) // wide), min(places, len(names)))
        cohorts += [tuple(names[place::pieces]) for place in range(pieces)]
    return [cohort for cohort in cohorts if len(cohort) > 1]


def _likeness(recipe: Recipe) -> str:
    settings = recipe.settings
    return digest_of({key: settings.get(key) for key in ("family", "source", "threads", "restart", "teacher")})


def run_stages(root: Path, names: Sequence[StageName], *, plan: Plan) -> list[Outcome | Exception]:
    """Bring the same stage of several lineages up to date, their networks in one batch; return each one's outcome.

    Args:
        root: the workspace.
        names: the stages.
        plan: the plan.
    """
    ready = _ready(root, names, plan)
    return [_one(root, name, plan, ready.get(name)) for name in names]


def _one(root: Path, name: StageName, plan: Plan, ready: Ready | None) -> Outcome | Exception:
    try:
        return run_stage(root, name, plan=plan, ready=ready)
    except Exception as error:  # the others' outcomes must not be lost for it; the caller raises it
        return error


def _ready(root: Path, names: Sequence[StageName], plan: Plan) -> dict[StageName, Ready]:
    """Do what stages that are not done have in common, group by group of those that can share a batch."""
    groups: dict[Any, dict[StageName, Job]] = {}
    for name, job in _waiting(root, names, plan):
        groups.setdefault((name.partition("@")[0], _shape(name, job)), {})[name] = job
    ready: dict[StageName, Ready] = {}
    for (verb, _), jobs in groups.items():
        if len(jobs) > 1:
            ready |= _worked(verb, jobs)
    return ready


def _waiting(root: Path, names: Sequence[StageName], plan: Plan) -> Iterator[tuple[StageName, Job]]:
    """Yield the stages that have to run; of those that would make the same thing, the first."""
    seen = set()
    for name in names:
        step = step_of(root, plan, name)
        try:
            key, _ = stage_key(step)
        except DataDamaged:  # its own run says so
            continue
        job = job_of(plan, step)
        alone = (step.verb == "generate" and not generate.shared(job)) or (step.verb == "train" and job.recipe.phases)
        if alone or (step.digest, key) in seen:
            continue
        seen.add((step.digest, key))
        if published(step, key, whole=True) is None and _is_let_through(root, plan, step):
            yield name, job


def _is_let_through(root: Path, plan: Plan, step: Step) -> bool:
    """Say whether neither a gate nor a reviewer ends the lineage here; where one does, the stage's own run says so."""
    try:
        let_through(root, plan, step)
    except Ended:
        return False
    return True


def _shape(name: StageName, job: Job) -> str:
    """Return what stages must have in common to share a batch."""
    recipe, verb = job.recipe, name.partition("@")[0]
    own = {"generate": [generate.asked(job), recipe.honoured], "train": sorted(job.inputs)}.get(verb, [])
    return digest_of({"recipe": _likeness(recipe), "own": own})


def _worked(verb: str, jobs: Mapping[StageName, Job]) -> dict[StageName, Ready]:
    begun = time.monotonic()
    try:
        with numerical_threads(next(iter(jobs.values())).recipe.threads):
            made = JOINT[verb]([*jobs.values()])
    except Exception:  # one lineage's fault must not end the others: each runs alone, and the faulty one says why
        return {}
    share = (time.monotonic() - begun) / len(jobs)
    return {name: Ready(one, share) for name, one in zip(jobs, made, strict=True)}
