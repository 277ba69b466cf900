"""A small sweep whose outputs were made up, in a DVC workspace of its own with the repository's dvc.yaml."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwindle.versioning.dvc_store import DvcStore

REPOSITORY = Path(__file__).resolve().parents[2]
LINEAGES = {"replace": 2, "blend": 2, "rescue_" + "x" * 50: 1}  # the last one's paths are longer than a line of YAML
VERBS = ("generate", "curate", "train", "evaluate")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def planned(lineages: Mapping[str, int] = LINEAGES, **changed: str) -> dict[str, Any]:
    """Return a plan; `changed` gives a stage of generation 1 of `blend` another digest."""
    real = "data/real/toy-1"
    chain: dict[str, Any] = {}
    for name, generations in lineages.items():
        for t in range(generations):
            folder, rows = f"{name}/{t:03d}", f"data/{name}/{t:03d}/{'synthetic' if t else 'real'}"
            generator = f"models/{name}/{t - 1:03d}" if t else real
            chain[f"{name}-g{t:03d}"] = {
                "folder": folder,
                "rows": rows,
                "generator": generator,
                "prompts": f"{generator}/manifest.json",
                "real": real,
                "pool": f"{rows}/manifest.json",
                "first": f"{rows}/manifest.json",
                "maker": f"{rows}/manifest.json",
                "restart": f"data/{folder}/train/manifest.json",
                "reference": f"data/{folder}/train/manifest.json",
                **{verb: digest(f"{verb} {folder}") for verb in VERBS},
            }
    chain["blend-g001"] |= {verb: digest(text) for verb, text in changed.items()}
    return {"real": {"toy-1": {"folder": real, "draw": digest("draw")}}, "chain": chain, "compare": digest("compare")}


ALL = ["draw@toy-1", *(f"{verb}@{key}" for key in planned()["chain"] for verb in VERBS), "compare"]


def write_plan(root: Path, plan: Mapping[str, Any]) -> None:
    (root / "plan.json").write_text(json.dumps(plan))


def finished_sweep(root: Path) -> Path:
    """Make a workspace whose stages are finished and not recorded."""
    root.mkdir()
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    (root / ".dvc/config.local").write_text(f"[core]\n    no_scm = true\n    site_cache_dir = {root}-site\n")
    plan = planned()
    write_plan(root, plan)
    for entry in plan["chain"].values():
        for path in (entry["real"], entry["rows"], f"data/{entry['folder']}/train", f"models/{entry['folder']}"):
            _write_folder(root, path)
        metrics = root / f"metrics/{entry['folder']}.json"
        metrics.parent.mkdir(parents=True, exist_ok=True)
        metrics.write_text(json.dumps({"frechet": 0.5}))
    header = "lineage,generation,frechet,precision,recall,tail_mass,variance_ratio"
    lines = [f"{entry['folder'].replace('/', ',')},0.5,1,1,1,1" for entry in plan["chain"].values()]
    (root / "plots").mkdir()
    (root / "plots/curves.csv").write_text("\n".join([header, *lines, ""]))
    return root


def _write_folder(root: Path, path: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.npy").write_bytes(digest(path).encode() * 40)
    (folder / "manifest.json").write_text(json.dumps({"of": path}))


def recorded_sweep(root: Path) -> Path:
    """Make a workspace whose stages are recorded."""
    DvcStore(finished_sweep(root)).commit(ALL)
    return root


def dvc(root: Path, *arguments: str) -> str:
    """Run DVC's command line and return what it says."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stale(root: Path) -> set[str]:
    """Return the stages that DVC would run."""
    return set(json.loads(dvc(root, "status", "--json")))


def outputs(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file that a stage left."""
    files = (path for top in ("data", "models", "metrics", "plots") for path in (root / top).rglob("*"))
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.is_file()}


def record(root: Path) -> tuple[bytes, set[str]]:
    """Return dvc.lock and the names of the cache's objects."""
    cache = root / ".dvc/cache/files/md5"
    objects = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    return (root / "dvc.lock").read_bytes(), objects
