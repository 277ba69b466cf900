"""Commands for people who decide: which datasets may train their generation."""

from __future__ import annotations

from typing import Annotated

import typer

from dwindle.cli.application import DEFAULT, Params, app
from dwindle.errors import BadInput

__all__ = ["review"]


@app.command()
def review(
    name: Annotated[
        str, typer.Argument(metavar="LINEAGE/GENERATION", help="For instance replace/3; a lineage for --rankings.")
    ] = "",
    params: Params = DEFAULT,
    approve: Annotated[bool, typer.Option("--approve", help="Let the dataset train its generation.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Let the lineage end here.")] = False,
    reviewer: Annotated[
        str | None, typer.Option(help="Who decides; else the user's name. A later decision replaces an earlier one.")
    ] = None,
    wrong: Annotated[
        str, typer.Option(help="Numbers of rows that should be kept if dropped, or dropped if kept.")
    ] = "",
    ranking: Annotated[str, typer.Option(help="Numbers of rows, the best first.")] = "",
    note: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    minutes: Annotated[float | None, typer.Option(help="How long it took.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask anew about a dataset that was decided on.")] = False,
    rankings: Annotated[bool, typer.Option("--rankings", help="Print a lineage's rankings as JSON lines.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the reviews that are open.")] = False,
) -> None:
    """Show the rows that wait for a review, or decide whether they may train their generation."""
    from dwindle.review import Decision
    from dwindle.reviewing import record_decision, show_open_reviews, show_rankings, show_review

    if sum((approve, reject, again, rankings, listed)) > 1:
        raise BadInput("--approve, --reject, --again, --rankings and --list: give one of them")
    if listed:
        show_open_reviews(params)
    elif not name:
        raise BadInput("name LINEAGE/GENERATION, for instance replace/3; --list shows the reviews that are open")
    elif rankings:
        show_rankings(params, name)
    elif approve or reject:
        decision = Decision(
            _user() if reviewer is None else reviewer,
            "approve" if approve else "reject",
            minutes=minutes,
            wrong=_numbers("wrong", wrong),
            ranking=_numbers("ranking", ranking),
            note=note,
        )
        record_decision(params, name, decision)
    elif reviewer is not None or wrong or ranking or note or minutes is not None:
        raise BadInput("a decision is --approve or --reject; the other options go with one of them")
    else:
        show_review(params, name, anew=again)


def _numbers(key: str, text: str) -> tuple[int, ...]:
    """Return numbers that are given as `3,7`."""
    try:
        return tuple(int(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise BadInput(f"--{key} {text}: expected numbers of rows, for instance 3,7") from None


def _user() -> str:
    """Return the name of who runs the command."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise BadInput("--reviewer: nothing tells who runs the command; name the reviewer") from None
