"""Unfinished work: what a stage has done so far, kept where a killed process's successor finds it.

A stage publishes once, at its end. Work that takes hours keeps its state here in between, under the stage's key, so
that state of other inputs or other settings is never taken up, and tells how far it has come.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.data.manifest import file_digest
from dwindle.data.workspace import publish_text, replace_folder, settled
from dwindle.failpoints import failpoint
from dwindle.seeds import Seed

__all__ = ["FOLDER", "Shelf", "joined", "keeping", "progress_of", "shelf", "tell"]

FOLDER = ".dwindle/unfinished"
_PROGRESS = "progress.json"
_DIGESTS = "digests.json"
_PAUSE = 0.5  # seconds between two words on progress
_SILENCE = 300.0  # seconds after which a stage counts as dead

_place: ContextVar[Path | None] = ContextVar("unfinished", default=None)
_opened: ContextVar[Counter[str]] = ContextVar("opened")  # shelves of each address, by this process
_told: ContextVar[float] = ContextVar("told", default=0.0)


@dataclass(frozen=True)
class Shelf:
    """Where one fit or one call to sample keeps its state.

    Args:
        folder: of this address of the stage's seed and this use of it; None where no stage is run and nothing is kept.
    """

    folder: Path | None

    def read(self, name: str) -> Path | None:
        """Return the folder that was kept last under a name, or None if there is none or it is not whole."""
        kept = None if self.folder is None else self.folder / name
        return kept if kept is not None and _whole(kept) else None

    def keep(self, name: str, write: Callable[[Path], Any]) -> None:
        """Keep a folder under a name, in place of what was kept before; a kill leaves the one or the other.

        Args:
            name: file name.
            write: fills an empty folder.
        """

        def fill(folder: Path) -> None:
            write(folder)
            digests = {file: found["sha256"] for file, found in settled(folder).items()}
            publish_text(folder / _DIGESTS, json.dumps(digests))

        if self.folder is not None:
            replace_folder(self.folder / name, fill)
            failpoint("unfinished.kept")


def _whole(folder: Path) -> bool:
    try:
        digests = json.loads((folder / _DIGESTS).read_text())
        return all(file_digest(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def keeping(root: Path, stage: str, key: str) -> Iterator[None]:
    """Keep the unfinished work of a stage while it runs, and drop it once it has ended well.

    Args:
        root: the workspace.
        stage: the stage's name; what was kept for its earlier keys goes.
        key: the stage's key.
    """
    place = root / FOLDER / stage / key
    for other in place.parent.glob("*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
    with joined(place):
        yield
    shutil.rmtree(place.parent, ignore_errors=True)


@contextmanager
def joined(place: Path) -> Iterator[None]:
    """Be part of a stage whose unfinished work is kept at a place, by a process that runs it and has started this one.

    Args:
        place: the folder of the stage's key, which shelves stand in.
    """
    token, opened = _place.set(place), _opened.set(Counter())
    try:
        yield
    finally:
        _place.reset(token)
        _opened.reset(opened)


def shelf(seed: Seed) -> Shelf:
    """Return the shelf of the work that draws from a seed, another one each time that a stage asks for it.

    A metric may ask two models with the same seed. A stage does its work in the same order whenever it is run, so that
    the second use of a seed finds what was kept for the second.
    """
    place = _place.get()
    if place is None:
        return Shelf(None)
    name, opened = f"{seed.words[0]:016x}", _opened.get()
    opened[name] += 1
    return Shelf(place / f"{name}-{opened[name]}")


def tell(done: float, total: float, unit: str, seconds: float) -> None:
    """Say how far the running stage has come, at most twice a second; nothing where no stage is run.

    Args:
        done: what is done, in `unit`.
        total: of how much.
        unit: what is counted, such as tokens.
        seconds: that it took so far, of this process.
    """
    place, now = _place.get(), time.monotonic()
    if place is None or now - _told.get() < _PAUSE:
        return
    _told.set(now)
    place.mkdir(parents=True, exist_ok=True)
    rate = done / seconds if seconds > 0 else 0.0
    told = {"done": done, "total": total, "unit": unit, "rate": rate}
    publish_text(place.parent / _PROGRESS, json.dumps(told))


def progress_of(root: Path, stage: str) -> dict[str, Any] | None:
    """Return what a running stage told last: `done`, `total`, `unit`, `rate` a second; None if nothing of late."""
    path = root / FOLDER / stage / _PROGRESS
    try:
        told = json.loads(path.read_text()) if time.time() - path.stat().st_mtime < _SILENCE else None
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
