"""The sufficient-statistics mode: many chains, no rows.

Where a fit reads no more of its rows than a few sums, the next model can be drawn from the law of those sums given the
last one. Chains grown so are distributed exactly as chains of the families of the same names that draw every row, for
the cost of a handful of random numbers a generation: a million chains of a hundred generations take seconds, and no
more memory than a few thousand.

    from dwindle.seeds import Seed
    from dwindle.sufficient import simulate

    path = simulate("gaussian", regime="replace", rows=100, generations=100, chains=1_000_000, seed=Seed(0), ddof=1)
    path.mean["log_variance"], path.standard_error["log_variance"]

It serves closed forms, sample sizes and rare events; there is nothing to look at but means over chains. Curators,
samplers, metrics and other regimes need rows: grow a sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, get_args

from dwindle.errors import BadInput, nearest
from dwindle.seeds import Seed
from dwindle.sufficient import categorical, gaussian, linear_regression
from dwindle.sufficient.paths import Path, Workflow, at_least

__all__ = ["FAMILIES", "Path", "Workflow", "simulate"]

FAMILIES: Mapping[str, Callable[..., Path]] = {
    "categorical": categorical.grow,
    "gaussian": gaussian.grow,
    "linear_regression": linear_regression.grow,
}
"""The families that have sufficient statistics, and what grows them; their keywords are the settings."""


def simulate(
    family: str, *, regime: str, rows: int, generations: int, chains: int, seed: Seed, **settings: Any
) -> Path:
    """Grow chains of a family without rows, and return the mean over chains of each measure by generation.

    The same arguments give the same numbers, to the last bit.

    Args:
        family: a name of `FAMILIES`.
        regime: `replace` or `accumulate`.
        rows: n, rows that a generation would draw.
        generations: the last generation's number; generation 0 is the fit to real rows.
        chains: independent replicates.
        seed: address of every random draw.
        settings: the family's keywords: `dimensions`, `ddof`, `noise`, `inputs`, `symbols`, `exponent`, `shares`.

    Raises:
        BadInput: if a name is unknown or a number out of range.
    """
    if family not in FAMILIES:
        raise BadInput(f"family = {family}: not known by sufficient statistics{nearest(family, FAMILIES)}")
    if regime not in get_args(Workflow):
        raise BadInput(f"regime = {regime}: not known to this mode{nearest(regime, get_args(Workflow))}")
    known = set(signature(FAMILIES[family]).parameters) - {"regime", "rows", "generations", "chains", "seed"}
    problems = [f"{key} = {settings[key]}: unknown key{nearest(key, known)}" for key in sorted(set(settings) - known)]
    if problems:
        raise BadInput(*problems)
    at_least(chains=(chains, 1), generations=(generations, 0), rows=(rows, 1))
    return FAMILIES[family](regime=regime, rows=rows, generations=generations, chains=chains, seed=seed, **settings)
