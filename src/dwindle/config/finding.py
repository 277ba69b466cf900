"""Find the sweep that a word on the command line means: a file, a folder, a preset or a name."""

from __future__ import annotations

from pathlib import Path

from dwindle.config.reading import read_yaml
from dwindle.errors import BadInput, nearest

__all__ = ["PARAMS", "REPRODUCED", "find_sweep"]

PARAMS, REPRODUCED = "params.yaml", "reproduced"
_REPRODUCED, _PRESETS = Path(REPRODUCED), Path("presets")


def find_sweep(word: str = "") -> Path:
    """Return the params file of a sweep.

    Args:
        word: a params file; a folder that holds a params.yaml; a preset, which stands for its workspace
            `reproduced/<name>/`; or the name of the sweep in ./params.yaml. Empty: ./params.yaml.

    Raises:
        BadInput: if the word means none of these, with the nearest name that does.
    """
    if not word:
        return _present(Path(PARAMS), "name a sweep, or go to a folder that holds a params.yaml")
    path = Path(word)
    if path.is_file():
        return path
    if path.is_dir() and (path / PARAMS).is_file():
        return path / PARAMS
    if path.name == word and not path.suffix:
        return _named(word)
    where = path / PARAMS if path.is_dir() or not path.suffix else path
    raise BadInput(f"{where}: missing; a sweep is a params file, a folder that holds one, a preset or a name")


def _present(path: Path, advice: str) -> Path:
    if not path.is_file():
        raise BadInput(f"{path}: missing; {advice}")
    return path


def _named(word: str) -> Path:
    """Return the params file of the sweep of a name; what is grown goes before what could be."""
    workspace = _REPRODUCED / word / PARAMS
    if workspace.is_file():
        return workspace
    here = _name_here()
    if word == here:
        return Path(PARAMS)
    if Path(word).is_dir():
        raise BadInput(f"{Path(word) / PARAMS}: missing; a folder stands for the params file in it")
    if (_PRESETS / f"{word}.yaml").is_file():
        raise BadInput(f"preset '{word}' is not grown here; `python -m flows.sweep preset={word}` grows it")
    presets = {path.stem for path in _PRESETS.glob("*.yaml")} | {path.parent.name for path in _workspaces()}
    known = presets | ({here} if here else set())
    raise BadInput(f"no sweep '{word}'{nearest(word, known)}")


def _workspaces() -> list[Path]:
    return sorted(_REPRODUCED.glob(f"*/{PARAMS}"))


def _name_here() -> str:
    """Return the name of the sweep in ./params.yaml; empty if there is none that can be read."""
    path = Path(PARAMS)
    if not path.is_file():
        return ""
    return str(read_yaml(path).data.get("sweep", path.resolve().parent.name))
