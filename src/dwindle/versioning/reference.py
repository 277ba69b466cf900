"""References: small texts on a remote, each naming what some stages made, by digest.

The text is the stages' part of dvc.lock, in its own spelling, with the SHA-256 of all that follows in the first line.
Whoever can write to a remote can write such a text, and listings of folders too, so that nothing in them is taken on
trust: no YAML beyond what `spell` itself writes, no path outside the places of stages, no name that leaves its folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from dwindle.errors import BadInput, DataDamaged
from dwindle.versioning.lock_file import LockFile, blocks_of, parse, spell

__all__ = ["is_reference", "listing_of", "outputs_of", "place_of", "read_reference", "spell_reference"]

FOLDER, SUFFIX = "dwindle", ".lock"
"""Where references stand below the remote's address, beside DVC's `files/`."""

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"  # neither hidden nor `..`, nor an option of a command
_REFERENCE = re.compile(rf"{_PART}(/{_PART})*", re.ASCII)
_OUTPUT = re.compile(rf"(data|models|metrics)(/{_PART})+", re.ASCII)
_FILE = re.compile(_PART, re.ASCII)
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)

_FIRST = re.compile(rb"# sha256 ([0-9a-f]{64})\n")
_HARMLESS = re.compile(r"[A-Za-z0-9_./@+:'\"=, \n-]*", re.ASCII)  # no tag, anchor, alias, comment, directive or nesting


def is_reference(text: str) -> bool:
    """Say whether a text can be a reference."""
    return _REFERENCE.fullmatch(text) is not None


def place_of(reference: str) -> str:
    """Return where a reference stands, below the remote's address.

    Raises:
        BadInput: if it is not a relative path of plain names.
    """
    if not is_reference(reference):
        raise BadInput(f"reference {reference!r}: plain names (letters, digits, _ - .) with / between them are allowed")
    return f"{FOLDER}/{reference}{SUFFIX}"


def spell_reference(blocks: Mapping[str, str]) -> bytes:
    """Return the text of a reference to some stages of dvc.lock."""
    body = LockFile(blocks=dict(blocks)).text([]).encode()
    return f"# sha256 {hashlib.sha256(body).hexdigest()}\n".encode() + body


def read_reference(text: bytes, where: str) -> dict[str, str]:
    """Return the stages' blocks of dvc.lock that a text holds.

    Args:
        text: what stands on the remote.
        where: its address, for the message.

    Raises:
        DataDamaged: if the text is cut or changed, or anything but what `spell_reference` writes.
    """
    found = _FIRST.match(text)
    body = text[found.end() :] if found else b""
    if found is None or hashlib.sha256(body).hexdigest() != found[1].decode():
        raise DataDamaged(f"{where}: cut or changed since it was written; send it again")
    plain = body.decode("ascii", errors="replace")
    blocks = blocks_of(plain) if _HARMLESS.fullmatch(plain) else None
    if not blocks or not all(_is_canonical(block) for block in blocks.values()):
        raise DataDamaged(f"{where}: not a part of dvc.lock")
    return blocks


def _is_canonical(block: str) -> bool:
    """Say whether a block is as it would be spelled anew, so that DVC reads the same in it as dwindle does."""
    from ruamel.yaml.error import YAMLError

    try:
        ((name, entry),) = parse(block).items()
        items = [*entry.get("deps", ()), *entry["outs"]]
        texts = [entry["cmd"], *(item[key] for item in items for key in ("path", "hash", "md5"))]
        return spell(name, entry) == block and all(isinstance(text, str) for text in texts)
    except (YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return False


def outputs_of(blocks: Mapping[str, str], where: str) -> dict[str, str]:
    """Return the MD5 of each output, by path.

    Raises:
        DataDamaged: if one lies outside `data/`, `models/` and `metrics/`, or inside another.
    """
    outputs = LockFile(blocks=dict(blocks)).hashes()
    for path in outputs:
        parents = {path[: found.start()] for found in re.finditer("/", path)}
        if not _OUTPUT.fullmatch(path) or parents & outputs.keys():
            raise DataDamaged(f"{where}: {path!r} is no place for an output of its own in data/, models/ or metrics/")
    return outputs


def listing_of(text: bytes, where: str) -> dict[str, str]:
    """Return the MD5 of each file of a folder, by name, from DVC's listing of it.

    Raises:
        DataDamaged: if this is not a listing, or not one of plain files in one folder.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(text)
        files = {entry["relpath"]: entry["md5"] for entry in entries}
        sound = all(_FILE.fullmatch(name) and _MD5.fullmatch(md5) for name, md5 in files.items())
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataDamaged(f"{where}: not a listing of a folder: {error}") from error
    if not sound or len(files) != len(entries):
        raise DataDamaged(f"{where}: lists something other than plain files in one folder")
    return files
