"""DVC's record of a sweep: the outputs of finished stages in its cache, their hashes in dvc.lock.

The only module that imports DVC. It records many stages at once, along the path that `dvc commit -f` takes, but reads
each file once and dvc.lock once. DVC's own commands then find everything up to date. Nothing in the workspace is
moved, linked or removed, so a kill at any moment loses nothing: cache objects and dvc.lock each appear by one rename.

Left out on purpose: DVC's run cache, because dwindle's stage key already finds a finished stage, and the `.gitignore`
that DVC puts beside each output, because the one at the root covers all of them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.data.workspace import held, publish_text
from dwindle.errors import BadInput, DataDamaged, NotReachable
from dwindle.failpoints import failpoint
from dwindle.versioning.lock_file import LOCK, LockFile, read_lock_file, recorded_hashes, spell
from dwindle.versioning.pipeline import PIPELINE, Pipeline, Stage

__all__ = ["DvcStore", "recorded_hashes", "why_off"]

_log = logging.getLogger(__name__)

_LARGE = 2**20
"""Bytes above which a file is worth a thread of its own: MD5 frees the interpreter, a small file does not repay it."""


def why_off(root: Path) -> str | None:
    """Return in one sentence why nothing is versioned in a workspace, or None where DVC keeps its record."""
    if not (root / ".dvc").is_dir():
        return f"{root} has no .dvc folder, so nothing is versioned; `dvc init` switches versioning on."
    if not (root / PIPELINE).is_file():
        return f"{root} has no {PIPELINE}, so DVC knows no stages and nothing is versioned."
    if "DVC_STAGE" in os.environ:
        return "DVC runs this stage itself and records it when it ends."
    return None


class DvcStore:
    """Records finished stages in DVC; threads may share one, and any number of processes may have their own.

    Args:
        root: the workspace, where dvc.yaml and .dvc stand.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._repo: Any = None
        self._pipeline: Pipeline | None = None
        self._lock: LockFile | None = None
        self._stood: tuple[int, ...] | None = None

    def commit(self, stages: Sequence[str]) -> dict[str, str]:
        """Record finished stages: their outputs in DVC's cache, their hashes in dvc.lock.

        Stages already on record with the same hashes leave everything as it is. The commands on record, with their
        digests, are those of plan.json as it is now, so name only stages that are done according to it.

        Args:
            stages: names as DVC has them: `generate@replace-g003`.

        Returns:
            The hash of each output, by path: an MD5, with `.dir` behind it for a folder.

        Raises:
            BadInput: if dvc.yaml and plan.json have no such stage.
            DataDamaged: if an output or a dependency is missing.
            NotReachable: if nothing is versioned here, or if DVC is of another version and its command line fails too.
        """
        if reason := why_off(self.root):
            raise NotReachable(reason)
        try:
            with held(self.root, "dvc", wait=True), self._locked() as repo:
                return self._record(repo, list(dict.fromkeys(stages)))
        except (AttributeError, ImportError, TypeError) as error:
            _log.warning("DVC is not as expected (%s: %s); recording by its command line", type(error).__name__, error)
            return self._record_by_command(list(stages))

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        """Hold DVC's lock; our own, taken before, hands it on in turn where DVC's only polls twice a second."""
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        from dvc.exceptions import DvcException
        from dvc.repo import Repo, lock_repo

        logging.getLogger("dvc").setLevel(logging.WARNING)
        try:
            self._repo = self._repo or Repo(str(self.root), _wait_for_lock=True)
            with lock_repo(self._repo):
                yield self._repo
        except DvcException as error:
            raise BadInput(f"DVC: {error}") from error

    def _record(self, repo: Any, stages: Sequence[str]) -> dict[str, str]:
        pipeline = self._pipeline = _read_pipeline(repo, self.root, self._pipeline)
        wanted = {name: pipeline.stage(name) for name in stages}
        seen = _look(repo, self.root, wanted)
        failpoint("dvc.seen")
        _fill_cache(repo, [seen[path] for stage in wanted.values() for path, cached in stage.outs.items() if cached])
        failpoint("dvc.cached")
        fields = {path: found.fields for path, found in seen.items()}
        self._write_lock({name: spell(name, stage.entry(fields)) for name, stage in wanted.items()}, pipeline.names)
        return {path: fields[path]["md5"] for stage in wanted.values() for path in stage.outs}

    def _write_lock(self, blocks: Mapping[str, str], order: Sequence[str]) -> None:
        for litter in self.root.glob(f".{LOCK}.*.tmp"):
            litter.unlink(missing_ok=True)
        if self._lock is None or self._standing() != self._stood:
            self._lock = read_lock_file(self.root / LOCK)
        if any(self._lock.blocks.get(name) != block for name, block in blocks.items()):
            lock, self._lock = self._lock, None  # read again if the write fails
            lock.blocks.update(blocks)
            publish_text(self.root / LOCK, lock.text(order))
            self._lock = lock
        self._stood = self._standing()

    def _standing(self) -> tuple[int, ...] | None:
        """Return by what it is seen that dvc.lock is still the file that this store has read or written."""
        try:
            status = (self.root / LOCK).stat()
        except FileNotFoundError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)

    def _record_by_command(self, stages: Sequence[str]) -> dict[str, str]:
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "commit", "--force", "--no-relink", *stages]
        done = subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode:
            raise NotReachable(f"dvc commit failed: {done.stderr.decode(errors='replace').strip()}")
        return recorded_hashes(self.root, stages)


# ---------------------------------------------------------------------------------------------------- dvc.yaml


def _read_pipeline(repo: Any, root: Path, known: Pipeline | None) -> Pipeline:
    if known is not None and known.texts == _texts(root, known.texts):
        return known
    from dvc.dvcfile import load_file

    project = load_file(repo, str(root / PIPELINE))
    files = project.contents.get("vars", ())
    texts = _texts(root, (PIPELINE, *files))
    resolver = project.resolver
    return Pipeline(texts, resolver, resolver.get_keys())


def _texts(root: Path, files: Iterable[str]) -> dict[str, bytes]:
    return {file: (root / file).read_bytes() if (root / file).is_file() else b"" for file in files}


# ---------------------------------------------------------------------------------------------------- workspace


@dataclass(frozen=True)
class _Seen:
    """What stands at a path."""

    fields: Mapping[str, Any]
    """MD5, size in bytes and number of files, as dvc.lock has them."""
    files: Mapping[str, str]
    """Where each object of the cache can be copied from, by MD5."""
    tree: bytes | None = None
    """DVC's listing of a folder, itself an object of the cache; None for a file."""


def _look(repo: Any, root: Path, wanted: Mapping[str, Stage]) -> dict[str, _Seen]:
    """Hash all that some stages read and make, each path once."""
    listings: dict[str, dict[str, Any]] = {}
    for name, stage in wanted.items():
        for path in (*stage.deps, *stage.outs):
            if path not in listings:
                listings[path] = _listing(repo, str(root / path))
            if not listings[path]:
                raise DataDamaged(f"{path}: not there, so {name} cannot be recorded; run the stages anew")
    hashes = _hash(repo, {file: info for listing in listings.values() for file, info in listing.items()})
    return {path: _sum_up(str(root / path), listing, hashes) for path, listing in listings.items()}


def _listing(repo: Any, place: str) -> dict[str, Any]:
    """Return what DVC wants to know of a file, or of each file below a folder, without what .dvcignore names."""
    if not repo.fs.isdir(place):
        return {place: repo.fs.info(place)} if repo.fs.exists(place) else {}
    walk = repo.dvcignore.walk(repo.fs, place)
    return {file: repo.fs.info(file) for folder, _, names in walk for file in (f"{folder}/{name}" for name in names)}


def _hash(repo: Any, infos: Mapping[str, Any]) -> dict[str, Any]:
    """Return the MD5 of each file. DVC's own memory of unchanged files is asked first and told last."""
    from dvc_data.hashfile.hash_info import HashInfo

    remembered = repo.state.get_many(list(infos), repo.fs, infos)
    known = {file: value for file, _, value in remembered if value is not None and value.name == "md5"}
    alike: dict[Any, list[str]] = {}  # a shard that several folders share by hardlink is read once
    for file in infos.keys() - known.keys():
        alike.setdefault((infos[file]["ino"], infos[file]["size"], infos[file]["mtime"]), []).append(file)
    large = [files[0] for (_, size, _), files in alike.items() if size > _LARGE]
    with ThreadPoolExecutor() as threads:
        read = dict(zip(large, threads.map(_md5, large), strict=True))
    fresh: dict[str, Any] = {}
    for files in alike.values():
        fresh |= dict.fromkeys(files, HashInfo("md5", read.get(files[0]) or _md5(files[0])))
    repo.state.save_many([(file, value, infos[file]) for file, value in fresh.items()], repo.fs)
    return known | fresh


def _md5(file: str) -> str:
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _sum_up(place: str, listing: Mapping[str, Any], hashes: Mapping[str, Any]) -> _Seen:
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    files = {hashes[file].value: file for file in listing}
    if place in listing:
        return _Seen({"hash": "md5", "md5": hashes[place].value, **Meta.from_info(listing[place]).to_dict()}, files)
    tree = Tree()
    for file in listing:
        tree.add(tuple(file[len(place) + 1 :].split("/")), None, hashes[file])
    text = tree.as_bytes()
    value = hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
    meta = Meta(size=sum(info["size"] for info in listing.values()), nfiles=len(listing))
    return _Seen({"hash": "md5", "md5": value, **meta.to_dict()}, files, text)


def _fill_cache(repo: Any, outputs: Sequence[_Seen]) -> None:
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
        _write(working, content)
        cache.protect(str(working))
        working.replace(target)
    except BaseException:  # a full disk must not stay full of a half copy
        working.unlink(missing_ok=True)
        raise


def _write(target: Path, content: str | bytes) -> None:
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
