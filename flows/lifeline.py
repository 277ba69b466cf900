"""Lifelines: processes that clear up after the one that started them, however it ends.

The starter holds one end of a pipe. The kernel closes it with the starter, even after SIGKILL.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Mapping

__all__ = ["cut", "tied"]


def tied(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start `python -m module` on a lifeline, out of reach of the terminal's Ctrl-C; close its `stdin` to cut it."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)


def cut(seconds: float | None = None) -> bool:
    """Wait in such a process for the lifeline to be cut, so long at most; say whether it was."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])
