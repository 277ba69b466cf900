"""The axes of a sweep: settings of the recipe that take several values, each value with a label.

Every axis is crossed with every other one; the keys of one axis advance together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dwindle.config.building import LINEAGE_NAME, advice, misnamed
from dwindle.config.reading import KeyPath
from dwindle.config.recipe import PARTS
from dwindle.config.schema import Problems

__all__ = ["LINEAGE", "Axis", "Step", "axes_from", "settled", "spelled"]

LINEAGE = "lineage"
"""The axis of the lineages that a sweep names: in coordinates only, no axis has this name."""

_WITH_KEYS = ("source", "family", "regime", "sampler", "curation", "policy", "review", "teacher")
_LISTS = ("curators", "metrics", "gates", "phases")
_WHOLE = (*PARTS, *_LISTS, "purpose", "generations")
_BARE = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?|-?inf|nan|true|false|null|none")
_VALUES = "a list of values, or a mapping of labels to values"


@dataclass(frozen=True)
class Step:
    """One value of an axis.

    Args:
        label: the value, as coordinates have it: `0.9`, `small`.
        part: what it adds to the name of a lineage: `ratio0p9`, `small`.
        settings: what it sets, by dotted key.
        places: where each of the settings stands in the file, by key path.
    """

    label: str
    part: str
    settings: Mapping[str, Any]
    places: Mapping[KeyPath, KeyPath]


@dataclass(frozen=True)
class Axis:
    """Settings that take several values, all of them at once.

    Args:
        name: its name.
        steps: its values, in order.
    """

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _Column:
    """The values of one key of an axis, with their labels where they are given."""

    key: str
    values: tuple[Any, ...]
    labels: tuple[str, ...] = ()

    def place(self, axis: str, index: int) -> KeyPath:
        path = ("axes", axis, self.key)
        return (*path, self.labels[index]) if self.labels else path


def axes_from(data: Any, problems: Problems) -> tuple[Axis, ...]:
    """Return the axes of a sweep, and note everything that is wrong with them.

    Args:
        data: the section: for each axis the keys that it sets, each with a list of values or a mapping of labels to
            values.
        problems: where to note what is wrong.
    """
    if data is None:
        return ()
    if not isinstance(data, Mapping):
        problems.add(("axes",), data, "expected a mapping of axes: a name, and keys of the recipe with their values")
        return ()
    columns = {name: _columns(name, keys, problems) for name, keys in data.items()}
    _note_clashes([(name, column) for name, several in columns.items() for column in several], problems)
    return tuple(_axis(name, several, problems) for name, several in columns.items() if several)


def settled(steps: Iterable[Step]) -> dict[str, Any]:
    """Return what one value of each axis sets, as a lineage would write it; a component goes before its settings."""
    together = {key: value for step in steps for key, value in step.settings.items()}
    own = {key: value for key, value in together.items() if "." not in key}
    for key, value in together.items():
        slot, dot, setting = key.partition(".")
        if dot:
            above = own.get(slot)
            above = {"name": above} if isinstance(above, str) else {} if above is None else above
            own[slot] = {**above, setting: value} if isinstance(above, Mapping) else above
    return own


def spelled(axis: str, label: str) -> str:
    """Spell a coordinate for people: a number with its axis, a text alone."""
    return f"{axis} {label}" if _BARE.fullmatch(label) else label


def _columns(name: str, keys: Any, problems: Problems) -> tuple[_Column, ...]:
    """Return the columns of one axis; none if anything is wrong with it."""
    path, before = ("axes", name), len(problems)
    if told := misnamed(name):
        problems.add(path, name, told)
    elif name == LINEAGE:
        problems.add(path, name, "the lineages that a sweep names are this axis; give another name")
    elif not isinstance(keys, Mapping) or not keys:
        problems.add(path, keys, f"expected keys of the recipe, each with {_VALUES}")
    if len(problems) > before:
        return ()
    columns = tuple(_column(key, values, (*path, key), problems) for key, values in keys.items())
    lengths = {column.key: len(column.values) for column in columns}
    if len(problems) == before and len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        problems.add(path, list(keys), f"keys of one axis advance together and need as many values each: {told}")
    if len(problems) == before and len({column.labels for column in columns if column.labels}) > 1:
        problems.add(path, list(keys), "keys of one axis advance together: give the same labels, in the same order")
    return columns if len(problems) == before else ()


def _column(key: str, values: Any, path: KeyPath, problems: Problems) -> _Column:
    slot, dot, setting = key.partition(".")
    if slot in _WHOLE and dot:
        problems.add(path, values, f"{slot} has no keys; an axis gives it whole")
    elif slot not in (*_WHOLE, *_WITH_KEYS) or (dot and not setting):
        problems.add(path, values, f"unknown key{advice(key, ('generations',))}")
    elif not isinstance(values, Mapping | list):
        problems.add(path, values, f"expected {_VALUES}")
    elif not values:
        problems.add(path, values, f"an axis needs one value at least: {_VALUES}")
    elif isinstance(values, list):
        return _Column(key, tuple(values))
    elif slot in _WITH_KEYS and not dot and "name" in values:
        problems.add(path, values, f"expected {_VALUES}; put one component in a list: [{{name: ...}}]")
    else:
        return _labelled(key, values, path, problems)
    return _Column(key, ())


def _labelled(key: str, values: Mapping[str, Any], path: KeyPath, problems: Problems) -> _Column:
    for label, value in values.items():
        if not LINEAGE_NAME.fullmatch(label):
            problems.add((*path, label), label, f"as a label, {misnamed(label)}")
        elif key in _WITH_KEYS and isinstance(value, list):
            problems.add((*path, label), value, f"expected a component; values of one setting are {key}.{label}: [...]")
    return _Column(key, tuple(values.values()), tuple(values))


def _axis(name: str, columns: Sequence[_Column], problems: Problems) -> Axis:
    labels, parts = _labels(name, columns, problems)
    steps = (
        Step(
            labels[index],
            parts[index],
            {column.key: column.values[index] for column in columns},
            {tuple(column.key.split(".", 1)): column.place(name, index) for column in columns},
        )
        for index in range(len(labels))
    )
    return Axis(name, tuple(steps))


def _labels(axis: str, columns: Sequence[_Column], problems: Problems) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels of an axis and what they add to names.

    Labels are those that are given, or come from the first key whose values all have one and differ in it.
    """
    for column in columns:
        if column.labels:
            return column.labels, column.labels
    for column in columns:
        labels = tuple(_label(value) for value in column.values)
        parts = tuple(_part(axis, *both) for both in zip(column.values, labels, strict=True))
        if all(LINEAGE_NAME.fullmatch(part) for part in parts) and len(set(parts)) == len(parts):
            return labels, parts
    path, first = ("axes", axis, columns[0].key), columns[0].values
    parts = tuple(_part(axis, value, _label(value)) for value in first)
    strange = [value for value, part in zip(first, parts, strict=True) if not LINEAGE_NAME.fullmatch(part)]
    if strange:
        told = "gives no name for a lineage; label the values: {LABEL: value, ...}"
        problems.add(path, strange[0], told)
    else:
        twice = next(part for part in parts if parts.count(part) > 1)
        told = f"two values would both be called {twice}; label the values: {{LABEL: value, ...}}"
        problems.add(path, list(first), told)
    return (), ()


def _label(value: Any) -> str:
    """Spell a value: a number, a text, a component's name, the names of several; empty if there is nothing to say."""
    match value:
        case bool() | None:
            return {True: "true", False: "false"}.get(value, "null")  # type: ignore[arg-type]
        case float():
            return repr(value).removesuffix(".0")
        case Mapping():
            return _label(value["name"]) if isinstance(value.get("name"), str) else ""
        case list():
            inner = [_label(item) for item in value]
            return ("_".join(inner) or "none") if all(inner) else ""
        case _:
            return str(value).rpartition(":")[2]


def _part(axis: str, value: Any, label: str) -> str:
    """Return what a value adds to the name of a lineage: its label, after the name of the axis if it has no text."""
    if any(isinstance(item, str | Mapping) for item in (value if isinstance(value, list) else [value])):
        return label.lower()
    return axis + label.replace("-", "m").replace(".", "p").replace("+", "")


def _note_clashes(columns: Sequence[tuple[str, _Column]], problems: Problems) -> None:
    """Note each setting that two keys set."""
    taken: dict[str, str] = {}
    for axis, column in columns:
        for key in dict.fromkeys(_sets(column)):
            if key in taken:
                told = f"{taken[key]} sets {key} too"
                problems.add(("axes", axis, column.key), list(column.values), told)
                break
        taken |= dict.fromkeys(_sets(column), f"axes.{axis}.{column.key}")


def _sets(column: _Column) -> Iterator[str]:
    """Yield the dotted key of everything that the values of a key set."""
    yield column.key
    if column.key in _WITH_KEYS:
        for value in column.values:
            if isinstance(value, Mapping):
                yield from (f"{column.key}.{setting}" for setting in value)
            elif isinstance(value, str):
                yield f"{column.key}.name"
