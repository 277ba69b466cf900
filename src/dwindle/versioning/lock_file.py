"""dvc.lock as text, stage by stage: read, compared and rewritten without parsing what nobody asked about.

DVC parses and spells out the whole file for every stage that it records, which is quadratic in the length of a sweep.
Here a stage's block of lines is found by its shape. The spelling is DVC's own, byte for byte, so that a flow and
`dvc repro` leave the same file. A file in any other spelling is parsed as YAML.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["LOCK", "LockFile", "blocks_of", "parse", "read_lock_file", "recorded_hashes", "spell"]

LOCK = "dvc.lock"

_log = logging.getLogger(__name__)

_HEAD = "schema: '2.0'\nstages:\n"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_ITEM = re.compile(
    r"    - path: (?:\n +)?(?P<path>\S.*)\n"
    r"      hash: md5\n"
    r"      md5: '?(?P<md5>[0-9a-f]{32}(?:\.dir)?)'?\n"
    r"      size: \d+\n(?:      nfiles: \d+\n)?(?:      isexec: true\n)?"
)
_ITEMS = re.sub(r"\?P<\w+>", "?:", _ITEM.pattern)
_BLOCK = re.compile(
    r"  (?P<name>[^\s'\"#&*!|>%@`:-][^\s:]*):\n"
    r"    cmd: \S.*\n"
    rf"(?:    deps:\n(?:{_ITEMS})+)?"
    r"(?:    params:\n(?:      \S+:\n(?:        \S+: (?:\n +)?\S.*\n)+)+)?"
    rf"(?P<outs>    outs:\n(?:{_ITEMS})+)?"
)

_PLAIN = re.compile(r"[A-Za-z0-9_/.][\w./@+-]*(?: [\w./@+-]+)*", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(\d[\d_]*(\.[\d_]*)?([eE][+-]?\d+)?|\.[\d_]+([eE][+-]\d+)?|0b[01_]+|0o[0-7_]+|0x[\da-fA-F_]+)"
    r"|\d{4}-\d\d-\d\d|\.\.\..*",
    re.ASCII,
)
_WORDS = frozenset({"", "null", "true", "false", ".inf", ".nan"})
_WIDTH = 80


@dataclass
class LockFile:
    """dvc.lock, one block of text a stage.

    Args:
        head: what stands above the stages.
        blocks: the lines of each stage, by name.
    """

    head: str = _HEAD
    blocks: dict[str, str] = field(default_factory=dict)

    def hashes(self, stages: Iterable[str] | None = None) -> dict[str, str]:
        """Return the recorded hash of each output, by path, of some stages or of all."""
        names = self.blocks if stages is None else [name for name in stages if name in self.blocks]
        return {path: md5 for name in names for path, md5 in _outs(self.blocks[name])}

    def text(self, order: Sequence[str]) -> str:
        """Return the file's text: the stages in the given order, then those that it does not name."""
        names = dict.fromkeys([*(name for name in order if name in self.blocks), *self.blocks])
        return self.head + "".join(self.blocks[name] for name in names)


def recorded_hashes(root: Path, stages: Iterable[str] | None = None) -> dict[str, str]:
    """Return the hash that DVC has on record for each output, by path; DVC itself is not needed.

    Args:
        root: the workspace.
        stages: names of the stages, or None for all. One without a record is left out.

    Returns:
        An MD5 a path, with `.dir` behind it for a folder.
    """
    return read_lock_file(root / LOCK).hashes(stages)


def _outs(block: str) -> Iterator[tuple[str, str]]:
    found = _BLOCK.fullmatch(block)
    if found is None:
        (entry,) = parse(block).values()
        yield from ((item["path"], item["md5"]) for item in entry.get("outs", ()) if "md5" in item)
        return
    for item in _ITEM.finditer(found["outs"] or ""):
        path = item["path"]
        yield (parse(path) if path[0] in "'\"" else path), item["md5"]


def read_lock_file(path: Path) -> LockFile:
    """Read dvc.lock; a missing one is empty, and of a damaged one what can be read stays."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return LockFile()
    except UnicodeDecodeError:
        text = "\0"
    blocks = blocks_of(text)
    return LockFile(blocks=blocks) if blocks is not None else _read_as_yaml(path, text)


def blocks_of(text: str) -> dict[str, str] | None:
    """Return the blocks of a file in DVC's own spelling, or None where it is spelled otherwise or damaged."""
    if not text.startswith(_HEAD):
        return None
    blocks, position = {}, len(_HEAD)
    while position < len(text):
        found = _BLOCK.match(text, position)
        if found is None or found["name"] in blocks:
            return None
        blocks[found["name"]], position = found[0], found.end()
    return blocks


def parse(text: str) -> Any:
    """Return what a text says as YAML; what is no plain YAML raises an error of ruamel."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text)


def _read_as_yaml(path: Path, text: str) -> LockFile:
    from ruamel.yaml.error import YAMLError

    try:
        data = parse(text)
        stages = dict(data["stages"] or {})
    except (YAMLError, KeyError, TypeError, ValueError) as error:
        _log.warning("%s is unreadable (%s); it is written anew, starting from nothing", path, type(error).__name__)
        return LockFile()
    sound = {name: entry for name, entry in stages.items() if _is_sound(entry)}
    if lost := [str(name) for name in stages if name not in sound]:
        _log.warning("%s is damaged; the record of these stages is dropped: %s", path, ", ".join(lost))
    others = {key: value for key, value in data.items() if key != "stages"}
    head = "".join(f"{line}\n" for line in _lines({"schema": "2.0", **others}, 0)) + "stages:\n"
    return LockFile(head, {name: spell(name, entry) for name, entry in sound.items()})


def _is_sound(entry: Any) -> bool:
    """Say whether a stage's record is whole; a file cut short may still parse, with a cut hash or none."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("cmd"), str | list):
        return False
    slots = [entry.get(slot, []) for slot in ("deps", "outs")]
    return all(isinstance(slot, list) and all(map(_is_sound_item, slot)) for slot in slots)


def _is_sound_item(item: Any) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("path"), str):
        return False
    if "files" in item or "dataset" in item:
        return True  # what DVC records of imports, which have no hash of their own
    return "size" in item and _MD5.fullmatch(str(item.get("md5"))) is not None


def spell(name: str, entry: Mapping[str, Any]) -> str:
    """Return the lines of one stage as DVC spells them."""
    return "".join(f"{line}\n" for line in _lines({name: entry}, 2))


def _lines(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, item in value.items():
        head = f"{' ' * indent}{_scalar(key)}:"
        if isinstance(item, Mapping) and item:
            yield head
            yield from _lines(item, indent + 2)
        elif isinstance(item, list) and item:
            yield head
            yield from _list_lines(item, indent)
        else:
            yield _beside(head, _scalar(item), indent + 2)


def _list_lines(items: Iterable[Any], indent: int) -> Iterator[str]:
    for item in items:
        lines = _lines(item, indent + 2) if isinstance(item, Mapping) and item else iter([_scalar(item)])
        yield f"{' ' * indent}- {next(lines).lstrip()}"
        yield from lines


def _beside(head: str, text: str, indent: int) -> str:
    """Put a value beside its key, or below it where the line would be too long."""
    fits = len(head) + 1 + len(text) <= _WIDTH or " " in text
    return f"{head} {text}" if fits else f"{head} \n{' ' * indent}{text}"


def _scalar(value: Any) -> str:
    """Spell a plain value; quote a text that YAML would read as something else, such as the digest 12345e67."""
    if not isinstance(value, str):
        return json.dumps(value)
    if value.lower() in _WORDS or _NUMBER.fullmatch(value):
        return f"'{value}'"
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
