"""Build a frozen dataclass from plain data: its annotations are the schema. Collects every problem, writes nothing."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from dwindle.config.reading import Document, KeyPath, shown
from dwindle.contracts import Within
from dwindle.errors import NotReachable, nearest

__all__ = ["Problems", "build", "expected", "settings_of"]


class Problems(list[str]):
    """Every problem found so far, one line each.

    Args:
        document: where the data came from, for file and line.
    """

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.cause: Exception | None = None

    def add(self, path: KeyPath, value: object, message: str, cause: Exception | None = None) -> None:
        """Note a problem with the value at a key, and the exception that tells more under `--debug`."""
        line = "".join(c if c.isprintable() else " " for c in " ".join(message.split()))
        line = line if len(line) <= 600 else f"{line[:597]}..."
        self.append(f"{self.document.place(path)} = {shown(value)}: {line}")
        self.cause = self.cause or cause


def schema(kind: type[Any]) -> Mapping[str, tuple[Field[Any], Any]]:
    """Return field and annotation of each setting of a dataclass."""
    return _schema(kind)  # type: ignore[arg-type]  # a class is hashable


@cache
def _schema(kind: type[Any]) -> Mapping[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {f.name: (f, hints[f.name]) for f in fields(kind) if f.init and get_origin(hints[f.name]) is not ClassVar}


def build(kind: type[Any], data: Mapping[str, Any], path: KeyPath, problems: Problems) -> Any | None:
    """Build an instance from a mapping of its settings, or note what is wrong and return None.

    Raises:
        NotReachable: if what it needs is out of reach, so that nobody can tell whether it is right.
    """
    before = len(problems)
    values = {}
    known = schema(kind)
    for key, value in data.items():
        if key not in known:
            told = f"{nearest(key, known)}{_range(kind, key)}" if known else f"; {kind.__name__} has no settings"
            problems.add((*path, key), value, f"unknown key{told}")
            continue
        values[key] = convert(known[key][1], value, (*path, key), problems)
    for name, (field, hint) in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            problems.append(f"{problems.document.place((*path, name))}: missing; expected {expected(hint)}")
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except NotReachable:
        raise
    except ValueError as error:
        problems.add(path, dict(data), str(error), error)
    except Exception as error:  # whatever a component from outside raises is the user's answer
        problems.add(path, dict(data), f"{kind.__name__} cannot be made: {type(error).__name__}: {error}", error)
    return None


def _range(kind: type[Any], word: str) -> str:
    """Spell the allowed range of the setting nearest to a mistyped one."""
    close = difflib.get_close_matches(word, schema(kind), n=1, cutoff=0.5)
    return f" (expected {expected(schema(kind)[close[0]][1])})" if close else ""


def convert(hint: Any, value: Any, path: KeyPath, problems: Problems) -> Any:
    """Return a value as its annotation wants it, or note what is wrong."""
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            problems.add(path, value, f"expected {expected(hint)}")
            return ()
        return tuple(convert(get_args(hint)[0], item, (*path, str(i)), problems) for i, item in enumerate(value))
    converted = _simple(hint, value)
    if converted is MISSING:
        problems.add(path, value, f"expected {expected(hint)}")
    return converted


def _simple(hint: Any, value: Any) -> Any:
    """Return a scalar of the wanted type and range, or MISSING. True is not 1, 1.5 is not an int, 1 is a float."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        found = _simple(inner, value)
        ranges = [note for note in notes if isinstance(note, Within)]
        return found if found is MISSING or all(note.holds(found) for note in ranges) else MISSING
    if get_origin(hint) is Literal:
        return value if any(value == option and type(value) is type(option) for option in get_args(hint)) else MISSING
    if get_origin(hint) in (Union, UnionType):
        options = [_simple(option, value) for option in get_args(hint)]
        return next((option for option in options if option is not MISSING), MISSING)
    if getattr(hint, "_is_protocol", False):  # a component, made by whoever knows them all
        return value if isinstance(value, hint) else MISSING
    if hint is NoneType:
        return None if value is None else MISSING
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= sys.float_info.max else MISSING
    return value if type(value) is hint else MISSING


def expected(hint: Any) -> str:
    """Spell what a setting accepts: type and range, for messages and `dwindle components`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, *notes = arguments
        return " ".join([expected(inner), *(str(note) for note in notes if isinstance(note, Within))])
    if origin is Literal:
        return " or ".join(str(argument) or repr(argument) for argument in arguments)
    if origin is tuple:
        return f"a list of {expected(arguments[0])}"
    if origin in (Union, UnionType):
        return " or ".join(expected(argument) for argument in arguments)
    return {NoneType: "null", str: "text", bool: "true or false"}.get(hint, getattr(hint, "__name__", str(hint)))


def settings_of(instance: Any) -> dict[str, Any]:
    """Return the settings of a component as plain data, defaults included."""
    values = {name: getattr(instance, name) for name in schema(type(instance))}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
