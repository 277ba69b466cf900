"""A curator outside dwindle that drops every row from a generation on, and a family that cannot fit one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Curated, Kind, Model, Rows, Seed, Within
from dwindle.families.gaussian import Gaussian, GaussianModel


@dataclass(frozen=True)
class DropAll:
    """Drops every row from a generation on.

    Args:
        generation: the first generation without rows.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences"})

    generation: Annotated[int, Within(low=1)] = 2

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        assert rows.provenance is not None
        kept = rows.provenance.origin < self.generation
        return Curated(kept, rows.weights, {"too late": ~kept})

    @classmethod
    def smallest(cls) -> Self:
        return cls()


@dataclass(frozen=True)
class Unfit(Gaussian):
    """A Gaussian that refuses to be fitted."""

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> GaussianModel:
        raise ValueError(f"{np.size(rows.values)} numbers are not to its taste")
