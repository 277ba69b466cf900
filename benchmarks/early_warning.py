"""How far a forecast of the first passage can be trusted: lineages whose later generations were held back.

Usage: python benchmarks/early_warning.py [--replicates 100] [--chains 10] [--horizon 100] [--development]

Lineages are grown past the horizon, the forecast sees the first 5 or 10 generations, and what it says is held against
what then happened: the first generation from which the mean over chains left its control band. An 80 % interval is as
good as its word if it holds the truth in 80 % of the lineages. A truth beyond the horizon is held by an interval whose
upper end lies beyond it too. Lineages that have left before the forecast is made are counted and left out.

The method was chosen on the laws that --development shows; the table without it is of laws that played no part in that.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dwindle.data.rows import FloatArray
from dwindle.profile import Forecast, Trajectory, control_band, forecast, passage
from dwindle.profile.early_warning import LEVEL
from dwindle.profile.trajectories import Scale
from dwindle.seeds import Seed

SEED = Seed(2026, ("early warning",))
SEEN = (5, 10)
CONTROL_GENERATIONS = 20

Simulate = Callable[[np.random.Generator, int, int], FloatArray]
"""Draws, generations and chains in; values (g, chains) out."""


@dataclass(frozen=True)
class Law:
    """How one measure of a lineage drifts.

    Args:
        lineage: grows it.
        control: grows the all-real lineage.
        scale: of the measure.
    """

    lineage: Simulate
    control: Simulate
    scale: Scale = "linear"


def gaussian(rows: int, *, real: float = 0.0, bias: float = 1.0, keep: bool = False, error: bool = False) -> Simulate:
    """Return a Gaussian in one dimension: its variance, or the squared error of its mean.

    Args:
        rows: rows of each generation.
        real: share of them that is real and new; 1 is the control.
        bias: factor on the variance when sampling.
        keep: train on all rows so far instead of the newest.
        error: return the error of the mean.
    """

    def simulate(draw: np.random.Generator, generations: int, chains: int) -> FloatArray:
        mean, variance = np.zeros(chains), np.ones(chains)
        total, squares, count, values = np.zeros(chains), np.zeros(chains), 0, []
        for generation in range(generations):
            new = draw.standard_normal((chains, rows))
            fresh = rows if generation == 0 else round(real * rows)
            new[:, fresh:] = mean[:, None] + np.sqrt(bias * variance)[:, None] * new[:, fresh:]
            if not keep:
                total, squares, count = np.zeros(chains), np.zeros(chains), 0
            total, squares, count = total + new.sum(axis=1), squares + (new**2).sum(axis=1), count + rows
            mean, variance = total / count, np.maximum(squares / count - (total / count) ** 2, 1e-300)
            values.append(mean**2 if error else variance)
        return np.stack(values)

    return simulate


def categorical(rows: int, symbols: int, measure: str, *, real: float = 0.0, temperature: float = 1.0) -> Simulate:
    """Return a unigram model of Zipf's law: its heterozygosity, its support, or the mass of its rarest symbols."""
    law = 1.0 / np.arange(1, symbols + 1)
    law /= law.sum()
    rare = np.cumsum(law[::-1])[::-1] <= 0.2

    def simulate(draw: np.random.Generator, generations: int, chains: int) -> FloatArray:
        shares, values = np.tile(law, (chains, 1)), []
        for generation in range(generations):
            fresh = rows if generation == 0 else round(real * rows)
            bent = shares ** (1 / temperature)
            # What rounding leaves over falls to the likeliest symbol, which stands last.
            counts = draw.multinomial(rows - fresh, (bent / bent.sum(axis=1, keepdims=True))[:, ::-1])[:, ::-1]
            shares = (counts + draw.multinomial(fresh, law, size=chains)) / rows
            found = {"heterozygosity": 1 - (shares**2).sum(axis=1), "support": (shares > 0).sum(axis=1)}
            values.append(np.asarray((found | {"tail": shares[:, rare].sum(axis=1)})[measure], dtype=np.float64))
        return np.stack(values)

    return simulate


def drift(curve: Callable[[FloatArray], FloatArray], *, noise: float, walk: float, chain: float = 0.0) -> Simulate:
    """Return a given curve with noise, a random walk and an effect of the chain: the risk of a language model."""

    def simulate(draw: np.random.Generator, generations: int, chains: int) -> FloatArray:
        shape = (generations, chains)
        steps = walk * draw.standard_normal(shape)
        steps[0] = chain * draw.standard_normal(chains)
        path = curve(np.arange(generations, dtype=np.float64))[:, None]
        return np.asarray(2.0 + path + np.cumsum(steps, axis=0) + noise * draw.standard_normal(shape))

    return simulate


def still(*, noise: float, chain: float = 0.0) -> Simulate:
    return drift(np.zeros_like, noise=noise, walk=0.0, chain=chain)


DEVELOPMENT: Mapping[str, Law] = {
    "Gaussian replace, n 100: variance": Law(gaussian(100), gaussian(100, real=1.0), "log"),
    "Gaussian replace, n 1000: variance": Law(gaussian(1000), gaussian(1000, real=1.0), "log"),
    "Gaussian accumulate, n 20: variance": Law(gaussian(20, keep=True), gaussian(20, real=1.0), "log"),
    "Gaussian replace, bias 0.97, n 200": Law(gaussian(200, bias=0.97), gaussian(200, real=1.0), "log"),
    "categorical replace, n 200: heterozygosity": Law(
        categorical(200, 100, "heterozygosity"), categorical(200, 100, "heterozygosity", real=1.0)
    ),
    "risk 0.004 t, noise": Law(drift(lambda t: 0.004 * t, noise=0.05, walk=0.0), still(noise=0.05)),
}

HELD_OUT: Mapping[str, Law] = {
    "Gaussian replace, n 300: variance": Law(gaussian(300), gaussian(300, real=1.0), "log"),
    "Gaussian replace, n 200: error of mean": Law(gaussian(200, error=True), gaussian(200, real=1.0, error=True)),
    "Gaussian accumulate, n 50: variance": Law(gaussian(50, keep=True), gaussian(50, real=1.0), "log"),
    "Gaussian accumulate, bias 0.99, n 100": Law(gaussian(100, bias=0.99, keep=True), gaussian(100, real=1.0), "log"),
    "Gaussian fresh 20 %, n 100: variance": Law(gaussian(100, real=0.2), gaussian(100, real=1.0), "log"),
    "Gaussian fresh 20 %, bias 0.95, n 300": Law(gaussian(300, real=0.2, bias=0.95), gaussian(300, real=1.0), "log"),
    "categorical replace, n 500: heterozygosity": Law(
        categorical(500, 200, "heterozygosity"), categorical(500, 200, "heterozygosity", real=1.0)
    ),
    "categorical replace, n 300: tail mass": Law(
        categorical(300, 300, "tail"), categorical(300, 300, "tail", real=1.0)
    ),
    "categorical T 0.99, n 1000: tail mass": Law(
        categorical(1000, 100, "tail", temperature=0.99), categorical(1000, 100, "tail", real=1.0)
    ),
    "risk, square root of t, walk and noise": Law(
        drift(lambda t: 0.015 * np.sqrt(t), noise=0.03, walk=0.01, chain=0.05), still(noise=0.03, chain=0.05)
    ),
    "risk, quadratic in t, noise": Law(
        drift(lambda t: 1e-4 * t**2, noise=0.05, walk=0.0, chain=0.05), still(noise=0.05, chain=0.05)
    ),
    "risk, saturating, noise": Law(drift(lambda t: 0.1 * t / (t + 10), noise=0.05, walk=0.0), still(noise=0.05)),
    "no drift": Law(still(noise=0.05, chain=0.05), still(noise=0.05, chain=0.05)),
}


def trials(name: str, law: Law, replicates: int, chains: int, horizon: int) -> dict[int, list[tuple[float, Forecast]]]:
    """Return truth and forecast of each lineage that had not left yet, by how many generations were seen."""
    seed, generations = SEED.at(name), horizon + 1
    grown = law.lineage(seed.at("lineage").numpy(), generations, replicates * chains)
    real = law.control(seed.at("control").numpy(), CONTROL_GENERATIONS, replicates * chains)
    found: dict[int, list[tuple[float, Forecast]]] = {seen: [] for seen in SEEN}
    for replicate in range(replicates):
        own = slice(replicate * chains, (replicate + 1) * chains)
        lineage = Trajectory(np.arange(generations), grown[:, own], "as_anchor", law.scale)
        control = Trajectory(np.arange(CONTROL_GENERATIONS), real[:, own], "as_anchor", law.scale)
        band = control_band(lineage, control, seed=seed.at(replicate, "band"))
        truth = passage(lineage, band).generation
        for seen in SEEN:
            address = seed.at(replicate, "forecast", seen)
            said = forecast(lineage, band, upto=seen - 1, horizon=horizon, seed=address)
            if truth > seen - band.persistence and "already" not in said.reason:
                found[seen].append((truth, said))
    return found


def line(name: str, seen: int, found: list[tuple[float, Forecast]], replicates: int) -> str:
    """Return a row of the table."""
    covered = np.array([said.low <= truth <= said.high for truth, said in found], dtype=np.float64)
    within = np.array(
        [said.low < truth < said.high or (math.isinf(truth) and math.isinf(said.high)) for truth, said in found]
    )
    errors = [abs(said.generation - truth) for truth, said in found if math.isfinite(truth + said.generation)]
    truths = np.array([truth for truth, _ in found])
    left = 1 - len(found) / replicates
    middle = np.sort(truths)[len(truths) // 2] if len(truths) else math.nan
    censored = float(np.mean([math.isinf(said.generation) for _, said in found])) if found else math.nan
    never = float(np.isinf(truths).mean()) if found else math.nan
    error = float(np.median(errors)) if errors else math.nan
    share, strict = (float(held.mean()) if found else math.nan for held in (covered, within))
    cells = f"{left:6.0%} {middle:6.0f} {never:6.0%} {censored:9.0%} {error:7.1f} {share:9.0%} {strict:7.0%}"
    return f"{name:44s} {seen:3d} {cells}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--chains", type=int, default=10)
    parser.add_argument("--horizon", type=int, default=100)
    parser.add_argument("--development", action="store_true", help="the laws on which the method was chosen")
    options = parser.parse_args()
    print(
        f"nominal level {LEVEL:.0%}; {options.replicates} lineages, {options.chains} chains, horizon {options.horizon}"
    )
    heads = (("left", 6), ("truth", 6), ("never", 6), ("censored", 9), ("error", 7), ("coverage", 9), ("strict", 7))
    print(f"{'law':44s} {'k':>3s} {' '.join(f'{head:>{width}s}' for head, width in heads)}")
    pooled: dict[int, list[tuple[float, Forecast]]] = {seen: [] for seen in SEEN}
    laws = DEVELOPMENT if options.development else HELD_OUT
    for name, law in laws.items():
        found = trials(name, law, options.replicates, options.chains, options.horizon)
        for seen, cases in found.items():
            pooled[seen] += cases
            print(line(name, seen, cases, options.replicates), flush=True)
    for seen, cases in pooled.items():
        print(line("all laws", seen, cases, options.replicates * len(laws)))
    print("left: had left before the forecast; truth: median first passage; never: truth beyond the horizon;")
    print("censored: the forecast's median lies beyond it; error: median absolute error in generations, both finite;")
    print(
        "strict: coverage without the ends. Generations are whole numbers, so the level lies between the two at best."
    )


if __name__ == "__main__":
    main()
