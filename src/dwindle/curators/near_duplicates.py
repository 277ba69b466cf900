"""The curator that drops near copies of text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, Kind, Need, Rows, Seed, Within, knowing
from dwindle.data.resemblance import near_copies

__all__ = ["NearDuplicates"]

_NEW = "near copy of a new row"


@dataclass(frozen=True)
class NearDuplicates:
    """Drops new rows of text that share most of their runs of tokens with an anchor row, an earlier or another new row.

    Two rows are near copies if the Jaccard similarity of their sets of shingles, runs of consecutive tokens, reaches
    the threshold. MinHash finds who may be one and the shingles themselves decide, so no row goes by an accident of
    hashing; a pair as alike as the threshold is overlooked once in a hundred times, a more alike one less often. Of
    near-equal new rows the first stays. A row is counted once: as a near copy of an anchor row, else of a row of an
    earlier generation, else of a new row. A row shorter than a shingle is a near copy only of its equals.

    Args:
        shingle: tokens of a shingle.
        threshold: Jaccard similarity from which on two rows are near copies.
        permutations: numbers of a MinHash signature.
        against_anchor: whether the new rows are compared with the chain's anchor rows.
        against_earlier: whether they are compared with the synthetic rows that earlier generations kept.
        within: whether they are compared with each other.
        earlier: the rows that earlier generations kept; no setting, see `shown`.

    Raises:
        ValueError: if they are compared with nothing.

    Source: Broder 1997, On the resemblance and containment of documents (shingles, MinHash); Lee et al. 2022,
    Deduplicating training data makes language models better, section 4.2 (shingles of 5 tokens); Rae et al. 2021,
    Scaling language models, appendix A.1 (near copies from a similarity of 0.8 on).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})

    shingle: Annotated[int, Within(low=1, high=1000, unit="tokens")] = 5
    threshold: Annotated[float, Within(low=0.1, high=1.0, unit="fraction")] = 0.8
    permutations: Annotated[int, Within(low=16, high=4096, unit="numbers")] = 128
    against_anchor: bool = True
    against_earlier: bool = False
    within: bool = True
    earlier: Rows | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a curator that would drop nothing."""
        if not (self.against_anchor or self.against_earlier or self.within):
            raise ValueError("rows are compared with nothing; set against_anchor, against_earlier or within")

    @property
    def needs(self) -> frozenset[Need]:
        """Return what it must see: the earlier rows, if it compares with them."""
        return frozenset({"earlier"}) if self.against_earlier else frozenset()

    def shown(self, *, first: Any = None, maker: Any = None, earlier: Rows | None = None) -> Self:
        """Return a copy that knows the rows of earlier generations; None where there are none yet."""
        return knowing(self, earlier=earlier)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the rows that are near copies of nothing; the seed chooses the hash functions."""
        kept = rows.filled_weights() > 0
        known = self._known(anchor)
        why = {reason: np.zeros_like(kept) for reason in known}
        if self.within:
            why[_NEW] = np.zeros_like(kept)
        for chain in range(rows.chains):
            places = np.flatnonzero(kept[chain])
            if not len(places):
                continue
            found = self._found(known, rows.values[chain, places], chain, seed)
            for layer, masked in enumerate(why.values()):
                masked[chain, places[found == layer]] = True
            kept[chain, places[found >= 0]] = False
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return short shingles for the short rows of the contract tests."""
        return cls(shingle=2, threshold=0.6, permutations=32, against_earlier=True)

    def _known(self, anchor: Rows) -> dict[str, Rows | None]:
        """Return the rows that new ones are held against, by the reason for which a near copy of them goes."""
        known: dict[str, Rows | None] = {}
        if self.against_anchor:
            known["near copy of an anchor row"] = anchor
        if self.against_earlier:
            known["near copy of a row of an earlier generation"] = self.earlier
        return known

    def _found(self, known: dict[str, Rows | None], new: Array, chain: int, seed: Seed) -> Array:
        """Return for each new row of a chain the place of the reason for which it goes, -1 for none, (n,)."""
        return near_copies(
            [new[:0] if part is None else part.chain(chain).values[0] for part in known.values()],
            new,
            length=self.shingle,
            threshold=self.threshold,
            permutations=self.permutations,
            within=self.within,
            seed=seed.at("near duplicates"),
        )
