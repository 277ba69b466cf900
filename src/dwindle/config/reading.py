"""Read a YAML file as plain data: the dialect that DVC reads, without anything that could surprise or explode.

Aliases, tags, interpolation and duplicate keys are refused, and so is a file that is too large, too deep or too long.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dwindle.errors import BadInput

__all__ = ["Document", "KeyPath", "read_yaml", "scalar"]

KeyPath = tuple[str, ...]

LARGEST_FILE = 1 << 20
LARGEST_DEPTH = 32
LARGEST_COUNT = 10_000


@dataclass
class Document:
    """Plain data with the line that each key stands on.

    Args:
        name: the file's name as messages show it.
        data: mappings, lists and scalars.
        lines: line number of each key path.
    """

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return `file:line key.path` for messages; the line of the nearest key above if the key has none.

        A setting that a lineage only inherits is named where it stands: among the shared ones.
        """
        if path[:1] == ("lineages",) and path[:3] not in self.lines and path[2:3] in self.lines:
            path = path[2:]
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                line = self.lines[path[:length]]
                return f"{self.name}:{line} {'.'.join(path)}" if line else f"command line: {'.'.join(path)}"
        return f"{self.name}: {'.'.join(path)}"


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        BadInput: naming file, line and what is wrong.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST_FILE:
        raise BadInput(f"{path}: {len(raw)} bytes; the limit is {LARGEST_FILE}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8") from error
    return _parse(str(path), text)


def _parse(name: str, text: str) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        _guard(name, yaml, text)
        root = yaml.compose(io.StringIO(text))
        document = Document(name, {})
        data = _plain(document, yaml, root, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInput(f"{name}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise BadInput(f"{name}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise BadInput(f"{name}:1: a mapping of keys to values is expected at the top, not {_kind(data)}")
    document.data = data
    return document


def _kind(data: object) -> str:
    return "nothing" if data is None else "a list" if isinstance(data, list) else f"{data!r}"


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
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        count += kind == "ScalarEvent"
        if depth > LARGEST_DEPTH:
            raise BadInput(f"{name}:{line}: nested deeper than {LARGEST_DEPTH} levels")
        if count > LARGEST_COUNT:
            raise BadInput(f"{name}:{line}: more than {LARGEST_COUNT} values")
        if kind == "ScalarEvent" and "${" in event.value:
            raise BadInput(f"{name}:{line}: '{event.value}': interpolation is not supported; write the value out")


def _plain(document: Document, yaml: Any, node: Any, path: KeyPath) -> Any:
    kind = type(node).__name__
    if kind == "MappingNode":
        return _mapping(document, yaml, node, path)
    if kind == "SequenceNode":
        return [_plain(document, yaml, item, (*path, str(index))) for index, item in enumerate(node.value)]
    return None if node is None else yaml.constructor.construct_object(node)


def _mapping(document: Document, yaml: Any, node: Any, path: KeyPath) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in found:
            raise BadInput(f"{document.name}:{line} {'.'.join((*path, key))}: the key stands here twice")
        document.lines[(*path, key)] = line
        found[key] = _plain(document, yaml, value_node, (*path, key))
    return found


def scalar(text: str) -> Any:
    """Read one value as the command line gives it, in the same dialect as the file.

    Raises:
        BadInput: if the text is not a value.
    """
    return _parse("command line", f"value: {text}\n").data["value"]
