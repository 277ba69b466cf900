"""What ended the lineages that ended early here, with a result: starved, refused, stopped, rolled back, rejected.

Manifests tell what was made, not why no more was, so this stands beside them, in a file that can be lost without loss
of anything grown: a lineage that is grown again ends again, and says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.data.manifest import digest_of
from dwindle.errors import Ended
from dwindle.plan import Plan

__all__ = ["Ending", "endings", "note_ending"]

_LEDGER = Path(".dwindle") / "ended.jsonl"


@dataclass(frozen=True)
class Ending:
    """How a lineage ended.

    Args:
        outcome: the word for it, as MLflow has it: `refused`.
        message: what ended it.
    """

    outcome: str
    message: str

    @property
    def told(self) -> str:
        """The outcome and what brought it about, in a line."""
        line = " ".join(self.message.split())
        return line if line.startswith(self.outcome) else f"{self.outcome}: {line}"


def note_ending(root: Path, plan: Plan, lineage: str, done: int, error: Exception | None) -> str:
    """Note what ended a lineage, if that is a result and the disk takes it.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: the lineage.
        done: number of its last generation that is done.
        error: what it ended with; None where it did not end early.

    Returns:
        The outcome; empty where the lineage broke down or did not end early.
    """
    if not isinstance(error, Ended):
        return ""
    told = {"outcome": error.outcome, "message": str(error)}
    line = json.dumps({"lineage": lineage, "recipe": _recipe(plan, lineage), "done": done, **told}) + "\n"
    with suppress(OSError):  # what was grown stands, and is worth more than why no more was
        descriptor = os.open(root / _LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    return error.outcome


def endings(root: Path, plan: Plan, reached: Mapping[str, int]) -> dict[str, Ending]:
    """Return what ended the lineages that stand where they ended, by the same recipe and rules.

    Args:
        root: the workspace.
        plan: its plan.
        reached: number of the last generation that is done, by lineage.
    """
    try:
        lines = (root / _LEDGER).read_text(errors="replace").splitlines()
    except OSError:
        return {}
    last: dict[str, dict[str, Any]] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # a line that a kill has cut
            entry = json.loads(line)
            last[str(entry["lineage"])] = entry
    return {
        name: Ending(str(last[name].get("outcome")), str(last[name].get("message")))
        for name, done in reached.items()
        if name in last and done < len(plan.generations(name)) - 1
        if (last[name].get("recipe"), last[name].get("done")) == (_recipe(plan, name), done)
    }


def _recipe(plan: Plan, lineage: str) -> str:
    """Return the digest of a recipe with its policy, gates and review: the recipe's own leaves out what ends it."""
    return digest_of(plan.recipes[lineage])
