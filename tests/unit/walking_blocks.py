"""Blocks whose order is all there is to learn, and tiny causal language models of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from dwindle.contracts import Rows, Seed
from dwindle.families.causal_lm import CausalLm

SEED = Seed(13, ("causal-lm",))
LENGTH = 12
SMALL = CausalLm(symbols=8, layers=1, width=32, heads=2, steps=150, batch=16, learning_rate=1e-2)


def walks(count, name="rows", step=1):
    """Return blocks (1, n, L) that mostly count upwards by a step, modulo 5: each symbol is as frequent."""
    generator = SEED.at(name).numpy()
    start, slips = generator.integers(0, 5, (1, count, 1)), generator.random((1, count, LENGTH)) < 0.1
    return (start + step * np.arange(LENGTH) + np.cumsum(slips, axis=2)) % 5


def fitted(values, weights=None, *, name="fit", family=SMALL, parent=None, **settings):
    return replace(family, **settings).fit(Rows(values, weights), seed=SEED.at(name), parent=parent)


def nats(model, values):
    """Return nats a token."""
    return float(-model.log_prob(Rows(values)).mean() / values.shape[2])


def weights_of(model):
    return np.concatenate([part.detach().numpy().ravel() for part in model.net.parameters()])


def digest(model, folder: Path) -> str:
    """Return one digest of the files that a model is saved as."""
    folder.mkdir()
    model.save(folder)
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()
