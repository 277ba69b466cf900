"""What both flows share when they are run from the command line, and how a result reaches Prefect's page."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import psutil
from prefect.artifacts import acreate_link_artifact, acreate_table_artifact
from prefect.settings import PREFECT_API_URL
from pydantic import Field

from dwindle.cli import users_error
from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.growth import grow_sweep, is_grown
from dwindle.report.summary import Summary, show_summary
from flows.guard import INTERRUPTED, guarded
from flows.presets import workspace
from flows.reaper import watch

__all__ = ["Overrides", "ParamsFile", "command", "page_key", "publish", "reaped"]

Overrides = Annotated[tuple[Annotated[str, Field(pattern=r"^[\w.-]+=")], ...], Field(max_length=100)]
ParamsFile = Annotated[Path, Field(description="The sweep's file")]


async def publish(summary: Summary, *, shown: bool = True) -> None:
    """Show a comparison at the terminal and as tables on the flow run's page."""
    await acreate_table_artifact(
        table=_lines(summary.columns),
        key="lineages",
        description="\n\n".join([summary.table.title, *summary.table.notes, *summary.notes]),
    )
    if summary.page:
        await acreate_link_artifact(link=summary.page, key="report", link_text="The report of this sweep")
    for table in summary.tables:
        description = "\n\n".join([table.title, *table.notes])
        await acreate_table_artifact(table=_lines(table.by_column), key=page_key(table.name), description=description)
    if shown:
        show_summary(summary)


def page_key(name: str) -> str:
    """Return a table's name as Prefect takes it: names of lineages may hold what its keys may not."""
    return name.replace("_", "-")


def _lines(columns: dict[str, list[str]]) -> list[dict[str, str]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def command(flow: Callable[..., Coroutine[Any, Any, None]], *, picks_lineage: bool = False) -> None:
    """Run a flow with the command line's `key=value` overrides; `params=FILE` or `preset=NAME` names another sweep.

    Everything is validated before Prefect is asked for anything.
    """
    guarded(lambda: _run(flow, picks_lineage))


def _run(flow: Callable[..., Coroutine[Any, Any, None]], picks_lineage: bool) -> None:
    own = {"params": "", "preset": "", "lineage": ""}
    overrides = []
    for argument in sys.argv[1:]:
        key, sign, value = argument.partition("=")
        if sign and key in own:
            own[key] = value
        elif argument != "--debug":
            overrides.append(argument)
    if own["lineage"] and not picks_lineage:
        raise BadInput("lineage=NAME is for `python -m flows.lineage`; a sweep grows all of its lineages")
    if own["params"] and own["preset"]:
        raise BadInput("params=FILE and preset=NAME both name a sweep; give one")
    params = workspace(own["preset"]) if own["preset"] else Path(own["params"] or "params.yaml")
    sweep, name = load_sweep(params, overrides), own["lineage"] if picks_lineage else None
    if is_grown(sweep, name):
        grow_sweep(sweep, name, grown=True)  # there is nothing to schedule: the table in seconds, without Prefect
        return
    _without_tracebacks()
    with reaped():
        asyncio.run(flow(params=params, overrides=overrides, **({"name": name} if picks_lineage else {})))


def _without_tracebacks() -> None:
    """Have Prefect's log at the terminal leave out the tracebacks of what ends in one message of our own."""

    def is_news(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, Exception) or users_error(error) is None

    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(is_news)


@contextmanager
def reaped() -> Iterator[None]:
    """Have Prefect's embedded server end with this process, however that ends; a server of one's own is left alone."""
    if PREFECT_API_URL.value():  # in the environment or in a profile
        yield
        return
    reaper, before = watch(), signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        del reaper  # it lives as long as its pipe


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once, as after a kill, which loses nothing.

    Ctrl-C reaches the embedded server too, and Prefect would wait for minutes for the one that it has lost.
    """
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    print("\x1b[?25h" * sys.stdout.isatty() + INTERRUPTED, file=sys.stderr, flush=True)
    os._exit(130)
