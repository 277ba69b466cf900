"""Recipes: everything that determines a lineage, frozen, with a digest."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from dwindle.components import Room, name_of
from dwindle.config.agreement import is_pretrained
from dwindle.config.schema import settings_of
from dwindle.contracts import FRESH, REAL, Curator, Family, Metric, Need, Needing, Regime, Source, Within, content_of
from dwindle.data.manifest import digest_of
from dwindle.phases import Phase
from dwindle.policies import Curation, Gate, Policy, TrainingStage
from dwindle.purposes import PurposeName
from dwindle.regimes import Switched
from dwindle.review_terms import Review
from dwindle.samplers import Sampler

__all__ = ["GROUPS", "HOLDING", "OPTIONAL", "PARTS", "SEVERAL", "SINGLE", "Branch", "Recipe", "described", "fresh_rows"]

Restart = Literal["cold", "warm", "base"]

PARTS: dict[str, Any] = {
    "seed": Annotated[int, Within(low=0, high=2**63 - 1)],
    "chains": Annotated[int, Within(low=1, high=1_000_000, unit="chains")],
    "budget": Annotated[int, Within(low=2, high=1_000_000_000, unit="rows")],
    "threads": Annotated[int, Within(low=1, high=256, unit="threads")],
    "restart": Restart,
}
"""The settings of a recipe that are not components."""

SINGLE: dict[str, Room] = {"source": "sources", "family": "families", "regime": "regimes"}
SEVERAL: dict[str, Room] = {"curators": "curators", "metrics": "metrics"}
GROUPS: dict[str, type[Any]] = {"sampler": Sampler, "curation": Curation, "policy": Policy}
OPTIONAL = ("purpose", "curation", "policy", "gates", "review", "teacher", "phases", "branch")
"""Parts that most recipes leave as they are; the plan names those that a recipe does not."""

HOLDING = ("purpose", "curation", "policy", "gates", "review")
"""Parts that say how far a lineage goes; of the curation, regenerating alone makes rows."""


@dataclass(frozen=True)
class Branch:
    """From which lineage a recipe branches off; up to there the two are the same.

    Args:
        of: the lineage.
        at: the last generation that they share.
    """

    of: str
    at: Annotated[int, Within(low=0, high=1_000_000, unit="generations")]


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a lineage but its name and how far it has grown.

    Args:
        seed: root seed.
        chains: independent replicates, the unit of statistics.
        budget: real rows of the anchor, and rows that a generation may train on.
        threads: threads of the numerical libraries; other threads give other bits.
        restart: where training starts: `cold` (anew), `warm` (from the parent) or `base`: from the weights that a
            pretrained family is given, and from generation 0's where a family is given none.
        source: where real rows come from.
        family: which kind of model.
        regime: what trains generation t >= 1.
        sampler: how models are sampled.
        curators: judges of the new rows, in order.
        metrics: what is measured.
        purpose: what the synthetic rows are for: which policy they have if none is given, and which measures count.
        curation: how curators are watched.
        policy: what synthetic rows may be used for.
        gates: bounds on measures.
        review: when people look at what is to train; None: never.
        teacher: the family of generation 0, where it is another one: its model makes the rows of generation 1.
        phases: the classes of rows that are trained on one after another; empty: all rows at once.
        branch: the lineage that this one branches off from.
    """

    seed: int
    chains: int
    budget: int
    threads: int
    restart: Restart
    source: Source
    family: Family
    regime: Regime
    sampler: Sampler
    curators: tuple[Curator, ...]
    metrics: tuple[Metric, ...]
    purpose: PurposeName = ""
    curation: Curation = field(default_factory=Curation)
    policy: Policy = field(default_factory=Policy)
    gates: tuple[Gate, ...] = ()
    review: Review | None = None
    teacher: Family | None = None
    phases: tuple[Phase, ...] = ()
    branch: Branch | None = None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The recipe as plain data, defaults included: what plan.json stores."""
        plain: dict[str, Any] = {key: getattr(self, key) for key in PARTS}
        plain |= {key: described(getattr(self, key)) for key in SINGLE}
        plain |= {key: [described(item) for item in getattr(self, key)] for key in SEVERAL}
        unset: dict[str, Any] = {part.name: part.default for part in fields(self) if part.default is not MISSING}
        unset |= {part.name: part.default_factory() for part in fields(self) if part.default_factory is not MISSING}
        own = {key: getattr(self, key) for key in OPTIONAL if getattr(self, key) != unset[key]}
        if self.purpose:  # a purpose brings a policy, and this recipe has the one that it has
            own["policy"] = self.policy
        return plain | {"sampler": settings_of(self.sampler)} | {key: _plain(part) for key, part in own.items()}

    @cached_property
    def digest(self) -> str:
        """The recipe digest. What only says how far a lineage goes, and not what it is, is no part of it.

        That is the purpose, the policy, the gates and the review, and all of the curation but what makes rows.
        """
        told = {key: part for key, part in self.settings.items() if key not in HOLDING}
        made = {"curation": {"regenerate": self.curation.regenerate}} if self.curation.regenerate else {}
        return digest_of(told | made | {"sampler": self.honoured})

    def family_of(self, generation: int) -> Family:
        """Return the family of generation t: the teacher's before there is a student."""
        return self.teacher if self.teacher is not None and generation == 0 else self.family

    def regime_of(self, generation: int) -> Regime:
        """Return the regime that says what trains generation t."""
        regime = self.regime
        while isinstance(regime, Switched):  # one within another, where what was switched already is rolled back
            regime = regime.at(generation)
        return regime

    def pools(self, generation: int) -> bool:
        """Say whether the regime reaches back to what the generation before has kept."""
        if generation == 0:
            return False
        available = {REAL: self.budget, generation: self.budget}
        return bool(self.regime_of(generation).plan(generation, available, budget=self.budget).keep)

    def needs(self, need: Need) -> bool:
        """Say whether a curator must see something beside the rows."""
        return any(isinstance(curator, Needing) and need in curator.needs for curator in self.curators)

    @property
    def remembers(self) -> bool:
        """Whether datasets hold on to what earlier generations kept, because a curator compares with it."""
        return self.needs("earlier")

    def keeps_rejected(self, generation: int) -> bool:
        """Say whether the rows that curators drop are kept beside a dataset: if asked to, and if people review it."""
        return self.curation.keep_rejected or (self.review is not None and self.review.is_due(generation))

    def training_stage(self, generation: int) -> TrainingStage:
        """Say whether generation t is trained from nothing or from weights that were trained before."""
        begun = generation > 0 and self.restart != "cold"
        return "fine_tuning" if begun or is_pretrained(self.family_of(generation)) else "pre_training"

    @cached_property
    def content(self) -> dict[str, Any]:
        """What a row is, as the manifests of all its datasets tell it."""
        return content_of(self.source)

    @cached_property
    def honoured(self) -> dict[str, Any]:
        """The settings of the sampler that the family honours: a setting for other families changes no digest."""
        known = self.family.knobs | {"oversample"}
        return {key: value for key, value in settings_of(self.sampler).items() if key in known}


def described(instance: object) -> dict[str, Any]:
    """Return a component as params.yaml would write it, every setting spelled out."""
    return {"name": name_of(instance), **{key: _plain(value) for key, value in settings_of(instance).items()}}


def _plain(part: Any) -> Any:
    """Return a part of a recipe as plain data."""
    if isinstance(part, tuple | list):
        return [_plain(item) for item in part]
    if isinstance(part, Family | Regime):
        return described(part)
    return {k: _plain(v) for k, v in settings_of(part).items()} if is_dataclass(part) else part


def fresh_rows(regime: Regime, generation: int, budget: int) -> int:
    """Return how many new real rows a chain needs at generation t."""
    return 0 if generation == 0 else regime.asks(generation, budget=budget).get(FRESH, 0)
