"""What a family and its fitted models must be able to do, and what they may know beside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from dwindle.data.rows import Array, FloatArray, Rows
from dwindle.seeds import Seed

if TYPE_CHECKING:
    from dwindle.samplers import Sampler

__all__ = [
    "Coefficients",
    "Family",
    "Informed",
    "Kind",
    "Model",
    "Modes",
    "Moments",
    "Probabilities",
    "Scorable",
    "Verifiable",
]

Kind = Literal["vectors", "symbols", "pairs", "sequences"]
"""What a row is.

`vectors`: d numbers, rows (c, n, d). `symbols`: one symbol of an alphabet 0 .. K-1, rows (c, n). `pairs`: d inputs and,
in the last column, the response to them, rows (c, n, d + 1). `sequences`: a block of L tokens of an alphabet, rows
(c, n, L) of integers.
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
class Informed(Protocol):
    """A family or curator that must know the source: the perfect generator, a verifier with the truth in hand."""

    def given(self, source: Any) -> Self:
        """Return the component that knows the source; called once, before the component is used.

        Raises:
            ValueError: if the source cannot serve it.
        """
        ...


@runtime_checkable
class Family(Protocol):
    """A kind of generative model: a frozen dataclass of hyper-parameters whose `fit` returns a fitted model."""

    kind: ClassVar[Kind]
    """What its rows are."""
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
