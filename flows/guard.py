"""How every command here ends. Nothing heavy is imported: some commands set the environment before Prefect reads it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dwindle.cli import fail, users_error
from dwindle.errors import DwindleError

__all__ = ["INTERRUPTED", "guarded"]

INTERRUPTED = "interrupted; run the same command again to go on"


def guarded(run: Callable[[], None]) -> None:
    """Run a command; a user's mistake ends in one message and its exit code, never in a traceback."""
    try:
        run()
    except (DwindleError, ExceptionGroup) as error:
        known = users_error(error)
        if "--debug" in sys.argv or known is None:
            raise
        fail(known)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
