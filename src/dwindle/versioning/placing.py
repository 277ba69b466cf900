"""Outputs from DVC's cache into their places in the workspace, by the protocol by which stages publish."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dwindle.data.workspace import held, move_into_place, remove, see_folder
from dwindle.errors import NotReachable
from dwindle.failpoints import failpoint
from dwindle.versioning.contents import files_at, hashes_of, summed_up, write_copy

__all__ = ["Places"]


class Places:
    """The places of outputs in a workspace; threads may share one.

    Args:
        repo: DVC's repository.
        root: the workspace.
    """

    def __init__(self, repo: Any, root: Path) -> None:
        self._repo = repo
        self._root = root
        self._turn = threading.Lock()
        self._seen: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def fill(self, path: str, value: str, listing: Mapping[str, str] | None) -> None:
        """Let an output appear at its place by one rename, unless it stands there already.

        Args:
            path: its path in the workspace.
            value: its MD5, with `.dir` behind it for a folder.
            listing: of a folder, the MD5 of each file by name; the cache holds them all.

        Raises:
            NotReachable: if the disk is full or may not be written.
        """
        target = self._root / path
        with self._turn, self._alone(target):
            if self._stands(target, value):
                return
            working = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            try:
                remove(working)
                target.parent.mkdir(parents=True, exist_ok=True)
                self._write(working, value, listing)
                failpoint("exchange.working")
                move_into_place(working, target)
            except OSError as error:
                raise NotReachable(f"{target}: cannot be written: {error.strerror or error}") from error
            finally:
                remove(working)
            self._remember(target, value, listing)

    @contextmanager
    def _alone(self, target: Path) -> Iterator[None]:
        """Hold real rows, which lineages share, as the stage does that draws them; all else is its lineage's own."""
        if target.parent != self._root / "data" / "real":
            yield
            return
        with held(self._root, target.name, wait=True):
            yield

    def _stands(self, target: Path, value: str) -> bool:
        infos = files_at(self._repo, str(target))
        hashes = hashes_of(self._repo, infos)
        self._seen |= {hashes[file].value: (file, info) for file, info in infos.items()}
        return bool(infos) and summed_up(str(target), infos, hashes).fields["md5"] == value

    def _write(self, working: Path, value: str, listing: Mapping[str, str] | None) -> None:
        if listing is None:
            self._copy(value, working)
            return
        working.mkdir()
        for name, md5 in listing.items():
            if not self._linked(md5, working / name):
                self._copy(md5, working / name)
        see_folder(working)

    def _linked(self, md5: str, target: Path) -> bool:
        """Link a file that stands in another output, unchanged: a shard that many folders share is there once."""
        if md5 not in self._seen:
            return False
        file, info = self._seen[md5]
        try:
            status = Path(file).lstat()
            if (status.st_ino, status.st_size, status.st_mtime) != (info["ino"], info["size"], info["mtime"]):
                return False
            target.hardlink_to(file)
        except OSError:  # gone meanwhile, or on a disk that cannot link
            return False
        return True

    def _copy(self, md5: str, target: Path) -> None:
        write_copy(target, self._repo.cache.repo.oid_to_path(md5))
        target.chmod(0o644)
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _remember(self, target: Path, value: str, listing: Mapping[str, str] | None) -> None:
        """Tell DVC the MD5 of each file, so that nobody reads it again to find that out."""
        from dvc_data.hashfile.hash_info import HashInfo

        infos = files_at(self._repo, str(target))
        values = {file: value if listing is None else listing[Path(file).name] for file in infos}
        self._seen |= {values[file]: (file, info) for file, info in infos.items()}
        known = [(file, HashInfo("md5", values[file]), info) for file, info in infos.items()]
        self._repo.state.save_many(known, self._repo.fs)
