"""The `dwindle` command: grow, look over, trace and judge a sweep, and the stages that dvc.yaml calls.

Nothing heavy is imported before a command needs it: `dwindle --help` answers at once.
"""

from __future__ import annotations

from dwindle.cli import growing, judging, looking, reviewing, stages, tracing  # each module gives its commands
from dwindle.cli.application import app, fail, main, users_error

__all__ = ["app", "fail", "growing", "judging", "looking", "main", "reviewing", "stages", "tracing", "users_error"]
