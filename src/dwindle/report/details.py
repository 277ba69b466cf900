"""What metrics keep beside their numbers for people to look at: histograms and texts, by generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwindle.plan import Plan
from dwindle.stages.results import evaluations

__all__ = ["details_of"]


def details_of(root: Path, plan: Plan, kind: str) -> dict[str, dict[str, dict[int, Any]]]:
    """Return what was kept of one kind, by measure, lineage and generation.

    Args:
        root: the workspace.
        plan: its plan.
        kind: `histogram` or `texts`.
    """
    found: dict[str, dict[str, dict[int, Any]]] = {}
    for lineage in plan.recipes:
        for generation, measures in evaluations(root, plan, lineage):
            for name, measured in measures.items():
                kept: Mapping[str, Any] = measured.get("detail", {})
                if kind in kept:
                    found.setdefault(name, {}).setdefault(lineage, {})[generation] = kept[kind]
    return found
