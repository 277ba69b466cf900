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
    str, typer.Argument(help="Key of the generation in plan.json, e.g. replace-g003; DVC passes it itself.")
]

Digest = Annotated[str, typer.Option("--digest", help="Digest of the stage in plan.json; DVC passes it itself.")]

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
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 2 if plan.json is out of date.")] = False,
    trial: Annotated[bool, typer.Option("--trial", help="Grow what has no figures yet aside, and measure it.")] = False,
) -> None:
    """Unroll params.yaml into plan.json, which DVC and every worker read, and say what the sweep will be."""
    from dwindle.config.sweep import load_sweep
    from dwindle.desk import show_estimate
    from dwindle.plan import PLAN, plan_text, unroll, write_plan

    if check and trial:
        raise BadInput("--check only compares plan.json; leave --trial out, or --check")
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
    show_estimate(sweep, unrolled, trial=trial)


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
def report(
    sweep: Annotated[
        str, typer.Argument(help="A params file, a folder that holds one, a preset, or the name of the sweep here.")
    ] = "",
    overrides: Overrides = None,
) -> None:
    """Write one HTML page that shows what a sweep found, with its pictures and tables beside it."""
    from dwindle.config.finding import find_sweep
    from dwindle.config.sweep import load_sweep
    from dwindle.examining import report_sweep
    from dwindle.plan import read_plan
    from dwindle.recording import Recorder

    word, laid = ("", [sweep, *(overrides or ())]) if "=" in sweep else (sweep, overrides or [])
    loaded = load_sweep(find_sweep(word), laid)
    plan = read_plan(loaded.root)
    written = report_sweep(loaded, plan)
    Recorder(loaded, plan, versioning=False).report(written.html.parent)
    typer.echo(f"report    {written.html}")
    for path in (*written.pictures, *written.tables):
        typer.echo(f"beside    {path}")


@app.command()
def threshold(
    sweep: Annotated[
        str, typer.Argument(help="A params file, a folder that holds one, a preset, or the name of the sweep here.")
    ] = "",
    measure: Annotated[str, typer.Option(help="Judge by this measure; else by one for each definition.")] = "",
    limit: Annotated[float | None, typer.Option(help="Limit beside the control, in place of the default.")] = None,
    window: Annotated[float, typer.Option(help="Share of the generations, the last ones, that are averaged.")] = 0.25,
) -> None:
    """Estimate the largest synthetic ratio, and the least share of real rows, that stays stable."""
    from dwindle.config.finding import find_sweep
    from dwindle.report.thresholds import show_thresholds

    show_thresholds(find_sweep(sweep), measure=measure, limit=limit, window=window)


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
