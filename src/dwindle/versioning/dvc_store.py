"""DVC's record of a sweep: the outputs of finished stages in its cache, their hashes in dvc.lock.

It records many stages at once, along the path that `dvc commit -f` takes, but reads
each file once and dvc.lock once. DVC's own commands then find everything up to date. Nothing in the workspace is
moved, linked or removed, so a kill at any moment loses nothing: cache objects and dvc.lock each appear by one rename.

Left out on purpose: DVC's run cache, because dwindle's stage key already finds a finished stage, and the `.gitignore`
that DVC puts beside each output, because the one at the root covers all of them.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from dwindle.data.workspace import held, publish_text
from dwindle.errors import BadInput, NotReachable
from dwindle.failpoints import failpoint
from dwindle.versioning.contents import fill_cache, look
from dwindle.versioning.lock_file import LOCK, LockFile, read_lock_file, recorded_hashes, spell
from dwindle.versioning.pipeline import PIPELINE, Pipeline

__all__ = ["DvcStore", "open_repo", "read_pipeline", "recorded_hashes", "why_off"]

_log = logging.getLogger(__name__)


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
        self._pipeline: Pipeline | None = None
        self._lock: LockFile | None = None
        self._stood: tuple[int, ...] | None = None

    @cached_property
    def repo(self) -> Any:
        """DVC's repository."""
        return open_repo(self.root)

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

    def merge(self, blocks: Mapping[str, str], order: Sequence[str]) -> None:
        """Put the records of stages, made elsewhere, into dvc.lock in place of those that it has.

        Args:
            blocks: the lines of each stage, by name.
            order: all stages, in the order of dvc.yaml.

        Raises:
            BadInput: if DVC's lock cannot be had.
            NotReachable: if the workspace cannot be written.
        """
        with held(self.root, "dvc", wait=True), self._locked():
            self._write_lock(blocks, order)

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        """Hold DVC's lock; our own, taken before, hands it on in turn where DVC's only polls twice a second."""
        repo = self.repo
        from dvc.exceptions import DvcException
        from dvc.repo import lock_repo

        try:
            with lock_repo(repo):
                yield repo
        except DvcException as error:
            raise BadInput(f"DVC: {error}") from error

    def _record(self, repo: Any, stages: Sequence[str]) -> dict[str, str]:
        pipeline = self._pipeline = read_pipeline(repo, self.root, self._pipeline)
        wanted = {name: pipeline.stage(name) for name in stages}
        seen = look(repo, self.root, wanted)
        failpoint("dvc.seen")
        fill_cache(repo, [seen[path] for stage in wanted.values() for path, cached in stage.outs.items() if cached])
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


def open_repo(root: Path) -> Any:
    """Return DVC's repository of a workspace.

    Raises:
        BadInput: if its settings cannot be read.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.WARNING)
    try:
        return Repo(str(root), _wait_for_lock=True)
    except DvcException as error:
        raise BadInput(f"DVC: {error}") from error


def read_pipeline(repo: Any, root: Path, known: Pipeline | None) -> Pipeline:
    """Return dvc.yaml with the files that fill its slots; what is known of it, while none of them has changed."""
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
