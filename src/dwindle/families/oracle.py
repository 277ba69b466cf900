"""The oracle: a generator that makes no error at all, to hold against those that do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from dwindle.contracts import Kind, Model, Rows, Seed, Source, knowing
from dwindle.samplers import Sampler

__all__ = ["Oracle", "OracleModel"]


@dataclass(frozen=True)
class Oracle:
    """The perfect generator: its models sample the law of the real rows, whatever rows they are fitted to.

    It serves rows of every kind; `kind` only says how the contract tests try it. Its models say nothing of their
    moments or densities: metrics judge them by their samples, as they would judge real rows.

    Args:
        source: the source it was given; no setting.
    """

    kind: ClassVar[Kind] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset()
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})
    learns: ClassVar[bool] = False

    source: Source | None = field(default=None, init=False, repr=False, compare=False)

    def given(self, source: Source) -> Self:
        """Return an oracle that knows the source.

        Raises:
            ValueError: if the source has an end: the oracle would repeat the rows of the anchor.
        """
        if source.capacity is not None:
            kind = type(source).__name__
            raise ValueError(f"needs a source without an end; {kind} has {source.capacity} rows a chain")
        return knowing(self, source=source)

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> OracleModel:
        """Note the number of chains; rows, seed and parent change nothing."""
        return OracleModel(self.source, rows.chains)

    def load(self, folder: Path) -> OracleModel:
        """Read what `OracleModel.save` wrote."""
        return OracleModel(self.source, int(json.loads((folder / "oracle.json").read_text())["chains"]))

    @classmethod
    def smallest(cls) -> Self:
        """Return the only settings there are."""
        return cls()


@dataclass(frozen=True, eq=False)
class OracleModel:
    """The law of the source in every chain.

    Args:
        source: the source that the oracle was given, if it was.
        chains: number of chains c.
    """

    source: Source | None
    chains: int

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample new rows of the source's law, without provenance.

        Raises:
            ValueError: if the oracle was not given a source.
        """
        if self.source is None:
            raise ValueError("the oracle was not given a source: call Oracle.given(source) before it is used")
        return self.source.draw(count, first=0, chains=self.chains, seed=seed).anonymous()

    def save(self, folder: Path) -> None:
        """Write oracle.json."""
        (folder / "oracle.json").write_text(json.dumps({"chains": self.chains}) + "\n")
