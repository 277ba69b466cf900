"""Manifests: what a published folder holds, what it was made of, and by which rule."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from dwindle.errors import DataDamaged

__all__ = ["MANIFEST", "Manifest", "canonical", "digest_of", "file_digest", "read_manifest", "verify"]

MANIFEST = "manifest.json"
SCHEMA = 1

_verified: set[tuple[int, int, int, int, str]] = set()


def canonical(data: object) -> bytes:
    """Return the one JSON spelling of plain data: sorted keys, no blanks, no nan.

    Raises:
        ValueError: if the data holds nan or infinity.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest_of(data: object) -> str:
    """Return the SHA-256 of plain data in its canonical spelling."""
    return hashlib.sha256(canonical(data)).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Manifest:
    """What stands in `manifest.json`, written last.

    The manifest holds no clock and no host name, so that the same stage leaves the same bytes whoever ran it.

    Args:
        stage: the stage that made the folder.
        key: the stage key: parameters, seeds, code and input digests.
        digest: digest of all payload files.
        files: SHA-256 and size in bytes of each payload file.
        inputs: payload digest of each input, by slot.
        recipe: recipe digest of the lineage.
        facts: what the stage tells of its output: counts by origin, shards, drop reasons.
        environment: versions, machine and threads that made it; recorded, not part of the key.
    """

    stage: str
    key: str
    digest: str
    files: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, str]
    recipe: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def write(self, folder: Path) -> None:
        """Write the manifest, sealed with a digest of itself, into a folder and see it onto the disk."""
        plain = json.loads(json.dumps(asdict(self), allow_nan=False))
        with (folder / MANIFEST).open("wb") as file:
            file.write(_sealed(plain))
            file.flush()
            os.fsync(file.fileno())


def _sealed(plain: Mapping[str, Any]) -> bytes:
    """Spell a manifest with a digest of itself; another spelling of the same is damage too."""
    whole = {**plain, "seal": digest_of(plain)}
    return (json.dumps(whole, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a published folder, or None where there is none.

    Raises:
        DataDamaged: if the file is there but is not a manifest of this version of dwindle, or not as it was written.
    """
    path = folder / MANIFEST
    try:
        status = path.lstat()
        return _read_manifest(path, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataDamaged(f"{path}: cannot be read: {error.strerror}") from error


@lru_cache(maxsize=1 << 14)
def _read_manifest(path: Path, *_status: int) -> Manifest:
    """Read a manifest; one that stands as it stood is not read again by this process."""
    text = _read_regular(path)
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise DataDamaged(f"{path}: manifest schema {document['schema']}, this dwindle reads {SCHEMA}")
        del document["seal"]
        if text != _sealed(document):
            raise ValueError("it is not what it was written as")
        return _checked(Manifest(**document))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataDamaged(f"{path}: not a manifest: {error}") from error


def _read_regular(path: Path) -> bytes:
    """Return the bytes of a file that is neither a link nor a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DataDamaged(f"{path}: not a regular file")
        return file.read()


def _checked(manifest: Manifest) -> Manifest:
    """Hold the parts that are looked into to their shapes."""
    entries = [(entry["sha256"], entry["bytes"]) for entry in manifest.files.values()]
    if not all(isinstance(part, dict) for part in (manifest.inputs, manifest.facts, manifest.environment)):
        raise TypeError("inputs, facts and environment must be mappings")
    if not all(isinstance(digest, str) and isinstance(size, int) for digest, size in entries):
        raise TypeError("each file has a digest and a size")
    return manifest


def verify(folder: Path, manifest: Manifest, *, whole: bool = True, afresh: bool = False) -> None:
    """Hold every file of a folder to its manifest; a file read once by this process is not read again.

    Args:
        folder: the published folder.
        manifest: its manifest.
        whole: hold files to their digests, not only to their sizes.
        afresh: read every file, even one already verified.

    Raises:
        DataDamaged: naming the first file that is missing, added, a link, of another size or of another digest.
    """
    try:
        present = {entry.name for entry in os.scandir(folder)} - {MANIFEST}
    except OSError as error:
        raise DataDamaged(f"{folder}: cannot be read: {error.strerror}") from error
    for name in sorted(present ^ set(manifest.files)):
        raise DataDamaged(f"{folder / name}: {'not in the manifest' if name in present else 'missing'}")
    for name, expected in manifest.files.items():
        path = folder / name
        mark = _hold_to_size(path, expected)
        if whole and (afresh or mark not in _verified):
            _hold_to_digest(path, expected)
            _verified.add(mark)
    if folder_digest(manifest.files) != manifest.digest:
        raise DataDamaged(f"{folder / MANIFEST}: digest does not belong to the files it lists")


def folder_digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest of a folder's payload: names and digests of its files."""
    return digest_of({name: entry["sha256"] for name, entry in files.items()})


_Mark = tuple[int, int, int, int, str]


def _hold_to_size(path: Path, expected: Mapping[str, Any]) -> _Mark:
    """Return what tells this file, unchanged, from any other: a file that was read once need not be read again."""
    try:
        status = path.lstat()
    except OSError as error:
        raise DataDamaged(f"{path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataDamaged(f"{path}: not a regular file")
    if status.st_size != expected["bytes"]:
        raise DataDamaged(f"{path}: {status.st_size} bytes, manifest says {expected['bytes']}")
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, str(expected["sha256"])


def _hold_to_digest(path: Path, expected: Mapping[str, Any]) -> None:
    try:
        found = file_digest(path)
    except OSError as error:
        raise DataDamaged(f"{path}: cannot be read: {error.strerror}") from error
    if found != expected["sha256"]:
        raise DataDamaged(f"{path}: sha256 {found}, manifest says {expected['sha256']}")
