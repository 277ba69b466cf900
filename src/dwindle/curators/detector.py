"""The curator that drops what it takes for synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, IntArray, Kind, Rows, Seed, Within

__all__ = ["Detector"]

Rate = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]

_ROUNDING = 1e-6  # a product that should be whole may fall short of it


@dataclass(frozen=True)
class Detector:
    """Drops the new rows that a detector of synthetic data takes for synthetic, real ones by mistake among them.

    It reads where a row came from and errs at the given rates. Equal rates are a detector that guesses: it drops rows
    at random. To leave a budget, set the sampler's `oversample`.

    Args:
        true_positive_rate: probability that a synthetic row goes.
        false_positive_rate: probability that a real row goes.
        marked: share of the synthetic rows that carry what it detects, as if so many of several producers marked
            theirs; a row without goes as a real one does. Rows are marked in turn by their numbers: of the family
            `producers`, .5 are two producers of four.

    Source: the machine-generated text detection of Drayson et al. 2025, reduced to one threshold; the detector of
    Kanabar and Gastpar 2026.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "new"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    true_positive_rate: Rate = 0.9
    false_positive_rate: Rate = 0.1
    marked: Rate = 1.0

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Draw for each row whether it is taken for synthetic.

        Raises:
            ValueError: if the rows came without provenance.
        """
        if rows.provenance is None:
            raise ValueError("a detector's errors depend on where a row came from; these rows do not say")
        synthetic = rows.provenance.origin > 0
        marked = synthetic & self.marks(rows.provenance.row)
        rates = np.where(marked, self.true_positive_rate, self.false_positive_rate)
        present = rows.filled_weights() > 0
        taken = present & (seed.at("verdict").numpy().random(rates.shape) < rates)
        why = {"synthetic, detected": taken & marked, "real, taken for synthetic": taken & ~synthetic}
        if self.marked < 1.0:
            why["synthetic, unmarked"] = taken & synthetic & ~marked
        return Curated(present & ~taken, rows.weights, why)

    def marks(self, numbers: IntArray) -> Array:
        """Say which synthetic rows carry the mark, by their numbers: a of every b in a row for a share a/b."""
        before, after = (np.floor(self.marked * (numbers + step) + _ROUNDING) for step in (0, 1))
        return np.asarray(after > before)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
