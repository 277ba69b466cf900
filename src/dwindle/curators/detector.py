"""The curator that drops what it takes for synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Curated, Kind, Rows, Seed, Within

__all__ = ["Detector"]

Rate = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]


@dataclass(frozen=True)
class Detector:
    """Drops the new rows that a detector of synthetic data takes for synthetic, real ones by mistake among them.

    It reads where a row came from and errs at the given rates. Equal rates are a detector that guesses: it drops rows
    at random. To leave a budget, set the sampler's `oversample`.

    Args:
        true_positive_rate: probability that a synthetic row goes.
        false_positive_rate: probability that a real row goes.

    Source: the machine-generated text detection of Drayson et al. 2025, reduced to one threshold; the detector of
    Kanabar and Gastpar 2026.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "new"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    true_positive_rate: Rate = 0.9
    false_positive_rate: Rate = 0.1

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Draw for each row whether it is taken for synthetic.

        Raises:
            ValueError: if the rows came without provenance.
        """
        if rows.provenance is None:
            raise ValueError("a detector's errors depend on where a row came from; these rows do not say")
        synthetic = rows.provenance.origin > 0
        rates = np.where(synthetic, self.true_positive_rate, self.false_positive_rate)
        present = rows.filled_weights() > 0
        taken = present & (seed.at("verdict").numpy().random(rates.shape) < rates)
        why = {"synthetic, detected": taken & synthetic, "real, taken for synthetic": taken & ~synthetic}
        return Curated(present & ~taken, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
