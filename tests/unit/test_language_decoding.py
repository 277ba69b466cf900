"""Drawing from language models: the law of the next token under every setting, and work that a kill interrupts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from dwindle.data import unfinished
from dwindle.nets.language import decoding, shapes, watermarks
from dwindle.nets.language.reading import Foreign
from dwindle.samplers import Sampler
from tests.unit.language_nets import BEGIN, CONTEXT, KINDS, SEED, SYMBOLS, generated, texts, trained

PROMPT = texts(1, 9, "prompts")
SETTINGS = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0},
    {"top_k": 3},
    {"top_p": 0.6},
    {"min_p": 0.2},
    {"repetition_penalty": 2.0},
    {"temperature": 1.5, "top_k": 9, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.3},
]


def written(net, prompts, length, *, name="draw", batch=5000, context=CONTEXT, **knobs):
    sampler, seed = Sampler(**knobs), SEED.at(name)
    return decoding.continued(
        net, prompts, length, sampler=sampler, seed=seed, begin=BEGIN, context=context, batch=batch
    )


def law(net, seen, *, temperature=1.0, top_k=SYMBOLS, top_p=1.0, min_p=0.0, repetition_penalty=1.0):
    """Return the shares of the next token after one text, (K,), one setting after another, in plain Python."""
    with torch.no_grad():
        logits = net(input_ids=torch.tensor([seen])).logits[0, -1].double().numpy()
    for token in set(seen):
        logits[token] *= repetition_penalty if logits[token] < 0 else 1 / repetition_penalty
    shares = np.exp((logits - logits.max()) / temperature)
    shares /= shares.sum()
    kept, mass = np.zeros(SYMBOLS), 0.0
    order = shares.argsort()[::-1][:top_k]
    shares /= shares[order].sum()
    for token in order:
        if mass < top_p and shares[token] >= min_p * shares[order[0]]:
            kept[token] = shares[token]
        mass += shares[token]
    return kept / kept.sum()


def agrees(tokens, shares):
    """Return whether tokens may have been drawn from shares: none outside the support, and chi-squared within it."""
    counts = np.bincount(tokens, minlength=SYMBOLS).astype(float)
    expected = shares * counts.sum()
    if counts[shares == 0].any():
        return False
    order = expected.argsort()[::-1]
    common = order[expected[order] >= 5]
    rare = np.setdiff1d(order, common)
    seen = np.append(counts[common], counts[rare].sum())
    law_ = np.append(expected[common], max(expected[rare].sum(), 1e-9))
    return len(common) == 1 or chisquare(seen, law_ * seen.sum() / law_.sum()).pvalue > 1e-3


@pytest.mark.parametrize("knobs", SETTINGS)
def test_tokens_are_drawn_from_the_law_that_the_settings_make(knobs):
    net = trained("opt")
    tokens = written(net, np.repeat(PROMPT, 8000, axis=0), 2, **knobs)
    seen = [BEGIN, *PROMPT[0]]
    shares = law(net, seen, **knobs)
    assert agrees(tokens[:, 0], shares)
    often = int(shares.argmax())
    after = tokens[tokens[:, 0] == often, 1]
    assert agrees(after, law(net, [*seen, often], **knobs))


@pytest.mark.parametrize("knobs", SETTINGS[1:])
def test_every_setting_changes_the_law_and_what_is_drawn(knobs):
    net = trained("opt")
    tokens = written(net, np.repeat(PROMPT, 8000, axis=0), 1, **knobs)
    assert not agrees(tokens[:, 0], law(net, [BEGIN, *PROMPT[0]]))


@pytest.mark.parametrize("knobs", [{"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.2}])
def test_a_cut_leaves_every_token_of_its_support_and_no_other(knobs):
    net = trained("opt")
    tokens = written(net, np.repeat(PROMPT, 8000, axis=0), 1, **knobs)
    support = np.flatnonzero(law(net, [BEGIN, *PROMPT[0]], **knobs))
    assert 1 < len(support) < SYMBOLS
    np.testing.assert_array_equal(np.unique(tokens), support)


@pytest.mark.parametrize("kind", KINDS)
def test_free_sampling_draws_whole_texts_from_the_law_of_the_module(kind):
    net = trained(kind)
    tokens = written(net, np.empty((6000, 0), dtype=np.int64), 2)
    assert agrees(tokens[:, 0], law(net, [BEGIN]))
    often = np.bincount(tokens[:, 0]).argmax()
    assert agrees(tokens[tokens[:, 0] == often, 1], law(net, [BEGIN, int(often)]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [1.0, 1.7])
def test_one_beam_takes_the_tokens_that_generate_takes(kind, penalty):
    net, prompts = trained(kind), texts(12, 9, "prompts")
    expected = generated(net, prompts, 24, repetition_penalty=penalty)
    np.testing.assert_array_equal(written(net, prompts, 24, batch=5, beams=1, repetition_penalty=penalty), expected)


@pytest.mark.parametrize("kind", ["opt", "gpt2"])
@pytest.mark.parametrize(
    "knobs", [{}, {"repetition_penalty": 1.5}, {"beams": 3, "repetition_penalty": 1.5}, {"watermark": "kgw"}]
)
def test_a_begin_token_outside_the_alphabet_is_read_and_never_written(kind, knobs):
    net, alphabet = trained(kind), SYMBOLS - 1
    prompts, options = texts(40, 9, "prompts") % alphabet, {"seed": SEED.at("begin"), "context": CONTEXT, "batch": 16}
    with shapes.narrowed(net, alphabet):
        tokens = decoding.continued(net, prompts, 20, sampler=Sampler(**knobs), begin=alphabet, **options)
    assert tokens.min() >= 0
    assert tokens.max() < alphabet


def test_through_the_module_of_transformers_the_same_tokens_are_drawn(monkeypatch):
    net, prompts = trained("llama"), texts(20, 9, "prompts")
    own = written(net, prompts, 20)
    monkeypatch.setattr(decoding, "reader_of", lambda net, context: Foreign(net))
    np.testing.assert_array_equal(written(net, prompts, 20), own)


def test_a_network_in_bfloat16_draws_from_nearly_the_same_law():
    import copy

    net = trained("gpt2")
    half = copy.deepcopy(net).to(torch.bfloat16)
    tokens = written(half, np.repeat(PROMPT, 8000, axis=0), 1)[:, 0]
    seen = np.bincount(tokens, minlength=SYMBOLS) / len(tokens)
    assert np.abs(seen - law(net, [BEGIN, *PROMPT[0]])).sum() / 2 < 0.05


def test_draws_come_from_the_seed_alone_and_leave_the_global_state():
    net, prompts = trained("opt"), texts(9, 9, "prompts")
    torch.manual_seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = written(net, prompts, 20, batch=4)
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()
    torch.manual_seed(2)
    assert first.tobytes() == written(net, prompts, 20, batch=4).tobytes()
    assert (first != written(net, prompts, 20, batch=4, name="another")).any()


def test_a_batch_draws_the_same_whatever_batches_stand_around_it():
    net, prompts = trained("opt"), texts(12, 9, "prompts")
    whole = written(net, prompts, 20, batch=4)
    np.testing.assert_array_equal(written(net, prompts[:8], 20, batch=4), whole[:8])
    changed = np.concatenate([prompts[4:8], prompts[4:]])
    np.testing.assert_array_equal(written(net, changed, 20, batch=4)[4:], whole[4:])


def test_beyond_its_context_a_text_goes_on_from_its_last_half():
    net, context = trained("gpt2"), 12
    tokens = written(net, np.repeat(PROMPT, 4000, axis=0), 3, context=context)
    # begin, nine tokens and two drawn ones fill the context; the third is drawn after begin and the last five.
    pairs, counts = np.unique(tokens[:, :2], axis=0, return_counts=True)
    often = pairs[counts.argmax()]
    window = [BEGIN, *PROMPT[0][-3:], *often.tolist()]
    assert agrees(tokens[(tokens[:, :2] == often).all(axis=1), 2], law(net, window))


def test_a_prompt_longer_than_the_context_is_cut_to_its_last_half():
    net, prompts = trained("opt"), texts(5, 30, "prompts")
    cut = generated(net, prompts[:, -7:], 4)
    np.testing.assert_array_equal(written(net, prompts, 4, context=16, beams=1), cut)


@pytest.mark.parametrize("scheme", ["kgw", "synthid"])
def test_a_watermark_is_in_the_share_of_rows_that_is_asked_for(scheme):
    net, nothing = trained("opt"), np.empty((60, 0), dtype=np.int64)
    scores = {}
    for share in (0.0, 0.5, 1.0):
        tokens = written(net, nothing, 60, watermark=scheme, watermark_share=share, temperature=1.5)
        scores[share] = watermarks.scores(tokens, scheme, SYMBOLS)
    marked = watermarks.marked_rows(Sampler(watermark=scheme, watermark_share=0.5), 60, SEED.at("draw", 0))
    assert np.nanmean(scores[1.0]) > np.nanmean(scores[0.0]) + 2.0
    np.testing.assert_array_equal(scores[0.5], np.where(marked, scores[1.0], scores[0.0]))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"context": CONTEXT + 1}, "places for 2 .. 64"),
        ({"context": 1}, "places for 2 .. 64"),
        ({"batch": 0}, "batch 0"),
        ({"length": 0}, "length 0"),
    ],
)
def test_what_cannot_be_written_is_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        written(trained("opt"), PROMPT, **{"length": 5, **settings})


CHILD = """
import sys
import numpy as np
from transformers import AutoModelForCausalLM
from dwindle.data import unfinished
from dwindle.nets.language import decoding
from dwindle.samplers import Sampler
from dwindle.seeds import Seed
from pathlib import Path
folder = Path(sys.argv[1])
net = AutoModelForCausalLM.from_pretrained(folder / "net").eval()
decoding._PAUSE = 0.0
with unfinished.keeping(folder, "stage", "key"):
    decoding.continued(net, np.load(folder / "prompts.npy"), 12, sampler=Sampler(), seed=Seed(9), begin=2, context=64,
                       batch=8)
"""


def test_a_killed_process_is_taken_up_where_it_kept_and_gives_the_same_bytes(tmp_path, monkeypatch):
    net, prompts = trained("opt"), texts(1600, 9, "prompts")
    net.save_pretrained(tmp_path / "net")
    np.save(tmp_path / "prompts.npy", prompts)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment)
    place, deadline = tmp_path / unfinished.FOLDER / "stage" / "key", time.monotonic() + 120
    while not list(place.glob("*/continued/digests.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    batches = []
    plain = decoding._Writer.written
    monkeypatch.setattr(decoding._Writer, "written", lambda *given: batches.append(1) or plain(*given))

    def run():
        sampler, seed = Sampler(), decoding.Seed(9)
        return decoding.continued(net, prompts, 12, sampler=sampler, seed=seed, begin=BEGIN, context=64, batch=8)

    with unfinished.keeping(tmp_path, "stage", "key"):
        resumed = run()
    assert 0 < len(batches) < len(prompts) / 8
    assert resumed.tobytes() == run().tobytes()


def test_a_stage_that_asks_two_models_with_one_seed_gets_the_texts_of_each(tmp_path, monkeypatch):
    prompts = texts(8, 9, "prompts")
    alone = [written(trained(kind), prompts, 12).tobytes() for kind in ("opt", "gpt2")]
    monkeypatch.setattr(decoding, "_SHORT", 0.0)
    with unfinished.keeping(tmp_path, "stage", "key"):
        both = [written(trained(kind), prompts, 12).tobytes() for kind in ("opt", "gpt2")]
    assert alone == both


def test_progress_is_told_in_tokens_and_the_rate_leaves_out_what_was_kept(tmp_path, monkeypatch):
    net, prompts, told = trained("opt"), texts(32, 9, "prompts"), []
    monkeypatch.setattr(decoding, "tell", lambda *given: told.append(given) or _stop(len(told) == 3))
    monkeypatch.setattr(decoding, "_PAUSE", 0.0)

    def run():
        with unfinished.keeping(tmp_path, "stage", "key"):
            return written(net, prompts, 12, batch=8)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [(done, total, unit) for done, total, unit, _ in told] == [(n * 96, 384, "tokens") for n in (1, 2, 3)]
    monkeypatch.setattr(decoding, "tell", lambda *given: told.append(given))
    started = time.monotonic()
    run()
    spent = time.monotonic() - started
    # Two batches were kept, the third was not yet: two were left, and the last word's rate is theirs.
    assert len(told) == 5
    done, _, _, seconds = told[-1]
    assert done / seconds > 192 / spent * 0.99


def _stop(now):
    if now:
        raise KeyboardInterrupt
