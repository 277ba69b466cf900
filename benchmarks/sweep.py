"""What sweeps of many lineages cost: by engine, by size, and on a simulated cluster.

Usage: python benchmarks/sweep.py [--parts engines size cluster] [--lineages 8 64 512]
       [--engines process ray dask deployments] [--generations 2 12] [--workers 1 4 16]

`engines` grows the same tiny sweep to few and to many generations, each in a folder of its own: the difference is what
a generation of a lineage costs, the rest is start-up. `size` grows ever larger sweeps and asks every tool about them:
a figure that grows with a higher power of the lineages than 1 will not last. `cluster` grows a family whose fit waits
instead of computing, so that this machine can stand for one with as many devices as there are workers. Minutes, on an
idle machine: the load at the start is printed, and everything else that runs only ever adds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence

from sweep_projects import DWINDLE, FLOW, IDLE_SECONDS, LIMIT, Project, bare_seconds, deployed, new_project

PROCESSORS = len(os.sched_getaffinity(0))

ENGINES = {"process": (0.10, 64), "ray": (0.25, 64), "dask": (0.25, 64), "deployments": (0.25, 8)}
"""What a generation of a lineage may cost above its arithmetic, seconds, and the most lineages it is tried on."""

SIZE_GENERATIONS = 10
PLANNED = 5.0
"""Seconds in which 512 lineages x 10 generations are to be planned."""

STEEP = 1.15
"""Powers of the lineages above which a figure grows faster than the sweep; timing is not more exact than this."""

HISTORIES = 50
"""Lineages whose curves a page asks for."""

CLUSTERS = ("ray", "dask")
CLUSTER_LINEAGES, CLUSTER_GENERATIONS = 32, 4

Figures = dict[str, float]


def spelled(value: float, digits: int = 2) -> str:
    """Spell seconds; what was ended is more than the limit."""
    return f"> {LIMIT}" if math.isinf(value) else "-" if math.isnan(value) else f"{value:.{digits}f}"


# --------------------------------------------------------------------------------------------------- by engine


def grown_by(engine: str, lineages: int, generations: int) -> float:
    """Return the wall time of a sweep's flow on an engine in a fresh project, seconds."""
    with new_project(lineages, generations, engine=engine) as project:
        return project.seconds(*FLOW)


def on_a_pool(lineages: int, few: int, many: int) -> tuple[float, float]:
    """Return the start-up of a sweep on a pool of one worker, and the seconds of a generation of a lineage.

    A flow run a lineage starts for so long that it hides its generations, so they are told by the times of the files.
    """
    with new_project(lineages, many, engine="deployments") as project, deployed(project) as ready:
        wall, each = ready.seconds(*FLOW), ready.pace(few, many)
    return wall - each * lineages * (many + 1), each


def on_this_machine(engine: str, lineages: int, few: int, many: int) -> tuple[float, float]:
    """Return the start-up of a sweep, and the wall seconds of a generation of a lineage."""
    short, long = grown_by(engine, lineages, few), grown_by(engine, lineages, many)
    each = (long - short) / (lineages * (many - few))
    return short - each * lineages * (few + 1), each


def engines(chosen: Sequence[str], sizes: Sequence[int], generations: Sequence[int]) -> Figures:
    """Print what a generation of a lineage costs by engine."""
    few, many = generations
    print(f"\nBy engine: `python -m flows.sweep`, everything on, {few} and {many} generations [s]")
    heads = ("start", "a lineage", "wall", "workers", "x workers", "bare", "overhead", "target")
    print(f"{'engine':12}{'lineages':>9}" + "".join(f"{head:>11}" for head in heads))
    found: Figures = {}
    grown_by("process", 1, 1)  # makes Prefect's database
    for engine in chosen:
        target, most = ENGINES[engine]
        for lineages in (size for size in sizes if size <= most):
            bare = bare_seconds()
            pooled = engine == "deployments"
            start, each = on_a_pool(lineages, few, many) if pooled else on_this_machine(engine, lineages, few, many)
            workers = 1 if pooled else min(PROCESSORS, lineages)
            overhead = each * workers - bare
            cells = [start, start / lineages, each, workers, each * workers, bare, overhead, target]
            print(f"{engine:12}{lineages:9}" + "".join(f"{spelled(cell, 3):>11}" for cell in cells), flush=True)
            found[f"{engine}, {lineages} lineages: overhead of a generation [s]"] = overhead
    print(f"a lineage: start-up by lineages. x workers: seconds of one worker; {PROCESSORS} processors at once here.")
    return found


# ----------------------------------------------------------------------------------------------------- by size


def steps(project: Project, lineages: int) -> Iterator[tuple[str, float]]:
    """Yield the name of each step and its seconds; the sweep is grown once, then recorded, then asked about."""
    files = (DWINDLE, "run", "--no-tracking", "--no-versioning")
    yield "dwindle plan", project.seconds(DWINDLE, "plan")
    grown = project.seconds(*files)
    yield "dwindle run, files only", grown
    yield "... a generation of a lineage", grown / (lineages * (SIZE_GENERATIONS + 1))
    idle = project.seconds(*files)
    yield "dwindle run again, nothing to do", idle
    yield "recording in MLflow", project.seconds(DWINDLE, "run", "--no-versioning") - idle
    yield "recording in DVC", project.seconds(DWINDLE, "run", "--no-tracking") - idle
    yield "dvc status", project.seconds("dvc", "status", "--quiet")
    yield "dwindle status", project.seconds(DWINDLE, "status")
    yield from compared(project)


def compared(project: Project) -> Iterator[tuple[str, float]]:
    """Yield the seconds of the two questions behind MLflow's comparison: all runs, and the curves of some."""
    from dwindle.tracking.address import absolute, imported

    client = imported().MlflowClient(absolute("sqlite:///mlflow.db", project.root))
    home = client.get_experiment_by_name("many").experiment_id
    started = time.monotonic()
    runs = client.search_runs([home], "tags.`dwindle.kind` = 'lineage'", max_results=1000)
    yield "MLflow: all runs with metrics", time.monotonic() - started
    started = time.monotonic()
    for run in runs[:HISTORIES]:
        assert len(client.get_metric_history(run.info.run_id, "variance_ratio")) == SIZE_GENERATIONS + 1
    yield f"MLflow: {HISTORIES} curves", time.monotonic() - started


def size(sizes: Sequence[int]) -> Figures:
    """Print what each tool takes as the sweep grows, and with which power of its lineages."""
    print(f"\nBy size: lineages x {SIZE_GENERATIONS} generations [s]")
    columns: dict[int, Figures] = {}
    for lineages in sizes:
        columns[lineages], known = {}, processor_seconds()
        with new_project(lineages, SIZE_GENERATIONS) as project:
            for name, seconds in steps(project, lineages):
                columns[lineages][name] = seconds
                busy, known = processor_seconds() - known, processor_seconds()
                told = f"{spelled(seconds, 3):>10}   {busy:.2f} of a processor, load {os.getloadavg()[0]:.1f}"
                print(f"  {lineages:4} {name:36}{told}", flush=True)
    print(f"{'':36}" + "".join(f"{lineages:>10}" for lineages in sizes) + f"{'power':>10}")
    for name in columns[sizes[-1]]:
        line = [columns[lineages][name] for lineages in sizes]
        grown = math.log(line[-1] / line[-2]) / math.log(sizes[-1] / sizes[-2]) if _finite(line[-2:]) else math.nan
        steep = "  grows faster than the sweep" if grown > (STEEP if not name.startswith("...") else STEEP - 1) else ""
        print(f"{name:36}" + "".join(f"{spelled(value, 3):>10}" for value in [*line, grown]) + steep)
    print(f"target: 512 lineages planned in less than {PLANNED:g} s; no power above 1 (a generation of a lineage: 0)")
    return {f"{name}, {lineages} lineages [s]": s for lineages, found in columns.items() for name, s in found.items()}


def processor_seconds() -> float:
    """Return what this process and the ended ones that it started have used so far."""
    return sum(os.times()[:4])


def _finite(values: Sequence[float]) -> bool:
    return len(values) > 1 and all(math.isfinite(value) and value > 0 for value in values)


# --------------------------------------------------------------------------------------------------- a cluster


def cluster(chosen: Sequence[str], workers: Sequence[int]) -> Figures:
    """Print what W workers reach where training only waits."""
    busy = (CLUSTER_LINEAGES * CLUSTER_GENERATIONS + 1) * IDLE_SECONDS  # generation 0 is trained once
    print(
        f"\nA simulated cluster: {CLUSTER_LINEAGES} lineages x {CLUSTER_GENERATIONS} generations, a fit waits ", end=""
    )
    print(f"{IDLE_SECONDS:g} s: {busy:g} s of training [s]")
    print(f"{'engine':12}{'workers':>9}{'wall':>10}{'growing':>10}{'speed-up':>10}{'efficiency':>12}{'fits/s':>9}")
    found: Figures = {}
    for engine in (name for name in CLUSTERS if name in chosen):
        alone, above = math.nan, math.nan
        for count in workers:
            family = "idle_family:Idle"
            with new_project(
                CLUSTER_LINEAGES, CLUSTER_GENERATIONS, engine=engine, workers=count, family=family
            ) as project:
                wall, growing = project.seconds(*FLOW), project.growing()
            if count == 1:
                alone, above = growing, (growing - busy) / (busy / IDLE_SECONDS)
            efficiency, rate = busy / (count * growing), busy / IDLE_SECONDS / growing
            print(
                f"{engine:12}{count:9}{wall:10.1f}{growing:10.1f}{alone / growing:10.2f}{efficiency:12.2f}{rate:9.1f}"
            )
            found[f"{engine}, {count} workers: efficiency"] = efficiency
        print(f"{'':12}a generation takes {above:.3f} s beside its fit, so {PROCESSORS} processors bear ", end="")
        print(
            f"{PROCESSORS / above:.0f} a second at most, or {IDLE_SECONDS * PROCESSORS / above:.0f} workers", flush=True
        )
    return found


def main() -> None:
    """Print the three tables and all figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=("engines", "size", "cluster"))
    parser.add_argument("--lineages", nargs="+", type=int, default=[8, 64, 512])
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--generations", nargs=2, type=int, default=[2, 12], metavar=("FEW", "MANY"))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 4, 16])
    options = parser.parse_args()
    print(f"{PROCESSORS} processors, load {os.getloadavg()[0]:.1f}")
    parts: dict[str, Callable[[], Figures]] = {
        "engines": lambda: engines(options.engines, options.lineages, options.generations),
        "size": lambda: size(options.lineages),
        "cluster": lambda: cluster(options.engines, options.workers),
    }
    found: Figures = {}
    for part in options.parts or parts:
        found |= parts[part]()
    print(json.dumps({name: round(value, 4) for name, value in found.items() if math.isfinite(value)}))


if __name__ == "__main__":
    main()
