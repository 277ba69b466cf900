"""A family that fits one chain at a time is lifted over all of them, with what its models know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from dwindle.contracts import NextTokens, Rows, Scorable, Seed, TokenScorable
from dwindle.errors import StageFailed
from dwindle.families.gaussian import Gaussian
from dwindle.families.ngram import Ngram
from dwindle.samplers import Sampler
from dwindle.stages.job import Job
from dwindle.stages.lift import fit_model, load_model, sample_model
from tests.unit.made_sweep import planned

SEED = Seed(5, ("lift",))
ROWS = Rows(SEED.at("rows").numpy().standard_normal((3, 40, 2)) * np.array([1.0, 2.0, 3.0])[:, None, None])


@dataclass(frozen=True)
class OneByOne(Gaussian):
    """A Gaussian that is called chain by chain.

    Args:
        ddof: as there.
    """

    chains_at_once: ClassVar[bool] = False


@dataclass(frozen=True)
class WordsOneByOne(Ngram):
    """An n-gram model that is called chain by chain.

    Args:
        symbols: as there.
        order: as there.
        smoothing: as there.
    """

    chains_at_once: ClassVar[bool] = False


@dataclass(frozen=True)
class Silent(OneByOne):
    """The same, with models that do not know their density.

    Args:
        ddof: as there.
    """

    def fit(self, rows, *, seed, parent=None):
        return _Mute(super().fit(rows, seed=seed, parent=parent))


@dataclass(frozen=True)
class _Mute:
    inner: object

    def sample(self, count, *, sampler, seed, prompts=None):
        return self.inner.sample(count, sampler=sampler, seed=seed, prompts=prompts)

    def save(self, folder):
        self.inner.save(folder)


@pytest.fixture
def lifted(tmp_path):
    model = fit_model(OneByOne(), ROWS, seed=SEED)
    model.save(tmp_path)
    return model, load_model(OneByOne(), tmp_path)


def test_every_chain_has_a_model_of_its_own_and_comes_back_from_its_files(lifted):
    model, loaded = lifted
    first, again = (m.sample(2000, sampler=Sampler(), seed=SEED).values for m in (model, loaded))
    assert np.array_equal(first, again)
    assert first.std(axis=(1, 2)) == pytest.approx([1.0, 2.0, 3.0], rel=0.2)


def test_densities_are_those_of_all_chains_at_once(lifted):
    whole = Gaussian().fit(ROWS, seed=SEED)
    held_out = Rows(SEED.at("held-out").numpy().standard_normal((1, 25, 2)))
    for model in lifted:
        assert isinstance(model, Scorable)
        for rows in (ROWS, held_out):
            assert model.log_prob(rows) == pytest.approx(whole.log_prob(rows))


def test_models_without_a_density_do_not_pretend_to_one():
    assert not isinstance(fit_model(Silent(), ROWS, seed=SEED), Scorable)


def test_what_is_known_of_tokens_is_that_of_all_chains_at_once():
    words = Rows(SEED.at("words").numpy().integers(5, size=(3, 20, 6)))
    lifted, whole = (fit_model(family(symbols=5), words, seed=SEED) for family in (WordsOneByOne, Ngram))
    for rows in (words, words.chain(1)):
        np.testing.assert_array_equal(lifted.token_log_prob(rows), whole.token_log_prob(rows))
        np.testing.assert_array_equal(lifted.next_probabilities(rows), whole.next_probabilities(rows))


def test_models_of_vectors_do_not_pretend_to_know_tokens(lifted):
    for model in lifted:
        assert not isinstance(model, TokenScorable)
        assert not isinstance(model, NextTokens)


def test_a_model_that_cannot_be_sampled_ends_the_stage_and_says_why(tmp_path):
    class Refusing:
        def sample(self, count, **options):
            raise ValueError("the discriminator of chain 1 accepts 0 of 100 rows")

    text = "sweep: one\nbudget: 20\nsource: gaussian\nfamily: gaussian\nmetrics: [moments]\nregime: replace\n"
    recipe = planned(tmp_path, f"{text}lineages: {{only: {{}}}}\n").recipe("only")
    told = "Gaussian cannot be sampled at generation 3: the discriminator of chain 1 accepts 0 of 100 rows"
    with pytest.raises(StageFailed, match=f"^{told}$"):
        sample_model(Refusing(), Job(recipe, 3, SEED, {}), 5, sampler=Sampler(), seed=SEED)
