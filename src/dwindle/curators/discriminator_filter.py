"""The curator that keeps what a discriminator does not tell from real rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Column,
    Curated,
    FloatArray,
    Kind,
    Measurement,
    Rows,
    Seed,
    Tabular,
    Within,
    knowing,
)
from dwindle.data.discriminators import TOO_FEW, Discerned, discerned
from dwindle.rewards import idle, leading

__all__ = ["DiscriminatorFilter"]


@dataclass(frozen=True)
class DiscriminatorFilter:
    """Keeps the synthetic rows that a discriminator, which learns them against the anchor, takes for real ones.

    It is a logistic regression on numbers and their squares, or on counts of tokens and of pairs of neighbouring
    tokens, fitted anew in every generation; each row is judged by one that did not see it. The fact `discriminator.auc`
    is the chance that it finds a synthetic row more synthetic than a real one: at .5 it guesses, and so does the
    filter. A chain with fewer than ten synthetic or real rows keeps all.

    Args:
        action: `drop` rows that are surely synthetic, keep the `top` fraction, or `reject` rows by chance, so that
            those which stay follow the real law as far as the discriminator knows it.
        threshold: for `drop`: probability of being synthetic above which a row goes, were half of all rows synthetic.
        fraction: for `top`: share of a chain's rows that stays, rounded to whole rows.
        parts: of the rows; each is judged by what was learnt from the others.
        columns: what the rows of a table hold; no setting, see `given`.

    Raises:
        ValueError: if a setting is given that belongs to another action.

    Source: Azadi et al. 2019, discriminator rejection sampling: a row stays with probability r / max r, where r =
    d / (1 - d) and d is the probability of being real; here max is over the chain's rows, and gamma is 0.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs", "sequences", "tables"})

    action: Literal["drop", "top", "reject"] = "drop"
    threshold: Annotated[float, Within(low=0.0, high=1.0, unit="probability")] = 0.8
    fraction: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.5
    parts: Annotated[int, Within(low=2, high=10, unit="parts")] = 5
    columns: tuple[Column, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that would change nothing."""
        idle(self, self.action, {"threshold": "drop", "fraction": "top"})

    def given(self, source: Any) -> Self:
        """Return the curator that knows what the rows of a table hold."""
        return knowing(self, columns=source.columns() if isinstance(source, Tabular) else ())

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Learn, judge, and act on it."""
        present = rows.filled_weights() > 0
        found = discerned(rows, anchor, present, self.columns, parts=self.parts)
        kept, reason = self._kept(found, present, seed)
        kept = present & (kept | ~found.learnt[:, None])
        facts = {"discriminator.auc": Measurement(found.auc, "" if found.learnt.all() else TOO_FEW)}
        return Curated(kept, rows.weights, {reason: present & ~kept}, facts)

    @classmethod
    def smallest(cls) -> Self:
        """Return two parts."""
        return cls(parts=2)

    def _kept(self, found: Discerned, present: Array, seed: Seed) -> tuple[Array, str]:
        """Say which rows stay by what was found, (c, n), and why the others go."""
        if self.action == "drop":
            kept: Array = found.confidence <= self.threshold
            return kept, f"synthetic with probability above {self.threshold:g}"
        if self.action == "top":
            return leading(-found.odds, present, self.fraction), f"not among the {self.fraction:g} most like real rows"
        draws = seed.at("acceptance").numpy().random(present.shape)
        return draws < _acceptance(found.odds, present), "rejected by the discriminator"


def _acceptance(odds: FloatArray, present: Array) -> FloatArray:
    """Return the ratio of real to synthetic density of each row over the chain's largest, (c, n)."""
    least = np.where(present, odds, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    return np.asarray(np.exp(np.minimum(np.where(np.isfinite(least), least, 0.0) - odds, 0.0)))
