"""The sources of pairs: their coefficients are known, and their rows follow them."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.checks import check_source
from dwindle.contracts import Coefficients, Seed, Verifiable
from dwindle.sources.linear import Linear
from dwindle.sources.logistic import Logistic

SEED = Seed(7, ("lineage", "draw"))
SOURCES = [
    Linear(),
    Linear(dimensions=1, norm=0.0, noise=0.0),
    Linear(dimensions=30, norm=3.0, noise=0.1),
    Logistic(),
    Logistic(dimensions=1, norm=0.0),
    Logistic(dimensions=30, norm=5.0),
]


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_every_setting_keeps_the_contract(source):
    check_source(source)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_the_coefficients_have_the_length_that_was_asked_for(source):
    assert isinstance(source, Coefficients)
    assert source.coefficients().shape == (1, source.dimensions)
    assert np.linalg.norm(source.coefficients()) == pytest.approx(source.norm)
    assert len(set(source.coefficients()[0].tolist())) == 1


@pytest.mark.parametrize("source", [Linear(dimensions=3), Logistic(dimensions=3)], ids=repr)
def test_inputs_are_standard_normal(source):
    inputs = source.draw(20_000, first=0, chains=1, seed=SEED).values[0, :, :-1]
    np.testing.assert_allclose(inputs.mean(axis=0), 0.0, atol=0.03)
    np.testing.assert_allclose(np.cov(inputs.T), np.eye(3), atol=0.05)


def test_responses_stray_from_the_line_by_the_noise_alone():
    source = Linear(dimensions=3, norm=2.0, noise=0.5)
    rows = source.draw(20_000, first=0, chains=1, seed=SEED).values[0]
    residuals = rows[:, -1] - rows[:, :-1] @ source.coefficients()[0]
    assert residuals.std() == pytest.approx(0.5, rel=0.03)
    np.testing.assert_allclose(np.linalg.lstsq(rows[:, :-1], rows[:, -1])[0], source.coefficients()[0], atol=0.02)


def test_labels_have_the_chance_of_their_log_odds():
    source = Logistic(dimensions=2, norm=3.0)
    rows = source.draw(50_000, first=0, chains=1, seed=SEED)
    values = rows.values[0]
    assert set(values[:, -1].tolist()) == {0.0, 1.0}
    chance = 1 / (1 + np.exp(-values[:, :-1] @ source.coefficients()[0]))
    for low in (0.0, 0.25, 0.5, 0.75):
        band = (chance >= low) & (chance < low + 0.25)
        gap = values[band, -1].mean() - chance[band].mean()
        assert abs(gap) < 4 * np.sqrt((chance[band] * (1 - chance[band])).mean() / band.sum())
    wrong = np.minimum(chance, 1 - chance)
    assert 1 - source.is_right(rows).mean() == pytest.approx(wrong.mean(), abs=4 * np.sqrt(wrong.mean() / 50_000))


def test_a_label_on_the_likelier_side_is_right():
    rows = Logistic(dimensions=2).draw(100, first=0, chains=3, seed=SEED)
    likelier = rows.values[..., :2].sum(axis=2) > 0
    assert isinstance(Logistic(), Verifiable)
    assert not isinstance(Linear(), Verifiable)
    np.testing.assert_array_equal(Logistic(dimensions=2).is_right(rows), likelier == rows.values[..., 2])
