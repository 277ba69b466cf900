"""Watermarks: marked text is found, unmarked text scores as a standard normal, and transformers says the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from dwindle.nets.language import watermarks
from dwindle.nets.language.watermarks import marked_rows, processor, scores
from dwindle.samplers import Sampler
from dwindle.seeds import Seed

SYMBOLS, LENGTH = 256, 64
PLACE = torch.device("cpu")
SEED = Seed(11, ("watermarks",))
SCHEMES = ("kgw", "synthid")


def table(entropy=3.0, symbols=SYMBOLS):
    """Return logits of each token after each other one, a net that sees one token."""
    return torch.from_numpy(entropy * SEED.at("table").numpy().standard_normal((symbols, symbols))).float()


def written(sampler, count=200, *, net=None, marked=None, name="text", begin=0):
    """Write texts token by token with the mark that the sampler asks for, temperature and top_k before it."""
    net, generator = table(1.5) if net is None else net, SEED.at(name).numpy()
    mark = processor(sampler, SYMBOLS, PLACE, marked=marked)
    ids = torch.full((count, 1), begin)
    for _ in range(LENGTH):
        logits = net[ids[:, -1]] / sampler.temperature
        if sampler.top_k:
            logits = logits.masked_fill(logits < logits.topk(sampler.top_k).values[:, -1:], -torch.inf)
        logits = logits if mark is None else mark(ids, logits)
        reach = torch.softmax(logits.double(), dim=1).cumsum(dim=1)
        drawn = torch.from_numpy(generator.random((count, 1))) * reach[:, -1:]
        ids = torch.cat([ids, torch.searchsorted(reach, drawn, right=True)], dim=1)
    return ids[:, 1:].numpy()


# ------------------------------------------------------------------------------------------- as transformers has it


def processors(scheme):
    """Return our processor and a new one of transformers with the same settings."""
    from transformers.generation import logits_process as theirs

    ours = processor(Sampler(watermark=scheme), SYMBOLS, PLACE)
    if scheme == "kgw":
        return ours, theirs.WatermarkLogitsProcessor(SYMBOLS, "cpu", watermarks.GREEN, watermarks.BIAS)
    keys = list(watermarks.KEYS)
    known = {"ngram_len": 5, "keys": keys, "sampling_table_size": 2**16, "sampling_table_seed": 0}
    return ours, theirs.SynthIDTextWatermarkLogitsProcessor(
        **known, context_history_size=1024, device=PLACE, skip_first_ngram_calls=True
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("tokens", [SYMBOLS, 3])
def test_logits_are_those_of_transformers_to_the_bit_also_where_contexts_repeat(scheme, tokens):
    ours, theirs = processors(scheme)
    generator = SEED.at("loop", tokens).numpy()
    ids = torch.zeros((5, 0), dtype=torch.int64)
    changed = 0
    for _ in range(40):
        logits = torch.from_numpy(generator.standard_normal((5, SYMBOLS))).float()
        logits[:, tokens:] = -torch.inf
        found = ours(ids, logits)
        # What transformers is shown before its first context is full, it does not look at.
        expected = (
            theirs(ids, logits) if ids.shape[1] or scheme == "kgw" else theirs(torch.zeros_like(logits).long(), logits)
        )
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        changed += int((found != logits).any(dim=1).sum())
        token = torch.from_numpy(generator.integers(0, tokens, (5, 1)))
        ids = torch.cat([ids, token], dim=1)
    assert changed > 30 if scheme == "kgw" or tokens == SYMBOLS else 5 < changed < 5 * 30


def test_kgw_scores_are_those_of_transformers_that_count_each_pair_once():
    from transformers import OPTConfig, WatermarkDetector

    config = {"greenlist_ratio": 0.25, "bias": watermarks.BIAS, "hashing_key": 15485863, "seeding_scheme": "lefthash"}
    opt = OPTConfig(vocab_size=SYMBOLS, bos_token_id=SYMBOLS + 1)
    theirs = WatermarkDetector(opt, "cpu", {**config, "context_width": 1}, ignore_repeated_ngrams=True)
    rows = np.concatenate([written(Sampler(watermark="kgw"), 5), written(Sampler(), 5)])
    rows[-1, 10:] = rows[-1, 9]
    expected = theirs(torch.from_numpy(rows), return_dict=True).z_score
    np.testing.assert_allclose(scores(rows, "kgw", SYMBOLS), expected, rtol=1e-12)


def test_synthid_scores_are_the_mean_of_the_coins_that_transformers_deals():
    _, theirs = processors("synthid")
    rows = np.concatenate([written(Sampler(watermark="synthid"), 5), written(Sampler(), 5)])
    rows[-1, 10:] = rows[-1, 9]
    ids = torch.from_numpy(rows)
    once = theirs.compute_context_repetition_mask(ids).numpy()
    coins = theirs.compute_g_values(ids).numpy().sum(axis=2)
    assert not once.all()
    won, count = (coins * once).sum(axis=1), once.sum(axis=1)
    fair = (won - 15.0 * count) / np.sqrt(7.5 * count)  # thirty fair coins a token
    np.testing.assert_allclose(scores(rows, "synthid", SYMBOLS), fair, atol=0.15)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_search_of_ours_finds_the_marked_text_that_generate_finds(beams):
    from transformers import WatermarkingConfig

    from dwindle.nets.language.decoding import continued

    net, prompts = opt(), SEED.at("prompts").numpy().integers(3, SYMBOLS, (8, 12))
    found = continued(
        net, prompts, 24, sampler=Sampler(watermark="kgw", beams=beams), seed=SEED, begin=2, context=64, batch=8
    )
    asked = torch.nn.functional.pad(torch.from_numpy(prompts), (1, 0), value=2)
    mark = WatermarkingConfig(bias=watermarks.BIAS)
    plan = {"num_beams": beams, "do_sample": False, "max_new_tokens": 24, "min_new_tokens": 24, "eos_token_id": None}
    theirs = net.generate(asked, attention_mask=torch.ones_like(asked), watermarking_config=mark, **plan)[:, 13:]
    assert (found == theirs.numpy()).all(axis=1).mean() >= 0.99
    assert scores(found, "kgw", SYMBOLS).mean() > 4


def opt(symbols=SYMBOLS):
    """Return an OPT of random weights, some 3 nats a token."""
    from transformers import OPTConfig, OPTForCausalLM

    sizes = {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = OPTConfig(
            vocab_size=symbols, num_attention_heads=2, max_position_embeddings=128, init_std=0.4, **sizes
        )
        return OPTForCausalLM(config).eval()


# ------------------------------------------------------------------------------------------- found, and not found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7}, {"temperature": 1.5}, {"top_k": 20}])
def test_marked_text_is_found_whatever_else_shapes_the_draw(scheme, settings):
    z = scores(written(Sampler(watermark=scheme, **settings)), scheme, SYMBOLS)
    assert (z > 4).mean() > 0.99
    assert z.mean() > 8


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("beams", [0, 1, 3])
def test_text_of_a_transformer_is_found_drawn_taken_or_searched_for(scheme, beams):
    from dwindle.nets.language.decoding import continued

    options = {"seed": SEED, "begin": 2, "context": 90, "batch": 16}
    prompts = SEED.at("prompts").numpy().integers(3, SYMBOLS, (32, 16))
    found = continued(opt(), prompts, LENGTH, sampler=Sampler(watermark=scheme, beams=beams), **options)
    plain = continued(opt(), prompts, LENGTH, sampler=Sampler(beams=beams), **options)
    assert scores(found, scheme, SYMBOLS).min() > 4
    assert np.abs(scores(plain, scheme, SYMBOLS)).max() < 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_language_model_marks_its_own_alphabet_though_its_net_has_a_token_more(scheme):
    from dwindle.contracts import Rows
    from dwindle.families.causal_lm import CausalLm

    rows = Rows(SEED.at("rows").numpy().integers(0, 16, (1, 60, LENGTH)) * 2)
    family = CausalLm(symbols=32, layers=1, width=16, heads=2, steps=60, batch=16, learning_rate=1e-2)
    model = family.fit(rows, seed=SEED)
    half = Sampler(watermark=scheme, watermark_share=0.5)
    z, plain = (
        scores(model.sample(64, sampler=sampler, seed=SEED).values[0], scheme, 32) for sampler in (half, Sampler())
    )
    assert 0.2 < (z > 4).mean() < 0.8
    assert (plain > 4).mean() < 0.05


@pytest.mark.parametrize("scheme", SCHEMES)
def test_unmarked_text_scores_as_a_standard_normal(scheme):
    z = scores(SEED.at("uniform").numpy().integers(0, SYMBOLS, (4000, LENGTH)), scheme, SYMBOLS)
    assert abs(z.mean()) < 4 / np.sqrt(4000)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * 4000)
    # Green tokens are counted, so that their scores come in steps of 1 / sqrt(63 / 4 x 3 / 4) = 0.29.
    assert stats.kstest(z, "norm").statistic < (0.07 if scheme == "kgw" else 0.03)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_scheme_does_not_find_the_other(scheme):
    (other,) = set(SCHEMES) - {scheme}
    assert abs(scores(written(Sampler(watermark=other)), scheme, SYMBOLS).mean()) < 0.5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_that_repeats_itself_does_not_look_marked(scheme):
    rows = np.repeat(SEED.at("pair").numpy().integers(0, SYMBOLS, (500, 2)), LENGTH // 2, axis=0).reshape(500, LENGTH)
    assert np.abs(scores(rows, scheme, SYMBOLS)).max() < 4.5


@pytest.mark.parametrize(("scheme", "needed"), [("kgw", 2), ("synthid", 5)])
def test_rows_too_short_to_be_scored_have_no_score(scheme, needed):
    rows = np.arange(12).reshape(2, 6)
    assert np.isnan(scores(rows[:, : needed - 1], scheme, SYMBOLS)).all()
    assert np.isfinite(scores(rows[:, :needed], scheme, SYMBOLS)).all()


# ------------------------------------------------------------------------------------------- what a mark depends on


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_mark_depends_on_the_row_alone_so_that_beams_may_change_places(scheme):
    mark = processor(Sampler(watermark=scheme), SYMBOLS, PLACE)
    draws = SEED.at("places").numpy()
    ids = torch.from_numpy(draws.integers(0, 3, (30, 12)))
    logits = torch.from_numpy(draws.standard_normal((30, SYMBOLS))).float()
    order = torch.from_numpy(draws.permutation(30))
    before, found = torch.get_rng_state(), mark(ids, logits)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(mark(ids[order], logits[order]), found[order])
    assert torch.equal(mark(ids, logits), found)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_marked_rows_of_a_share_are_found_and_the_others_are_not(scheme):
    sampler = Sampler(watermark=scheme, watermark_share=0.3)
    marked = marked_rows(sampler, 400, SEED)
    assert abs(marked.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 400)
    z = scores(written(sampler, 400, marked=marked), scheme, SYMBOLS)
    assert ((z > 4) == marked).mean() > 0.99


def test_all_beams_of_a_marked_text_are_marked():
    mark = processor(Sampler(watermark="kgw", watermark_share=0.5), SYMBOLS, PLACE, marked=np.array([True, False]))
    changed = (mark(torch.zeros((6, 3), dtype=torch.int64), torch.zeros((6, SYMBOLS))) != 0).any(dim=1)
    assert changed.tolist() == [True, True, True, False, False, False]


def test_logits_beyond_the_alphabet_are_left_alone_and_those_of_the_alphabet_are_marked_as_without_them():
    mark = processor(Sampler(watermark="kgw"), SYMBOLS, PLACE)
    ids, wide = torch.tensor([[7]]), torch.zeros((1, SYMBOLS + 9))
    assert torch.equal(mark(ids, wide)[:, :SYMBOLS], mark(ids, wide[:, :SYMBOLS]))
    assert not mark(ids, wide)[:, SYMBOLS:].any()


def test_no_mark_is_no_processor_and_what_cannot_be_marked_is_refused():
    assert processor(Sampler(), SYMBOLS, PLACE) is None
    with pytest.raises(ValueError, match="nothing says which"):
        processor(Sampler(watermark="kgw", watermark_share=0.5), SYMBOLS, PLACE)
    with pytest.raises(ValueError, match="at least 4 are needed"):
        processor(Sampler(watermark="kgw"), 3, PLACE)
    with pytest.raises(ValueError, match="the alphabet is 0 to 7"):
        scores(np.array([[1, 8]]), "kgw", 8)
    for settings in ({"top_k": 1}, {"min_p": 1.0}):
        with pytest.raises(ValueError, match="leaves one token to choose from"):
            Sampler(watermark="synthid", **settings)
