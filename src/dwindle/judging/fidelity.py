"""Fidelity: whether the rows of a generation have the means, variances, laws and correlations of real rows.

Every column is tested by itself, chains as the unit, and Holm's correction over all tests of a table keeps the chance
that rows of the real law are called anything but real at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dwindle.contracts import Array, FloatArray, Tabular
from dwindle.data.summaries import mean_and_covariance
from dwindle.judging.associations import Associations, associations
from dwindle.judging.beside import Beside, beside, generation_of, spelled
from dwindle.judging.columns import AS_REAL, ColumnFidelity, judged
from dwindle.judging.drafts import level_draft, number_drafts, token_draft, tops_of, worst_columns
from dwindle.plan import Plan

__all__ = ["WIDE", "Fidelity", "fidelity", "fidelity_of"]

WIDE = 20
"""Columns beyond which they are summarised: by components, and by those that differ most."""

_COMPONENTS, _WORST = 8, 8

_Judged = tuple[tuple[ColumnFidelity, ...], tuple[ColumnFidelity, ...], Associations | None]
"""Columns or components, the worst columns, and the correlations."""


@dataclass(frozen=True, eq=False)
class Fidelity:
    """How true the rows of a generation are to the held-out ones.

    Args:
        lineage: the lineage.
        generation: t.
        curated: whether the rows are those that the curators kept.
        chains: how many chains there are.
        rows: rows a chain, on average.
        held_out: held-out rows.
        width: columns of a row.
        columns: the columns, or the components of the held-out rows where there are many.
        worst: where there are many columns, those that differ most; else none.
        associations: the correlations; None where rows have no columns of numbers.
        notes: what the reader must know.
    """

    lineage: str
    generation: int
    curated: bool
    chains: int
    rows: float
    held_out: int
    width: int
    columns: tuple[ColumnFidelity, ...]
    worst: tuple[ColumnFidelity, ...]
    associations: Associations | None
    notes: tuple[str, ...]

    def count(self, verdict: str) -> int:
        """Return how many columns were given a verdict, those that differ most included."""
        return sum(verdict in one.verdict.split(", ") for one in (*self.columns, *self.worst))

    @property
    def as_real(self) -> bool:
        """Whether nothing could be told from real rows."""
        same = all(one.verdict == AS_REAL for one in (*self.columns, *self.worst))
        return same and not (self.associations is not None and self.associations.differing)


def fidelity(root: Path, plan: Plan, lineage: str, *, generation: int | None = None, curated: bool = False) -> Fidelity:
    """Return the fidelity of a generation.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: the lineage.
        generation: t; None for the newest one that is finished.
        curated: judge the rows that were left to train on.

    Raises:
        BadInput: if the generation is not grown, or has no synthetic rows.
    """
    which = generation_of(root, plan, lineage, generation)
    return fidelity_of(beside(root, plan, lineage, which, curated=curated))


def fidelity_of(found: Beside) -> Fidelity:
    """Return the fidelity of rows beside others."""
    tokens = found.kind in ("symbols", "sequences")
    judge = _tokens if tokens else _table if isinstance(found.source, Tabular) else _numbers
    own, worst, joined = judge(found)
    width = found.real.shape[1] if found.real.ndim > 1 else 1
    notes = [f"{found.lost} chains hold nan, inf or numbers too large to square, and are left out"] * (found.lost > 0)
    return Fidelity(
        found.lineage,
        found.generation,
        found.curated,
        found.chains,
        found.rows,
        len(found.real),
        width,
        own,
        worst,
        joined,
        tuple(notes),
    )


def _tokens(found: Beside) -> _Judged:
    name = "symbols" if found.kind == "symbols" else "tokens"
    tops = spelled(found.source, tops_of(found.real).tolist(), found.kind)
    return judged([token_draft(found.values, found.weights, found.real, name, tops)]), (), None


def _table(found: Beside) -> _Judged:
    """Judge the columns of a table, of whatever number: they have names, and people look for them."""
    assert isinstance(found.source, Tabular)
    columns = found.source.columns()
    numeric = [place for place, column in enumerate(columns) if not column.categorical]
    values, real, anchor = (part[..., numeric] for part in (found.values, found.real, found.anchor))
    names = tuple(columns[place].name for place in numeric)
    drafts = dict(zip(numeric, number_drafts(values, found.weights, real, anchor, names), strict=True))
    for place, column in enumerate(columns):
        if column.categorical:
            own = found.values[..., place]
            drafts[place] = level_draft(own, found.weights, found.real[:, place], column)
    joined = associations(values, found.weights, real, names, anchor)
    return judged([drafts[place] for place in range(len(columns))]), (), joined


def _numbers(found: Beside) -> _Judged:
    values, real, anchor, weights = found.values, found.real, found.anchor, found.weights
    names, width = found.names, found.real.shape[1]
    if width <= WIDE:
        drafts = number_drafts(values, weights, real, anchor, names)
        return judged(drafts), (), associations(values, weights, real, names, anchor)
    places = worst_columns(values, weights, real, _WORST)
    chosen = [names[place] for place in places]
    worst = number_drafts(values[..., places], weights, real[:, places], anchor[..., places], chosen)
    axes, labels = _components(real)
    turned = [_turned(part, axes) for part in (values, real, anchor)]
    drafts = number_drafts(turned[0], weights, turned[1], turned[2], labels)
    joined = associations(turned[0], weights, turned[1], labels, turned[2])
    return judged(drafts), judged(worst, of=width), joined


def _components(real: Array) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the leading principal components of the held-out rows, (d, k), and what they are called."""
    _, (covariance,) = mean_and_covariance(real[None])
    variances, axes = np.linalg.eigh(covariance)
    order = np.argsort(-variances, kind="stable")[:_COMPONENTS]
    shares = variances[order] / max(float(variances.sum()), np.finfo(float).tiny)
    kept: Sequence[int] = [place for place, share in zip(order.tolist(), shares, strict=True) if share > 1e-12]
    names = tuple(f"component {rank + 1} ({shares[rank]:.0%})" for rank in range(len(kept)))
    chosen = axes[:, kept]
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(len(kept))])  # eigenvectors have no sign
    return chosen * signs, names


def _turned(rows: Array, axes: FloatArray) -> Array:
    return np.asarray(rows @ axes)
