"""What the recipe of a language model asks for in vain ends in one message and its exit code."""

from __future__ import annotations

import json
import resource
import sys
import time

import psutil
import pytest

from dwindle import cli
from dwindle.seeds import Seed

REVISION = "0123456789abcdef0123456789abcdef01234567"
PARAMS = """\
sweep: words
generations: 1
seed: 3
chains: 1
budget: 40
source: {name: pydoc_topics, unit: pieces, symbols: 300, length: 8, held_out: 20}
family: {name: causal_lm, symbols: 300, layers: 1, width: 16, heads: 2, steps: 40, learning_rate: 2.0e-2}
metrics: [perplexity]
lineages:
  replace: {regime: replace}
"""

# Serves a model until it is asked for a text.
DYING = """\
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self):
        os._exit(1)

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def project(new_project):
    made = new_project(PARAMS)
    (made.root / "empty.txt").write_text("\n")
    return made


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A model as others publish theirs, with a tokenizer of its own, and the ways to spoil it, by name."""
    from dwindle.nets.language import shapes

    config = shapes.configuration("gpt2", symbols=299, length=20, layers=1, width=16, heads=2)
    config.bos_token_id = 0
    net, found = shapes.untrained(config, Seed(1, ("given",))), {}
    for name in ("foreign", "coded", "pickled", "lacking"):
        found[name] = tmp_path_factory.mktemp(name)
        shapes.save(net, found[name])
    (found["foreign"] / "tokenizer.json").write_text("{}")
    described = found["coded"] / "config.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"auto_map": {"AutoModel": "mine.Mine"}}))
    (found["pickled"] / "model.safetensors").rename(found["pickled"] / "pytorch_model.bin")
    (found["lacking"] / "model.safetensors").unlink()
    return found


@pytest.fixture
def refused(project, monkeypatch, capsys):
    """Run the command in this process; return its exit code and its one line, once it is sure that nothing is new."""

    def files():
        return sorted(path for path in project.root.rglob("*") if "__pycache__" not in path.parts)

    def run(*overrides: str) -> tuple[int, str]:
        before = files()
        monkeypatch.chdir(project.root)
        monkeypatch.setattr(sys, "argv", ["dwindle", "run", *overrides])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert files() == before
        assert isinstance(ended.value.code, int)
        return ended.value.code, line

    return run


def test_a_model_on_a_hub_that_does_not_answer_ends_with_code_3_in_seconds(refused, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    code, line = refused(f"family.model=org/name@{REVISION}", "restart=base")
    assert (code, time.monotonic() - start < 10) == (3, True)
    assert f"org/name@{REVISION} is not in the local cache, and " in line
    assert "does not answer" in line


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["family.model=org/name"], "no hub id with a pinned revision: expected org/name@revision"),
        (["family.model=nowhere"], "'nowhere' is no folder"),
        (["family.epochs=1"], "epochs 1 and steps 40: set one of them"),
        (["sampler.beams=2", "sampler.temperature=0.5"], "so temperature would change nothing"),
        (["sampler.watermark_share=0.5"], "watermark is none"),
        (["family.writer=server", "sampler.beams=2"], "writer server and sampler.beams 2"),
        (["family.writer=server"], "DWINDLE_LM_SERVER is not set; expected the command of a server"),
        (["source.name=text_files", "source.path=empty.txt"], "empty.txt is empty"),
    ],
)
def test_settings_that_cannot_be_are_a_users_mistake(refused, monkeypatch, overrides, told):
    monkeypatch.delenv("DWINDLE_LM_SERVER", raising=False)
    code, line = refused(*overrides)
    assert (code, told in line) == (2, True), line


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ("foreign", "knows the tokens of its own tokenizer, and the source has a numbering of its own"),
        ("coded", "asks for code that comes with it (auto_map); dwindle runs no remote code"),
        ("pickled", "only as pickle (pytorch_model.bin), which runs code when it is read; expected *.safetensors"),
        ("lacking", "has no model.safetensors, nor "),
    ],
)
def test_a_model_that_will_not_do_is_a_users_mistake(refused, given, spoilt, told):
    code, line = refused(f"family.model={given[spoilt]}", "restart=base")
    assert (code, told in line) == (2, True), line


def test_a_gpu_that_is_not_there_is_out_of_reach(refused, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    monkeypatch.delenv("DWINDLE_DEVICE", raising=False)
    code, line = refused("engine.gpus=1")
    assert (code, "this machine shows no GPU" in line) == (3, True), line
    monkeypatch.setenv("DWINDLE_DEVICE", "cuda")
    code, line = refused()
    assert (code, "a GPU was asked for and none is visible" in line) == (3, True), line


def test_a_server_that_is_not_installed_is_out_of_reach(refused, monkeypatch):
    monkeypatch.setenv("DWINDLE_LM_SERVER", "no-such-server {folder} {port}")
    code, line = refused("family.writer=server")
    assert (code, "cannot start no-such-server" in line) == (3, True), line


def test_a_server_that_dies_ends_the_run_in_one_line_and_leaves_no_process(project, monkeypatch, tmp_path):
    (tmp_path / "dying.py").write_text(DYING)
    monkeypatch.setenv("DWINDLE_LM_SERVER", f"{sys.executable} {tmp_path / 'dying.py'} {{port}} {{folder}}")
    copy = project.copy(tmp_path / "copy")
    done = copy.run("dwindle", "run", "family.writer=server", "generations=0", check=False)
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "DWINDLE_LM_SERVER: the server does not answer at http://127.0.0.1:" in line
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(tmp_path / "dying.py") in command for command in commands)


def test_too_little_memory_names_the_batch_and_what_to_change(project, tmp_path):
    copy = project.copy(tmp_path / "copy")

    def starve():
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # the logits below are 9.6 GB in one piece

    overrides = ("family.symbols=6000", "family.batch=50000", "family.steps=1", "generations=0")
    done = copy.run("dwindle", "run", *overrides, check=False, preexec_fn=starve)
    assert done.returncode == 5, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "out of memory while training on batches of 50000 rows of 8 tokens" in line
    assert "lower batch, or set accumulation above 1" in line
    assert not list((copy.root / "models").rglob("*.safetensors"))
