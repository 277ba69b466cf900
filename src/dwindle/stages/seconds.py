"""How long stages took here: what a sweep costs, and what the rest of it will take.

Manifests hold no clock, so this stands beside them, in a file that can be lost without loss of anything grown.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["note_seconds", "stage_seconds"]

_LEDGER = Path(".dwindle") / "seconds.jsonl"


def note_seconds(root: Path, stage: str, seconds: float) -> None:
    """Note how long a stage took, if the disk takes it; processes may write at the same time, a line each."""
    line = json.dumps({"stage": stage, "seconds": round(seconds, 4)}) + "\n"
    with suppress(OSError):  # what was grown stands, and is worth more than what it cost
        descriptor = os.open(root / _LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def stage_seconds(root: Path) -> dict[str, float]:
    """Return the seconds that each stage took when it last ran here; lines that a kill has cut are passed over."""
    found: dict[str, float] = {}
    try:
        lines = (root / _LEDGER).read_text(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
            found[str(entry["stage"])] = float(entry["seconds"])
        except (ValueError, KeyError, TypeError):
            continue
    return found
