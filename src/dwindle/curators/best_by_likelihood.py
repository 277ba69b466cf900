"""The curator that keeps the likeliest of every k new rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from dwindle.contracts import Curated, Kind, KnownLaw, Need, Rows, Seed, Within, knowing
from dwindle.rewards import best_of, likelihood, unscorable

__all__ = ["BestByLikelihood"]

_JUDGES = {"maker": "the model that made the rows", "first": "the model of generation 0", "source": "the source"}


@dataclass(frozen=True)
class BestByLikelihood:
    """Keeps the likeliest row, in the eyes of a judge, of every k consecutive new rows of a chain.

    A maker that picks its own favourites sharpens what it knows already, right or wrong; the source is the oracle that
    it is compared with. Rows that are left over because they make no full group go. To leave a budget, set the
    sampler's `oversample` to k.

    Args:
        k: rows of a group.
        judge: who says what is likely: the `maker` itself, its own perplexity; the `first` model, that of generation
            0; or the `source`, where it knows its law.
        model: who was shown to judge; no setting, see `shown` and `given`.

    Source: Feng et al. 2025, section 3: the best of 50 by the generator's own perplexity, against an oracle.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    k: Annotated[int, Within(low=1, high=1_000_000, unit="rows")] = 2
    judge: Literal["maker", "first", "source"] = "maker"
    model: Any = field(default=None, init=False, repr=False, compare=False)

    @property
    def needs(self) -> frozenset[Need]:
        """The model that judges; nothing where the source does."""
        return frozenset() if self.judge == "source" else frozenset({self.judge})

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe's models cannot judge; empty where they can."""
        asked = {"maker": [recipe.family_of(0), recipe.family], "first": [recipe.family_of(0)], "source": []}
        if any(map(unscorable, asked[self.judge])):
            return f"asks {_JUDGES[self.judge]} for likelihoods, which the family does not know"
        return ""

    def given(self, source: Any) -> Self:
        """Return the curator that asks this source, if the source is to judge.

        Raises:
            ValueError: if it is, and does not know its law.
        """
        if self.judge != "source":
            return self
        if not isinstance(source, KnownLaw):
            name = type(source).__name__
            raise ValueError(f"judge source needs a source that knows its law; {name} does not, so set first or maker")
        return knowing(self, model=source)

    def shown(self, *, first: Any = None, maker: Any = None, earlier: Rows | None = None) -> Self:
        """Return the curator that asks the model that is to judge."""
        if self.judge == "source":
            return self
        return knowing(self, model=first if self.judge == "first" else maker)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the likeliest of each group; of equal ones the first.

        Raises:
            ValueError: if the judge was not shown, or does not know its density.
        """
        scores = likelihood(self.model, rows, whose=_JUDGES[self.judge])
        kept, why = best_of(scores, rows.filled_weights() > 0, self.k)
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
