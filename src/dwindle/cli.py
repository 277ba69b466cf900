"""The `dwindle` command: grow, look over, verify and record a sweep, and the stages that dvc.yaml calls.

Nothing heavy is imported before a command needs it: `dwindle --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dwindle.errors import BadInput, DwindleError

__all__ = ["app", "fail", "main", "users_error"]

app = typer.Typer(
    name="dwindle",
    help="Grow lineages of models, each generation trained on what the last one wrote, and measure what is lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Params = Annotated[Path, typer.Option("--params", "-p", help="The sweep's file; its folder is the project.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key.path=value, laid over the file.")]
Key = Annotated[
    str, typer.Argument(help="Key of the generation in plan.yaml, e.g. replace-g003; DVC passes it itself.")
]

DEFAULT = Path("params.yaml")


@app.command()
def run(
    overrides: Overrides = None,
    params: Params = DEFAULT,
    tracking: Annotated[bool, typer.Option(help="Record metrics in MLflow.")] = True,
    versioning: Annotated[bool, typer.Option(help="Record datasets and models with DVC.")] = True,
) -> None:
    """Grow the sweep on this machine, without Prefect."""
    from dwindle.config.sweep import load_sweep
    from dwindle.growth import grow_sweep

    grow_sweep(load_sweep(params, overrides or ()), tracking=tracking, versioning=versioning)


@app.command()
def plan(
    overrides: Overrides = None,
    params: Params = DEFAULT,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 2 if plan.yaml is out of date.")] = False,
) -> None:
    """Unroll params.yaml into plan.yaml, which DVC and every worker read."""
    from dwindle.config.sweep import load_sweep
    from dwindle.plan import PLAN, plan_text, unroll, write_plan

    sweep = load_sweep(params, overrides or ())
    unrolled = unroll(sweep)
    path = sweep.root / PLAN
    if check:
        if not path.exists() or path.read_text() != plan_text(unrolled):
            raise BadInput(f"{path}: does not describe {params} and the code; `dwindle plan` writes it anew")
        typer.echo(f"{path} is up to date")
        return
    written = write_plan(unrolled, sweep.root)
    typer.echo(f"{path}: {'written' if written else 'already up to date'}, {len(unrolled.chain)} generations")


@app.command()
def status(params: Params = DEFAULT) -> None:
    """Show how far each lineage has come and what is missing."""
    from dwindle.desk import show_status

    show_status(params)


@app.command()
def verify(params: Params = DEFAULT) -> None:
    """Read every published byte and hold it to its digest; exit 4 if any is wrong."""
    from dwindle.desk import show_damage

    show_damage(params)


@app.command()
def sync(params: Params = DEFAULT, overrides: Overrides = None) -> None:
    """Rebuild MLflow's runs from what the files say; doing it again changes nothing."""
    from dwindle.config.sweep import load_sweep
    from dwindle.growth import record_sweep

    record_sweep(load_sweep(params, overrides or ()))


@app.command()
def profile(
    lineage: Annotated[str, typer.Argument(help="The lineage; all if none is named.")] = "",
    params: Params = DEFAULT,
    upto: Annotated[int, typer.Option(min=0, help="Last generation that the early warning may see.")] = 5,
) -> None:
    """Show the collapse profile: eight verdicts, every first passage, and the early warning."""
    from dwindle.desk import show_profile

    show_profile(params, lineage, upto)


@app.command()
def simulate(
    family: Annotated[str, typer.Argument(help="gaussian, categorical or linear_regression.")],
    settings: Annotated[
        list[str] | None, typer.Argument(help="regime=replace, rows=100, generations=100, chains=1000000, seed=0, ...")
    ] = None,
) -> None:
    """Grow chains by their sufficient statistics alone: no rows, a million chains in seconds."""
    from dwindle.desk import show_simulation

    show_simulation(family, settings or ())


@app.command()
def components() -> None:
    """Show every family, source, regime, curator and metric with its settings."""
    from dwindle.desk import show_components

    show_components()


def _stage(verb: str, key: str) -> None:
    """Run one stage of plan.yaml in this process."""
    from dwindle.desk import run_one

    named = f"{verb}@{key}" if key else os.environ.get("DVC_STAGE", verb).rpartition(":")[2]
    if named.partition("@")[0] != verb or (verb != "compare" and "@" not in named):
        raise BadInput(f"dwindle {verb}: name a key of plan.yaml, e.g. replace-g003; `dvc repro` names it by itself")
    run_one(Path.cwd(), named)


@app.command()
def draw(key: Key = "") -> None:
    """Stage: draw anchor and held-out rows from the source."""
    _stage("draw", key)


@app.command()
def generate(key: Key = "") -> None:
    """Stage: sample a generation's new rows from the parent's model."""
    _stage("generate", key)


@app.command()
def curate(key: Key = "") -> None:
    """Stage: judge the new rows and assemble what trains the generation."""
    _stage("curate", key)


@app.command()
def train(key: Key = "") -> None:
    """Stage: fit the family to the generation's dataset."""
    _stage("train", key)


@app.command()
def evaluate(key: Key = "") -> None:
    """Stage: measure the generation's model against the held-out rows."""
    _stage("evaluate", key)


@app.command()
def compare() -> None:
    """Stage: gather the metrics of all lineages for `dvc plots`."""
    _stage("compare", "")


def main() -> None:
    """Run the command; a user's mistake ends in one message and its exit code, never in a traceback."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except (DwindleError, ExceptionGroup) as error:
        known = users_error(error)
        if debug or known is None:
            raise
        fail(known)
    except KeyboardInterrupt:
        typer.echo("interrupted; run the same command again to go on", err=True)
        sys.exit(130)


def users_error(error: Exception) -> DwindleError | None:
    """Return the error to show the user, also out of a group of lineages that grew side by side; None: a defect."""
    if isinstance(error, ExceptionGroup):
        found = [users_error(inner) for inner in error.exceptions]
        return found[0] if None not in found else None
    return error if isinstance(error, DwindleError) else None


def fail(error: DwindleError) -> None:
    """Print an error for the user and exit with its code."""
    for line in str(error).splitlines():
        typer.echo(f"error: {line}", err=True)
    sys.exit(error.exit_code)
