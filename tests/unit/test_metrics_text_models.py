"""What models of text say of real and of generated text, on laws whose numbers are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.families.ngram import Ngram
from dwindle.metrics.generated_perplexity import GeneratedPerplexity
from dwindle.metrics.next_token_concentration import NextTokenConcentration, _entropy, _gini
from dwindle.metrics.perplexity import Perplexity
from dwindle.metrics.perplexity_by_frequency import PerplexityByFrequency
from dwindle.metrics.probe_prompts import ProbePrompts
from dwindle.samplers import Sampler
from dwindle.sources.grammar import Grammar

SEED = Seed(4, ("text models",))
SYMBOLS = 12


def texts(name, chains=2, count=40):
    return Rows((SYMBOLS * SEED.at(name).numpy().random((chains, count, 10)) ** 2).astype(np.int64))


def fitted(rows, **settings):
    return Ngram(**{"symbols": SYMBOLS, **settings}).fit(rows, seed=SEED)


@pytest.fixture
def found():
    """Evidence about a model that was fitted to samples of its predecessor."""
    anchor, held_out = texts("anchor"), texts("held-out", chains=1)
    reference = fitted(anchor)
    training = reference.sample(40, sampler=Sampler(), seed=SEED.at("first"))
    model = fitted(training)
    samples = model.sample(40, sampler=Sampler(), seed=SEED.at("second"))
    rows = {"anchor": anchor, "held_out": held_out, "training": training, "samples": samples}
    return replace(evidence("sequences"), model=model, reference=reference, **rows)


@dataclass(frozen=True)
class Mute:
    """A model that can only be sampled."""

    inner: object

    def sample(self, count, *, sampler, seed, prompts=None):
        return self.inner.sample(count, sampler=sampler, seed=seed, prompts=prompts)

    def save(self, folder):
        self.inner.save(folder)


def fractional(tokens, losses, counts, begin, end):
    """Return the mean loss of a part of the tokens, rarest first; equally frequent ones share what falls to them."""
    total, reached, levels = 0.0, 0, {}
    for token, loss in zip(tokens, losses, strict=True):
        levels.setdefault(counts[token], []).append(loss)
    for _, own in sorted(levels.items()):
        inside = max(0.0, min(reached + len(own), end * len(tokens)) - max(reached, begin * len(tokens)))
        total, reached = total + inside * np.mean(own), reached + len(own)
    return total / ((end - begin) * len(tokens))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_perplexity_by_frequency_is_that_of_a_loop_over_tokens(found, share):
    measured = PerplexityByFrequency(share=share, threshold=-4.0).measure(found)
    tokens = found.held_out.values[0].reshape(-1)
    logs = found.model.token_log_prob(found.held_out)
    parts = {"rare": (0.0, share), "middle": (0.5 - share / 2, 0.5 + share / 2), "common": (1 - share, 1.0)}
    parts |= {f"decile_{tenth}": ((tenth - 1) / 10, tenth / 10) for tenth in range(2, 10)}
    for chain in range(2):
        counts = np.bincount(found.anchor.values[chain].reshape(-1), minlength=SYMBOLS)
        own = logs[chain].reshape(-1)
        for name, part in parts.items():
            expected = np.exp(fractional(tokens, -own, counts, *part))
            assert measured[f"perplexity_{name}"].values[chain] == pytest.approx(expected)
        covered = fractional(tokens, own > -4.0, counts, 0.0, share)
        assert measured["tail_coverage"].values[chain] == pytest.approx(covered)
    assert (measured["perplexity_rare"].values > measured["perplexity_common"].values).all()


def test_rare_middle_and_common_thirds_are_the_whole_perplexity(found):
    third = PerplexityByFrequency(share=1 / 3).measure(found)
    logs = np.mean([np.log(third[f"perplexity_{part}"].values) for part in ("rare", "middle", "common")], axis=0)
    np.testing.assert_allclose(np.exp(logs), Perplexity().measure(found)["perplexity"].values)


def test_the_deciles_are_the_whole_perplexity_too(found):
    measured = PerplexityByFrequency().measure(found)
    names = ["rare", *(f"decile_{tenth}" for tenth in range(2, 10)), "common"]
    logs = np.mean([np.log(measured[f"perplexity_{name}"].values) for name in names], axis=0)
    np.testing.assert_allclose(np.exp(logs), Perplexity().measure(found)["perplexity"].values)


def test_an_impossible_rare_token_leaves_the_common_ones_defined(found):
    tokens = np.zeros((1, 10, 10), dtype=np.int64)
    tokens[0, 0, 0] = 11
    anchor = Rows(np.zeros((1, 10, 10), dtype=np.int64))
    one = replace(found, model=fitted(anchor, smoothing=0.0), held_out=Rows(tokens), anchor=anchor)
    measured = PerplexityByFrequency(share=0.1).measure(one)
    assert np.isnan(measured["perplexity_rare"].values).all()
    assert measured["perplexity_rare"].reason == "a held-out token has no probability under the model"
    assert measured["perplexity_common"].values == pytest.approx([1.0])
    assert measured["tail_coverage"].values == pytest.approx([0.9])


def test_generated_perplexity_is_that_of_each_block_under_generation_0(found):
    measured = GeneratedPerplexity().measure(found)
    losses = -found.reference.log_prob(found.samples) / 10
    drawn = found.reference.sample(40, sampler=Sampler(), seed=found.seed.at("reference"))
    real = -found.reference.log_prob(drawn) / 10
    own = -found.model.log_prob(found.samples).mean(axis=1) / 10
    expected = {"generated_perplexity": np.exp(losses.mean(axis=1)), "self_perplexity": np.exp(own)}
    expected["generated_perplexity_shift"] = [wasserstein_distance(*pair) for pair in zip(losses, real, strict=True)]
    for percent, place in ((5, 1), (50, 19), (95, 37)):
        expected[f"generated_perplexity_p{percent:02}"] = np.exp(np.sort(losses, axis=1)[:, place])
    assert set(expected) == set(measured)
    for name, values in expected.items():
        np.testing.assert_allclose(measured[name].values, values, err_msg=name)
    assert (measured["self_perplexity"].values < measured["generated_perplexity"].values).all()


def test_the_histogram_counts_every_block_between_edges_that_never_change(found):
    kept = GeneratedPerplexity().measure(found)["generated_perplexity"].detail["histogram"]
    perplexities = np.exp(-found.reference.log_prob(found.samples) / 10)
    for chain in range(2):
        assert kept["shares"][chain] == (np.histogram(perplexities[chain], kept["edges"])[0] / 40).tolist()
    impossible = replace(found, reference=fitted(Rows(found.anchor.values * 0), smoothing=0.0))
    other = GeneratedPerplexity().measure(impossible)
    assert other["generated_perplexity"].detail["histogram"]["edges"] == kept["edges"]
    assert other["generated_perplexity"].detail["histogram"]["shares"][0][-1] > 0.9
    assert other["generated_perplexity"].reason == "a sampled token has no probability under the model"


def test_without_a_density_or_a_reference_it_says_what_is_missing(found):
    alone = GeneratedPerplexity().measure(replace(found, reference=None))
    assert alone["generated_perplexity"].reason == "generation 0: there is no model of generation 0"
    assert np.isfinite(alone["self_perplexity"].values).all()
    mute = replace(found, model=Mute(found.model), reference=Mute(found.reference))
    for metric in (GeneratedPerplexity(), PerplexityByFrequency(), NextTokenConcentration()):
        for measurement in metric.measure(mute).values():
            assert np.isnan(measurement.values).all()
            assert "does not know" in measurement.reason


def test_the_gini_coefficient_is_half_the_relative_mean_difference_of_all_pairs():
    laws = SEED.at("laws").numpy().dirichlet(np.full(7, 0.5), size=(2, 3))
    pairs = np.abs(laws[..., :, None] - laws[..., None, :]).mean(axis=(2, 3))
    np.testing.assert_allclose(_gini(laws), pairs / (2 * laws.mean(axis=2)))
    np.testing.assert_allclose(_gini(np.eye(5)[None]), 1 - 1 / 5)
    np.testing.assert_allclose(_gini(np.full((1, 2, 5), 0.2)), 0.0, atol=1e-15)


def test_concentration_is_the_mean_over_the_first_halves_of_held_out_blocks(found, monkeypatch):
    laws = found.model.next_probabilities(Rows(found.held_out.values[:, :9, :5]))
    plain = NextTokenConcentration(prefixes=9).measure(found)
    np.testing.assert_allclose(plain["next_token_gini"].values, _gini(laws).mean(axis=1))
    np.testing.assert_allclose(plain["next_token_entropy"].values, -(laws * np.log(laws)).sum(axis=2).mean(axis=1))
    assert _entropy(np.eye(3)[None]).tolist() == [[0.0, 0.0, 0.0]]
    monkeypatch.setattr("dwindle.metrics.next_token_concentration._AT_ONCE", 4 * 2 * SYMBOLS)
    parts = NextTokenConcentration(prefixes=9).measure(found)
    for name in plain:
        np.testing.assert_allclose(parts[name].values, plain[name].values)


@dataclass(frozen=True)
class Continuing:
    """A model that continues a prompt by counting up from its last token; a draw begins anywhere."""

    step: int

    def sample(self, count, *, sampler, seed, prompts=None):
        shape = (2, count, 1)
        first = seed.numpy().integers(5, size=shape) if prompts is None else prompts.values[:, :count, -1:]
        return Rows(first + sampler.beams * self.step * np.arange(10))

    def save(self, folder):
        pass


def test_prompts_are_answered_greedily_where_the_family_can_and_compared_with_generation_0(found):
    asked = replace(found, model=Continuing(2), reference=Continuing(1), knobs=frozenset({"beams", "prompts"}))
    measured = ProbePrompts(prompts=3).measure(asked)["probe_agreement"]
    assert measured.values == pytest.approx([0.1, 0.1])
    assert len(measured.detail["texts"]) == 3
    first = found.held_out.values[0, 0]
    prompt, answer = found.source.text(np.stack([first, first[-1] + 2 * np.arange(10)]))
    assert measured.detail["texts"][0] == {"prompt": prompt, "answer": answer}
    same = ProbePrompts(prompts=3).measure(replace(asked, model=Continuing(1)))["probe_agreement"]
    assert same.values.tolist() == [1.0, 1.0]


def test_families_without_prompts_give_the_same_draws_again_spelled_by_the_source(found):
    grammar = Grammar.smallest()
    measured = ProbePrompts(prompts=2).measure(replace(found, source=grammar, model=found.reference))
    assert measured["probe_agreement"].values.tolist() == [1.0, 1.0]
    drawn = found.reference.sample(2, sampler=Sampler(), seed=found.seed.at("probes")).values[0]
    expected = [{"prompt": "", "answer": text} for text in grammar.text(drawn)]
    assert measured["probe_agreement"].detail == {"texts": expected}
    alone = ProbePrompts(prompts=2).measure(replace(found, reference=None))["probe_agreement"]
    assert alone.reason == "there is no model of generation 0"
    assert len(alone.detail["texts"]) == 2
