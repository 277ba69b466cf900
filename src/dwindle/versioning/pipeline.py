"""The stages of dvc.yaml with their slots filled in, as dvc.lock wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

__all__ = ["PIPELINE", "Pipeline", "Stage"]

PIPELINE = "dvc.yaml"


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml.

    Args:
        command: what DVC runs.
        deps: paths it reads.
        outs: paths it makes; False where the cache shall not keep it.
    """

    command: str
    deps: Sequence[str]
    outs: Mapping[str, bool]

    def entry(self, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the stage as dvc.lock has it.

        Args:
            fields: MD5, size in bytes and number of files of each path.
        """
        entry: dict[str, Any] = {
            "cmd": self.command,
            "deps": [{"path": path, **fields[path]} for path in sorted(self.deps)],
            "outs": [{"path": path, **fields[path]} for path in sorted(self.outs)],
        }
        return {slot: value for slot, value in entry.items() if value}


@dataclass
class Pipeline:
    """dvc.yaml and the files that fill its slots.

    Args:
        texts: bytes of these files, by name: while they are the same, so is all that was found out from them.
        resolver: DVC's own filler of slots.
        names: all stages, in the order of dvc.yaml.
        known: the stages filled so far.
    """

    texts: Mapping[str, bytes]
    resolver: Any
    names: Sequence[str]
    known: dict[str, Stage] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """Return a stage.

        Raises:
            TypeError: if the stage uses what is left to DVC itself.
        """
        if name not in self.known:
            self.known[name] = self._fill(name)
        return self.known[name]

    def _fill(self, name: str) -> Stage:
        found = self.resolver.resolve_one(name)[name]
        if unknown := found.keys() - {"cmd", "deps", "outs", "metrics", "plots"}:
            raise TypeError(f"stage {name} has {', '.join(sorted(unknown))}")
        outs = chain(found.get("outs", ()), found.get("metrics", ()), found.get("plots", ()))
        flags = dict((out, {}) if isinstance(out, str) else next(iter(out.items())) for out in outs)
        cached = {path: bool(flag.get("cache", True)) for path, flag in flags.items()}
        return Stage(found["cmd"], found.get("deps", ()), cached)
