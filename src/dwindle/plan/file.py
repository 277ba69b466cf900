"""plan.json: written whole or not at all, and read once by each process."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from dwindle.data.workspace import held, publish_text
from dwindle.errors import BadInput, NotReachable
from dwindle.plan.entries import PLAN, STAGES, Plan

__all__ = ["PLAN", "plan_text", "read_plan", "write_plan"]


def write_plan(plan: Plan, root: Path) -> bool:
    """Write plan.json unless it already says the same; return whether it was written.

    Raises:
        NotReachable: if a lineage is being grown by another plan, because its workers read plan.json at every stage; or
            if the workspace may not be written.
    """
    text = plan_text(plan)
    path = root / PLAN
    with held(root, "plan", wait=True):
        if path.exists() and path.read_bytes() == text.encode():
            return False
        _spare_what_grows(plan, root)
        publish_text(path, text)
    return True


def _spare_what_grows(plan: Plan, root: Path) -> None:
    """Refuse a plan that changes or drops a generation of a lineage that some process is growing."""
    try:
        known = read_plan(root)
    except BadInput:  # no plan yet, or none by which anything could grow
        return
    for name in known.recipes:
        if any(plan.chain.get(key) != known.chain[key] for key in known.generations(name)):
            try:
                with held(root, f"lineage-{name}"):
                    pass
            except NotReachable as error:
                raise NotReachable(f"{root / PLAN} stays as it is: {error}") from error


def plan_text(plan: Plan) -> str:
    """Return the text of plan.json: an entry a line, so that a change shows as the entries that it touches."""
    data: dict[str, Any] = {
        "name": plan.sweep,  # not `sweep`: DVC lays plan.json over params.yaml and refuses a key that both have
        "recipes": plan.recipes,
        "real": plan.real,
        "chain": plan.chain,
        "compare": plan.compare,
    }
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_spelled(value)}" for key, value in data.items()) + "\n}\n"


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items()) + "\n}"


def read_plan(root: Path) -> Plan:
    """Read plan.json.

    Raises:
        BadInput: if it is missing or is no plan.
    """
    path = root / PLAN
    try:
        status = path.stat()
    except OSError:
        raise BadInput(f"{path}: missing; `dwindle plan` writes it from params.yaml") from None
    return _read_plan(path, status.st_mtime_ns, status.st_ino)


_SLOTS = ("folder", "rows", "generator", "prompts", "real", "pool", "first", "maker", "restart", "reference")
"""What every generation of the plan names beside its stages."""


def _hold_together(plan: Plan) -> None:
    """Look up what every reader of the plan relies on, so that a plan edited by hand or half merged is refused here."""
    texts = [plan.sweep, plan.compare, *(entry[key] for entry in plan.real.values() for key in ("folder", "draw"))]
    for entry in plan.chain.values():
        texts += [entry[key] for key in (*_SLOTS, *STAGES)]
        dict(plan.recipes[entry["lineage"]])
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a path or a digest is no text")


@lru_cache(maxsize=4)
def _read_plan(path: Path, _modified: int, _inode: int) -> Plan:
    try:
        data = json.loads(path.read_bytes())
        plan = Plan(data["name"], data["real"], data["chain"], data["recipes"], data["compare"])
        _hold_together(plan)
        return plan
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not a plan ({type(error).__name__}); write it anew with `dwindle plan`") from error
