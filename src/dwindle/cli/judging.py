"""Commands that judge what was grown: how true it is, what it is good for, what it gives away, what it cost."""

from __future__ import annotations

from typing import Annotated

import typer

from dwindle.cli.application import DEFAULT, Params, app

__all__ = ["cost", "fidelity", "frontier", "scorecard"]

Generation = Annotated[
    int | None, typer.Option(min=0, help="The generation; the newest finished one if none is named.")
]

Lineages = Annotated[list[str] | None, typer.Argument(help="The lineages; all if none is named.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print plain data in place of tables.")]


@app.command()
def fidelity(
    lineage: Annotated[str, typer.Argument(help="The lineage.")],
    params: Params = DEFAULT,
    generation: Generation = None,
    curated: Annotated[bool, typer.Option("--curated", help="Judge the rows that curators left to train on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold a generation's rows to the held-out ones: means, variances, laws and correlations, column by column."""
    from dwindle.judging.showing import show_fidelity

    show_fidelity(params, lineage, generation=generation, curated=curated, as_json=as_json)


@app.command()
def scorecard(lineages: Lineages = None, params: Params = DEFAULT, generation: Generation = None) -> None:
    """Compare lineages in quality, scale and diversity, within one kind of rows and by the purpose of each."""
    from dwindle.judging.showing import show_scorecard

    show_scorecard(params, lineages or (), generation=generation)


@app.command()
def frontier(
    lineages: Lineages = None,
    params: Params = DEFAULT,
    privacy: Annotated[str, typer.Option(help="Measure of what rows give away; else the most telling one.")] = "",
    utility: Annotated[str, typer.Option(help="Measure of what rows are worth; else the most telling one.")] = "",
) -> None:
    """Show which generations no other one beats in both privacy and utility."""
    from dwindle.judging.showing import show_frontier

    show_frontier(params, lineages or (), privacy=privacy, utility=utility)


@app.command()
def cost(
    lineage: Annotated[str, typer.Argument(help="The lineage, by generation; else every lineage in a line.")] = "",
    params: Params = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show what was spent: seconds, rows, tokens, devices, people, disk, and money by params.yaml's `prices`."""
    from dwindle.judging.showing import show_cost

    show_cost(params, lineage, as_json=as_json)
