"""State of training, written down every so often, so that a killed process's successor goes on to the same bits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from dwindle.data.unfinished import Shelf

__all__ = ["Keeper"]

PAUSE = 30.0  # seconds between two states
_SHARE = 20.0  # times as long as it took to write one
_NAME, _TENSORS, _PLAIN = "state", "tensors.safetensors", "state.json"

State = tuple[Mapping[str, Tensor], Mapping[str, Any]]


class Keeper:
    """Keeps state on a shelf, at a pause that makes writing cheap beside training.

    Args:
        shelf: where state is kept; one without a folder keeps nothing.
        rhythm: seconds between two states, and how many times as long as it took to write one; None: the usual.
    """

    def __init__(self, shelf: Shelf, rhythm: tuple[float, float] | None = None) -> None:
        self.shelf = shelf
        self.rhythm = rhythm or (PAUSE, _SHARE)
        self._pause = self.rhythm[0]
        self._last = time.monotonic()

    def read(self) -> State | None:
        """Return the tensors and the plain data that were kept last, or None."""
        from safetensors.torch import load_file

        found = self.shelf.read(_NAME)
        if found is None:
            return None
        return load_file(found / _TENSORS), json.loads((found / _PLAIN).read_text())

    def offer(self, state: Callable[[], State]) -> None:
        """Keep a state if it is time to.

        Args:
            state: makes it.
        """
        if self.shelf.folder is None or time.monotonic() - self._last < self._pause:
            return
        begun = time.monotonic()
        tensors, plain = state()
        self.shelf.keep(_NAME, lambda folder: _write(folder, tensors, plain))
        self._last = time.monotonic()
        pause, share = self.rhythm
        self._pause = max(pause, share * (self._last - begun))


def _write(folder: Path, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / _TENSORS)
    (folder / _PLAIN).write_text(json.dumps(plain))
