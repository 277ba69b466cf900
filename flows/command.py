"""What both flows share when they are run from the command line, and how a result reaches Prefect's page."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

from prefect.artifacts import acreate_table_artifact
from pydantic import Field

from dwindle.cli import fail, users_error
from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput, DwindleError
from dwindle.growth import grow_sweep, is_grown
from dwindle.report.summary import Summary, show_summary
from flows.reaper import watch

__all__ = ["Overrides", "ParamsFile", "command", "publish"]

Overrides = Annotated[tuple[Annotated[str, Field(pattern=r"^[\w.-]+=")], ...], Field(max_length=100)]
ParamsFile = Annotated[Path, Field(description="The sweep's file")]


async def publish(summary: Summary) -> None:
    """Show a comparison at the terminal and as a table on the flow run's page."""
    await acreate_table_artifact(
        table=[dict(zip(summary.columns, row, strict=True)) for row in zip(*summary.columns.values(), strict=True)],
        key="lineages",
        description="\n\n".join([summary.table.title, *summary.table.notes, *summary.notes]),
    )
    show_summary(summary)


def command(flow: Callable[..., Coroutine[Any, Any, None]], *, picks_lineage: bool = False) -> None:
    """Run a flow with the command line's `key=value` overrides; `params=FILE` names another file.

    Everything is validated before Prefect is asked for anything.
    """
    debug = "--debug" in sys.argv
    own = {"params": "params.yaml", "lineage": ""}
    overrides = []
    for argument in sys.argv[1:]:
        key, sign, value = argument.partition("=")
        if sign and key in own:
            own[key] = value
        elif argument != "--debug":
            overrides.append(argument)
    try:
        if own["lineage"] and not picks_lineage:
            raise BadInput("lineage=NAME is for `python -m flows.lineage`; a sweep grows all of its lineages")
        sweep, name = load_sweep(Path(own["params"]), overrides), own["lineage"] if picks_lineage else None
        if is_grown(sweep, name):
            grow_sweep(sweep, name)  # there is nothing to schedule: the table in seconds, without Prefect
            return
        named = {"name": name} if picks_lineage else {}
        reaper = None if "PREFECT_API_URL" in os.environ else watch()
        asyncio.run(flow(params=own["params"], overrides=overrides, **named))
        del reaper  # it lives as long as its pipe
    except (DwindleError, ExceptionGroup) as error:
        known = users_error(error)
        if debug or known is None:
            raise
        fail(known)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
