"""What orchestration costs: one recipe as a bare loop, by `dwindle run`, by the flow, and by the naive integration.

Usage: python benchmarks/overhead.py [--generations 100] [--repeats 2]

Each way grows one lineage of a tiny Gaussian recipe in a process and a folder of its own, once short and once long; the
difference is what a generation costs when everything is started. Ways are measured one after another, twice, and the
smaller figure counts, because anything else the machine does only ever adds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SHORT = 5

PARAMS = """\
sweep: overhead
generations: {generations}
chains: 8
budget: 100
source: {{name: gaussian, held_out: 100}}
family: {{name: gaussian}}
metrics: [moments, frechet]
lineages: {{replace: {{regime: replace}}}}
engine: {{workers: 1}}
"""

BARE = """\
import sys
from dwindle.contracts import Evidence
from dwindle.families.gaussian import Gaussian
from dwindle.metrics.frechet import Frechet
from dwindle.metrics.moments import Moments
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from dwindle.sources.gaussian import Gaussian as Source

seed, source, family, sampler = Seed(0), Source(held_out=100), Gaussian(), Sampler()
held_out = source.draw_held_out(seed=seed)
rows = anchor = source.draw(100, first=0, chains=8, seed=seed)
for generation in range(int(sys.argv[1]) + 1):
    if generation:
        rows = model.sample(100, sampler=sampler, seed=seed.at(generation))
    model = family.fit(rows.anonymous(), seed=seed.at(generation, "fit"))
    samples = model.sample(100, sampler=sampler, seed=seed.at(generation, "samples"))
    evidence = Evidence(generation, model, samples, held_out, anchor, rows, source, seed)
    measured = {**Moments().measure(evidence), **Frechet().measure(evidence)}
"""

NAIVE = """\
import subprocess, sys
from pathlib import Path
import mlflow
import numpy as np
from prefect import flow, task
sys.argv, generations = sys.argv[:1], int(sys.argv[1])
mlflow.set_tracking_uri("sqlite:///mlflow.db")

@task
def generate(mean, std, generation):
    return np.random.default_rng(generation).normal(mean, std, (8, 100))

@task
def curate(rows, generation):
    folder = Path("data") / str(generation)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "rows.npy", rows)
    subprocess.run(["dvc", "add", "--quiet", str(folder)], check=True)
    return rows

@task
def train(rows):
    return rows.mean(), rows.std()

@task
def evaluate(mean, std):
    return {f"metric_{i}": float(std + i) for i in range(20)}

@flow
def one_generation(mean, std, generation):
    rows = curate(generate(mean, std, generation), generation)
    mean, std = train(rows)
    with mlflow.start_run(run_name=f"generation-{generation}", nested=True):
        mlflow.log_param("generation", generation)
        for key, value in evaluate(mean, std).items():
            mlflow.log_metric(key, value)
    return mean, std

@flow
def lineage():
    mean, std = 0.0, 1.0
    with mlflow.start_run(run_name="replace"):
        for generation in range(generations + 1):
            mean, std = one_generation(mean, std, generation)

lineage()
"""


def project(folder: Path, generations: int, *, ours: bool = True) -> Path:
    """Make a project with everything switched on; the naive one has DVC and nothing of dwindle's."""
    if not ours:
        (folder / "naive.py").write_text(NAIVE)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        subprocess.run([BIN / "dvc", "init", "--quiet"], cwd=folder, check=True)
        return folder
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, folder / name)
    for name in ("flows", "tasks", ".dvc/plots"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / "params.yaml").write_text(PARAMS.format(generations=generations))
    (folder / "bare.py").write_text(BARE)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


Command = Callable[[int], list[str]]
WAYS: dict[str, tuple[str, Command]] = {
    "bare loop": ("arithmetic only, nothing kept", lambda g: [sys.executable, "bare.py", str(g)]),
    "stages": ("dwindle run, files only", lambda g: [str(BIN / "dwindle"), "run", "--no-tracking", "--no-versioning"]),
    "+ MLflow": ("dwindle run, files and MLflow", lambda g: [str(BIN / "dwindle"), "run", "--no-versioning"]),
    "+ DVC": ("dwindle run, files, MLflow and DVC", lambda g: [str(BIN / "dwindle"), "run"]),
    "+ Prefect": ("flows.sweep, everything on", lambda g: [sys.executable, "-m", "flows.sweep"]),
    "naive": ("flow a generation, call a metric, dvc add", lambda g: [sys.executable, "naive.py", str(g)]),
}


def seconds(command: Command, generations: int, home: Path) -> float:
    """Return the wall time of growing one lineage in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), generations, ours="naive.py" not in command(0))
        environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(home),
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
        }
        started = time.monotonic()
        done = subprocess.run(
            command(generations), cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return time.monotonic() - started


def measured(generations: int, repeats: int) -> Iterator[tuple[str, float, float]]:
    """Yield, for each way, seconds to start and end, and seconds a generation."""
    with tempfile.TemporaryDirectory() as home:
        seconds(WAYS["+ Prefect"][1], 1, Path(home))  # makes Prefect's database once
        for way, (_, command) in WAYS.items():
            long = SHORT + (generations if way != "naive" else min(generations, 10))
            times = [(seconds(command, SHORT, Path(home)), seconds(command, long, Path(home))) for _ in range(repeats)]
            short, longer = (min(column) for column in zip(*times, strict=True))
            each = (longer - short) / (long - SHORT)
            yield way, short - SHORT * each, each


def late_generations(first: int = 10, last: int = 500) -> tuple[float, float]:
    """Return seconds a generation around an early and around the last one, of the stages of one long lineage."""
    from dwindle.config.sweep import load_sweep
    from dwindle.plan import STAGES, unroll, write_plan
    from dwindle.stages.runner import run_stage

    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), last)
        plan = unroll(load_sweep(root / "params.yaml"))
        write_plan(plan, root)
        for key in plan.real:
            run_stage(root, f"draw@{key}", plan=plan)
        times = []
        for key in plan.chain:
            started = time.perf_counter()
            for stage in STAGES:
                run_stage(root, f"{stage}@{key}", plan=plan)
            times.append(time.perf_counter() - started)
    early, late = times[first - 5 : first + 45], times[-50:]
    return statistics.median(early), statistics.median(late)


def command_seconds(*arguments: str, repeats: int = 5) -> float:
    """Return the median wall time of a dwindle command in this repository."""
    times = []
    for _ in range(repeats):
        started = time.monotonic()
        subprocess.run([BIN / "dwindle", *arguments], cwd=REPOSITORY, capture_output=True, check=False)
        times.append(time.monotonic() - started)
    return statistics.median(times)


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    print(f"{'way':12} {'start [s]':>10} {'a generation [ms]':>18} {'above the one before [ms]':>26}   what")
    each: dict[str, float] = {}
    for way, fixed, generation in measured(options.generations, options.repeats):
        above = generation - next(reversed(each.values())) if each and way != "naive" else float("nan")
        each[way] = generation
        print(f"{way:12} {fixed:10.2f} {generation * 1e3:18.1f} {above * 1e3:26.1f}   {WAYS[way][0]}", flush=True)
    overhead = each["+ Prefect"] - each["bare loop"]
    early, late = late_generations()
    figures = {
        "everything on, above the bare loop [ms a generation]": (overhead * 1e3, "<= 100"),
        "naive over everything on [times]": (each["naive"] / each["+ Prefect"], ">= 10"),
        "generation 500 over generation 10, stages [times]": (late / early, "<= 1.2"),
        "dwindle --help [s]": (command_seconds("--help"), "<= 0.2"),
        "dwindle status [s]": (command_seconds("status"), "<= 1"),
    }
    print()
    for name, (value, target) in figures.items():
        print(f"{name:56} {value:8.2f}   target {target}")
    print(json.dumps({name: round(value, 4) for name, (value, _) in figures.items()}))


if __name__ == "__main__":
    main()
