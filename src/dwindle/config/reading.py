"""Read a YAML file as plain data: the dialect that DVC reads, without anything that could surprise or explode.

Aliases, tags, interpolation and duplicate keys are refused, and so is a file that is too large, too deep or too long.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dwindle.errors import BadInput

__all__ = ["Document", "KeyPath", "read_yaml", "scalar", "shown"]

KeyPath = tuple[str, ...]

LARGEST_FILE = 1 << 18
COMMAND_LINE = "command line"
LARGEST_DEPTH = 32
LARGEST_COUNT = 10_000
LARGEST_NUMBER = 1023  # bits: more do not fit a float

_NOT_TEXT = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SCALARS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")}

_OPENING, _CLOSING = ("MappingStartEvent", "SequenceStartEvent"), ("MappingEndEvent", "SequenceEndEvent")

_HINTS = {
    "'\\t'": "; indent with blanks, not with a tab",
    "mapping values": "; a second ': ' on this line (quote a text that holds one), or a wrong indentation",
    "expected ':'": "; each line is `key: value`",
    "another document": "; a file holds one document, without '---' between parts",
    "cannot start": "; put this text in quotes",
    "end of stream": "; a quote is not closed",
    "',' or": "; a bracket is not closed",
}
"""What a complaint of the YAML parser most often means."""


@dataclass
class Document:
    """Plain data with the line that each key stands on.

    Args:
        name: the file's name as messages show it.
        data: mappings, lists and scalars.
        lines: line number of each key path; 0 for one that the command line gave.
        variables: name of the environment's variable that gave a key path its value.
        origins: for a lineage that the file does not spell out, where each of its settings stands there.
    """

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)
    origins: dict[str, Callable[[KeyPath], KeyPath]] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return `file:line key.path` for messages; the line of the nearest key above if the key has none.

        A setting that a lineage only inherits is named where it stands: among the shared ones.
        """
        if path[:1] == ("lineages",) and len(path) > 1 and path[1] in self.origins:
            path = self.origins[path[1]](path[2:])
        if path in self.variables:
            return f"environment: {self.variables[path]}"
        if path[:1] == ("lineages",) and path[:3] not in self.lines and path[2:3] in self.lines:
            path = path[2:]
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                line = self.lines[path[:length]]
                return f"{self.name}:{line} {_spelled(path)}" if line else f"command line: {_spelled(path)}"
        return f"{self.name}: {_spelled(path)}"


def _spelled(path: KeyPath) -> str:
    """Spell a key path on one short line, whatever its keys hold."""
    parts = (part if part.isprintable() else ascii(part)[1:-1] for part in path)
    return ".".join(part if len(part) <= 60 else f"{part[:57]}..." for part in parts)


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        BadInput: naming file, line and what is wrong.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST_FILE:
        raise BadInput(f"{path}: larger than {LARGEST_FILE} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8") from error
    return _parse(str(path), text)


def _parse(name: str, text: str) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if found := _NOT_TEXT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise BadInput(f"{name}:{line}: the character U+{ord(found.group()):04X} does not belong in a text file")
    yaml = YAML(typ="safe", pure=True)
    try:
        _guard(name, yaml, text)
        root = yaml.compose(io.StringIO(text))
        document = Document(name, {})
        data = _plain(document, yaml, root, ())
        if name != COMMAND_LINE:
            YAML(typ="safe").compose(io.StringIO(text))  # the stricter parser that DVC reads the same file with
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context)
        hint = next((hint for sign, hint in _HINTS.items() if sign in problem), "")
        raise BadInput(f"{name}:{mark.line + 1 if mark else 1}: not YAML: {problem}{hint}") from error
    except YAMLError as error:
        raise BadInput(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise BadInput(f"{name}:1: a mapping of keys to values is expected at the top, not {_kind(data)}")
    document.data = data
    return document


def _kind(data: object) -> str:
    return "nothing" if data is None else "a list" if isinstance(data, list) else shown(data)


def shown(value: object) -> str:
    """Spell a value on one short line, as YAML has it."""
    text = {None: "null", True: "true", False: "false"}.get(value) if isinstance(value, bool | None) else repr(value)
    return str(text) if len(str(text)) <= 60 else f"{str(text)[:57]}..."


def _guard(name: str, yaml: Any, text: str) -> None:
    """Refuse what could explode before any of it is built."""
    depth = count = 0
    for event in yaml.parse(io.StringIO(text)):
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise BadInput(f"{name}:{line}: YAML anchors and aliases are not supported; write the value out")
        if getattr(event, "tag", None):
            raise BadInput(f"{name}:{line}: YAML tags are not supported")
        depth += (kind in _OPENING) - (kind in _CLOSING)
        count += kind == "ScalarEvent" or kind in _OPENING
        if depth > LARGEST_DEPTH:
            raise BadInput(f"{name}:{line}: nested deeper than {LARGEST_DEPTH} levels")
        if count > LARGEST_COUNT:
            raise BadInput(f"{name}:{line}: more than {LARGEST_COUNT} values")
        if kind == "ScalarEvent" and "${" in event.value:
            raise BadInput(f"{name}:{line}: {shown(event.value)}: interpolation is not supported; write the value out")
        if kind == "ScalarEvent" and event.value == "???":
            raise BadInput(f"{name}:{line}: '???': a value is missing here")


def _plain(document: Document, yaml: Any, node: Any, path: KeyPath) -> Any:
    kind = type(node).__name__
    if kind == "MappingNode":
        return _mapping(document, yaml, node, path)
    if kind == "SequenceNode":
        return [_plain(document, yaml, item, (*path, str(index))) for index, item in enumerate(node.value)]
    return None if node is None else _scalar(document, yaml, node, path)


def _scalar(document: Document, yaml: Any, node: Any, path: KeyPath) -> Any:
    """Return null, a truth value, a number or text; what YAML would make a date of is text."""
    place = f"{document.name}:{node.start_mark.line + 1} {_spelled(path)}"
    try:
        value = yaml.constructor.construct_object(node) if str(node.tag) in _SCALARS else node.value
    except ValueError as error:
        raise BadInput(f"{place}: a number of too many digits") from error
    if isinstance(value, int) and value.bit_length() > LARGEST_NUMBER:
        raise BadInput(f"{place}: a number of too many digits")
    if isinstance(value, str) and (found := _NOT_TEXT.search(value)):
        raise BadInput(f"{place}: the character U+{ord(found.group()):04X} does not belong in a text")
    return value


def _mapping(document: Document, yaml: Any, node: Any, path: KeyPath) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if type(key_node).__name__ != "ScalarNode":
            raise BadInput(f"{document.name}:{line}: a key must be one word, not a list or a mapping")
        key = str(key_node.value)
        if key in found:
            raise BadInput(f"{document.name}:{line} {_spelled((*path, key))}: the key stands here twice")
        document.lines[(*path, key)] = line
        found[key] = _plain(document, yaml, value_node, (*path, key))
    return found


def scalar(text: str) -> Any:
    """Read one value as the command line gives it, in the same dialect as the file.

    Raises:
        BadInput: if the text is not one value; the message is without a place.
    """
    try:
        found = _parse(COMMAND_LINE, f"value: {text}\n").data
    except BadInput as error:
        raise BadInput(str(error).partition(": ")[2]) from error
    if "\n" in text or len(found) != 1:
        raise BadInput("expected one value on one line")
    return found["value"]
