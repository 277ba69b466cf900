"""Presets: where they stand, and the workspace that each of them is grown in."""

from __future__ import annotations

from pathlib import Path

from dwindle.config.reading import read_yaml
from dwindle.data.workspace import publish_text
from dwindle.errors import BadInput, nearest

__all__ = ["PRESETS", "preset_names", "set_apart", "workspace"]

_VERSIONING = ("dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore", ".dvc/plots/collapse.json")
"""What makes a folder a DVC project of its own; the one above it then passes over it."""

PRESETS = Path(__file__).parent.parent / "presets"

_TRACKING = """
# The sweep beside which it is grown keeps the runs of both, so that they can be compared.
tracking: {uri: "sqlite:///../../mlflow.db"}
"""


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, in order."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def set_apart(name: str) -> bool:
    """Say whether a preset wants a GPU, or data that nobody ships, without reading what its recipe is about."""
    section = read_yaml(PRESETS / f"{name}.yaml").data.get("preset")
    return isinstance(section, dict) and True in (section.get("gpu"), section.get("data"))


def workspace(name: str) -> Path:
    """Return the params.yaml of a preset's own workspace, `reproduced/<name>/`, made if it is not there.

    A workspace of its own, because data belongs to the name of a lineage, and presets share those names.

    Raises:
        BadInput: if there is no such preset.
    """
    source = PRESETS / f"{name}.yaml"
    if name not in preset_names():
        raise BadInput(f"no preset '{name}'{nearest(name, preset_names())}; known: {', '.join(preset_names())}")
    folder = Path("reproduced") / name
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"params.yaml": source.read_text() + _TRACKING}
    for file in _VERSIONING:  # one pipeline for every study: what differs is in plan.json
        if Path(file).exists():
            texts[file] = Path(file).read_text()
    for file, text in texts.items():
        if not (folder / file).exists() or (folder / file).read_text() != text:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            publish_text(folder / file, text)
    return folder / "params.yaml"
