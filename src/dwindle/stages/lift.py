"""Lift a family that fits one chain over all chains; families that fit all at once pass through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.contracts import Cohort, Family, FloatArray, Model, NextTokens, Scorable, TokenScorable
from dwindle.data.rows import Rows
from dwindle.errors import StageFailed
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from dwindle.stages.job import Job, told

__all__ = [
    "ForetellingModel",
    "LiftedModel",
    "ScoredModel",
    "TokenScoredModel",
    "fit_model",
    "load_model",
    "sample_model",
    "sample_together",
]


@dataclass(frozen=True)
class LiftedModel:
    """One model a chain, sampled and saved side by side.

    Args:
        models: the model of each chain.
    """

    models: tuple[Model, ...]

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Sample each chain's model at its own seed."""
        parts = [
            model.sample(
                count, sampler=sampler, seed=seed.at(chain), prompts=None if prompts is None else prompts.chain(chain)
            )
            for chain, model in enumerate(self.models)
        ]
        return replace(Rows.stack(parts), weights=None)

    def save(self, folder: Path) -> None:
        """Write each chain's model into files of its own."""
        for chain, model in enumerate(self.models):
            own = folder / f"chain-{chain:04d}"
            own.mkdir()
            model.save(own)
            for file in own.iterdir():
                file.rename(folder / f"{own.name}.{file.name}")
            own.rmdir()


@dataclass(frozen=True)
class ScoredModel(LiftedModel):
    """One model a chain, each of which knows its density."""

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-density of each row, nats, (c, n); rows of one chain are scored under every chain's model."""
        return np.concatenate([model.log_prob(own) for model, own in self._asked(rows) if isinstance(model, Scorable)])

    def _asked(self, rows: Rows) -> Iterator[tuple[Model, Rows]]:
        """Yield each chain's model and the rows that it is to judge."""
        for chain, model in enumerate(self.models):
            yield model, Rows(rows.values[min(chain, rows.chains - 1)][None])


@dataclass(frozen=True)
class TokenScoredModel(ScoredModel):
    """One model a chain, each of which knows the probability of each token."""

    def token_log_prob(self, rows: Rows) -> FloatArray:
        """Return the log-probability of each token, nats, (c, n, L), chains as in `log_prob`."""
        asked = self._asked(rows)
        return np.concatenate([model.token_log_prob(own) for model, own in asked if isinstance(model, TokenScorable)])


@dataclass(frozen=True)
class ForetellingModel(TokenScoredModel):
    """One model a chain, each of which knows the whole law of the next token."""

    def next_probabilities(self, rows: Rows) -> FloatArray:
        """Return the probability of each token after each whole row, (c, n, K), chains as in `log_prob`."""
        asked = self._asked(rows)
        return np.concatenate([model.next_probabilities(own) for model, own in asked if isinstance(model, NextTokens)])


def _lifted(models: tuple[Model, ...]) -> LiftedModel:
    """Return the models side by side, with what all of them know."""
    lifted = LiftedModel
    for known, more in ((Scorable, ScoredModel), (TokenScorable, TokenScoredModel), (NextTokens, ForetellingModel)):
        if not all(isinstance(model, known) for model in models):
            break
        lifted = more
    return lifted(models)


def fit_model(family: Family, rows: Rows, *, seed: Seed, parent: Model | None = None) -> Model:
    """Fit all chains: in one call where the family can, else one after another."""
    if family.chains_at_once:
        return family.fit(rows, seed=seed, parent=parent)
    parents = parent.models if isinstance(parent, LiftedModel) else (None,) * rows.chains
    return _lifted(tuple(family.fit(rows.chain(c), seed=seed.at(c), parent=parents[c]) for c in range(rows.chains)))


def load_model(family: Family, folder: Path) -> Model:
    """Read the model of every chain from a published folder."""
    if family.chains_at_once:
        return family.load(folder)
    return _lifted(tuple(_load_chain(family, folder, prefix) for prefix in _prefixes(folder)))


def _prefixes(folder: Path) -> list[str]:
    return sorted({file.name.partition(".")[0] for file in folder.glob("chain-*.*")})


def _load_chain(family: Family, folder: Path, prefix: str) -> Model:
    import tempfile

    with tempfile.TemporaryDirectory() as own:
        for file in folder.glob(f"{prefix}.*"):
            (Path(own) / file.name.removeprefix(f"{prefix}.")).symlink_to(file.resolve())
        return family.load(Path(own))


def sample_model(model: Model, job: Job, count: int, **options: Any) -> Rows:
    """Sample a model for a stage.

    Args:
        model: the model.
        job: the stage.
        count: rows a chain.
        options: sampler, seed and prompts.

    Raises:
        StageFailed: if it cannot be sampled: a filter lets nothing through, a callable makes other rows.
    """
    try:
        return model.sample(count, **options)
    except ValueError as error:
        name = type(job.recipe.family).__name__
        raise StageFailed(f"{name} cannot be sampled at generation {job.generation}: {error}") from error


def sample_together(jobs: Sequence[Job], slot: str, count: int, sampler: Sampler, seed: Seed) -> list[Rows]:
    """Sample the models of a cohort as one; return the rows of each.

    Args:
        jobs: the lineages' stages, all of one family and source.
        slot: which input of each is its model.
        count: rows a chain.
        sampler: how all of them are sampled.
        seed: the seed they share.
    """
    first = jobs[0]
    family = told(first.recipe.family_of(first.generation - (slot == "generator")), first.recipe.source)
    assert isinstance(family, Cohort)
    model: Model = family.together([load_model(family, job.inputs[slot]) for job in jobs])
    rows = model.sample(count, sampler=sampler, seed=seed)
    return rows.split([job.recipe.chains for job in jobs])
