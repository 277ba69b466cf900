"""The workspace: where things stand, and the protocol by which they come to stand there.

A stage writes into a temporary folder beside its target. Every file is seen onto the disk, then the manifest, then one
rename makes the folder appear. A kill at any point leaves either the old state or the new one, never half of one.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dwindle.data.manifest import Manifest, file_digest, folder_digest
from dwindle.errors import DataDamaged, NotReachable
from dwindle.failpoints import failpoint

__all__ = [
    "held",
    "move_into_place",
    "publish_folder",
    "publish_text",
    "remove",
    "replace_folder",
    "see_folder",
    "settled",
    "sweep_litter",
]

Facts = Mapping[str, Any]


def publish_folder(
    target: Path,
    write: Callable[[Path], Facts],
    *,
    stage: str,
    key: str,
    inputs: Mapping[str, str],
    recipe: str,
    environment: Mapping[str, str],
) -> Manifest:
    """Publish a folder: write, see onto the disk, manifest last, one rename.

    Args:
        target: where the folder shall stand; a folder that stands there is replaced.
        write: fills an empty folder and returns the facts for the manifest.
        stage: name of the stage.
        key: stage key.
        inputs: payload digest of each input.
        recipe: recipe digest.
        environment: what the stage runs on.

    Returns:
        The manifest of the published folder.

    Raises:
        NotReachable: if the disk is full or may not be written.
        DataDamaged: if something other than plain files was written.
    """
    made: list[Manifest] = []

    def fill(working: Path) -> None:
        failpoint("publish.begin")
        facts = write(working)
        failpoint("publish.written")
        files = settled(working)
        manifest = Manifest(stage, key, folder_digest(files), files, dict(inputs), recipe, dict(facts), environment)
        manifest.write(working)
        made.append(manifest)

    replace_folder(target, fill)
    return made[0]


def replace_folder(target: Path, fill: Callable[[Path], Any]) -> None:
    """Let a folder appear at a place, whole, in place of what stands there.

    Args:
        target: where the folder shall stand.
        fill: writes into an empty folder beside it, and sees each file onto the disk.

    Raises:
        NotReachable: if the disk is full or may not be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    working = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir()
    try:
        fill(working)
        see_folder(working)
        failpoint("publish.manifest")
        move_into_place(working, target)
    except OSError as error:
        shutil.rmtree(working, ignore_errors=True)
        if error.errno in _STORAGE:
            raise NotReachable(f"{target}: cannot be written: {error.strerror or error}") from error
        raise
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise


# numpy says how much was written in place of an error number.
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, None}


def settled(folder: Path) -> dict[str, dict[str, Any]]:
    """See the files of a folder onto the disk; return the digest and size of each, as a manifest has them.

    Raises:
        DataDamaged: if something other than plain files stands there.
    """
    return {path.name: _settle(path) for path in sorted(folder.iterdir())}


def _settle(path: Path) -> dict[str, Any]:
    """See a payload file onto the disk, readable by every worker; return its entry in the manifest."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise DataDamaged(f"{path}: not a regular file; a stage leaves plain files in one folder")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.fstat(descriptor).st_nlink == 1:  # a linked shard is settled already
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        return {"sha256": file_digest(path), "bytes": os.fstat(descriptor).st_size}
    finally:
        os.close(descriptor)


def see_folder(folder: Path) -> None:
    """See onto the disk which names stand in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(working: Path, target: Path) -> None:
    """Let what is complete beside its place appear there by one rename, in place of what stands there."""
    stood = os.path.lexists(target)
    if not stood:
        working.rename(target)
    elif not _exchanged(working, target):
        # A kill between these two renames leaves neither state, which is as good as a stage that never ran.
        aside = working.with_suffix(".old.tmp")
        remove(aside)
        target.rename(aside)
        failpoint("publish.aside")
        working.rename(target)
        aside.rename(working)
    failpoint("publish.renamed")
    see_folder(target.parent)
    if stood:
        remove(working)


def _exchanged(working: Path, target: Path) -> bool:
    """Let two paths change places in one step, so that the target is never missing; say whether that worked."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and rename(here, bytes(working), here, bytes(target), exchange) == 0


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def publish_text(target: Path, text: str) -> None:
    """Publish one text file: temporary file, seen onto the disk, one rename.

    Raises:
        NotReachable: if the disk is full or may not be written.
    """
    working = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    failpoint("text.begin")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with working.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        failpoint("text.written")
        working.replace(target)
    except OSError as error:
        working.unlink(missing_ok=True)
        raise NotReachable(f"{target}: cannot be written: {error.strerror}") from error
    failpoint("text.renamed")
    see_folder(target.parent)


_BLANK = "0" * 64


def publish_document(target: Path, document: Mapping[str, Any]) -> str:
    """Publish a JSON document with a digest of itself, so that damage is found when it is read; return the digest."""
    blank = _spelled(document)
    digest = hashlib.sha256(blank.encode()).hexdigest()
    publish_text(target, _with_digest(blank, _BLANK, digest))
    return digest


def _spelled(document: Mapping[str, Any]) -> str:
    """Spell a document with room for its digest, a line a key: json's own indentation is slow for many chains."""
    whole = {**document, "record": [*document["record"], {"digest": _BLANK}]}
    lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in whole.items())
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def _with_digest(text: str, old: str, new: str) -> str:
    """Return the text with another digest; it stands last in the record."""
    before, _, after = text.rpartition(f'{{"digest": "{old}"}}')
    return f'{before}{{"digest": "{new}"}}{after}'


def read_document(path: Path) -> dict[str, Any] | None:
    """Return a published JSON document, or None where there is none or it is damaged."""
    found = read_sealed(path)
    return None if found is None else found[0]


def read_sealed(path: Path) -> tuple[dict[str, Any], str] | None:
    """Return a published JSON document and its digest, or None where there is none or it is damaged."""
    try:
        text = path.read_bytes().decode()
        document = json.loads(text)
        *record, seal = document["record"]
        digest = seal["digest"]
        blank = _with_digest(text, digest, _BLANK)
        whole = hashlib.sha256(blank.encode()).hexdigest() == digest and len(blank) == len(text)
        return ({**document, "record": record}, digest) if whole else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def sweep_litter(folder: Path, name: str = "*") -> int:
    """Remove what killed processes left half-written below a folder; return how many pieces.

    Only call this while holding the lock of what is swept.

    Args:
        folder: where to look.
        name: only the litter of targets of this name.
    """
    litter = list(folder.rglob(f".{name}.*.tmp"))
    for path in litter:
        remove(path)
    return len(litter)


@contextmanager
def held(root: Path, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a named lock of the workspace; the kernel frees it if the process is killed.

    Args:
        root: the workspace.
        name: what is locked, for instance a lineage.
        wait: wait for another holder instead of failing.

    Raises:
        NotReachable: if another process holds the lock and `wait` is false, or the workspace may not be written.
    """
    path = root / ".dwindle" / "locks" / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise NotReachable(f"{path}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(descriptor, 100).decode(errors="replace").strip() or "another process"
            raise NotReachable(f"{name} is being grown by process {holder}; wait for it or stop it") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
