"""Beam search over language models: token for token what transformers finds, for each architecture."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch

from dwindle.nets.language import forward as forwards
from dwindle.nets.language import watermarks
from dwindle.nets.language.beams import _largest, searched
from dwindle.nets.language.decoding import continued
from dwindle.nets.language.forward import forward_of
from dwindle.samplers import Sampler
from tests.unit.language_nets import (
    BEGIN,
    CONTEXT,
    KINDS,
    SEED,
    SYMBOLS,
    configuration,
    forward,
    generated,
    log_probs,
    texts,
    trained,
)

LENGTH = 24


def found(net, prompts, length=LENGTH, batch=16, context=CONTEXT, name="search", **knobs):
    sampler = Sampler(**knobs)
    return continued(
        net, prompts, length, sampler=sampler, seed=SEED.at(name), begin=BEGIN, context=context, batch=batch
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_read_token_by_token_gives_the_logits_of_the_module(kind):
    net, own = trained(kind), forward(kind)
    seen = torch.from_numpy(texts(6, 20, "read"))
    with torch.no_grad():
        expected = net(input_ids=seen).logits
        slots = own.slots(6, 20)
        logits = [own.read(seen[:, :11], 0, slots)]
        logits += [own.read(seen[:, place, None], place, slots) for place in range(11, 20)]
    np.testing.assert_allclose(torch.stack(logits, dim=1), expected[:, 10:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("beams", "penalty"), [(5, 1.0), (2, 1.0), (5, 3.0)])
def test_a_search_finds_the_tokens_that_generate_finds(kind, beams, penalty):
    net, prompts = trained(kind), texts(12, 9, "prompts")
    expected = generated(net, prompts, LENGTH, num_beams=beams, repetition_penalty=penalty)
    np.testing.assert_array_equal(found(net, prompts, batch=5, beams=beams, repetition_penalty=penalty), expected)


def test_a_search_without_prompts_finds_the_tokens_that_generate_finds():
    net, nothing = trained("opt"), np.empty((2, 0), dtype=np.int64)
    np.testing.assert_array_equal(found(net, nothing, beams=4), generated(net, nothing, LENGTH, num_beams=4))


def test_with_as_many_beams_as_there_are_texts_a_search_is_exhaustive():
    net, prompts = trained("opt"), texts(5, 6, "prompts")
    best = found(net, prompts, length=2, beams=SYMBOLS)
    pairs = np.stack(np.meshgrid(np.arange(SYMBOLS), np.arange(SYMBOLS), indexing="ij"), axis=-1).reshape(-1, 2)
    for prompt, text in zip(prompts, best, strict=True):
        every = log_probs(net, np.tile(prompt, (len(pairs), 1)), pairs)
        np.testing.assert_array_equal(text, pairs[every.argmax()])


def test_more_beams_find_likelier_texts():
    net, prompts = trained("gpt2"), texts(40, 9, "prompts")
    means = [log_probs(net, prompts, found(net, prompts, beams=beams)).mean() for beams in (1, 3, 8)]
    assert means[0] < means[1] < means[2]


def test_a_network_in_bfloat16_finds_texts_as_likely_within_1_percent():
    net, prompts = trained("opt"), texts(40, 9, "prompts")
    half = copy.deepcopy(net).to(torch.bfloat16)
    exact, rough = (log_probs(net, prompts, found(way, prompts, beams=5)).mean() for way in (net, half))
    assert rough == pytest.approx(exact, rel=1e-2)


def test_beam_scores_are_sums_of_log_probabilities_in_float32():
    half = forward_of(copy.deepcopy(trained("llama")).to(torch.bfloat16), CONTEXT)
    slots = half.slots(1, 4)
    with torch.no_grad():
        assert half.read(torch.tensor([[BEGIN, 5, 7]]), 0, slots).dtype == torch.float32
    assert slots.keys[0].dtype == torch.bfloat16


def test_the_same_search_gives_the_same_bytes_and_no_batch_another_text():
    net, prompts = trained("llama"), texts(9, 9, "prompts")
    first = found(net, prompts, beams=5)
    assert first.tobytes() == found(net, prompts, beams=5, name="another seed").tobytes()
    np.testing.assert_array_equal(first, found(net, prompts, beams=5, batch=2))


def test_beyond_its_context_a_search_goes_on_from_the_last_half_of_its_best_text():
    net, prompts, context = trained("gpt2"), texts(4, 9, "prompts"), 16
    expected = prompts
    for window in (prompts, None, None):
        seen = expected[:, -7:] if window is None else window
        made = generated(net, seen, context - 1 - seen.shape[1], num_beams=3)
        expected = np.concatenate([expected, made], axis=1)
    length = expected.shape[1] - 9
    np.testing.assert_array_equal(found(net, prompts, length=length, beams=3, context=context), expected[:, 9:])


def test_searched_texts_carry_a_watermark():
    net, prompts = trained("opt"), texts(8, 9, "prompts")
    plain, marked = (found(net, prompts, length=40, beams=3, watermark=scheme) for scheme in ("none", "kgw"))
    scores = [np.nanmean(watermarks.scores(tokens, "kgw", SYMBOLS)) for tokens in (plain, marked)]
    assert scores[1] > scores[0] + 2.0


@pytest.mark.parametrize("shape", [(7, 64), (3, 512), (5, 1024), (4, 8192), (4, 1000), (40, 575)])
def test_the_largest_values_by_parts_are_the_largest_values(shape):
    values = torch.from_numpy(SEED.at("values").numpy().normal(size=shape).astype(np.float32))
    expected = values.topk(5)
    for mine, theirs in zip(_largest(values, 5), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_another_architecture_is_searched_by_generate_and_that_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(forwards, "_told", set())
    net, prompts = trained("mistral"), texts(4, 9, "prompts")
    with caplog.at_level(logging.WARNING):
        first = found(net, prompts, beams=3, repetition_penalty=1.5)
        found(net, prompts, beams=3)
    assert [record.message.split(" is decoded")[0] for record in caplog.records] == ["MistralForCausalLM"]
    # As the network is a Llama with other names, ours can say what generate should have found.
    twin = copy.deepcopy(trained("llama"))
    twin.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(first, found(twin, prompts, beams=3, repetition_penalty=1.5))


@pytest.mark.parametrize("change", [{"activation_function": "tanh"}, {"activation_function": "gelu_fast"}])
def test_an_unknown_activation_is_left_to_transformers(change):
    from transformers import AutoModelForCausalLM

    settings = configuration("opt")
    for name, value in change.items():
        setattr(settings, name, value)
    assert forward_of(AutoModelForCausalLM.from_config(settings).eval(), CONTEXT) is None


def test_a_search_leaves_the_settings_that_a_network_came_with():
    net = trained("mistral")
    before = net.generation_config
    found(net, texts(2, 9, "prompts"), length=3, beams=2)
    assert net.generation_config is before


def test_more_beams_than_symbols_are_refused():
    small = SYMBOLS - 4
    net = copy.deepcopy(trained("opt"))
    net.resize_token_embeddings(small)
    with pytest.raises(ValueError, match="beams 64 are more than the 60 symbols"):
        found(net, texts(2, 9, "prompts"), beams=64)


def test_a_search_of_one_token_takes_the_likeliest():
    own, prompts = forward("opt"), torch.from_numpy(texts(5, 9, "prompts"))
    with torch.no_grad():
        likeliest = own.read(prompts, 0, own.slots(5, 9)).argmax(dim=1, keepdim=True)
        assert torch.equal(searched(own, prompts, 1, 5), likeliest)
