"""What differs between recipes: how runs are named, how tables are laid out, which lineages can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Value", "differences", "flat", "without"]

Value = str | float | int
"""One setting of a recipe as plain data."""


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Return nested settings with dotted keys: `regime.synthetic_ratio`, `curators.top_fraction.fraction`."""
    found: dict[str, Value] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            found[prefix + key] = ",".join(_called(item) if isinstance(item, Mapping) else str(item) for item in value)
            found |= _of_each([item for item in value if isinstance(item, Mapping)], f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _of_each(components: Iterable[Mapping[str, Any]], prefix: str) -> dict[str, Value]:
    """Return the settings of several components by their names; of one that stands there twice, both values."""
    found: dict[str, Value] = {}
    for component in components:
        own = {key: value for key, value in component.items() if key != "name"}
        for key, value in flat(own, f"{prefix}{_called(component)}.").items():
            found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _called(item: Mapping[str, Any]) -> str:
    """Return what tells one of several apart: a component's name, a gate's measure, a phase's classes."""
    return str(item.get("name") or item.get("measure") or "+".join(item.get("labels", ())))


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
