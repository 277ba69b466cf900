"""What is counted in sampled text: held to loops over dictionaries, and to cases that can be counted by hand."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.data.grams import grams
from dwindle.metrics.lexical_diversity import LexicalDiversity
from dwindle.metrics.self_bleu import SelfBleu
from dwindle.metrics.training_overlap import TrainingOverlap

SEED = Seed(5, ("text counts",))
LENGTH = 12


def texts(name, chains=2, count=30, symbols=9, length=LENGTH):
    return (symbols * SEED.at(name).numpy().random((chains, count, length)) ** 2).astype(np.int64)


SAMPLES, REAL, ANCHOR = texts("samples"), texts("real", chains=1, symbols=11), texts("anchor", symbols=7)


def measured(metric, samples=SAMPLES, real=REAL, anchor=ANCHOR, training=ANCHOR):
    parts = {"held_out": real, "anchor": anchor, "training": training}
    rows = {name: Rows(np.asarray(part)) for name, part in parts.items()}
    return metric.measure(replace(evidence("sequences", samples=np.asarray(samples)), **rows))


def values(*arguments, **rows):
    return {name: found.values for name, found in measured(*arguments, **rows).items()}


def runs(block, size):
    return [tuple(block[place : place + size]) for place in range(len(block) - size + 1)]


def all_runs(blocks, size):
    return [run for block in blocks.tolist() for run in runs(block, size)]


@pytest.mark.parametrize("symbols", [3, 1 << 40])
def test_runs_have_equal_numbers_exactly_where_they_are_equal(symbols):
    parts = [texts("first", symbols=3), texts("second", symbols=3, length=9)]
    spread = [part * (symbols // 3) for part in parts]
    for size in (1, 2, 5, 9):
        numbered = [number for part in grams(spread, size) for number in part.reshape(-1).tolist()]
        spelled = [run for part in parts for chain in part for run in all_runs(chain, size)]
        assert len(set(zip(numbered, spelled, strict=True))) == len(set(numbered)) == len(set(spelled))
    assert [part.shape[2] for part in grams(parts, 10)] == [3, 0]


def test_distinct_runs_and_repetition_are_those_of_a_loop():
    found = values(LexicalDiversity(window=5))
    for chain, blocks in enumerate(SAMPLES):
        diversity = 1.0
        for size in range(1, 5):
            every = all_runs(blocks, size)
            assert found[f"distinct_{size}"][chain] == pytest.approx(len(set(every)) / len(every))
            shares = [len(set(runs(block, size))) / len(runs(block, size)) for block in blocks.tolist()]
            diversity *= np.mean(shares) if size > 1 else 1.0
        assert found["repetition_diversity"][chain] == pytest.approx(diversity)


@pytest.mark.parametrize("window", [1, 5, LENGTH])
def test_the_moving_average_is_that_of_every_window(window):
    found = values(LexicalDiversity(window=window))["mattr"]
    for chain, blocks in enumerate(SAMPLES):
        ratios = [len(set(run)) / window for run in all_runs(blocks, window)]
        assert found[chain] == pytest.approx(np.mean(ratios))


def test_frequencies_and_coverage_are_those_of_a_counter():
    found = values(LexicalDiversity(window=5))
    real = REAL[0]
    for chain, blocks in enumerate(SAMPLES):
        counts = Counter(blocks.reshape(-1).tolist())
        shares = np.array(list(counts.values())) / blocks.size
        words, pairs = set(real.reshape(-1).tolist()), set(all_runs(real, 2))
        assert found["unigram_entropy"][chain] == pytest.approx(-(shares * np.log(shares)).sum())
        assert found["hapax_share"][chain] == sum(n == 1 for n in counts.values()) / len(counts)
        assert found["vocabulary_coverage"][chain] == pytest.approx(len(words & set(counts)) / len(words))
        assert found["bigram_coverage"][chain] == pytest.approx(len(pairs & set(all_runs(blocks, 2))) / len(pairs))
        unseen = sum(n for token, n in counts.items() if token not in ANCHOR[chain])
        assert found["unseen_tokens"][chain] == pytest.approx(unseen / blocks.size)
        sizes = [len(zlib.compress(part.astype(np.uint32).tobytes(), 9)) for part in (real, blocks)]
        assert found["compression_ratio"][chain] == pytest.approx(sizes[0] / sizes[1])


def test_hapaxes_are_counted():
    assert values(LexicalDiversity(window=2), samples=[[[0, 0, 1, 2]]], real=[[[0, 0, 1, 2]]])["hapax_share"] == 2 / 3


def test_the_zipf_exponent_has_the_largest_likelihood_and_finds_the_truth():
    for truth in (0.7, 1.2):
        law = np.arange(1, 101) ** -truth
        tokens = SEED.at("zipf").numpy().choice(100, p=law / law.sum(), size=(1, 2000, 20))
        found = values(LexicalDiversity(window=5), samples=tokens, real=tokens)["zipf_exponent"][0]
        counts = np.sort(np.unique(tokens, return_counts=True)[1])[::-1]
        logs = np.log(np.arange(1, len(counts) + 1))

        def likelihood(s, counts=counts, logs=logs):
            return -s * counts @ logs - counts.sum() * np.log(np.exp(-s * logs).sum())

        assert likelihood(found) > max(likelihood(found - 1e-3), likelihood(found + 1e-3))
        assert found == pytest.approx(truth, abs=0.02)


def test_text_of_one_token_has_no_exponent_and_says_so():
    found = measured(LexicalDiversity(window=5), samples=np.zeros_like(SAMPLES))
    assert np.isnan(found["zipf_exponent"].values).all()
    assert found["zipf_exponent"].reason == "one token alone has no ranks"
    assert found["unigram_entropy"].values.tolist() == [0.0, 0.0]


def test_blocks_of_two_tokens_have_no_longer_runs():
    found = measured(LexicalDiversity(window=2), samples=SAMPLES[..., :2])
    undefined = {name for name, value in found.items() if np.isnan(value.values).all() and value.reason}
    assert undefined == {"distinct_3", "distinct_4", "repetition_diversity"}


def test_more_samples_than_held_out_blocks_change_nothing():
    more = np.concatenate([SAMPLES, texts("more")], axis=1)
    for metric in (LexicalDiversity(window=5), SelfBleu()):
        once, again = values(metric), values(metric, samples=more)
        assert all(np.array_equal(once[name], again[name]) for name in once)


def bleu(block, others):
    """Return the BLEU-4 of a block as its definition reads."""
    logs = []
    for size in range(1, 5):
        counts, references = Counter(runs(block, size)), [Counter(runs(other, size)) for other in others]
        matches = sum(min(n, max(other[run] for other in references)) for run, n in counts.items())
        if size == 1 and not matches:
            return 0.0
        logs.append(np.log((matches or 0.1) / counts.total()))
    return np.exp(np.mean(logs))


@pytest.mark.parametrize("symbols", [2, 9, 400])
def test_self_bleu_is_that_of_every_block_against_all_others(symbols):
    samples = texts("bleu", symbols=symbols)
    found = values(SelfBleu(), samples=samples)["self_bleu"]
    for chain, blocks in enumerate(samples.tolist()):
        every = [bleu(block, blocks[:place] + blocks[place + 1 :]) for place, block in enumerate(blocks)]
        assert found[chain] == pytest.approx(np.mean(every), rel=1e-12)


def test_equal_blocks_have_self_bleu_1_and_strange_ones_0():
    assert values(SelfBleu(), samples=np.repeat(SAMPLES[:, :1], 30, axis=1))["self_bleu"].tolist() == [1.0, 1.0]
    assert values(SelfBleu(), samples=np.arange(2 * 30 * 12).reshape(2, 30, 12))["self_bleu"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("samples", "reason"), [(SAMPLES[:, :1], "no other"), (SAMPLES[..., :2], "blocks of 2 tokens have no 4-grams")]
)
def test_self_bleu_takes_two_blocks_of_four_tokens(samples, reason):
    found = measured(SelfBleu(), samples=samples)["self_bleu"]
    assert np.isnan(found.values).all()
    assert reason in found.reason


def mixed():
    """Return samples of which some are copies, some near copies and some new."""
    samples = texts("copied", symbols=40, count=600)
    anchor, training = texts("seen", symbols=40, count=50), texts("trained", symbols=40, count=20)
    samples[:, 0], samples[:, 1], samples[:, 2] = anchor[:, 7], training[:, 3], anchor[:, 8]
    samples[:, 2, -1] += 1
    samples[:, 3:20, :6] = anchor[:, 3:20, 3:9]
    samples[1, 500:] = anchor[1, 9]
    return samples, anchor, training


def test_overlap_is_that_of_sets_compared_one_by_one():
    samples, anchor, training = mixed()
    found = values(TrainingOverlap(length=3, threshold=0.3), samples=samples, anchor=anchor, training=training)
    for chain, blocks in enumerate(samples):
        own, real = ([set(runs(row, 3)) for row in part.tolist()] for part in (blocks, anchor[chain]))
        near = [max(len(a & b) / len(a | b) for b in real) >= 0.3 for a in own]
        every, known = all_runs(blocks, 3), set().union(*real)
        assert found["near_anchor_copies"][chain] == pytest.approx(np.mean(near))
        assert found["anchor_runs"][chain] == pytest.approx(np.mean([run in known for run in every]))
    assert found["anchor_copies"] == pytest.approx([1 / 600, 101 / 600])
    assert found["training_copies"] == pytest.approx([1 / 600, 1 / 600])
    assert 2 / 600 < found["near_anchor_copies"][0] < 0.2


def test_an_index_that_is_the_threshold_reaches_it():
    samples, anchor = np.arange(16)[None, None], np.array([[[*range(7), *range(100, 109)]]])
    # 7 of 25 tokens are shared; 0.28 * 25 is more than 7 in floating point.
    found = values(TrainingOverlap(length=1, threshold=0.28), samples=samples, anchor=anchor, training=anchor)
    assert found["near_anchor_copies"].tolist() == [1.0]


def test_rows_without_weight_were_not_trained_on_and_short_blocks_hold_no_runs():
    weights = np.ones(ANCHOR.shape[:2])
    weights[1] = np.arange(30) > 0
    found = TrainingOverlap(length=13).measure(
        replace(evidence("sequences", samples=ANCHOR[:, :1]), training=Rows(ANCHOR, weights), anchor=Rows(ANCHOR))
    )
    assert found["training_copies"].values.tolist() == [1.0, 0.0]
    assert found["anchor_copies"].values.tolist() == [1.0, 1.0]
    assert np.isnan(found["anchor_runs"].values).all()
    assert found["anchor_runs"].reason == "blocks of 12 tokens hold no run of 13"
