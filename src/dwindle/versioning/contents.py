"""What stands in a workspace as DVC sees it: MD5s, listings of folders, and copies of files as objects of its cache."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.errors import DataDamaged
from dwindle.versioning.pipeline import Stage

__all__ = ["Seen", "files_at", "fill_cache", "hashes_of", "look", "md5_of", "summed_up", "write_copy"]

_LARGE = 2**20
"""Bytes above which a file is worth a thread of its own: MD5 frees the interpreter, a small file does not repay it."""


@dataclass(frozen=True)
class Seen:
    """What stands at a path."""

    fields: Mapping[str, Any]
    """MD5, size in bytes and number of files, as dvc.lock has them."""
    files: Mapping[str, str]
    """Where each object of the cache can be copied from, by MD5."""
    tree: bytes | None = None
    """DVC's listing of a folder, itself an object of the cache; None for a file."""


def look(repo: Any, root: Path, wanted: Mapping[str, Stage]) -> dict[str, Seen]:
    """Hash all that some stages read and make, each path once.

    Args:
        repo: DVC's repository.
        root: the workspace.
        wanted: the stages, by name.

    Raises:
        DataDamaged: if an output or a dependency is missing.
    """
    listings: dict[str, dict[str, Any]] = {}
    for name, stage in wanted.items():
        for path in (*stage.deps, *stage.outs):
            if path not in listings:
                listings[path] = files_at(repo, str(root / path))
            if not listings[path]:
                raise DataDamaged(f"{path}: not there, so {name} cannot be recorded; run the stages anew")
    hashes = hashes_of(repo, {file: info for listing in listings.values() for file, info in listing.items()})
    return {path: summed_up(str(root / path), listing, hashes) for path, listing in listings.items()}


def files_at(repo: Any, place: str) -> dict[str, Any]:
    """Return what DVC wants to know of a file, or of each file below a folder, without what .dvcignore names."""
    if not repo.fs.isdir(place):
        return {place: repo.fs.info(place)} if repo.fs.exists(place) else {}
    walk = repo.dvcignore.walk(repo.fs, place)
    return {file: repo.fs.info(file) for folder, _, names in walk for file in (f"{folder}/{name}" for name in names)}


def hashes_of(repo: Any, infos: Mapping[str, Any]) -> dict[str, Any]:
    """Return the MD5 of each file. DVC's own memory of unchanged files is asked first and told last."""
    from dvc_data.hashfile.hash_info import HashInfo

    remembered = repo.state.get_many(list(infos), repo.fs, infos)
    known = {file: value for file, _, value in remembered if value is not None and value.name == "md5"}
    alike: dict[Any, list[str]] = {}  # a shard that several folders share by hardlink is read once
    for file in infos.keys() - known.keys():
        alike.setdefault((infos[file]["ino"], infos[file]["size"], infos[file]["mtime"]), []).append(file)
    large = [files[0] for (_, size, _), files in alike.items() if size > _LARGE]
    with ThreadPoolExecutor() as threads:
        read = dict(zip(large, threads.map(md5_of, large), strict=True))
    fresh: dict[str, Any] = {}
    for files in alike.values():
        fresh |= dict.fromkeys(files, HashInfo("md5", read.get(files[0]) or md5_of(files[0])))
    repo.state.save_many([(file, value, infos[file]) for file, value in fresh.items()], repo.fs)
    return known | fresh


def md5_of(file: str) -> str:
    """Return the MD5 of a file."""
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def summed_up(place: str, listing: Mapping[str, Any], hashes: Mapping[str, Any]) -> Seen:
    """Return what stands at a path, from the files there and the MD5 of each."""
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    files = {hashes[file].value: file for file in listing}
    if place in listing:
        return Seen({"hash": "md5", "md5": hashes[place].value, **Meta.from_info(listing[place]).to_dict()}, files)
    tree = Tree()
    for file in listing:
        tree.add(tuple(file[len(place) + 1 :].split("/")), None, hashes[file])
    text = tree.as_bytes()
    value = hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
    meta = Meta(size=sum(info["size"] for info in listing.values()), nfiles=len(listing))
    return Seen({"hash": "md5", "md5": value, **meta.to_dict()}, files, text)


def fill_cache(repo: Any, outputs: Sequence[Seen]) -> None:
    """Copy into the cache what it lacks: a folder's listing after its files, so that it lists nothing missing."""
    files = {value: file for seen in outputs for value, file in seen.files.items()}
    trees = {seen.fields["md5"]: seen.tree for seen in outputs if seen.tree is not None}
    for value, content in (files | trees).items():
        _store(repo.cache.repo, value, content)


def _store(cache: Any, value: str, content: str | bytes) -> None:
    """Put the bytes given, or the file named, into the cache by one rename."""
    target = Path(cache.oid_to_path(value))
    if target.exists():
        return
    if not target.parent.is_dir():
        cache.makedirs(str(target.parent))
    working = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        write_copy(working, content)
        cache.protect(str(working))
        working.replace(target)
    except BaseException:  # a full disk must not stay full of a half copy
        working.unlink(missing_ok=True)
        raise


def write_copy(target: Path, content: str | bytes) -> None:
    """Write bytes, or copy a file; the kernel lets the copy share its blocks where the disk can."""
    if isinstance(content, bytes):
        target.write_bytes(content)
        return
    with Path(content).open("rb") as old, target.open("wb") as new:
        try:
            while os.copy_file_range(old.fileno(), new.fileno(), 2**30):
                pass
        except (AttributeError, OSError):
            shutil.copyfileobj(old, new)
