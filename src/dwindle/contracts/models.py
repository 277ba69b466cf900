"""What a family and its fitted models must be able to do, and what they may know beside."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeVar, runtime_checkable

from dwindle.data.rows import Array, FloatArray, IntArray, Rows
from dwindle.seeds import Seed

if TYPE_CHECKING:
    from dwindle.samplers import Sampler

__all__ = [
    "Coefficients",
    "Cohort",
    "Encoding",
    "Exacting",
    "Facts",
    "Factual",
    "Family",
    "Informed",
    "Kind",
    "KnownLaw",
    "Model",
    "Modes",
    "Moments",
    "NextTokens",
    "Probabilities",
    "Scorable",
    "TokenScorable",
    "Verifiable",
    "knowing",
]

T = TypeVar("T")

Kind = Literal["vectors", "symbols", "pairs", "sequences", "tables"]
"""What a row is.

`vectors`: d numbers, rows (c, n, d). `symbols`: one symbol of an alphabet 0 .. K-1, rows (c, n). `pairs`: d inputs and,
in the last column, the response to them, rows (c, n, d + 1). `sequences`: a block of L tokens of an alphabet, rows
(c, n, L) of integers. `tables`: d columns, rows (c, n, d), numbers or the place of a level among those of its column;
the source says what the columns are (`Tabular`).
"""


@runtime_checkable
class Model(Protocol):
    """A fitted model of every chain."""

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample `count` rows a chain; the same seed gives the same rows.

        Args:
            count: rows a chain.
            sampler: temperature and its kin.
            seed: address of every random draw made here.
            prompts: rows to answer or continue, for families with the knob `prompts`; they are taken in their order,
                and from the start again where `count` is larger.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the model into an existing empty folder: safetensors, npy or JSON, never pickle."""
        ...


@runtime_checkable
class Scorable(Protocol):
    """A model that knows its density."""

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n); rows of one chain are scored under every chain's model."""
        ...


@runtime_checkable
class TokenScorable(Protocol):
    """A model of sequences that knows the probability of each token after the ones before it."""

    def token_log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each token, nats, (c, n, L); chains as `Scorable.log_prob` has them."""
        ...


@runtime_checkable
class NextTokens(Protocol):
    """A model of sequences that knows the whole law of the next token."""

    def next_probabilities(self, rows: Rows) -> FloatArray:
        """Return the probability of each token after each whole row, (c, n, K); chains as in `Scorable.log_prob`.

        Args:
            rows: (c, n, P) beginnings of blocks of any length, 0 included; many at once cost c n K numbers.
        """
        ...


@runtime_checkable
class Moments(Protocol):
    """A model or source that knows its own mean and covariance."""

    def mean(self) -> FloatArray:
        """Return the mean, (c, d), or (1, d) for a source."""
        ...

    def covariance(self) -> FloatArray:
        """Return the covariance, (c, d, d), or (1, d, d) for a source."""
        ...


@runtime_checkable
class Probabilities(Protocol):
    """A model or source over symbols that knows the probability of each."""

    def probabilities(self) -> FloatArray:
        """Return the probability of each symbol, (c, K), or (1, K) for a source."""
        ...


@runtime_checkable
class Coefficients(Protocol):
    """A model or source of pairs whose response depends on x only by b . x."""

    def coefficients(self) -> FloatArray:
        """Return b, (c, d), or (1, d) for a source."""
        ...


@runtime_checkable
class Modes(Protocol):
    """A source of vectors whose law has separate modes."""

    def modes(self) -> FloatArray:
        """Return the centre of each mode, (k, d)."""
        ...

    def mode_radius(self) -> float:
        """Return how far from its mode's centre a row still counts as on it, source units."""
        ...


@runtime_checkable
class Verifiable(Protocol):
    """A source that can tell a right row from a wrong one."""

    def is_right(self, rows: Rows) -> Array:
        """Say which rows are right, (c, n)."""
        ...


@runtime_checkable
class KnownLaw(Protocol):
    """A source that knows its law exactly."""

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the exact log-probability (or density) of each row, nats, (c, n); -inf where it is never drawn."""
        ...

    def entropy(self) -> float:
        """Return the exact entropy of a row, nats."""
        ...


@dataclass(frozen=True, eq=False)
class Facts:
    """What a source of sequences states, and how a model may be asked for it.

    Args:
        prompts: (k, P) the tokens of each fact before its object, as a row may begin.
        objects: (k,) the token that is right there; the only one that the source ever puts there.
        probabilities: (k,) the share of the source's rows that state each fact, after the prompt or otherwise.
        rare: (k,) whether it is one of the rarer ones.
    """

    prompts: IntArray
    objects: IntArray
    probabilities: FloatArray
    rare: Array


@runtime_checkable
class Factual(Protocol):
    """A source of sequences that states facts."""

    def known_facts(self) -> Facts:
        """Return the facts, the most frequent one first."""
        ...


@runtime_checkable
class Encoding(Protocol):
    """A model that maps rows of vectors to latent ones."""

    def encode(self, rows: Rows) -> FloatArray:
        """Return the mean latent of each row, (c, n, k); rows of one chain are encoded by every chain's model."""
        ...


@runtime_checkable
class Cohort(Protocol):
    """A family whose chains may belong to several lineages, which are then fitted and sampled as one model.

    It draws at addresses below `seed.at(..., "chain", c)` only, and whatever it reckons of a chain's rows before and
    after training it reckons from that chain's own rows, so that a lineage gets the same model whoever shares the
    batch: to the last bit on the processor, to float rounding on a GPU.
    """

    def together(self, models: Sequence[Any]) -> Any:
        """Return models that this family has fitted as one, the chains of the first one first."""
        ...

    def apart(self, model: Any, chains: Sequence[int]) -> list[Any]:
        """Return a model as several, of so many chains each."""
        ...


@runtime_checkable
class Informed(Protocol):
    """A family or curator that must know the source: the perfect generator, a verifier with the truth in hand."""

    def given(self, source: Any) -> Self:
        """Return the component that knows the source; called once, before the component is used.

        Raises:
            ValueError: if the source cannot serve it.
        """
        ...


def knowing(component: T, **known: Any) -> T:
    """Return a copy of an informed component that knows more; what it knows is none of its settings."""
    told = copy.copy(component)
    for name, value in known.items():
        object.__setattr__(told, name, value)  # its settings are frozen
    return told


@runtime_checkable
class Exacting(Protocol):
    """A component that would do nothing, or nothing sensible, in some recipes."""

    def refuses(self, recipe: Any) -> str:
        """Say why it does not go with a recipe, in one line after the component's name; empty where it does."""
        ...


@runtime_checkable
class Family(Protocol):
    """A kind of generative model: a frozen dataclass of hyper-parameters whose `fit` returns a fitted model.

    It may say more of itself: `learns: ClassVar[bool]`, False where rows teach it nothing; `makes: ClassVar[str]`, how
    its rows come about, for their manifest: `modelled` (where it says nothing), `rule_augmented` or `simulated`;
    `continues: ClassVar[bool]`, True where a fit goes on from its parent's weights, so that training in phases makes
    sense; and `modules: tuple[str, ...]`, modules whose code it runs beside its own, a change of which makes its stages
    stale.
    """

    kind: ClassVar[Kind]
    """What its rows are. A family of several kinds also has `kinds: ClassVar[frozenset[Kind]]`, all of them."""
    chains_at_once: ClassVar[bool]
    """True: `fit` takes all chains in one call. False: it is called chain by chain, with c = 1."""
    knobs: ClassVar[frozenset[str]]
    """The sampler's settings that its models honour; any other one off its default is refused."""

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> Model:
        """Fit the rows of every chain.

        Args:
            rows: training rows, without provenance; weights are honoured, rows of weight 0 do not exist.
            seed: address of every random draw made here.
            parent: the previous generation's model where the recipe restarts `warm`, else None.
        """
        ...

    def load(self, folder: Path) -> Model:
        """Read what `Model.save` wrote."""
        ...

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests, which fit in under a second."""
        ...
