"""DVC's record of a sweep: the outputs of finished stages in its cache, their hashes in dvc.lock.

The only module that imports DVC. It records many stages at once, along the path that `dvc commit -f` takes, but reads
each file once and dvc.lock once. DVC's own commands then find everything up to date. Nothing in the workspace is
moved, linked or removed, so a kill at any moment loses nothing: cache objects and dvc.lock each appear by one rename.

Leaves out on purpose: DVC's run cache, because dwindle's stage key already finds a finished stage, and the
`.gitignore` that DVC puts beside each output, because the one at the root covers all of them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from dwindle.data.workspace import held, publish_text
from dwindle.errors import BadInput, DataDamaged, NotReachable
from dwindle.failpoints import failpoint
from dwindle.versioning.lock_file import read_lock_file, spell

__all__ = ["DvcStore", "recorded_hashes", "why_off"]

_log = logging.getLogger(__name__)

LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"

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


def recorded_hashes(root: Path, stages: Iterable[str] | None = None) -> dict[str, str]:
    """Return the hash that DVC has on record for each output, by path; DVC itself is not needed.

    Args:
        root: the workspace.
        stages: names of the stages, or None for all. One without a record is left out.

    Returns:
        An MD5 a path, with `.dir` behind it for a folder.
    """
    return read_lock_file(root / LOCK).hashes(stages)


class DvcStore:
    """Records finished stages in DVC; may be shared by threads, and any number of processes may have one.

    Args:
        root: the workspace, where dvc.yaml and .dvc stand.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._repo: Any = None
        self._pipeline: _Pipeline | None = None

    def commit(self, stages: Sequence[str]) -> dict[str, str]:
        """Record finished stages: their outputs in DVC's cache, their hashes in dvc.lock.

        Stages already on record with the same hashes leave everything as it is. The digests of the parameters are those
        that plan.yaml holds now, so name only stages that are done according to this plan.

        Args:
            stages: names as DVC has them: `generate@replace-g003`.

        Returns:
            The hash of each output, by path: an MD5, with `.dir` behind it for a folder.

        Raises:
            BadInput: if dvc.yaml and plan.yaml have no such stage.
            DataDamaged: if an output or a dependency is missing.
            NotReachable: if DVC is of another version and its command line fails as well.
        """
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
        from dvc.repo import Repo, lock_repo

        logging.getLogger("dvc").setLevel(logging.WARNING)
        if self._repo is None:
            self._repo = Repo(str(self.root), _wait_for_lock=True)
        with lock_repo(self._repo):
            yield self._repo

    def _record(self, repo: Any, stages: Sequence[str]) -> dict[str, str]:
        pipeline = self._pipeline = _read_pipeline(repo, self.root, self._pipeline)
        wanted = {name: pipeline.stage(name) for name in stages}
        seen = _look(repo, self.root, wanted)
        failpoint("dvc.seen")
        _fill_cache(repo, [seen[path] for stage in wanted.values() for path, cached in stage.outs.items() if cached])
        failpoint("dvc.cached")
        self._write_lock({name: spell(name, stage.entry(seen)) for name, stage in wanted.items()}, pipeline.names)
        return {path: str(seen[path].fields["md5"]) for stage in wanted.values() for path in stage.outs}

    def _write_lock(self, blocks: Mapping[str, str], order: Sequence[str]) -> None:
        for litter in self.root.glob(f".{LOCK}.*.tmp"):
            litter.unlink(missing_ok=True)
        lock = read_lock_file(self.root / LOCK)
        if any(lock.blocks.get(name) != block for name, block in blocks.items()):
            lock.blocks.update(blocks)
            publish_text(self.root / LOCK, lock.text(order))

    def _record_by_command(self, stages: Sequence[str]) -> dict[str, str]:
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "commit", "--force", "--no-relink", *stages]
        done = subprocess.run(command, cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotReachable(f"dvc commit failed: {done.stderr.strip() or done.stdout.strip()}")
        return recorded_hashes(self.root, stages)


# ---------------------------------------------------------------------------------------------------- dvc.yaml


@dataclass(frozen=True)
class _Stage:
    """A stage of dvc.yaml with its slots filled in.

    Args:
        command: what DVC runs.
        deps: paths it reads.
        params: value of each parameter, by file and key.
        outs: paths it makes; False where the cache shall not keep it.
    """

    command: str
    deps: Sequence[str]
    params: Mapping[str, Mapping[str, Any]]
    outs: Mapping[str, bool]

    def entry(self, seen: Mapping[str, _Seen]) -> dict[str, Any]:
        """Return the stage as dvc.lock has it."""
        entry: dict[str, Any] = {
            "cmd": self.command,
            "deps": [{"path": path, **seen[path].fields} for path in sorted(self.deps)],
            "params": {file: dict(sorted(values.items())) for file, values in sorted(self.params.items())},
            "outs": [{"path": path, **seen[path].fields} for path in sorted(self.outs)],
        }
        return {slot: value for slot, value in entry.items() if value}


@dataclass
class _Pipeline:
    """dvc.yaml and the files that fill its slots.

    Args:
        texts: bytes of those files, by name; as long as they are the same, so is all that was found out from them.
        values: parsed parameters, by file.
        resolver: DVC's own filler of slots.
        names: all stages, in the order of dvc.yaml.
    """

    texts: Mapping[str, bytes]
    values: Mapping[str, Any]
    resolver: Any
    names: Sequence[str]

    def __post_init__(self) -> None:
        self._known: dict[str, _Stage] = {}

    def stage(self, name: str) -> _Stage:
        """Return a stage.

        Raises:
            BadInput: if there is no such stage.
            TypeError: if it uses what this module leaves to DVC.
        """
        if name not in self._known:
            self._known[name] = self._fill(name)
        return self._known[name]

    def _fill(self, name: str) -> _Stage:
        from dvc.parsing import EntryNotFound

        try:
            found = self.resolver.resolve_one(name)[name]
        except EntryNotFound:
            raise BadInput(f"{PIPELINE} has no stage '{name}'; `dwindle plan` brings plan.yaml up to date") from None
        if unknown := found.keys() - {"cmd", "desc", "meta", "deps", "params", "outs", "metrics", "plots"}:
            raise TypeError(f"stage {name} has {', '.join(sorted(unknown))}")
        outs = chain(found.get("outs", ()), found.get("metrics", ()), found.get("plots", ()))
        params = {file: keys for group in found.get("params", ()) for file, keys in group.items()}
        return _Stage(
            found["cmd"],
            found.get("deps", ()),
            {file: {key: _value(self.values[file], key) for key in keys} for file, keys in params.items()},
            dict((out, True) if isinstance(out, str) else _flagged(**out) for out in outs),
        )


def _flagged(**out: Mapping[str, Any]) -> tuple[str, bool]:
    ((path, flags),) = out.items()
    return path, bool(flags.get("cache", True))


def _value(values: Any, key: str) -> Any:
    """Look a parameter up by its dotted name; DVC searches the whole file for each."""
    for part in key.split("."):
        values = values[part]
    return values


def _read_pipeline(repo: Any, root: Path, known: _Pipeline | None) -> _Pipeline:
    if known is not None and all((root / file).read_bytes() == text for file, text in known.texts.items()):
        return known
    from dvc.dvcfile import load_file
    from dvc.utils.serialize import load_path

    project = load_file(repo, str(root / PIPELINE))
    files = list(project.contents.get("vars", ()))
    texts = {file: (root / file).read_bytes() for file in [PIPELINE, *files]}
    values = {file: load_path(str(root / file), repo.fs) for file in files}
    return _Pipeline(texts, values, project.resolver, list(project.resolver.get_keys()))


# ---------------------------------------------------------------------------------------------------- workspace


@dataclass(frozen=True)
class _Seen:
    """What stands at a path.

    Args:
        fields: MD5, size in bytes and number of files, as dvc.lock has them.
        files: where each object of the cache can be copied from, by MD5.
        tree: DVC's listing of a folder, itself an object of the cache; None for a file.
    """

    fields: Mapping[str, Any]
    files: Mapping[str, str]
    tree: bytes | None = None


def _look(repo: Any, root: Path, wanted: Mapping[str, _Stage]) -> dict[str, _Seen]:
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
    if not os.path.isdir(place):  # noqa: PTH112 - a Path for each of thousands of files would cost more than the hashes
        return {place: repo.fs.info(place)} if os.path.exists(place) else {}  # noqa: PTH110
    walk = repo.dvcignore.walk(repo.fs, place)
    return {file: repo.fs.info(file) for folder, _, names in walk for file in (f"{folder}/{name}" for name in names)}


def _hash(repo: Any, infos: Mapping[str, Any]) -> dict[str, Any]:
    """Return the MD5 of each file. DVC's own memory of unchanged files is asked first and told last."""
    from dvc_data.hashfile.hash_info import HashInfo

    known = {file: value for file, _, value in repo.state.get_many(list(infos), repo.fs, infos) if value is not None}
    known = {file: value for file, value in known.items() if value.name == "md5"}
    alike: dict[Any, list[str]] = {}  # a shard that several folders share by hardlink is read once
    for file in infos.keys() - known.keys():
        alike.setdefault((infos[file]["ino"], infos[file]["size"], infos[file]["mtime"]), []).append(file)
    large = [files[0] for (_, size, _), files in alike.items() if size > _LARGE]
    with ThreadPoolExecutor() as threads:
        read = dict(zip(large, threads.map(_md5, large), strict=True))
    fresh = {}
    for first, *others in alike.values():
        fresh.update(dict.fromkeys((first, *others), HashInfo("md5", read.get(first) or _md5(first))))
    repo.state.save_many([(file, value, infos[file]) for file, value in fresh.items()], repo.fs)
    return known | fresh


def _md5(file: str) -> str:
    with open(file, "rb") as stream:  # noqa: PTH123
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _sum_up(place: str, listing: Mapping[str, Any], hashes: Mapping[str, Any]) -> _Seen:
    from dvc_data.hashfile.meta import Meta
    from dvc_data.hashfile.tree import Tree

    files = {hashes[file].value: file for file in listing}
    if place in listing:
        return _Seen(_fields(hashes[place].value, Meta.from_info(listing[place])), files)
    tree = Tree()
    for file in listing:
        tree.add(tuple(file[len(place) + 1 :].split("/")), None, hashes[file])
    text = tree.as_bytes()
    value = hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
    size = sum(info["size"] for info in listing.values())
    return _Seen(_fields(value, Meta(size=size, nfiles=len(listing))), files, text)


def _fields(value: str, meta: Any) -> dict[str, Any]:
    return {"hash": "md5", "md5": value, **meta.to_dict()}


def _fill_cache(repo: Any, outputs: Iterable[_Seen]) -> None:
    """Copy into the cache what it lacks; a folder's listing after its files, so that it never lists what is not there."""
    cache, outputs = repo.cache.repo, list(outputs)
    lacking = {
        value: file
        for seen in outputs
        for value, file in seen.files.items()
        if not os.path.exists(cache.oid_to_path(value))  # noqa: PTH110
    }
    if lacking:
        cache.add(list(lacking.values()), repo.fs, list(lacking), check_exists=False)
    for seen in outputs:
        target = Path(cache.oid_to_path(seen.fields["md5"]))
        if seen.tree is not None and not target.exists():
            cache.makedirs(str(target.parent))
            working = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            working.write_bytes(seen.tree)
            cache.protect(str(working))
            working.replace(target)
