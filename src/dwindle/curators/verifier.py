"""The curator that tells right rows from wrong ones, with errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Curated, Kind, Rows, Seed, Verifiable, Within, knowing

__all__ = ["Verifier"]

Rate = Annotated[float, Within(low=0.0, high=1.0, unit="fraction")]


@dataclass(frozen=True)
class Verifier:
    """Keeps a right synthetic row with one probability and a wrong one with another; the source knows which is which.

    Right is a pair whose label is the likelier one, or text that the source could have written.

    Equal rates are no verifier at all, only a smaller sample; 1 and 0 are the oracle. As long as the share of wrong
    rows among all is below 1 / (1 + keep_wrong / keep_right), most of what stays is right.

    Args:
        keep_right: phi, the probability that a right row stays.
        keep_wrong: psi, the probability that a wrong row stays.
        source: who knows the truth; no setting, see `given`.

    Source: Feng et al. 2025, the imperfect verifier of section 4.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"pairs", "sequences"})

    keep_right: Rate = 0.9
    keep_wrong: Rate = 0.3
    source: Verifiable | None = field(default=None, init=False, repr=False, compare=False)

    def given(self, source: Any) -> Self:
        """Return the verifier that asks this source.

        Raises:
            ValueError: if the source cannot tell a right row from a wrong one.
        """
        if not isinstance(source, Verifiable):
            name = type(source).__name__
            raise ValueError(f"a verifier needs a source that can tell right rows from wrong ones; {name} cannot")
        return knowing(self, source=source)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Draw for each row whether it stays.

        Raises:
            ValueError: if no source was given.
        """
        if self.source is None:
            raise ValueError("this verifier was given no source to ask")
        draws = seed.at("verdict").numpy().random((rows.chains, rows.count))
        present, right = rows.filled_weights() > 0, np.asarray(self.source.is_right(rows), dtype=np.bool_)
        kept = present & (((draws < self.keep_right) & right) | ((draws < self.keep_wrong) & ~right))
        gone = present & ~kept
        return Curated(kept, rows.weights, {"right, rejected": gone & right, "wrong, rejected": gone & ~right})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
