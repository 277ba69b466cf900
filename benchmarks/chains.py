"""What a chain costs: the families with all chains in one call, and no rows at all, against a loop written by hand.

Usage: python benchmarks/chains.py [--rows 100] [--chains 2000] [--repeats 7]

A generation of a chain is one fit to `rows` rows and one sample of as many. The ways are measured in turn within each
repeat, in one process with one thread, by the processor's time, and the median of the repeats counts, so that what else
the machine does hits none or all of them. The limit of a way that draws every row is the time to draw the random
numbers alone, one call for all chains; beside it stands the time of one pass over the rows in memory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from dwindle.contracts import Rows
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from dwindle.sufficient import simulate

DIMENSIONS, SYMBOLS = 5, 100
ZIPF = np.arange(1, SYMBOLS + 1) ** -1.0 / (np.arange(1, SYMBOLS + 1) ** -1.0).sum()
LINE = np.full(DIMENSIONS, 1 / np.sqrt(DIMENSIONS))
LOOP_CHAINS, LOOP_GENERATIONS, MODE_GENERATIONS = 50, 10, 100
Generator = np.random.Generator


def gaussian_loop(generator: Generator, rows: int, generations: int) -> None:
    mean, deviation = 0.0, 1.0
    for _ in range(generations):
        sample = generator.normal(mean, deviation, rows)
        mean, deviation = sample.mean(), sample.std()


def categorical_loop(generator: Generator, rows: int, generations: int) -> None:
    shares = ZIPF
    for _ in range(generations):
        sample = generator.choice(SYMBOLS, rows, p=shares)
        shares = np.bincount(sample, minlength=SYMBOLS) / rows


def linear_loop(generator: Generator, rows: int, generations: int) -> None:
    slopes = LINE
    for _ in range(generations):
        inputs = generator.normal(size=(rows, DIMENSIONS))
        response = inputs @ slopes + generator.normal(size=rows)
        slopes = np.linalg.lstsq(inputs, response, rcond=None)[0]


def logistic_loop(generator: Generator, rows: int, generations: int) -> None:
    slopes = LINE
    for _ in range(generations):
        inputs = generator.normal(size=(rows, DIMENSIONS))
        labels = generator.random(rows) < 1 / (1 + np.exp(-inputs @ slopes))
        slopes = np.zeros(DIMENSIONS)
        for _ in range(50):
            chance = 1 / (1 + np.exp(-inputs @ slopes))
            gradient = inputs.T @ (labels - chance) / rows - 1e-6 * slopes
            curvature = (inputs.T * (chance * (1 - chance))) @ inputs / rows + 1e-6 * np.eye(DIMENSIONS)
            step = np.linalg.solve(curvature, gradient)
            slopes = slopes + step
            if gradient @ step < 1e-14:
                break


def kde_loop(generator: Generator, rows: int, generations: int) -> None:
    sample = generator.normal(size=rows)
    for _ in range(generations):
        width = sample.std(ddof=1) * rows**-0.2
        sample = generator.choice(sample, rows) + width * generator.normal(size=rows)


def pairs(generator: Generator, chains: int, rows: int, *, labels: bool = False) -> Any:
    """Return real pairs of a linear response or of labels, (c, n, d + 1)."""
    values = generator.standard_normal((chains, rows, DIMENSIONS + 1))
    line = values[..., :-1] @ LINE
    values[..., -1] = generator.random(line.shape) < 1 / (1 + np.exp(-line)) if labels else values[..., -1] + line
    return values


@dataclass(frozen=True)
class Case:
    """One family, and what it is held against.

    Args:
        settings: of the family.
        real: the real rows of generation 0, from generator, chains and rows.
        loop: one chain over so many generations, by hand.
        draws: the random numbers that a generation cannot do without.
        mode: settings of the sufficient-statistics mode; None where there is none.
    """

    settings: dict[str, Any]
    real: Callable[[Generator, int, int], Any]
    loop: Callable[[Generator, int, int], None]
    draws: Callable[[Generator, int, int], object]
    mode: dict[str, Any] | None = field(default=None)


CASES = {
    "gaussian": Case(
        {},
        lambda g, c, n: g.standard_normal((c, n, 1)),
        gaussian_loop,
        lambda g, c, n: g.standard_normal((c, n)),
        {},
    ),
    "categorical": Case(
        {"symbols": SYMBOLS},
        lambda g, c, n: g.choice(SYMBOLS, (c, n), p=ZIPF),
        categorical_loop,
        lambda g, c, n: g.random((c, n)),
        {"symbols": SYMBOLS},
    ),
    "linear_regression": Case(
        {"noise": 1.0},
        pairs,
        linear_loop,
        lambda g, c, n: g.standard_normal((c, n, DIMENSIONS + 1)),
        {"dimensions": DIMENSIONS},
    ),
    "kde": Case(
        {},
        lambda g, c, n: g.standard_normal((c, n, 1)),
        kde_loop,
        lambda g, c, n: (g.integers(0, n, (c, n)), g.standard_normal((c, n))),
    ),
    "logistic_regression": Case(
        {},
        lambda g, c, n: pairs(g, c, n, labels=True),
        logistic_loop,
        lambda g, c, n: (g.standard_normal((c, n, DIMENSIONS)), g.random((c, n))),
    ),
}


def seconds(action: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the time of one call."""
    started = clock()
    action()
    return clock() - started


def family_of(name: str, settings: dict[str, Any]) -> Any:
    """Return a family by name, or None if there is none."""
    try:
        module = importlib.import_module(f"dwindle.families.{name}")
    except ModuleNotFoundError:
        return None
    return getattr(module, "".join(part.capitalize() for part in name.split("_")))(**settings)


def measured(name: str, case: Case, family: Any, options: argparse.Namespace) -> dict[str, float]:
    """Return microseconds for a generation of a chain, by way: `loop`, `family`, `draws`, `pass`, perhaps `mode`."""
    chains, rows = options.chains, options.rows
    generator, by_hand = Seed(0).numpy(), np.random.default_rng(0)
    state = {"rows": Rows(case.real(generator, chains, rows))}

    def generation() -> None:
        model = family.fit(state["rows"], seed=Seed(0))
        state["rows"] = model.sample(rows, sampler=Sampler(), seed=Seed(0, (generator.integers(1 << 30).item(),)))

    def loop() -> None:
        for _ in range(LOOP_CHAINS):
            case.loop(by_hand, rows, LOOP_GENERATIONS)

    def mode() -> None:
        settings = {"regime": "replace", "rows": rows, "generations": MODE_GENERATIONS - 1, "seed": Seed(0)}
        simulate(name, chains=10 * chains, **settings, **(case.mode or {}))

    ways: dict[str, tuple[Callable[[], object], int]] = {
        "loop": (loop, LOOP_CHAINS * LOOP_GENERATIONS),
        "family": (generation, chains),
        "draws": (lambda: case.draws(generator, chains, rows), chains),
        "pass": (lambda: state["rows"].values.sum(), chains),
    }
    if case.mode is not None:
        ways["mode"] = (mode, 10 * chains * MODE_GENERATIONS)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.repeats + 1):  # the first one warms up
        for way, (action, count) in ways.items():
            times[way].append(seconds(action) / count * 1e6)
    return {way: statistics.median(found[1:]) for way, found in times.items()}


def table(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """Print a line a family, and yield its figures."""
    heads = ("loop", "family", "mode", "draws alone", "one pass")
    print(f"{'us a generation of a chain':26}" + "".join(f"{head:>13}" for head in heads), end="")
    print("".join(f"{head:>15}" for head in ("loop / family", "loop / mode", "loop / draws")))
    for name, case in CASES.items():
        family = family_of(name, case.settings)
        if family is None:
            print(f"{name:26} there is no such family")
            continue
        us = {"mode": float("nan"), **measured(name, case, family, options)}
        print(f"{name:26}" + "".join(f"{us[way]:13.3f}" for way in ("loop", "family", "mode", "draws", "pass")), end="")
        ratios = (us["loop"] / us["family"], us["loop"] / us["mode"], us["loop"] / us["draws"])
        print("".join(f"{ratio:15.1f}" for ratio in ratios), flush=True)
        yield name, us


def million(chains: int, rows: int) -> tuple[float, float]:
    """Return seconds and peak memory, MiB, of a process that grows Gaussian chains of 100 generations without rows."""
    command = [sys.executable, __file__, "--alone", str(chains), "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, peak = map(float, done.stdout.split())
    return spent, peak


def alone(chains: int, rows: int) -> None:
    """Print what `million` reads."""
    settings = {"regime": "replace", "rows": rows, "generations": MODE_GENERATIONS - 1, "seed": Seed(0)}
    spent = seconds(lambda: simulate("gaussian", chains=chains, **settings), time.perf_counter)
    print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        alone(options.alone, options.rows)
        return
    with threadpool_limits(1):
        found = dict(table(options))
    few, many = million(1000, options.rows), million(1_000_000, options.rows)
    drawing = found["gaussian"]["loop"] / found["gaussian"]["draws"]
    figures = {
        "gaussian, no rows, over the loop [times]": (found["gaussian"]["loop"] / found["gaussian"]["mode"], ">= 300"),
        **{
            f"{name}, every row, over the loop [times]": (us["loop"] / us["family"], ">= 20")
            for name, us in found.items()
        },
        "gaussian, nothing but draws, over the loop [times]": (drawing, ""),
        "10^6 gaussian chains, 100 generations, no rows [s]": (many[0], "<= 10"),
        "their peak memory [MiB]": (many[1], "<= 500"),
        "peak memory of 10^3 chains [MiB]": (few[1], ""),
    }
    print()
    for name, (value, target) in figures.items():
        print(f"{name:56} {value:8.2f}   {f'target {target}' if target else ''}")
    print(json.dumps({name: round(value, 4) for name, (value, _) in figures.items()}))


if __name__ == "__main__":
    main()
