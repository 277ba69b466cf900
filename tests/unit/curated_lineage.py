"""Small lineages that are really grown through the curate stage, and curators outside dwindle that judge in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dwindle.contracts import Curated
from dwindle.data.shards import read_shard
from dwindle.stages.job import facts_of, read_rows
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: curated
generations: {generations}
seed: 5
chains: 3
budget: 40
source: {source}
family: {family}
metrics: [{metric}]
lineages:
  one: {{{lineage}}}
"""
GAUSSIAN = {"source": "{name: gaussian, dimensions: 2, held_out: 30}", "family": "gaussian", "metric": "moments"}
SYMBOLS = {
    "source": "{name: zipf, symbols: 300, held_out: 30}",
    "family": "{name: categorical, symbols: 300, smoothing: 1.0}",
    "metric": "missing_mass",
}
HERE = __name__


@dataclass(frozen=True)
class Positive:
    """Keeps the rows whose first number is above 0: about half of them."""

    judges: ClassVar[str] = "synthetic"
    kinds: ClassVar[frozenset] = frozenset({"vectors"})

    def curate(self, rows, *, anchor, seed):
        present = rows.filled_weights() > 0
        kept = present & (rows.values[..., 0] > 0)
        return Curated(kept, rows.weights, {"not positive": present & ~kept})


@dataclass(frozen=True)
class Mirroring(Positive):
    """Repairs what Positive would drop, and drops what lies far out, in a reason of many strange letters."""

    def curate(self, rows, *, anchor, seed):
        present = rows.filled_weights() > 0
        changed = present & (rows.values[..., 0] < 0)
        far = np.abs(rows.values[..., 1]) > 1
        values = np.where(changed[..., None], np.abs(rows.values), rows.values)
        return Curated(
            present & ~far,
            rows.weights,
            {"Too far / out": present & far},
            values=values,
            repaired={"turned": changed & ~far},
        )


@dataclass(frozen=True)
class Pointed(Positive):
    """Makes one point of all rows."""

    def curate(self, rows, *, anchor, seed):
        kept = rows.filled_weights() > 0
        return Curated(kept, rows.weights, values=np.zeros_like(rows.values), repaired={"made one": kept})


def grown(root, lineage, *, generations=1, **other):
    """Grow the lineage `one` and return its plan."""
    plan = planned(root, PARAMS.format(generations=generations, lineage=lineage, **(GAUSSIAN | other)))
    for name in plan.stage_names():
        if name != "compare" and not name.startswith("evaluate"):
            run_stage(root, name, plan=plan)
    return plan


def regime(name, *curators, **more):
    told = ", ".join(f"{key}: {value}" for key, value in more.items())
    named = ", ".join(f"'{HERE}:{c.__name__}'" if isinstance(c, type) else c for c in curators)
    return f"regime: {name}, curators: [{named}]" + (f", {told}" if told else "")


def dataset(root, generation=1):
    folder = root / f"data/one/{generation:03d}/train"
    return facts_of(folder), read_rows(folder), folder


def synthetic(root, generation=1):
    return read_shard(root / f"data/one/{generation:03d}/synthetic", f"synthetic-{generation:03d}")
