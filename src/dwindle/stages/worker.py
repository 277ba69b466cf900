"""A process that runs stages: it reads a line of stages, answers a line, and ends when nobody listens.

Only paths, names and digests cross the pipe. A worker outlives neither its parent nor its pipe, even under SIGKILL.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dwindle.errors import BadInput, DwindleError

if TYPE_CHECKING:
    from dwindle.stages.runner import Outcome

__all__ = ["main"]


def main() -> None:
    """Run stages until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers itself
    threading.Thread(target=_end_with_the_pipe, daemon=True).start()
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a family prints must not be read as an answer
    for line in sys.stdin:
        print(json.dumps(_answers(json.loads(line))), file=answers, flush=True)


def _end_with_the_pipe() -> None:
    """End in the middle of a stage too when nobody is left to read its answer; the stage leaves nothing behind."""
    pipe = select.poll()
    pipe.register(sys.stdin, 0)  # only that the other end is closed
    pipe.poll()
    os._exit(1)


def _answers(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what became of each stage; several are the same one of several lineages, which share a batch."""
    stages = request["stages"]
    try:
        found = _outcomes(Path(request["root"]), stages, request["digests"])
    except Exception as error:  # reported, never swallowed: the caller raises it again
        found = [error] * len(stages)
    return [_told(one) for one in found]


def _outcomes(root: Path, stages: list[str], digests: list[str]) -> Sequence[Outcome | Exception]:
    from dwindle.plan import read_plan
    from dwindle.stages.runner import run_stage

    plan = read_plan(root)
    for stage, digest in zip(stages, digests, strict=True):
        if plan.digest(stage) != digest:
            raise BadInput(f"{stage}: plan.json was written anew since this sweep began to grow; run it again")
    if len(stages) == 1:
        return [run_stage(root, stages[0], plan=plan)]
    from dwindle.stages.cohorts import run_stages

    return run_stages(root, stages, plan=plan)


def _told(found: Outcome | Exception) -> dict[str, Any]:
    if isinstance(found, DwindleError):
        return {"error": str(found), "kind": type(found).__name__}
    if isinstance(found, Exception):
        trace = "".join(traceback.format_exception(found))
        return {"error": f"{type(found).__name__}: {found}", "kind": "", "trace": trace}
    return {"stage": found.stage, "ran": found.ran, "digest": found.digest}


if __name__ == "__main__":
    main()
