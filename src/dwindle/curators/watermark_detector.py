"""The curator that takes marked text for synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, Kind, Measurement, Provenance, Rows, Seed, Within
from dwindle.nets.language.watermarks import FEWEST, Scheme, scores

__all__ = ["WatermarkDetector"]

_UNSCORED = "no row long enough to be scored"


@dataclass(frozen=True)
class WatermarkDetector:
    """Drops the new rows that carry a watermark, or gives them less weight, real ones by mistake among them.

    It reads the tokens and nothing else. Where the rows came from only serves to tell how well it did, as facts of the
    generation: `<scheme>.tpr`, the share of the synthetic rows that it takes, and `<scheme>.fpr`, that of the real
    rows, the anchor's and the new ones. Where a share p of several producers marks its text (`watermark_share`), tpr
    comes near p times what it is where all do. A row too short to be scored stays.

    Args:
        symbols: size K of the alphabet, as the family that marks the text has it.
        scheme: the mark that is looked for; the sampler's.
        threshold: score above which a row is taken, standard deviations of unmarked text. Source: Kirchenbauer et al.
            2023, section 4: z > 4, of unmarked texts about 3 in 100,000.
        action: what becomes of a row that is taken: `drop`, or a smaller `weight`.
        weight: what the weight of a row that is taken is multiplied by.

    Raises:
        ValueError: if a weight is given and rows are dropped.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "new"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})

    symbols: Annotated[int, Within(low=FEWEST, high=100_000_000, unit="symbols")]
    scheme: Scheme = "kgw"
    threshold: Annotated[float, Within(low=-1e3, high=1e3, unit="standard deviations")] = 4.0
    action: Literal["drop", "weight"] = "drop"
    weight: Annotated[float, Within(low=1e-6, high=1.0, unit="fraction")] = 0.1

    def __post_init__(self) -> None:
        """Refuse a weight that would change nothing."""
        if self.action == "drop" and self.weight != type(self).weight:
            raise ValueError(f"rows that are taken are dropped, so weight {self.weight:g} would change nothing")

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe has no mark that this detector could find; empty where it has."""
        if recipe.sampler.watermark != self.scheme:
            told = f"the sampler's watermark is {recipe.sampler.watermark}"
            return f"looks for {self.scheme} marks, but {told}; set sampler.watermark to {self.scheme}"
        known = getattr(recipe.family, "symbols", None)
        if isinstance(known, int) and known != self.symbols:
            return f"looks for marks in an alphabet of {self.symbols} symbols, but the family's has {known}"
        return ""

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Score every row; nothing is drawn.

        Raises:
            ValueError: if the rows came without provenance, or hold a token outside the alphabet.
        """
        if rows.provenance is None:
            raise ValueError("what a detector finds is told by where a row came from; these rows do not say")
        present = rows.filled_weights() > 0
        scored, taken = self._judged(rows, present)
        facts = self._facts(scored, taken, rows.provenance, *self._judged(anchor, anchor.filled_weights() > 0))
        if self.action == "weight":
            weights = np.where(taken, self.weight, 1.0) * rows.filled_weights()
            return Curated(present, weights, facts=facts)
        synthetic = rows.provenance.origin > 0
        why = {"synthetic, marked": taken & synthetic, "real, taken for marked": taken & ~synthetic}
        return Curated(present & ~taken, rows.weights, why, facts)

    def _judged(self, rows: Rows, present: Array) -> tuple[Array, Array]:
        """Say which rows could be scored and which are taken, (c, n) each."""
        found = np.full(present.shape, np.nan)
        found[present] = scores(rows.values[present], self.scheme, self.symbols)
        return np.isfinite(found), found > self.threshold

    def _facts(
        self, scored: Array, taken: Array, provenance: Provenance, anchor_scored: Array, anchor_taken: Array
    ) -> dict[str, Measurement]:
        """Return the share of synthetic and of real rows that are taken, of those that could be scored."""
        synthetic = scored & (provenance.origin > 0)
        real = np.hstack([scored & ~synthetic, np.broadcast_to(anchor_scored, (len(scored), anchor_scored.shape[1]))])
        both = np.hstack([taken, np.broadcast_to(anchor_taken, (len(taken), anchor_taken.shape[1]))])
        return {f"{self.scheme}.tpr": _share(taken, synthetic), f"{self.scheme}.fpr": _share(both, real)}

    @classmethod
    def smallest(cls) -> Self:
        """Return a detector for the eight symbols of the contract tests."""
        return cls(symbols=8)


def _share(taken: Array, among: Array) -> Measurement:
    """Return the share of some rows of each chain that are taken."""
    count = among.sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = (taken & among).sum(axis=1) / count
    return Measurement(shares, "" if count.all() else _UNSCORED)
