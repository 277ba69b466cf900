"""Named places where a test may kill the process; they do nothing unless the environment names one."""

from __future__ import annotations

import os
import signal

__all__ = ["VARIABLE", "failpoint"]

VARIABLE = "DWINDLE_FAILPOINT"
"""`name:count`: the process kills itself with SIGKILL the count-th time it passes the place of that name."""

_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Mark a place that crash tests may choose; `*` in the environment variable counts every place."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    place, _, count = wanted.partition(":")
    if place in (name, "*"):
        _passed[place] = _passed.get(place, 0) + 1
        if _passed[place] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
