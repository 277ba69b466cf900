"""Lay `key=value` of the command line over the data of params.yaml.

OmegaConf enters here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dwindle.config.reading import Document, KeyPath, scalar, shown
from dwindle.config.schema import Problems
from dwindle.errors import BadInput

__all__ = ["lay_over"]

_SHORT = ("source", "family", "regime", "engine")
"""Keys where a name alone is short for a mapping with that name."""

_KEY = re.compile(r"[^\s.\[\]{}'\"$]+(\.[^\s.\[\]{}'\"$]+)*")


def lay_over(document: Document, overrides: Sequence[str], problems: Problems) -> None:
    """Lay `key=value` over the file's data."""
    from omegaconf import OmegaConf

    axes = document.data.pop("axes", None)  # OmegaConf would take `regime.synthetic_ratio`, one key there, for two
    merged, apart = OmegaConf.create(document.data), {} if axes is None else {"axes": axes}
    # A component's name goes first: the settings of the component it takes the place of go with that one.
    for override in sorted(overrides, key=lambda text: not text.partition("=")[0].endswith(".name")):
        key, sign, text = override.partition("=")
        if not sign or not _KEY.fullmatch(key):
            told = "expected key=value, with dots between the parts of the key"
            problems.append(f"command line: {shown(override)}: {told}")
            continue
        parts = _parts(key, apart.get("axes"))
        try:
            value = scalar(text)
            if parts == ("engine",) and isinstance(value, str):
                parts = ("engine", "name")
            _place(document, parts, value)
            if parts[0] == "axes":
                _lay_apart(apart, parts, value)
            else:
                _lay_one(merged, parts, value)
        except BadInput as error:
            _place(document, parts, None)
            problems.add(parts, text, str(error))
        except Exception as error:  # OmegaConf raises many kinds when a key runs through a list
            problems.add(parts, text, str(error).splitlines()[0])
    plain = OmegaConf.to_container(merged)
    assert isinstance(plain, dict)
    document.data = {str(key): value for key, value in plain.items()} | apart


def _parts(key: str, axes: Any) -> KeyPath:
    """Return the parts of a key; the key of an axis, which has dots itself, is one of them.

    What follows the longest key that the axis has is a label and what is below it.
    """
    parts = tuple(key.split("."))
    if parts[0] != "axes" or len(parts) < 4:
        return parts
    axis, inner = axes.get(parts[1]) if isinstance(axes, Mapping) else None, parts[2:]
    for length in range(len(inner), 0, -1):
        if isinstance(axis, Mapping) and ".".join(inner[:length]) in axis:
            return (*parts[:2], ".".join(inner[:length]), *inner[length:])
    return (*parts[:2], ".".join(inner))


def _place(document: Document, parts: KeyPath, value: Any) -> None:
    """Note that a key and all below it now stand on the command line; what stood below it in the file is gone."""
    document.lines = {path: line for path, line in document.lines.items() if path[: len(parts)] != parts}
    for length in range(1, len(parts) + 1):
        document.lines.setdefault(parts[:length], 0)
    document.lines |= dict.fromkeys(_within(parts, value), 0)


def _within(parts: KeyPath, value: Any) -> Iterator[KeyPath]:
    """Yield the path of every key that a value given on the command line brings along."""
    for key, below in value.items() if isinstance(value, Mapping) else ():
        yield (*parts, str(key))
        yield from _within((*parts, str(key)), below)


def _lay_apart(data: dict[str, Any], parts: KeyPath, value: Any) -> None:
    """Lay one value over the axes; null takes all axes away, or one axis.

    Raises:
        BadInput: if a key above it holds a single value or a list.
    """
    for length, key in enumerate(parts[:-1], 1):
        below = data.get(key)
        if below is not None and not isinstance(below, Mapping):
            kind = "a list" if isinstance(below, list) else "a single value"
            raise BadInput(f"{'.'.join(parts[:length])} is {kind}, {shown(below)}, and has no keys")
        data[key] = dict(below or {})
        data = data[key]
    if value is None and len(parts) < 3:
        data.pop(parts[-1], None)
    else:
        data[parts[-1]] = value


def _lay_one(merged: Any, parts: KeyPath, value: Any) -> None:
    """Lay one value over the data.

    Raises:
        BadInput: if a key above it holds a single value.
    """
    from omegaconf import OmegaConf

    for length in range(1, len(parts)):
        above = ".".join(parts[:length])
        held = OmegaConf.select(merged, above)
        if isinstance(held, str) and length == len(parts) - 1 and parts[-2] in _SHORT:
            OmegaConf.update(merged, above, {"name": held}, merge=False)  # `gaussian` is short for {name: gaussian}
        elif held is not None and not OmegaConf.is_config(held):
            raise BadInput(f"{above} is a single value, {shown(held)}, and has no keys")
    key = ".".join(parts)
    named = parts[-1] == "name" and parts[0] != "engine"  # an engine's settings are the machine's, whoever grows
    if named and OmegaConf.select(merged, key) not in (None, value):
        OmegaConf.update(merged, ".".join(parts[:-1]), {"name": value}, merge=False, force_add=True)
    OmegaConf.update(merged, key, value, merge=False, force_add=True)
