"""The curator that gives every stratum the share it has in the anchor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Curated,
    FloatArray,
    Grouped,
    IntArray,
    Kind,
    Labelled,
    Rows,
    Seed,
    Within,
    knowing,
)
from dwindle.data.tails import quantiles, surprisals

__all__ = ["Quota"]


@dataclass(frozen=True)
class Quota:
    """Weights the synthetic rows so that each stratum has the share of the training weight that the anchor gives it.

    A stratum is a symbol, the pairs or the vectors of one label, the rows of a table of one group, or the sequences of
    one label, of one group or, where they have neither, of one band of rarity: the mean surprisal of their tokens under
    the unigram law of the anchor lies between two quantiles of the anchor's rows. The weight of a stratum's rows is
    multiplied by its share in the anchor over its share among the synthetic rows; rows of a stratum that the anchor
    does not have go. A stratum that is lost among the synthetic rows cannot be repaired: its quota stays empty, and the
    total weight is smaller by its share.

    Args:
        bands: bands of rarity of sequences without labels and groups, of equal weight in the anchor.
        source: who knows the groups of a table or of sequences; no setting, see `given`.

    Source: Wyllie et al. 2024, stratified sampling for algorithmic reparation (STAR).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"symbols", "pairs", "vectors", "tables", "sequences"})

    bands: Annotated[int, Within(low=2, high=1000, unit="bands")] = 4
    source: Grouped | None = field(default=None, init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the curator that asks this source for the groups of tables and sequences, if it knows any of these.

        Other rows say their stratum themselves.

        Raises:
            ValueError: if the source is one of tables whose rows have no groups.
        """
        if source.kind not in ("tables", "sequences"):
            return self
        if not isinstance(source, Grouped) or not source.group_names():
            if source.kind == "sequences":
                return self
            raise ValueError(f"a quota needs rows of several groups; {type(source).__name__} has no column of groups")
        return knowing(self, source=source)

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe's vectors have no strata; empty where they have, and for rows of other kinds."""
        source = recipe.source
        if source.kind != "vectors" or (isinstance(source, Labelled) and source.label_names()):
            return ""
        return "gives labels their shares, and the source's vectors carry none"

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Weight the rows of every stratum; nothing is drawn."""
        before = rows.filled_weights()
        cells, places = _cells(*self._strata(rows, anchor))
        wanted, found = _shares(places[:, rows.count :], anchor, cells), _shares(places[:, : rows.count], rows, cells)
        factors = wanted / np.where(found > 0, found, 1.0)
        weights = before * np.where(before > 0, factors[places[:, : rows.count]], 0.0)
        kept = weights > 0
        return Curated(kept, weights, {"a stratum that the anchor does not have": (before > 0) & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _strata(self, rows: Rows, anchor: Rows) -> list[Array]:
        """Return the stratum of each row and of each anchor row, (c, n) each; 0 where there is no row."""
        sequences = rows.values.ndim == 3 and np.issubdtype(rows.values.dtype, np.integer)
        if self.source is not None and not (sequences and rows.labels is not None):
            strata: list[Array] = [self.source.groups(each) for each in (rows, anchor)]
        elif rows.labels is not None:
            strata = [rows.labels, anchor.filled_labels()]
        elif sequences:
            strata = self._rarity(rows, anchor)
        else:
            strata = [each.values if each.values.ndim == 2 else each.values[..., -1] for each in (rows, anchor)]
        return [np.where(e.filled_weights() > 0, own, 0) for e, own in zip((rows, anchor), strata, strict=True)]

    def _rarity(self, rows: Rows, anchor: Rows) -> list[Array]:
        """Return the band of each row and of each anchor row, (c, n) each, 0 for the least surprising one."""
        both = surprisals([rows, anchor], anchor)
        edges = np.stack([quantiles(both[1], anchor, k / self.bands) for k in range(1, self.bands)])
        return [(found > edges[..., None]).sum(axis=0) for found in both]


def _cells(rows: Array, anchor: Array) -> tuple[int, IntArray]:
    """Return how many cells, pairs of chain and stratum, there are, and the cell of each row, then of each anchor row.

    The cells of places without a row mean nothing.
    """
    strata = np.concatenate([rows, anchor], axis=1)
    values, codes = np.unique(strata, return_inverse=True)
    chains = np.arange(len(strata), dtype=np.int64)[:, None]
    cells, places = np.unique(codes.reshape(strata.shape) + chains * len(values), return_inverse=True)
    return len(cells), np.asarray(places.reshape(strata.shape), dtype=np.int64)


def _shares(places: IntArray, rows: Rows, cells: int) -> FloatArray:
    """Return the share of each cell in the weight of its chain, (cells,)."""
    weights = rows.filled_weights()
    totals = np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(np.bincount(places.ravel(), (weights / totals).ravel(), minlength=cells), dtype=np.float64)
