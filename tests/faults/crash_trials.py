"""Grow a small lineage, killed with SIGKILL at its k-th failpoint, then again to the end; for every k.

Run as a script: `python crash_trials.py FOLDER`. It forks a child for each trial, so that imports are paid once, and
prints one JSON line: how many kills landed, and the digest of every tree that was left behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from dwindle import failpoints
from dwindle.config.sweep import load_sweep
from dwindle.data.workspace import sweep_litter
from dwindle.plan import read_plan, unroll, write_plan
from dwindle.stages.runner import run_stage

PARAMS = """\
sweep: crash
generations: 2
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian}
metrics: [moments]
lineages:
  accumulate: {regime: accumulate}
"""


def tree_digest(root: Path) -> str:
    """Return one digest of the names and bytes of all that stages leave behind."""
    whole = hashlib.sha256()
    for area in ("data", "models", "metrics", "plots"):
        for path in sorted((root / area).rglob("*")):
            if path.is_file():
                whole.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def grow(root: Path, failpoint: str | None) -> None:
    if failpoint:
        os.environ[failpoints.VARIABLE] = failpoint
    plan = read_plan(root)
    for area in ("data", "models", "metrics"):
        sweep_litter(root / area)
    for name in plan.stage_names():
        run_stage(root, name, plan=plan)


def in_child(root: Path, failpoint: str | None) -> int:
    """Grow in a forked child; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        grow(root, failpoint)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    landed, trees = 0, []
    template = folder / "template"
    template.mkdir(parents=True)
    (template / "params.yaml").write_text(PARAMS)
    write_plan(unroll(load_sweep(template / "params.yaml")), template)
    golden = shutil.copytree(template, folder / "golden")
    assert in_child(golden, None) == 0
    for kill in range(1, 1000):
        root = shutil.copytree(template, folder / f"trial-{kill}")
        status = in_child(root, f"*:{kill}")
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        landed += 1
        assert in_child(root, None) == 0
        trees.append(tree_digest(root))
        litter = [str(path) for path in root.rglob(".*.tmp")]
        assert not litter, litter
        shutil.rmtree(root)
    print(json.dumps({"landed": landed, "golden": tree_digest(golden), "trees": sorted(set(trees))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
