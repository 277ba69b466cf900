"""The curator that trims the tails of the new rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Curated, FloatArray, Kind, Rows, Seed, Within
from dwindle.rewards import leading

__all__ = ["CentralMass"]


@dataclass(frozen=True)
class CentralMass:
    """Keeps the central mass of each chain: the new rows that lie least far from their own mean.

    Far is meant in the rows' own covariance (Mahalanobis distance), so the shape and scale of the cloud do not matter;
    in one dimension it is |x - mean|. A filter for quality that takes the unusual for the bad works like this.

    Args:
        mass: share of a chain's rows that stays, rounded to whole rows.

    Source: the variance left of N(m, s^2) is the share 1 - 2 c phi(c) / mass, c = z_((1 + mass) / 2): the truncated
    normal law, Johnson, Kotz and Balakrishnan 1994, section 13.10.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})

    mass: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.95

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the rows nearest to the mean of the chain's new rows; of equal ones the earlier."""
        present = rows.filled_weights() > 0
        kept = leading(-_distances(rows), present, self.mass)
        reason = f"outside the central {self.mass:g} of the mass"
        return Curated(kept, rows.weights, {reason: present & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()


def _distances(rows: Rows) -> FloatArray:
    """Return the squared Mahalanobis distance of each row to the mean of its chain, (c, n).

    Directions in which a chain has collapsed do not count.
    """
    weights = rows.filled_weights()
    present = (weights > 0)[..., None]
    shares = (weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny))[..., None]
    values = np.where(present, rows.values, 0.0)
    centred = np.where(present, values - (shares * values).sum(axis=1, keepdims=True), 0.0)
    # In units of the widest row, so that no square of a collapsed chain underflows.
    widest = np.abs(centred).max(axis=(1, 2), keepdims=True, initial=0.0)
    centred = centred / np.where(widest > 0, widest, 1.0)
    covariances = np.matmul((shares * centred).swapaxes(1, 2), centred)
    rounding = covariances.shape[-1] * np.finfo(np.float64).eps
    precisions = np.linalg.pinv(covariances, rcond=rounding, hermitian=True)
    return np.asarray((centred @ precisions * centred).sum(axis=2), dtype=np.float64)
