"""The causal language model: it learns the order of tokens, and what it samples is what it scores."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from walking_blocks import LENGTH, SEED, SMALL, digest, fitted, nats, walks, weights_of

from dwindle.contracts import NextTokens, Rows, TokenScorable
from dwindle.samplers import Sampler

SHAPES = ("opt", "gpt2", "llama")


def sampled(model, count=400, prompts=None, **knobs):
    given = None if prompts is None else Rows(prompts)
    return model.sample(count, sampler=Sampler(**knobs), seed=SEED.at("sample"), prompts=given).values


@pytest.fixture(scope="module", params=SHAPES)
def model(request):
    return fitted(walks(300), model=request.param)


@pytest.fixture(scope="module")
def opt():
    return fitted(walks(300))


def test_it_beats_the_shares_of_the_symbols_on_new_blocks(model):
    # A walk has 0.33 nats a step (a slip or none) beside the log 5 of its first symbol; by shares all cost log 5.
    best = (np.log(5) + (LENGTH - 1) * -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))) / LENGTH
    assert nats(model, walks(500, "new")) < best + 0.1


def test_its_samples_walk_as_the_rows_do(model):
    steps = np.diff(sampled(model, 600), axis=2) % 5
    assert (steps == 1).mean() > 0.8
    assert (steps == 2).mean() == pytest.approx(0.1, abs=0.06)


def test_a_model_of_transformers_loads_from_its_folder_and_knows_the_same(model, tmp_path):
    from transformers import AutoModelForCausalLM

    model.save(tmp_path)
    net = AutoModelForCausalLM.from_pretrained(tmp_path)
    rows = walks(5, "new")
    seen = torch.from_numpy(np.pad(rows[0], ((0, 0), (1, 0)), constant_values=8))
    with torch.no_grad():
        logits = net(seen).logits[:, :-1, :8].double()
    scores = torch.log_softmax(logits, dim=2).gather(2, seen[:, 1:, None]).sum(dim=(1, 2)).numpy()
    np.testing.assert_allclose(model.log_prob(Rows(rows))[0], scores, rtol=1e-6)
    assert not list(tmp_path.glob("*.bin"))


def test_a_saved_model_samples_and_scores_the_same(model, tmp_path):
    model.save(tmp_path)
    loaded = SMALL.load(tmp_path)
    assert sampled(model, 50).tobytes() == sampled(loaded, 50).tobytes()
    rows = Rows(walks(20, "new"))
    assert model.log_prob(rows).tobytes() == loaded.log_prob(rows).tobytes()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    made = [
        digest(fitted(walks(100), name=name, steps=60, dropout=0.1), tmp_path / str(turn))
        for turn, name in enumerate(("fit", "fit", "another"))
    ]
    assert made[0] == made[1] != made[2]


def test_the_probabilities_of_all_blocks_sum_to_1():
    short = fitted(walks(100)[..., :3], steps=80)
    every = np.array(list(product(range(8), repeat=3)))[None]
    assert np.exp(short.log_prob(Rows(every))).sum() == pytest.approx(1.0, rel=1e-5)


def test_tokens_are_scored_one_by_one_and_foretold_alike(opt):
    assert isinstance(opt, TokenScorable)
    assert isinstance(opt, NextTokens)
    rows = walks(6, "new")
    scores = opt.token_log_prob(Rows(rows))
    assert scores.shape == (1, 6, LENGTH)
    np.testing.assert_allclose(scores.sum(axis=2), opt.log_prob(Rows(rows)))
    for place in (0, 4):
        shares = opt.next_probabilities(Rows(rows[:, :, :place]))
        assert shares.shape == (1, 6, 8)
        np.testing.assert_allclose(shares.sum(axis=2), 1.0)
        found = np.take_along_axis(shares[0], rows[0, :, place, None], axis=1)[:, 0]
        np.testing.assert_allclose(np.log(found), scores[0, :, place], rtol=1e-4, atol=1e-6)


def test_rows_of_several_chains_are_scored_under_the_one_model(opt):
    rows = np.concatenate([walks(4, "new"), walks(4, "other")])
    np.testing.assert_allclose(opt.log_prob(Rows(rows))[1], opt.log_prob(Rows(rows[1:]))[0], rtol=1e-6)


def test_the_first_token_is_sampled_as_it_is_scored(opt):
    count = 4000
    seen = np.bincount(sampled(replace(opt, length=1, sampling_batch=1000), count)[0, :, 0], minlength=8) / count
    expected = opt.next_probabilities(Rows(np.empty((1, 1, 0), dtype=np.int64)))[0, 0]
    assert (np.abs(seen - expected) <= 4 * np.sqrt(expected * (1 - expected) / count) + 1e-6).all()


def test_rows_that_are_scored_in_slices_have_the_same_scores(opt, monkeypatch):
    rows = walks(30, "new")
    whole = opt.log_prob(Rows(rows))
    monkeypatch.setattr("dwindle.nets.language.blocks._LOGITS", {"cpu": 7 * LENGTH * 8})
    np.testing.assert_allclose(opt.log_prob(Rows(rows)), whole, rtol=1e-6)


def test_the_begin_token_is_never_sampled(opt):
    assert sampled(opt, 300, temperature=1000.0).max() == 7
    assert sampled(opt, 300, repetition_penalty=1.5).max() <= 7
    assert sampled(opt, 4, beams=3).max() <= 7


def test_prompts_are_continued_in_their_order_and_again_from_the_start(opt):
    prompts = (np.arange(5)[None, :, None] + np.arange(4)) % 5
    answers = sampled(opt, 7, prompts, beams=1)[0]
    assert answers.shape == (7, LENGTH)
    np.testing.assert_array_equal(answers[:, 0], (np.arange(7) % 5 + 4) % 5)
    np.testing.assert_array_equal(answers[:2], answers[5:])


def test_weights_decide_what_is_learnt():
    rows = np.concatenate([walks(100), walks(100, "other", step=3)], axis=1)
    heavy = np.repeat([9.0, 1.0], 100)[None]
    for weights, step in ((heavy, 1), (heavy[:, ::-1], 3)):
        steps = np.diff(sampled(fitted(rows, weights), 200), axis=2) % 5
        assert (steps == step).mean() > 0.6


def test_a_warm_restart_begins_at_the_parent_and_leaves_it_alone(opt):
    before = weights_of(opt)
    warm = fitted(walks(300), steps=1, learning_rate=1e-6, parent=opt)
    assert 0 < np.abs(weights_of(warm) - before).max() < 1e-4
    np.testing.assert_array_equal(weights_of(opt), before)
    with pytest.raises(ValueError, match="another shape"):
        fitted(walks(300), width=16, parent=opt)


def test_tokens_outside_the_alphabet_are_refused(opt):
    for wrong in (-1, 8):
        with pytest.raises(ValueError, match=r"the vocabulary is 0\.\.7"):
            fitted(np.full((1, 4, 3), wrong))
        with pytest.raises(ValueError, match=r"the vocabulary is 0\.\.7"):
            opt.log_prob(Rows(np.full((1, 4, 3), wrong)))


def test_a_block_longer_than_the_model_sees_is_refused(opt):
    with pytest.raises(ValueError, match="sees 13 at most"):
        opt.log_prob(Rows(np.zeros((1, 2, 20), dtype=np.int64)))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"epochs": 1}, "set one of them"),
        ({"steps": 0}, "set one of them"),
        ({"checkpoint": "best"}, "best is chosen by a share"),
        ({"validation": 0.1}, "best is chosen by a share"),
        ({"accumulation": 17}, "no so many parts"),
        ({"lora_rank": 2}, "starts from random weights"),
        ({"heads": 5}, "every head"),
        ({"model": "llama", "width": 6}, "even number"),
        ({"model": "optt"}, "one of opt, gpt2, llama"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        replace(SMALL, **settings)
