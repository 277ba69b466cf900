"""Two workspaces and the folder between them: one has a recorded sweep, the other only its plan."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dwindle.data.workspace import sweep_litter
from dwindle.failpoints import VARIABLE
from dwindle.versioning.exchange import Exchange
from tests.unit.recorded_sweep import LINEAGES, VERBS, finished_sweep, outputs, recorded_sweep

TOPS = ("data", "models", "metrics", "plots")


def stages(lineage: str, generation: int) -> list[str]:
    """Return the stages of a generation, those first that it needs."""
    draw = [] if generation else ["draw@toy-1"]
    return [*draw, *(f"{verb}@{lineage}-g{generation:03d}" for verb in VERBS)]


@dataclass(frozen=True)
class Between:
    """Args: there: a workspace with a recorded sweep; here: one with its plan alone; shelf: the remote's address."""

    there: Path
    here: Path
    shelf: str

    def sender(self) -> Exchange:
        return Exchange(self.there, self.shelf)

    def fetcher(self) -> Exchange:
        return Exchange(self.here, self.shelf)

    def object(self, value: str) -> Path:
        """Return where an object stands on a folder's shelf."""
        return Path(self.shelf, "files/md5", value[:2], value[2:])


_made = TemporaryDirectory(prefix="dwindle-exchanged-")


@cache
def _templates() -> Path:
    recorded_sweep(Path(_made.name, "there"))
    planned_only(Path(_made.name, "here"))
    return Path(_made.name)


def between(root: Path, shelf: str) -> Between:
    """Make both workspaces, by copies of those that the first caller made."""
    for name in ("there", "here"):
        shutil.copytree(_templates() / name, root / name, symlinks=True)
        config = root / name / ".dvc/config.local"
        config.write_text(config.read_text().replace(_made.name, str(root)))
    return Between(root / "there", root / "here", shelf)


def travel(exchange: Exchange, way: str) -> None:
    """Send or fetch every generation of the sweep."""
    for lineage, generations in LINEAGES.items():
        for t in range(generations):
            if way == "send":
                exchange.send(f"{lineage}/{t:03d}", stages(lineage, t))
            else:
                exchange.fetch(f"{lineage}/{t:03d}")


def planned_only(root: Path) -> Path:
    """Make a workspace with the plan of the sweep and nothing else."""
    finished_sweep(root)
    for top in TOPS:
        shutil.rmtree(root / top)
    return root


def published(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file that stands in its place, without what a killed process left."""
    return {path: text for path, text in outputs(root).items() if "/." not in path}


def of(root: Path, *folders: str) -> dict[str, bytes]:
    """Return the bytes of the outputs of some stages."""
    return {path: text for path, text in published(root).items() if path.startswith(folders)}


def swept(root: Path) -> dict[str, bytes]:
    """Return all bytes, after the litter was swept as the next holder of the lineage's lock does."""
    for top in TOPS:
        sweep_litter(root / top)
    return outputs(root)


def spoilt_objects(root: Path) -> list[str]:
    """Return the objects of the cache that are not what their names say."""
    found = (path for path in (root / ".dvc/cache").rglob("*") if path.is_file() and not path.name.startswith("."))
    return [str(path) for path in found if md5(path.read_bytes()) != (path.parent.name + path.name).partition(".")[0]]


def md5(text: bytes) -> str:
    return hashlib.md5(text).hexdigest()


def in_child(work: Callable[[], object], failpoint: str = "") -> int:
    """Do something in a forked child; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if failpoint:
                os.environ[VARIABLE] = failpoint
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
