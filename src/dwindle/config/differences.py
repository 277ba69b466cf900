"""What differs between recipes: how runs are named, how tables are laid out, which lineages can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Value", "differences", "flat", "without"]

Value = str | float | int
"""One setting of a recipe as plain data."""


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Return nested settings with dotted keys: `regime.synthetic_ratio`."""
    found: dict[str, Value] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            found[prefix + key] = ",".join(item["name"] if isinstance(item, Mapping) else str(item) for item in value)
        else:
            found[prefix + key] = value
    return found


def differences(recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Value]]:
    """Return, for each lineage, the settings in which not all lineages agree; one that a recipe lacks is left out.

    Args:
        recipes: each lineage's recipe as plain data.
    """
    plain = {name: flat(settings) for name, settings in recipes.items()}
    keys = dict.fromkeys(key for settings in plain.values() for key in settings)
    differ = [key for key in keys if len({settings.get(key) for settings in plain.values()}) > 1]
    return {name: {key: settings[key] for key in differ if key in settings} for name, settings in plain.items()}


def without(settings: Mapping[str, Any], *keys: str) -> dict[str, Value]:
    """Return flat settings without some keys: lineages whose rest is equal differ in nothing else."""
    return {key: value for key, value in flat(settings).items() if key not in keys}
