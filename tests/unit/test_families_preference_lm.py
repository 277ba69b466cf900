"""Preferences: the loss is that of its paper, what is preferred gains, and questions are answered as often as asked."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dwindle.config.sweep import load_sweep
from dwindle.contracts import Rows, Seed
from dwindle.data.unfinished import shelf
from dwindle.errors import BadInput
from dwindle.families.preference_lm import PreferenceLm
from dwindle.nets.language.fitting import Course
from dwindle.nets.language.kept import Keeper
from dwindle.nets.language.preferences import PreferenceTraining, gaps, preference_loss
from dwindle.samplers import Sampler
from dwindle.sources.grammar import Grammar

SEED = Seed(19, ("preference-lm",))
SMALL = replace(PreferenceLm.smallest(), symbols=6, prompt=2, answers=1, steps=150, batch=16)


def questions(count, name="rows"):
    """Return blocks (1, n, 5): two symbols, these swapped, and an end."""
    asked = SEED.at(name).numpy().integers(1, 6, (count, 2))
    return Rows(np.concatenate([asked, asked[:, ::-1], np.zeros((count, 1), dtype=np.int64)], axis=1)[None])


@pytest.fixture(scope="module")
def model():
    return replace(SMALL, preference_steps=0).fit(questions(200), seed=SEED.at("fit"))


def test_the_loss_is_log_2_at_the_reference_and_its_slope_is_half_beta():
    gap = torch.tensor([0.3, -2.0, 5.0], requires_grad=True)
    loss = preference_loss(gap, gap.detach(), 0.4)
    assert loss.tolist() == pytest.approx([math.log(2)] * 3)
    (slope,) = torch.autograd.grad(loss.sum(), gap)
    assert slope.tolist() == pytest.approx([-0.2] * 3)
    assert float(preference_loss(torch.tensor(3.0), torch.tensor(1.0), 0.5)) == pytest.approx(math.log1p(math.exp(-1)))


def test_a_gap_is_that_of_the_answers_alone(model):
    values = questions(8).values[0]
    pairs = np.stack([values, values[:, [0, 1, 2, 2, 2]]], axis=1)
    found = gaps(model.net, torch.from_numpy(pairs), prompt=2, begin=model.begin, symbols=6).detach().numpy()
    scores = model.token_log_prob(Rows(pairs.transpose(1, 0, 2).reshape(1, 16, 5)))[0, :, 2:].sum(axis=1)
    np.testing.assert_allclose(found, scores[:8] - scores[8:], atol=1e-4)


def test_what_is_preferred_gains_on_what_is_not(model):
    values = questions(40, "pairs").values[0]
    other = values.copy()
    other[:, 2] = values[:, 2] % 5 + 1  # wrong
    pairs, net = torch.from_numpy(np.stack([values, other], axis=1)), model.net
    course = Course(30, 1e-3, 0.0, 0.0, 1.0, 1, "float32", model.begin, 6)
    trained = replace(model, net=type(net)(net.config))
    trained.net.load_state_dict(net.state_dict())
    seed = SEED.at("prefer")
    run = PreferenceTraining(trained.net.eval(), course, seed, Keeper(shelf(seed)), pairs=pairs, prompt=2, beta=0.1)
    assert np.allclose(run.margins(), 0.0)
    assert run.prefer(seed.numpy().integers(0, 40, (30, 8))) == 30
    assert (run.margins() > 0).mean() > 0.9
    assert run.margins().mean() > 0.1


def test_every_question_is_answered_so_many_times_in_rows_that_follow_each_other(model):
    asking = replace(model, answers=3)
    chosen = Sampler(temperature=3.0, oversample=3.0)
    values = asking.sample(10, sampler=chosen, seed=SEED.at("sample")).values[0]
    assert values.shape == (10, 5)
    for start in (0, 3, 6):
        assert len(np.unique(values[start : start + 3, :2], axis=0)) == 1
    assert len(np.unique(values[:9:3, :2], axis=0)) > 1
    assert len(np.unique(values[:3, 2:], axis=0)) > 1
    alone = asking.sample(10, sampler=Sampler(temperature=3.0), seed=SEED.at("sample")).values[0]
    assert len(np.unique(alone[:3, :2], axis=0)) > 1  # nobody chooses, so each row asks anew


def test_prompts_are_kept_and_answered(model):
    prompts = questions(30, "prompts")
    values = model.sample(60, sampler=Sampler(beams=1), seed=SEED.at("sample"), prompts=prompts).values
    np.testing.assert_array_equal(values[0, :30, :2], prompts.values[0, :, :2])
    np.testing.assert_array_equal(values[0, 30:, :2], prompts.values[0, :, :2])
    assert (values[0, :30] == prompts.values[0]).all(axis=1).mean() > 0.5  # 25 questions, most of them learnt


def test_preferences_change_the_model_and_the_parent_is_whom_they_are_played_against():
    rows = questions(60)
    family = replace(SMALL, steps=30, preference_steps=5)
    plain = replace(family, preference_steps=0).fit(rows, seed=SEED.at("fit"))
    alone = family.fit(rows, seed=SEED.at("fit"))
    assert (alone.log_prob(rows) != plain.log_prob(rows)).any()
    other = family.fit(questions(60, "other"), seed=SEED.at("parent"))
    warm = family.fit(rows, seed=SEED.at("fit"), parent=other)
    again = family.fit(rows, seed=SEED.at("fit"), parent=other)
    np.testing.assert_array_equal(warm.log_prob(rows), again.log_prob(rows))
    assert -warm.log_prob(rows).mean() < -plain.log_prob(rows).mean()  # it has been trained twice as long


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"prompt": 0, "answers": 2}, "there is no question to be answered"),
        ({"width": 15}, "every head takes the same number"),
        ({"preference_steps": 0, "beta": 0.5}, "beta 0.5 would change nothing"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        replace(SMALL, **settings)
    with pytest.raises(ValueError, match="no answer after a prompt of 5"):
        replace(SMALL, prompt=5).fit(questions(10), seed=SEED)


def test_a_prompt_as_long_as_the_blocks_of_the_source_is_refused():
    recipe = SimpleNamespace(sampler=Sampler(), source=Grammar(length=10))
    assert replace(SMALL, prompt=9).refuses(recipe) == ""
    told = "prompt 10 leaves no answer in the source's blocks of 10 tokens; expected less"
    assert replace(SMALL, prompt=10).refuses(recipe) == told


@pytest.mark.parametrize(
    ("settings", "sampler", "says"),
    [
        ("prompt: 0", "prompts: anchor", "prompt 0 reads none"),
        ("prompt: 6, answers: 2", "prompts: anchor, oversample: 2.0", "to its own questions"),
        ("prompt: 6, answers: 2", "temperature: 1.0", "nobody could choose among them"),
    ],
)
def test_prompts_and_answers_that_would_not_be_read_are_refused_before_anything_grows(
    tmp_path, settings, sampler, says
):
    text = f"""\
sweep: own
generations: 1
budget: 20
source: taxonomy
family: {{name: preference_lm, symbols: 149, {settings}}}
sampler: {{{sampler}}}
metrics: [perplexity]
lineages: {{replace: {{regime: replace}}}}
"""
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(BadInput, match=says):
        load_sweep(tmp_path / "params.yaml")
