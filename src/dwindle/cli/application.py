"""The application: what all commands share, and how a command ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dwindle.errors import DwindleError

__all__ = ["DEFAULT", "Overrides", "Params", "app", "fail", "main", "users_error"]

app = typer.Typer(
    name="dwindle",
    help="Grow lineages of models, each generation trained on what the last one wrote, and measure what is lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Params = Annotated[Path, typer.Option("--params", "-p", help="The sweep's file; its folder is the project.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key.path=value, laid over the file.")]

DEFAULT = Path("params.yaml")


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
