"""A process that runs stages: it reads a stage a line, answers a line, and ends when nobody listens.

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
from pathlib import Path
from typing import Any

from dwindle.errors import BadInput, DwindleError

__all__ = ["main"]


def main() -> None:
    """Run stages until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers itself
    threading.Thread(target=_end_with_the_pipe, daemon=True).start()
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a family prints must not be read as an answer
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


def _end_with_the_pipe() -> None:
    """End in the middle of a stage too when nobody is left to read its answer; the stage leaves nothing behind."""
    pipe = select.poll()
    pipe.register(sys.stdin, 0)  # only that the other end is closed
    pipe.poll()
    os._exit(1)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from dwindle.plan import read_plan
    from dwindle.stages.runner import run_stage

    root, stage = Path(request["root"]), request["stage"]
    try:
        plan = read_plan(root)
        if plan.digest(stage) != request["digest"]:
            raise BadInput(f"{stage}: plan.json was written anew since this sweep began to grow; run it again")
        outcome = run_stage(root, stage, plan=plan)
    except DwindleError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # reported, never swallowed: the caller raises it again
        return {"error": f"{type(error).__name__}: {error}", "kind": "", "trace": traceback.format_exc()}
    return {"stage": outcome.stage, "ran": outcome.ran, "digest": outcome.digest}


if __name__ == "__main__":
    main()
