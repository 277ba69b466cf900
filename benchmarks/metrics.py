"""What metrics cost: dwindle's beside those of the library that a user would take, and whether they agree.

Usage: python benchmarks/metrics.py [--rows 10000] [--repeats 3] [--large]

Every metric takes normal rows of 64 dimensions, and the Frechet distance also moments of 768. Both ways take turns in
one process with one thread, by the processor's time, and the median of the repeats counts; what dwindle keeps of the
held-out rows from one generation to the next is forgotten before each turn. `apart` is the largest relative difference
of the numbers, and the memory is the most that dwindle holds beside the rows, of which it is told in its own turn.

With --large precision and its kin take 50,000 rows of 768 dimensions, some minutes; the library would hold three
matrices of 50,000 x 50,000 distances there, so its time is extrapolated from 5,000 rows, as their square.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import tracemalloc

import numpy as np
from metric_cases import DIMENSIONS, WIDE, Case, Numbers, balls, cases, rows_of
from threadpoolctl import threadpool_limits

LARGE, BLOCK = 50_000, 5_000


def seconds(action: Numbers) -> tuple[float, np.ndarray]:
    """Return the processor's time of a call, and its numbers."""
    started = time.process_time()
    numbers = action()
    return time.process_time() - started, np.atleast_1d(np.asarray(numbers, dtype=np.float64))


def peak(action: Numbers) -> float:
    """Return the most memory that arrays take during a call, MiB."""
    tracemalloc.start()
    action()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def compared(case: Case, repeats: int) -> dict[str, float]:
    """Return seconds of either way, how far their numbers lie apart, and dwindle's memory."""
    case.ours()  # warms up
    times: dict[str, list[float]] = {"ours": [], "library": []}
    numbers: dict[str, np.ndarray] = {}
    for _ in range(min(repeats, case.repeats)):
        for way, action in (("ours", case.ours), ("library", case.library)):
            spent, numbers[way] = seconds(action)
            times[way].append(spent)
    gaps = np.abs(numbers["ours"] - numbers["library"]) / np.maximum(np.abs(numbers["library"]), 1e-300)
    apart = float(gaps[numbers["ours"] != numbers["library"]].max(initial=0.0))
    return {way: statistics.median(found) for way, found in times.items()} | {"apart": apart, "peak": peak(case.ours)}


def table(rows: int, repeats: int) -> dict[str, tuple[float, str]]:
    """Print a line a metric, and return the figures."""
    figures: dict[str, tuple[float, str]] = {}
    print(f"{f'{rows} rows of {DIMENSIONS}':30} {'library':26} {'its ms':>9} {'ours':>9} {'ratio':>8} {'':>8}", end="")
    print(f" {'apart':>8} {'MiB':>8}")
    for name, case in cases(rows).items():
        found = compared(case, repeats)
        ratio, goal = found["library"] / found["ours"], f">= {case.target:g}" if case.target else ""
        line = f"{name:30} {case.named:26} {1e3 * found['library']:9.1f} {1e3 * found['ours']:9.1f} {ratio:8.1f}"
        print(f"{line} {goal:>8} {found['apart']:8.0e} {found['peak']:8.1f}", flush=True)
        figures[f"{name}, over the library [times]"] = (ratio, goal)
        figures[f"{name}, apart"] = (found["apart"], "<= 1e-06")
        figures[f"{name}, memory [MiB]"] = (found["peak"], "")
    return figures


def large() -> dict[str, tuple[float, str]]:
    """Return the figures of precision and its kin for 50,000 rows of 768 dimensions."""
    samples, real = rows_of("samples", LARGE, WIDE, 0.9), rows_of("real", LARGE, WIDE)
    spent: list[float] = []
    held = peak(lambda: spent.append(seconds(lambda: balls(samples, real).ours())[0]))
    (ours,) = spent
    part = balls(samples[:BLOCK], real[:BLOCK])
    few, (library, _) = seconds(part.ours)[0], seconds(part.library)
    return {
        f"prdc, {LARGE} of {WIDE} [s]": (ours, ""),
        f"prdc, {LARGE} of {WIDE}, memory [MiB]": (held, ""),
        f"prdc, {LARGE} of {WIDE}, memory of all distances [MiB]": (3 * LARGE**2 * 8 / 2**20, ""),
        f"prdc, {BLOCK} of {WIDE}, over the library [times]": (library / few, ""),
        f"prdc, {LARGE} of {WIDE}, over the library, extrapolated [times]": (library * (LARGE / BLOCK) ** 2 / ours, ""),
    }


def main() -> None:
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="precision and its kin of 50,000 rows of 768 dimensions")
    options = parser.parse_args()
    with threadpool_limits(1):
        figures = table(options.rows, options.repeats)
        figures |= large() if options.large else {}
    print()
    for name, (value, target) in figures.items():
        print(f"{name:64} {value:10.3g}   {f'target {target}' if target else ''}")
    print(json.dumps({name: float(f"{value:.4g}") for name, (value, _) in figures.items()}))


if __name__ == "__main__":
    main()
