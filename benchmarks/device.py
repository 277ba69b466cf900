"""What a GPU is worth to the families of networks: a fit and a sample on the processor and, where there is one, on it.

Usage: python benchmarks/device.py [--chains 8] [--rows 1500] [--repeats 3]

Both devices fit the same rows from the same seeds and sample as many. The fastest of the repeats counts: what else the
machine does only ever adds, and the first call on a GPU loads its libraries. Beside the times stands how far the two
come apart by rounding alone: of weights and vectors the largest difference over the largest value, of tokens the share
that differ.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dwindle.contracts import Rows, Seed
from dwindle.families.recurrent_lm import RecurrentLm
from dwindle.families.vae import Vae
from dwindle.nets.device import VARIABLE
from dwindle.samplers import Sampler

SIDE, SYMBOLS, LENGTH = 8, 64, 64
SEED = Seed(0)


def images(chains: int, rows: int) -> np.ndarray:
    """Return rows like small digits: blots of ink at random places, 0 to 16, (c, n, 64)."""
    generator = SEED.at("images").numpy()
    centres, place = (
        generator.uniform(1.0, SIDE - 2.0, (chains, rows, 3, 1, 2)),
        np.indices((SIDE, SIDE)).reshape(2, -1),
    )
    ink = np.exp(-((centres - place.T) ** 2).sum(axis=-1) / 2.0).sum(axis=2)
    return 16.0 * np.minimum(ink, 1.0)


def texts(chains: int, rows: int) -> np.ndarray:
    """Return blocks of tokens, each a small step on from the one before, (c, n, LENGTH)."""
    steps = SEED.at("texts").numpy().geometric(0.4, (chains, rows, LENGTH))
    return np.cumsum(steps, axis=2) % SYMBOLS


CASES: dict[str, tuple[Any, Callable[[int, int], np.ndarray]]] = {
    "vae": (Vae(), images),
    "recurrent_lm": (RecurrentLm(symbols=SYMBOLS, steps=100), texts),
}


@dataclass(frozen=True)
class Found:
    """What a device gave: seconds by step, fitted weights and samples."""

    seconds: dict[str, float]
    weights: np.ndarray
    samples: np.ndarray


def measured(place: str, family: Any, rows: Rows, repeats: int) -> Found:
    """Fit and sample on a device."""
    os.environ[VARIABLE] = place
    laps: dict[str, list[float]] = {"fit": [], "sample": []}
    for _ in range(repeats):
        start = time.perf_counter()
        model = family.fit(rows, seed=SEED.at("fit"))
        fitted = time.perf_counter()
        samples = model.sample(rows.count, sampler=Sampler(), seed=SEED.at("sample")).values
        laps["fit"].append(fitted - start)
        laps["sample"].append(time.perf_counter() - fitted)
    weights = np.concatenate([part.numpy().ravel() for part in model.weights.values()])
    return Found({step: min(times) for step, times in laps.items()}, weights, samples)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference over the largest value, or the share of tokens that differ."""
    if one.dtype.kind == "i":
        return float((one != other).mean())
    return float(np.abs(one - other).max() / np.abs(one).max())


def main() -> None:
    """Print both devices, their ratio and their difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    visible = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if visible else "no GPU is visible"
    print(f"{options.chains} chains of {options.rows} rows; torch {torch.__version__}; {name}")
    print(f"processor threads: {torch.get_num_threads()}")
    print(f"{'family':14} {'step':8} {'CPU [s]':>9} {'GPU [s]':>9} {'CPU / GPU':>10} {'difference':>11}")
    report: dict[str, float] = {}
    for case, (family, made) in CASES.items():
        rows = Rows(made(options.chains, options.rows))
        cpu = measured("cpu", family, rows, options.repeats)
        gpu = measured("cuda", family, rows, options.repeats) if visible else None
        for step, seconds in cpu.seconds.items():
            report[f"{case} {step} cpu"] = round(seconds, 4)
            line = f"{case:14} {step:8} {seconds:9.3f}"
            if gpu is None:
                print(f"{line} {'-':>9} {'-':>10} {'-':>11}", flush=True)
                continue
            there = gpu.seconds[step]
            difference = apart(cpu.weights, gpu.weights) if step == "fit" else apart(cpu.samples, gpu.samples)
            report[f"{case} {step} gpu"] = round(there, 4)
            print(f"{line} {there:9.3f} {seconds / there:10.2f} {difference:11.2g}", flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
