"""A server of the completions interface writes the texts of a model, and every way to fail is one clear line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from transformers import OPTConfig, OPTForCausalLM

from dwindle.contracts import Rows
from dwindle.errors import BadInput, NotReachable
from dwindle.families.causal_lm import CausalLm
from dwindle.nets.language.decoding import continued
from dwindle.nets.language.serving import VARIABLE, served
from dwindle.nets.language.shapes import narrowed
from dwindle.samplers import Sampler
from dwindle.seeds import Seed

SYMBOLS, LENGTH = 40, 7
NEVER = (SYMBOLS,)
SEED = Seed(5, ("served",))


@pytest.fixture(scope="module")
def net():
    import torch

    config = OPTConfig(
        vocab_size=SYMBOLS + 1, hidden_size=16, ffn_dim=32, num_hidden_layers=2, num_attention_heads=2,
        word_embed_proj_dim=16, max_position_embeddings=32, dropout=0.0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = OPTForCausalLM(config).eval()
        for part in model.parameters():
            part.data.normal_(0.0, 0.3)
    return model


def serving(monkeypatch: pytest.MonkeyPatch, fault: str = "") -> None:
    script = Path(__file__).with_name("language_server.py")
    monkeypatch.setenv(VARIABLE, f"{sys.executable} {script} {{folder}} {{port}} {fault}")


def texts(net, sampler: Sampler, prompts: int = 6):
    asked = SEED.at("prompts").numpy().integers(SYMBOLS, size=(prompts, 5))
    own = {"sampler": sampler, "seed": SEED, "begin": SYMBOLS, "never": NEVER}
    return asked, served(net.save_pretrained, asked, LENGTH, **own)


def test_the_likeliest_texts_are_those_of_our_own_decoder(net, monkeypatch: pytest.MonkeyPatch):
    serving(monkeypatch)
    before = set(psutil.Process().children(recursive=True))
    asked, made = texts(net, Sampler(beams=1))
    options = {"begin": SYMBOLS, "context": 32, "batch": 8}
    with narrowed(net, SYMBOLS):
        own = continued(net, asked, LENGTH, sampler=Sampler(beams=1), seed=SEED, **options)
    np.testing.assert_array_equal(made, own)
    assert set(psutil.Process().children(recursive=True)) == before, "the server has ended"


def test_draws_follow_seed_and_settings(net, monkeypatch: pytest.MonkeyPatch):
    serving(monkeypatch)
    first, again = (texts(net, Sampler(temperature=2.0, top_k=3))[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len({tuple(text) for text in first.tolist()}) == len(first)
    assert first.max() < SYMBOLS


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refuse", "refuses .*404.*no model"),
        ("short", f"asked for {LENGTH} tokens and answers with {LENGTH - 1} tokens"),
        ("text", "without token_ids"),
        ("crash", "ended with 1: no memory left"),
    ],
)
def test_a_server_that_fails_is_named(net, monkeypatch: pytest.MonkeyPatch, fault: str, said: str):
    serving(monkeypatch, fault)
    with pytest.raises(NotReachable, match=said):
        texts(net, Sampler(), prompts=2)


@pytest.mark.parametrize("command", ["", "serve {folder}"])
def test_a_command_without_folder_and_port_is_refused(net, monkeypatch: pytest.MonkeyPatch, command: str):
    monkeypatch.setenv(VARIABLE, command)
    with pytest.raises(BadInput, match=r"expected the command of a server with \{folder\} and \{port\}"):
        texts(net, Sampler(), prompts=1)


def test_a_command_that_is_not_there_is_named(net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, "no-such-server {folder} {port}")
    with pytest.raises(NotReachable, match="cannot start no-such-server"):
        texts(net, Sampler(), prompts=1)


@pytest.mark.parametrize("sampler", [Sampler(beams=3), Sampler(watermark="kgw")])
def test_what_servers_ignore_is_refused(net, monkeypatch: pytest.MonkeyPatch, sampler: Sampler):
    serving(monkeypatch)
    with pytest.raises(BadInput, match="sampler"):
        texts(net, sampler, prompts=1)


def test_a_family_lets_the_server_write_and_scores_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    serving(monkeypatch)
    rows = Rows(SEED.at("rows").numpy().integers(3, size=(1, 40, 6)))
    family = CausalLm(symbols=8, layers=1, width=16, heads=2, steps=60, learning_rate=1e-2, writer="server")
    family.fit(rows, seed=SEED).save(tmp_path)
    model = family.load(tmp_path)
    made = model.sample(4, sampler=Sampler(), seed=SEED)
    assert made.values.shape == (1, 4, 6)
    assert made.values.max() < 8
    assert np.isfinite(model.log_prob(made)).all()
    with pytest.raises(BadInput, match="do not fit a context of"):
        model.sample(2, sampler=Sampler(prompts="anchor"), seed=SEED, prompts=Rows(np.tile(rows.values, (1, 1, 3))))
