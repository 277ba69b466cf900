"""The did-it-train gate: what has learnt nothing is an error; a lineage of one token is a lineage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from walking_blocks import LENGTH, SEED, fitted, walks

from dwindle.nets.language import fitting
from dwindle.samplers import Sampler


def test_a_fit_that_has_learnt_less_than_the_shares_is_refused():
    with pytest.raises(ValueError, match=r"learnt nothing: .* by the tokens' shares alone; take more steps"):
        fitted(np.minimum(walks(100), 1), steps=2, learning_rate=1e-5)


def test_a_fit_that_ends_worse_than_it_began_is_refused(monkeypatch):
    run = fitting.Training.run

    def spoilt(self, *given):
        taken = run(self, *given)
        with torch.no_grad():
            for part in self.trained.values():
                part.add_(torch.ones_like(part).cumsum(0))
        return taken

    monkeypatch.setattr(fitting.Training, "run", spoilt)
    with pytest.raises(ValueError, match=r"taught nothing: .* nats a token, .* before it"):
        fitted(walks(100), steps=20)


def test_a_fit_that_moves_no_weight_is_refused(monkeypatch):
    monkeypatch.setattr(fitting.Course, "rate", lambda self, step: 0.0)
    with pytest.raises(ValueError, match=r"no weight of \d+ matrices has moved in 20 steps; raise learning_rate"):
        fitted(walks(100), steps=20)


def test_an_optimiser_that_passes_over_steps_is_refused(monkeypatch):
    take = fitting.Training._take
    monkeypatch.setattr(fitting.Training, "_take", lambda self, seen: take(self, seen) if self.step % 2 else None)
    monkeypatch.setattr(fitting.Training, "_watch", lambda self: None)
    with pytest.raises(ValueError, match="took 10 steps of 20"):
        fitted(walks(100), steps=20)


def test_a_collapsed_lineage_of_one_token_is_fitted_and_repeats_it():
    for token in (0, 7):
        model = fitted(np.full((1, 40, LENGTH), token), steps=40)
        values = model.sample(50, sampler=Sampler(), seed=SEED.at("sample")).values
        assert (values == token).mean() > 0.98


def test_a_lineage_of_one_repeated_block_is_fitted():
    fitted(np.repeat(walks(1), 40, axis=1), steps=40)
