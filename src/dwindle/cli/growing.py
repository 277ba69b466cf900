"""Commands that grow: sweeps, their plan, their record, and chains without rows."""

from __future__ import annotations

from typing import Annotated

import typer

from dwindle.cli.application import DEFAULT, Overrides, Params, app
from dwindle.errors import BadInput

__all__ = ["plan", "run", "simulate", "sync"]


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
def sync(params: Params = DEFAULT, overrides: Overrides = None) -> None:
    """Rebuild MLflow's runs from what the files say; doing it again changes nothing."""
    from dwindle.config.sweep import load_sweep
    from dwindle.growth import record_sweep

    record_sweep(load_sweep(params, overrides or ()))


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
