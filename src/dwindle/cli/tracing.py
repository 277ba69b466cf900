"""Commands that trace: where a row comes from, what trained a generation, and cards that say so."""

from __future__ import annotations

from typing import Annotated

import typer

from dwindle.cli.application import DEFAULT, Params, app

__all__ = ["cards", "provenance", "trace"]

Plain = Annotated[bool, typer.Option("--json", help="Print plain JSON.")]


@app.command()
def trace(
    row: Annotated[str, typer.Argument(help="LINEAGE/GENERATION/ROW, e.g. replace/5/17; rows count from 0.")],
    params: Params = DEFAULT,
    chain: Annotated[int, typer.Option(min=0, help="The chain whose row it is.")] = 0,
    plain: Plain = False,
) -> None:
    """Walk a training row back to the models, prompts and real rows that it comes from."""
    from dwindle.provenance.showing import show_walk

    show_walk(params, row, chain, plain=plain)


@app.command()
def provenance(
    lineage: Annotated[str, typer.Argument(help="The lineage.")],
    params: Params = DEFAULT,
    generation: Annotated[
        int | None, typer.Option(min=0, help="Say which data trained this generation, file by file.")
    ] = None,
    plain: Plain = False,
) -> None:
    """Show what each generation was trained on, by origin, producer and purpose, and draw it."""
    from dwindle.provenance.showing import show_answer, show_composition

    if generation is None:
        show_composition(params, lineage, plain=plain)
    else:
        show_answer(params, lineage, generation, plain=plain)


@app.command()
def cards(
    lineage: Annotated[str, typer.Argument(help="The lineage; all if none is named.")] = "",
    params: Params = DEFAULT,
    generation: Annotated[int | None, typer.Option(min=0, help="This generation only.")] = None,
) -> None:
    """Write a dataset card and a Croissant file for each generation into cards/."""
    from dwindle.provenance.showing import show_cards

    show_cards(params, lineage, generation)
