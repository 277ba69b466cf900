"""The rows of a generation and the frozen held-out rows, read so that they can be laid side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dwindle.contracts import Array, FloatArray, Kind, Rows, Source, Tabular
from dwindle.data.summaries import usable_chains
from dwindle.errors import BadInput
from dwindle.plan import Plan
from dwindle.stages.glance import Glance
from dwindle.stages.job import read_rows
from dwindle.stages.steps import output

__all__ = ["Beside", "beside", "generation_of", "reached", "spelled"]


@dataclass(frozen=True, eq=False)
class Beside:
    """Rows of a generation beside the held-out ones.

    Args:
        lineage: the lineage.
        generation: t; at 0 the rows are the anchor's.
        kind: what a row is.
        source: where the held-out rows come from.
        curated: whether they are the rows that the curators kept.
        values: (c, n, ...) the generation's rows, nan in chains that are not finite.
        weights: (c, n) their weights, 0 where a chain has no row; None if all are equal.
        real: (m, ...) the held-out rows.
        anchor: (c, n', ...) the lineage's fixed real rows.
        lost: chains that hold nan, infinity or numbers too large to square.
    """

    lineage: str
    generation: int
    kind: Kind
    source: Source
    curated: bool
    values: Array
    weights: FloatArray | None
    real: Array
    anchor: Array
    lost: int

    @property
    def chains(self) -> int:
        """How many chains there are."""
        return len(self.values)

    @property
    def rows(self) -> float:
        """Rows a chain, on average."""
        shown = self.values.shape[1] if self.weights is None else (self.weights > 0).sum(axis=1).mean()
        return float(shown)

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns are called."""
        width = self.real.shape[1] if self.real.ndim > 1 else 1
        if isinstance(self.source, Tabular):
            return tuple(column.name for column in self.source.columns())
        if self.kind == "pairs":
            return (*(f"input {place + 1}" for place in range(width - 1)), "response")
        return tuple(f"column {place + 1}" for place in range(width))


def reached(root: Path, plan: Plan, lineage: str) -> int:
    """Return the last generation of a lineage up to which everything is done; -1 for none."""
    return Glance(root, plan).pending(lineage).done


def generation_of(root: Path, plan: Plan, lineage: str, asked: int | None) -> int:
    """Return the generation that is asked for, or the newest one.

    Raises:
        BadInput: if nothing is grown, or not so far.
    """
    done = reached(root, plan, lineage)
    if done < (1 if asked is None else asked):
        grown = f"grown up to generation {done}" if done >= 0 else "not grown yet"
        wanted = "nothing synthetic in it" if asked is None else f"no generation {asked}"
        raise BadInput(f"{lineage}: {grown}, {wanted}; `dwindle run` grows it")
    return done if asked is None else asked


def beside(root: Path, plan: Plan, lineage: str, generation: int, *, curated: bool = False) -> Beside:
    """Read the rows of a generation and the held-out ones.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: the lineage.
        generation: t; the rows of generation 0 are the anchor's, which is how real rows look beside real rows.
        curated: take the generation's rows that were left to train on, with their weights, in place of all of them.

    Raises:
        BadInput: if the generation has no synthetic rows.
    """
    key = plan.generations(lineage)[generation]
    real = root / plan.chain[key]["real"]
    rows = _curated(root, plan, key, generation) if curated else read_rows(root / output(f"generate@{key}", plan))
    if not rows.counts.any():
        which = "were left to train on" if curated else "were made"
        raise BadInput(f"{lineage}: no synthetic rows {which} at generation {generation}")
    source = plan.recipe(lineage).source
    values, lost = _usable(rows.values)
    weights = None if rows.weights is None else np.asarray(rows.weights)
    held_out, anchor = read_rows(real, "held_out").values[0], read_rows(real).values
    return Beside(lineage, generation, source.kind, source, curated, values, weights, held_out, anchor, lost)


def _curated(root: Path, plan: Plan, key: str, generation: int) -> Rows:
    rows = read_rows(root / output(f"curate@{key}", plan))
    assert rows.provenance is not None  # shards are never without
    own = rows.provenance.origin == generation
    weights = np.where(own, rows.filled_weights(), 0.0)
    return Rows(rows.values, weights, rows.provenance)


def _usable(values: Array) -> tuple[Array, int]:
    """Return the rows with nan in place of every chain that cannot be summed up, and how many these are."""
    if values.dtype.kind != "f":
        return values, 0
    usable = usable_chains(values)
    return np.where(usable[:, None, None], values, np.nan), int((~usable).sum())


def spelled(source: Source, levels: Sequence[int], kind: Kind) -> tuple[str, ...]:
    """Return what symbols and tokens are called: by the source's own spelling where it has one."""
    if kind == "symbols" or not hasattr(source, "text"):
        word = "symbol" if kind == "symbols" else "token"
        return tuple(f"{word} {level}" for level in levels)
    return tuple(repr(source.text(np.array([[level]]))[0]) for level in levels)
