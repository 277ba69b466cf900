"""The curator that keeps what surprises the first model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from dwindle.contracts import Curated, Kind, Model, Need, Rows, Seed, Within, knowing
from dwindle.rewards import leading, likelihood, unscorable

__all__ = ["HighPerplexity"]


@dataclass(frozen=True)
class HighPerplexity:
    """Keeps the fraction of the new rows that the model of generation 0 finds least likely.

    Models collapse onto what they find likely, so that keeping what surprises works against it; no row needs to say
    where it came from. What is impossible surprises most, noise too. To leave a budget, set the sampler's
    `oversample` to 1 / fraction.

    Args:
        fraction: share of a chain's rows that stays, rounded to whole rows.
        model: the model of generation 0; no setting, see `shown`.

    Source: Gambetta et al. 2024 (arXiv 2410.12341): training on the documents of high perplexity.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "new"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})

    fraction: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.5
    model: Model | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def needs(self) -> frozenset[Need]:
        """The model of generation 0."""
        return frozenset({"first"})

    def refuses(self, recipe: Any) -> str:
        """Say why a recipe's model of generation 0 cannot judge; empty where it can."""
        if unscorable(recipe.family_of(0)):
            return "asks the model of generation 0 for likelihoods, which the family does not know"
        return ""

    def shown(self, *, first: Any = None, maker: Any = None, earlier: Rows | None = None) -> Self:
        """Return the curator that asks this model of generation 0."""
        return knowing(self, model=first)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Keep the least likely rows; of equal ones the earlier. A row whose likelihood is nan leads nothing.

        Raises:
            ValueError: if the model of generation 0 was not shown, or does not know its density.
        """
        present = rows.filled_weights() > 0
        kept = leading(-likelihood(self.model, rows, whose="the model of generation 0"), present, self.fraction)
        reason = f"not among the {self.fraction:g} of highest perplexity"
        return Curated(kept, rows.weights, {reason: present & ~kept})

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()
