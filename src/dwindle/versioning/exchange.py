"""The exchange: datasets and models travel between machines that share no file system, by a DVC remote.

One machine sends what stages made and then, last, a reference to it: a small text with the MD5 of every output. A
reference that can be read is complete. Another machine fetches it: each object is held to its MD5 before DVC's cache
has it, each output comes to its place by one rename, and the record in dvc.lock comes last. So a kill on either side
leaves the old state or the new one of every output, and the next try goes on from there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dwindle.errors import BadInput, DataDamaged, NotReachable, nearest
from dwindle.failpoints import failpoint
from dwindle.versioning.contents import md5_of
from dwindle.versioning.dvc_store import DvcStore, read_pipeline, why_off
from dwindle.versioning.lock_file import LOCK, read_lock_file
from dwindle.versioning.pipeline import Pipeline
from dwindle.versioning.placing import Places
from dwindle.versioning.reference import (
    FOLDER,
    SUFFIX,
    is_reference,
    listing_of,
    outputs_of,
    place_of,
    read_reference,
    spell_reference,
)
from dwindle.versioning.remote import Remote

__all__ = ["Exchange"]


class Exchange:
    """Sends recorded stages to a remote and fetches them; threads may share one, processes have their own.

    Args:
        root: the workspace, where dvc.yaml and .dvc stand.
        remote: name of a DVC remote of the workspace, or an address: a folder, `s3://bucket/path`,
            `ssh://user@host:port/path`. Credentials come from where DVC looks for them: the environment and `~/.aws`
            for S3, `~/.ssh/config`, the agent and default keys for SSH, and .dvc/config.local for both.

    Raises:
        BadInput: if there is no such remote, or its settings are wrong.
        NotReachable: if nothing is versioned here.
    """

    def __init__(self, root: Path, remote: str) -> None:
        self.root = root.resolve()
        if reason := why_off(self.root):
            raise NotReachable(reason)
        self._store = DvcStore(self.root)
        self._repo = self._store.repo
        self._remote = Remote(self._repo, remote)
        self._pipeline: Pipeline | None = None
        self._places = Places(self._repo, self.root)
        self._turn = threading.Lock()

    # ------------------------------------------------------------------------------------------------ there

    def send(self, reference: str, stages: Sequence[str]) -> None:
        """Send what stages made, then a reference to it; what is there already is not sent again.

        Args:
            reference: a relative path of plain names, such as `replace/1f2e/003`. A text that it has is replaced.
            stages: names of stages that `DvcStore.commit` has recorded.

        Raises:
            BadInput: if the reference is no plain path, or a stage is not on record.
            DataDamaged: if DVC's cache lacks an output.
            NotReachable: if the remote does not answer.
        """
        place, blocks = place_of(reference), self._recorded(stages)
        values = list(dict.fromkeys(outputs_of(blocks, LOCK).values()))
        listings = [self._listing(value) for value in values if value.endswith(".dir")]
        values = [*dict.fromkeys(md5 for listing in listings for md5 in listing.values()), *values]
        lacking = self._remote.lacking({value: self._cached(value).stat().st_size for value in values})
        # A folder's listing after its files: DVC holds a folder for complete once its listing is there.
        self._remote.put({value: self._cached(value) for value in lacking if not value.endswith(".dir")})
        failpoint("exchange.objects")
        self._remote.put({value: self._cached(value) for value in lacking if value.endswith(".dir")})
        failpoint("exchange.listings")
        text = spell_reference(blocks)
        if self._remote.read(place) != text:
            self._remote.write(place, text)
        failpoint("exchange.sent")

    def known(self, prefix: str = "") -> list[str]:
        """Return the references below a prefix, sorted: all generations of a lineage, or everything.

        Raises:
            BadInput: if the prefix is no plain path.
            NotReachable: if the remote does not answer.
        """
        if prefix:
            place_of(prefix)
        head = f"{prefix}/" if prefix else ""
        found = self._remote.below(f"{FOLDER}/{prefix}".rstrip("/"))
        names = (head + place.removesuffix(SUFFIX) for place in found if place.endswith(SUFFIX))
        return sorted(filter(is_reference, names))

    def _recorded(self, stages: Sequence[str]) -> dict[str, str]:
        blocks = read_lock_file(self.root / LOCK).blocks
        if unknown := [stage for stage in stages if stage not in blocks]:
            raise BadInput(*(f"{stage}: not on record in {LOCK}{nearest(stage, blocks)}" for stage in unknown))
        return {stage: blocks[stage] for stage in stages}

    # ------------------------------------------------------------------------------------------------ back

    def fetch(self, reference: str) -> tuple[str, ...] | None:
        """Fetch what a reference names, put it in its place and record it; what stands there already is left alone.

        Args:
            reference: as it was sent.

        Returns:
            The stages' names, or None if the remote has no such reference.

        Raises:
            BadInput: if the reference is no plain path, or dvc.yaml and plan.json have no such stage.
            DataDamaged: if the reference, or an object that it names, is not what was sent; the workspace is as it was.
            NotReachable: if the remote does not answer, or the workspace cannot be written.
        """
        place = place_of(reference)
        text = self._remote.read(place)
        if text is None:
            return None
        where = f"{self._remote.address}/{place}"
        blocks = read_reference(text, where)
        outputs = outputs_of(blocks, where)
        names = self._planned(blocks, where)
        self._bring(outputs.values())
        listings = {path: self._listing(value) for path, value in outputs.items() if value.endswith(".dir")}
        self._bring(md5 for listing in listings.values() for md5 in listing.values())
        failpoint("exchange.fetched")
        for path, value in outputs.items():
            self._places.fill(path, value, listings.get(path))
        failpoint("exchange.placed")
        self._store.merge(blocks, names)
        return tuple(blocks)

    def _planned(self, blocks: Mapping[str, str], where: str) -> Sequence[str]:
        """Hold the stages to the plan: each makes what it makes here. Return the names of all stages, in order."""
        from dvc.exceptions import DvcException

        with self._turn:
            try:
                self._pipeline = read_pipeline(self._repo, self.root, self._pipeline)
                for name, block in blocks.items():
                    if outputs_of({name: block}, where).keys() != self._pipeline.stage(name).outs.keys():
                        raise DataDamaged(f"{where}: {name} has other outputs than in the plan of {self.root}")
                return self._pipeline.names
            except DvcException as error:
                raise BadInput(f"{where} does not fit the plan here: DVC: {error}") from error

    def _bring(self, values: Iterable[str]) -> None:
        """Fetch the objects that the cache lacks; each is held to its MD5 before it gets its name."""
        mark = f"{os.getpid()}-{threading.get_ident()}"
        targets = {value: Path(self._repo.cache.repo.oid_to_path(value)) for value in dict.fromkeys(values)}
        working = {
            value: target.with_name(f".{target.name}.{mark}.tmp")
            for value, target in targets.items()
            if not target.exists()
        }
        try:
            self._remote.get(working)
            failpoint("exchange.received")
            with ThreadPoolExecutor() as threads:
                found = dict(zip(working, threads.map(md5_of, map(str, working.values())), strict=True))
            if bad := [value for value, md5 in found.items() if md5 != value.removesuffix(".dir")]:
                damaged = "\n".join(map(self._remote.where, bad))
                raise DataDamaged(f"{damaged}: not what was sent, by its MD5; remove it there and send it again")
            for value, path in working.items():
                self._repo.cache.repo.protect(str(path))
                path.replace(targets[value])
        except OSError as error:
            raise NotReachable(f"{self.root}: DVC's cache cannot be written: {error.strerror or error}") from error
        finally:
            for path in working.values():
                path.unlink(missing_ok=True)

    def _cached(self, value: str) -> Path:
        path = Path(self._repo.cache.repo.oid_to_path(value))
        if not path.is_file():
            raise DataDamaged(f"{path}: not in DVC's cache; record the stages again")
        return path

    def _listing(self, value: str) -> dict[str, str]:
        path = self._cached(value)
        return listing_of(path.read_bytes(), str(path))
