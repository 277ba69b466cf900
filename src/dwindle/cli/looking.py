"""Commands that look: how far a sweep is, whether its bytes are whole, and what it found."""

from __future__ import annotations

from typing import Annotated

import typer

from dwindle.cli.application import DEFAULT, Overrides, Params, app

__all__ = ["components", "profile", "report", "status", "threshold", "verify"]


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
def components() -> None:
    """Show every family, source, regime, curator and metric with its settings."""
    from dwindle.desk import show_components

    show_components()
