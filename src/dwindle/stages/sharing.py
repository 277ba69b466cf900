"""Work that lineages share: generation 0 of one source, family and seed is made once and linked by the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dwindle.data.manifest import read_manifest
from dwindle.data.shards import link_files
from dwindle.data.workspace import held, publish_document, publish_folder, read_document, sweep_litter
from dwindle.plan import STAGES, Plan
from dwindle.stages.steps import StageName, Step, published, step_of

__all__ = ["one_at_a_time", "taken_over"]


@contextmanager
def one_at_a_time(root: Path, step: Step) -> Iterator[None]:
    """Hold what several lineages may want to make at the same moment: their real rows and their generation 0."""
    if step.verb == "draw":
        with held(root, step.target.name, wait=True):
            sweep_litter(step.target.parent, step.target.name)
            yield
    elif step.generation == 0:
        with held(root, f"{step.verb}-{step.digest[:16]}", wait=True):
            yield
    else:
        yield


def taken_over(root: Path, plan: Plan, name: StageName, key: str, inputs: Mapping[str, str]) -> str | None:
    """Publish what another lineage has made of the same generation 0, by links; None if there is no such thing."""
    verb, _, at = name.partition("@")
    for twin in plan.twins(at) if verb in STAGES else ():
        there = step_of(root, plan, f"{verb}@{twin}")
        if there.digest == plan.chain[at][verb] and published(there, key, whole=True) is not None:
            return _linked(step_of(root, plan, name), there, key, inputs, plan.recipe(plan.chain[at]["lineage"]).digest)
    return None


def _linked(step: Step, there: Step, key: str, inputs: Mapping[str, str], recipe: str) -> str:
    if step.verb == "evaluate":
        found = read_document(there.target)
        assert found is not None
        head, measured = found["record"]
        return publish_document(step.target, {**found, "record": [{**head, "recipe": recipe}, measured]})
    manifest = read_manifest(there.target)
    assert manifest is not None

    def link(out: Path) -> Mapping[str, Any]:
        link_files((there.target / file for file in manifest.files), out)
        return manifest.facts

    published = publish_folder(
        step.target,
        link,
        stage=step.verb,
        key=key,
        inputs=inputs,
        recipe=recipe,
        environment=manifest.environment,
    )
    return published.digest
