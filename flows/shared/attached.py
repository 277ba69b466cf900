"""Runs a server that ends when the process that started it ends, by whatever signal.

Usage: python -m flows.shared.attached COMMAND..., on a lifeline; cutting it ends the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from flows.lifeline import cut, tied

__all__ = ["start"]

GRACE = 10
"""How long a server may take to end by itself, seconds."""


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server that lives no longer than this process; close its `stdin` to end it."""
    return tied("flows.shared.attached", *command, environment=environment)


def main(command: Sequence[str]) -> int:
    """Run a command until it ends or the lifeline is cut; return its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # the lifeline says when to end; the server starts with the default
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    while server.poll() is None and not cut(0.5):
        pass
    _end(server)
    return server.wait()


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started."""
    family = []
    with suppress(psutil.Error):
        process = psutil.Process(server.pid)
        family = [process, *process.children(recursive=True)]
        process.terminate()
    _, left = psutil.wait_procs(family, timeout=GRACE)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
