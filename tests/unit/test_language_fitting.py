"""Training of causal language models: its course, its parts and checkpoints, and what a kill leaves of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from walking_blocks import LENGTH, SEED, SMALL, digest, fitted, nats, walks, weights_of

from dwindle.contracts import Rows
from dwindle.data.unfinished import FOLDER, keeping
from dwindle.errors import NotReachable, StageFailed
from dwindle.families import causal_lm
from dwindle.nets.language import fitting, kept

STAGE = "train@a-g001"


def course(**settings):
    plain = {"steps": 100, "learning_rate": 1.0, "warmup": 0.1, "weight_decay": 0.0, "longest": 1.0}
    rest = {"accumulation": 1, "precision": "float32", "begin": 8, "symbols": 8}
    return fitting.Course(**{**plain, **rest, **settings})


def test_the_rate_rises_in_the_warm_up_and_falls_to_0():
    rates = np.array([course().rate(step) for step in range(100)])
    assert 0 < rates[0] < 0.1
    assert rates[10] == rates.max() == 1.0
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] < 1e-3


def test_parts_of_a_batch_add_up_to_the_batch():
    whole, parts = (fitted(walks(100), steps=30, accumulation=parts) for parts in (1, 3))
    np.testing.assert_allclose(weights_of(whole), weights_of(parts), atol=2e-3)
    assert nats(whole, walks(100)) == pytest.approx(nats(parts, walks(100)), abs=1e-3)


def test_epochs_are_passes_over_the_rows(monkeypatch):
    seen = []
    take = fitting.Training._take
    monkeypatch.setattr(fitting.Training, "_take", lambda self, blocks: (seen.append(len(blocks)), take(self, blocks)))
    fitted(walks(100), steps=0, epochs=20)
    assert (len(seen), set(seen)) == (20 * 100 // 16, {16})


def test_bfloat16_learns_the_same_to_its_precision():
    whole, half = (fitted(walks(300), precision=precision) for precision in ("float32", "bfloat16"))
    assert nats(half, walks(300)) == pytest.approx(nats(whole, walks(300)), abs=0.03)
    assert weights_of(half).dtype == np.float32
    assert (weights_of(half) != weights_of(whole)).any()


def test_dropout_changes_the_fit_and_not_the_scores():
    plain, dropping = (fitted(walks(100), dropout=share, steps=60) for share in (0.0, 0.3))
    assert (weights_of(plain) != weights_of(dropping)).any()
    assert nats(dropping, walks(50)) == nats(dropping, walks(50))


def test_weight_decay_shrinks_matrices_and_a_short_clip_slows_the_fit():
    nets = [fitted(walks(100), weight_decay=decay).net for decay in (0.0, 5.0)]
    norms = [sum(float(part.detach().square().sum()) for part in net.parameters() if part.ndim > 1) for net in nets]
    assert norms[1] < 0.7 * norms[0]
    assert (weights_of(fitted(walks(100), clip=0.0)) != weights_of(fitted(walks(100), clip=0.05))).any()


def test_the_best_weights_are_kept_where_later_ones_overfit():
    # Twenty blocks without order: what is learnt of them after the first epochs is untrue of the ones held aside.
    noise = SEED.at("noise").numpy().integers(0, 8, (1, 20, LENGTH))
    settings = {"steps": 0, "epochs": 60, "batch": 4, "learning_rate": 1e-2}
    last = fitted(noise, **settings)
    best = fitted(noise, **settings, checkpoint="best", validation=0.3)
    new = SEED.at("new").numpy().integers(0, 8, (1, 200, LENGTH))
    assert nats(best, new) < nats(last, new) - 0.3


def test_validation_looks_at_rows_as_often_as_their_weights_say():
    # Rows of weight 1/1000 walk otherwise, and would choose the weights that know the least of the others.
    rows = np.concatenate([walks(60), walks(180, "others", step=3)], axis=1)
    weights = np.repeat([[1.0, 0.001]], [60, 180], axis=1)
    model = fitted(rows, weights, steps=0, epochs=20, checkpoint="best", validation=0.25)
    assert nats(model, walks(200, "new")) < 0.6


def test_validation_that_leaves_no_row_is_refused():
    with pytest.raises(ValueError, match="none would be left to train on"):
        fitted(walks(1), checkpoint="best", validation=0.5)


SCRIPT = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from walking_blocks import SMALL, digest, fitted, walks
from dwindle.data.unfinished import keeping
from dwindle.nets.language import kept
root, settings = Path(sys.argv[1]), eval(sys.argv[2])
kept.PAUSE = kept._SHARE = 0.0
with keeping(root, {STAGE!r}, "key"):
    model = fitted(walks(60), **settings)
    print(digest(model, root / "made"))
"""


def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    settings = {"model": "gpt2", "steps": 0, "epochs": 8, "dropout": 0.2, "accumulation": 2, "precision": "bfloat16"}
    settings |= {"checkpoint": "best", "validation": 0.2}
    whole = digest(fitted(walks(60), **settings), tmp_path / "whole")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), repr(settings)]
    # Each state is two renames, of its digests and of its folder: the kill comes with the 12th state.
    monkeypatch.setenv("DWINDLE_FAILPOINT", "publish.renamed:12")
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list((tmp_path / FOLDER / STAGE / "key").glob("*/state/tensors.safetensors"))
    monkeypatch.delenv("DWINDLE_FAILPOINT")
    steps = []
    take = fitting.Training._take
    monkeypatch.setattr(fitting.Training, "_take", lambda self, blocks: (steps.append(self.step), take(self, blocks)))
    with keeping(tmp_path, STAGE, "key"):
        again = digest(fitted(walks(60), **settings), tmp_path / "again")
    assert again == whole
    assert steps[0] == 12
    assert steps[-1] == 8 * 48 // 16 - 1
    assert not (tmp_path / FOLDER / STAGE).exists()


def test_state_is_kept_no_more_often_than_it_takes_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "PAUSE", 0.05)
    written = []
    write = kept._write
    monkeypatch.setattr(kept, "_write", lambda *state: (written.append(1), write(*state)))
    with keeping(tmp_path, STAGE, "key"):
        fitted(walks(60), steps=100)
    assert len(written) < 20


def test_a_gradient_that_is_not_finite_ends_the_fit_with_its_step():
    with pytest.raises(ValueError, match=r"step \d+: the gradient is not finite; lower learning_rate"):
        fitted(walks(60), learning_rate=1.0, width=64, clip=0.0, warmup=0.0, weight_decay=10.0, steps=400, batch=4)


def test_too_little_memory_names_the_batch_and_what_to_change(monkeypatch):
    monkeypatch.setattr(causal_lm.Training, "_take", lambda self, blocks: torch.empty(10**15))
    with pytest.raises(StageFailed, match=r"training on batches of 16 rows of 12 tokens; lower batch, or set accumul"):
        fitted(walks(60))


@pytest.mark.parametrize("error", [NotImplementedError("no such operator"), torch.AcceleratorError("assert triggered")])
def test_what_is_no_want_of_memory_is_not_told_as_one(monkeypatch, error):
    def fail(self, blocks):
        raise error

    monkeypatch.setattr(causal_lm.Training, "_take", fail)
    with pytest.raises(type(error), match=str(error)):
        fitted(walks(60))


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    monkeypatch.setenv("DWINDLE_DEVICE", "cuda")
    with pytest.raises(NotReachable, match="a GPU was asked for"):
        replace(SMALL, steps=5).fit(Rows(walks(10)), seed=SEED)
