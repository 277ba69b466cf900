"""What a stage is given: a recipe, a generation, a seed and the folders of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from dwindle.contracts import Informed, Source
from dwindle.data.manifest import read_manifest
from dwindle.data.rows import Rows
from dwindle.data.shards import read_shard
from dwindle.errors import DataDamaged
from dwindle.seeds import Seed, SharedSeed

if TYPE_CHECKING:
    from dwindle.config.recipe import Recipe

__all__ = ["Job", "Part", "Ready", "compressed", "facts_of", "read_rows", "shared_seed", "told"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Ready:
    """What a stage would have to reckon and a cohort has reckoned for it.

    Args:
        made: generated rows, a fitted model, or the rows to evaluate.
        seconds: this stage's part of the time that took.
    """

    made: Any
    seconds: float


@dataclass(frozen=True)
class Job:
    """One stage of one generation.

    Args:
        recipe: the lineage's recipe.
        generation: t.
        seed: address of the stage's random draws.
        inputs: published folders by slot.
        ready: what a cohort has reckoned for this stage; None where it is still to be done.
    """

    recipe: Recipe
    generation: int
    seed: Seed
    inputs: Mapping[str, Path]
    ready: Ready | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one origin within reach of the regime.

    Args:
        name: the shard's name.
        origin: who made the rows.
        rows: the rows of every chain.
        folder: where the shard stands unchanged, if it does.
    """

    name: str
    origin: int
    rows: Rows
    folder: Path | None = None


def compressed(rows: Rows) -> Rows:
    """Move the rows that are left to the front of each chain and cut the places that no chain needs."""
    weights = rows.filled_weights()
    order = np.argsort(weights == 0, axis=1, kind="stable")[:, : max(1, int(rows.counts.max()))]
    short = rows.take(order)
    equal = short.weights is not None and bool((short.weights == 1).all())
    return replace(short, weights=None) if equal else short


def facts_of(folder: Path) -> Mapping[str, Any]:
    """Return the facts in a folder's manifest.

    Raises:
        DataDamaged: if the folder was never published.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataDamaged(f"{folder}: no manifest; the folder was never published")
    return manifest.facts


def read_rows(folder: Path, part: str = "shards") -> Rows:
    """Read the rows of a published folder.

    Args:
        folder: the folder.
        part: which list of shards in its manifest: `shards` (what trains), `pool`, `held_out`.
    """
    return Rows.join([read_shard(folder, name) for name in facts_of(folder)[part]])


def told(component: T, source: Source) -> T:
    """Return a component that knows the source, if it is one that must."""
    return cast(T, component.given(source)) if isinstance(component, Informed) else component


def shared_seed(jobs: Sequence[Job]) -> SharedSeed:
    """Return the seed that the jobs of a cohort share."""
    return SharedSeed.of([(job.seed, job.recipe.chains) for job in jobs])
