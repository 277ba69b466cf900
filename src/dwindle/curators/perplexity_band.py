"""The curator that keeps rows which are as likely as real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Column,
    Curated,
    Kind,
    Measurement,
    Model,
    Need,
    Rows,
    Seed,
    Tabular,
    Within,
    knowing,
)
from dwindle.data.densities import Standing, compared, standing
from dwindle.data.lenses import are_tokens
from dwindle.rewards import likelihood, unscorable

__all__ = ["PerplexityBand"]

_FEWEST = 10  # real rows, below which their quantiles are their extremes
_TOO_FEW = f"fewer than {_FEWEST} anchor rows give no band, so that all rows are kept"
_IMPOSSIBLE = "an anchor row is impossible under the model"
_ADVICE = "set reference to anchor to judge by a density of the anchor's own"


@dataclass(frozen=True)
class PerplexityBand:
    """Keeps the rows whose log-likelihood lies between two quantiles of that of the anchor's own rows.

    What is unlikelier is taken for noise, what is likelier for the commonplace. The band is told as `band.low` and
    `band.high`, nats, of blocks of tokens nats a token: perplexity is e to the power of minus that. The model of
    generation 0 has learnt from the very rows that give the band: one that remembers them finds them likelier than any
    others, and its band lies too high.

    Args:
        low: quantile of the anchor's log-likelihoods below which a row goes.
        high: quantile above which it goes.
        reference: who judges: `first`, the model of generation 0, or `anchor`, a small density that is fitted to the
            anchor itself: a shrunk Gaussian along principal components, bigrams, or frequencies. It judges the anchor
            in parts that it did not see, and takes the rows of any family; where these are few and wide, more of them
            stay than the quantiles say.
        columns: what the rows of a table hold; no setting, see `given`.
        model: the model of generation 0; no setting, see `shown`.

    Raises:
        ValueError: if the quantiles leave nothing between them.

    Source: Wenzek et al. 2020 (CCNet), section 3.3, for buckets of perplexity under a language model of clean text.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    low: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.05
    high: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.95
    reference: Literal["first", "anchor"] = "first"
    columns: tuple[Column, ...] = field(default=(), init=False, repr=False, compare=False)
    model: Model | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse an empty band."""
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}: no row lies between them")

    @property
    def needs(self) -> frozenset[Need]:
        """The model of generation 0, if that is who judges."""
        return frozenset({"first"}) if self.reference == "first" else frozenset()

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe's model of generation 0 cannot judge; empty where it can."""
        if self.reference == "first" and unscorable(recipe.family_of(0)):
            return f"asks the model of generation 0 for likelihoods, which the family does not know; {_ADVICE}"
        return ""

    def given(self, source: Any) -> Self:
        """Return the curator that knows what the rows of a table hold."""
        return knowing(self, columns=source.columns() if isinstance(source, Tabular) else ())

    def shown(self, *, first: Any = None, maker: Any = None, earlier: Rows | None = None) -> Self:
        """Return the curator that asks this model of generation 0."""
        return knowing(self, model=first)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Hold each row to the band; nothing is drawn.

        Raises:
            ValueError: if the model of generation 0 is to judge, and was not shown or does not know its density.
        """
        present = rows.filled_weights() > 0
        stands = self._standing(rows, anchor)
        enough = stands.counts >= _FEWEST
        judged, others = present & enough[:, None], (stands.counts - 1)[:, None]
        below = judged & (stands.upto <= self.low * others)
        above = judged & ~below & (stands.onwards <= others - self.high * others)
        why = {"less likely than the anchor's band": below, "likelier than the anchor's band": above}
        return Curated(present & ~(below | above), rows.weights, why, self._facts(stands, anchor, enough))

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _standing(self, rows: Rows, anchor: Rows) -> Standing:
        if self.reference == "anchor":
            return compared(rows, anchor, self.columns)
        try:
            found, real = (likelihood(self.model, part, whose="the model of generation 0") for part in (rows, anchor))
        except ValueError as error:
            raise ValueError(f"{error}; {_ADVICE}") from error
        tokens = rows.values.shape[2] if are_tokens(rows.values) else 1
        return standing(found / tokens, real / tokens, anchor.filled_weights() > 0)

    def _facts(self, stands: Standing, anchor: Rows, enough: Array) -> dict[str, Measurement]:
        """Return the ends of each chain's band, nan where there are too few real rows for one."""
        ends = np.full((2, len(enough)), np.nan)
        for chain in np.flatnonzero(enough):
            known = stands.real[chain, anchor.filled_weights()[chain] > 0]
            ends[0, chain] = np.quantile(known, self.low, method="lower")
            ends[1, chain] = np.quantile(known, self.high, method="higher")
        finite = np.isfinite(ends)
        reasons = ["" if own.all() else _IMPOSSIBLE if enough.all() else _TOO_FEW for own in finite]
        told = zip(("band.low", "band.high"), np.where(finite, ends, np.nan), reasons, strict=True)
        return {name: Measurement(values, reason) for name, values, reason in told}
