"""Lay settings over settings: what params.yaml shares, what a lineage changes, what an arm changes in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["laid_over"]


def laid_over(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over others; a component of another name brings none of the shared one's settings."""
    merged = dict(shared)
    for key, value in own.items():
        below = merged.get(key)
        same = isinstance(value, Mapping) and isinstance(below, Mapping)
        if same and value.get("name", below.get("name")) == below.get("name"):  # type: ignore[union-attr]
            merged[key] = {**below, **value}  # type: ignore[dict-item]
        elif isinstance(value, Mapping) and isinstance(below, str) and "name" not in value:
            merged[key] = {"name": below, **value}
        else:
            merged[key] = value
    return merged
