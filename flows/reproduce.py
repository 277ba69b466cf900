"""Grow presets and say whether each published result was reproduced.

Usage: python -m flows.reproduce NAME... [key=value ...], or --all: those that want no GPU and no data of yours
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dwindle.cli import users_error
from dwindle.config.sweep import Sweep, load_sweep
from dwindle.errors import BadInput, DwindleError
from dwindle.growth import grow_sweep, is_grown
from dwindle.plan import read_plan
from dwindle.report.text_table import print_table
from dwindle.reproduction import Outcome, check_sweep, findings_table, outcomes_table
from flows.command import reaped
from flows.guard import guarded
from flows.presets import preset_names, set_apart, workspace
from flows.sweep import sweep as sweep_flow

__all__ = ["reproduce"]


async def reproduce(names: Sequence[str], overrides: Sequence[str]) -> list[Outcome]:
    """Grow presets one after another through the sweep's flow, and hold each to its checks."""
    outcomes, begun = [], time.monotonic()
    for name in names:
        params, started = workspace(name), time.monotonic()
        loaded = load_sweep(params, overrides)
        try:
            await _grow(loaded, params, overrides)
        except (DwindleError, ExceptionGroup) as error:
            known = users_error(error)
            if known is None:
                raise
            print(f"{name}: {known}", file=sys.stderr)
            continue
        outcome = _outcome(loaded)
        print(f"{name}: {outcome.verdict}, {time.monotonic() - started:.0f} s", flush=True)
        outcomes.append(outcome)
    print(f"{len(outcomes)} presets, {time.monotonic() - begun:.0f} s")
    return outcomes


async def _grow(loaded: Sweep, params: Path, overrides: Sequence[str]) -> None:
    if is_grown(loaded):
        await asyncio.to_thread(grow_sweep, loaded, shown=False, grown=True)  # nothing to schedule
    else:
        await sweep_flow(params=params, overrides=tuple(overrides), shown=False)


def _outcome(loaded: Sweep) -> Outcome:
    assert loaded.preset is not None
    return check_sweep(loaded.root, read_plan(loaded.root), loaded.preset)


def main(arguments: Sequence[str]) -> None:
    """Reproduce what the command line names.

    Raises:
        BadInput: if a name is unknown, or nothing is named.
    """
    words = [word for word in arguments if word not in ("--all", "--debug")]
    overrides = [word for word in words if "=" in word]
    everywhere = [name for name in preset_names() if not set_apart(name)]
    names = everywhere if "--all" in arguments else [word for word in words if "=" not in word]
    if not names:
        raise BadInput(f"name a preset, or --all; known: {', '.join(preset_names())}")
    for name in names:
        load_sweep(workspace(name), overrides)  # every mistake is found before anything is grown
    with reaped():
        outcomes = asyncio.run(reproduce(names, overrides))
    if len(names) <= 4:
        for outcome in outcomes:
            print_table(findings_table(outcome))
            print(f"picture   {workspace(outcome.name).parent / 'plots' / outcome.name / 'curves.png'}")
    print_table(outcomes_table(outcomes))
    if len(outcomes) < len(names):  # a result that differs is a result; one that could not be grown is a failure
        sys.exit(1)


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
