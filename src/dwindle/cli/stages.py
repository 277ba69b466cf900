"""Commands that run one stage of plan.json: what dvc.yaml calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dwindle.cli.application import app
from dwindle.errors import BadInput

__all__ = ["compare", "curate", "draw", "evaluate", "generate", "train"]

Key = Annotated[
    str, typer.Argument(help="Key of the generation in plan.json, e.g. replace-g003; DVC passes it itself.")
]

Digest = Annotated[str, typer.Option("--digest", help="Digest of the stage in plan.json; DVC passes it itself.")]


def _stage(verb: str, key: str, digest: str) -> None:
    """Run one stage of plan.json in this process."""
    from dwindle.desk import run_one

    named = f"{verb}@{key}" if key else os.environ.get("DVC_STAGE", verb).rpartition(":")[2]
    if named.partition("@")[0] != verb or (verb != "compare" and "@" not in named):
        raise BadInput(f"dwindle {verb}: name a key of plan.json, e.g. replace-g003; `dvc repro` names it by itself")
    run_one(Path.cwd(), named, digest)


@app.command()
def draw(key: Key = "", digest: Digest = "") -> None:
    """Stage: draw anchor and held-out rows from the source."""
    _stage("draw", key, digest)


@app.command()
def generate(key: Key = "", digest: Digest = "") -> None:
    """Stage: sample a generation's new rows from the parent's model."""
    _stage("generate", key, digest)


@app.command()
def curate(key: Key = "", digest: Digest = "") -> None:
    """Stage: judge the new rows and assemble what trains the generation."""
    _stage("curate", key, digest)


@app.command()
def train(key: Key = "", digest: Digest = "") -> None:
    """Stage: fit the family to the generation's dataset."""
    _stage("train", key, digest)


@app.command()
def evaluate(key: Key = "", digest: Digest = "") -> None:
    """Stage: measure the generation's model against the held-out rows."""
    _stage("evaluate", key, digest)


@app.command()
def compare(digest: Digest = "") -> None:
    """Stage: gather the metrics of all lineages for `dvc plots`."""
    _stage("compare", "", digest)
