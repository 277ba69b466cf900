"""The variational autoencoder on pictures and on rows with classes: convolutions of any size, classes that die."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.families.vae import Vae
from dwindle.samplers import Sampler
from dwindle.sources.digits import Digits
from tests.unit.test_families_vae import assert_a_cohort_is_its_lineages

SEED = Seed(12, ("vae", "pictures"))
DIGITS = Digits(space="pixels", labels=True)
SMALL = Vae(latent=2, hidden=16, steps=120, batch=24, learning_rate=1e-2)
TINY = Vae(network="convolutional", latent=2, hidden=8, channels=2, beta=0.1, steps=60, batch=16, learning_rate=2e-2)


@dataclass(frozen=True)
class Shaped:
    """A source that only says what its pictures are."""

    shape: tuple[int, int, int] | None

    def pixels(self):
        return self.shape

    def images(self, values, *, seed):
        return values.reshape(-1, *self.shape)


def digits(count, chains=2, name="rows"):
    rows = DIGITS.draw(count, first=0, chains=chains, seed=SEED.at(name))
    return Rows(rows.values, labels=rows.labels)


def bars(shape, chains=2, count=60):
    """Return pictures with a bright bar at one of five heights, rows (c, n, h w colours)."""
    height, width, colours = shape
    places = SEED.at("bars").numpy().integers(5, size=(chains, count))
    lines = np.arange(height) * 5 // height == places[..., None]
    wide = np.broadcast_to(lines[..., None, None], (chains, count, height, width, colours))
    return wide.reshape(chains, count, -1).astype(np.float64)


def lumps(chains=2, count=90, classes=3):
    """Return rows around a centre of their class, in two dimensions."""
    labels = np.broadcast_to(np.arange(count) % classes, (chains, count)).astype(np.int64)
    noise = SEED.at("lumps").numpy().normal(size=(chains, count, 2))
    return Rows(noise + 12.0 * labels[..., None], labels=labels)


class Three:
    """A source that only says that it has three classes."""

    def label_names(self):
        return ("low", "middle", "high")


def sampled(model, count=600):
    return model.sample(count, sampler=Sampler(), seed=SEED.at("sample"))


def test_lineages_of_convolutions_with_classes_get_the_same_bits_in_a_cohort():
    family = replace(TINY, steps=25).given(DIGITS)
    assert_a_cohort_is_its_lineages(family, [digits(50, 1), digits(41, 2, "other")])


def test_lineages_with_classes_get_the_same_bits_in_a_cohort():
    weighted = lumps(2, 66)
    weighted = replace(weighted, weights=SEED.at("weights").numpy().uniform(0.0, 2.0, size=(2, 66)).round())
    assert_a_cohort_is_its_lineages(replace(SMALL, steps=60).given(Three()), [lumps(1), weighted])


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 14, 1), (28, 28, 1), (32, 32, 3)])
def test_convolutions_learn_pictures_of_any_size(shape):
    rows = bars(shape)
    family = replace(TINY, hidden=32, channels=4, beta=0.002 * rows.shape[2], steps=130, learning_rate=1e-2)
    model = family.given(Shaped(shape)).fit(Rows(rows), seed=SEED.at("fit"))
    values = sampled(model, 200).values
    assert values.shape == (2, 200, rows.shape[2])
    assert model.weights["residual"].square().mean() < 0.6  # of the variance
    within = values.reshape(2, 200, *shape).var(axis=(3, 4)).mean()
    assert within < 0.25 * values.var(axis=1).mean()  # a bar is as bright all along


def test_saved_convolutions_sample_and_encode_the_same(tmp_path):
    family, rows = TINY.given(DIGITS), digits(60)
    model = family.fit(rows, seed=SEED.at("fit"))
    model.save(tmp_path)
    loaded = family.load(tmp_path)
    assert sampled(model, 20).values.tobytes() == sampled(loaded, 20).values.tobytes()
    assert sampled(model, 20).labels.tobytes() == sampled(loaded, 20).labels.tobytes()
    assert model.encode(rows).tobytes() == loaded.encode(rows).tobytes()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (Shaped(None), "rows that are pixels, and those of Shaped are not"),
        (Digits(), "rows that are pixels, and those of Digits are not"),
        (Three(), "rows that are pixels, and those of Three are not"),
        (Shaped((7, 8, 1)), "8 to 32 pixels a side and 1 or 3 colours; Shaped has 7 x 8 pixels of 1 colours"),
        (Shaped((33, 32, 3)), "Shaped has 33 x 32 pixels of 3 colours"),
        (Shaped((16, 16, 2)), "Shaped has 16 x 16 pixels of 2 colours"),
    ],
)
def test_convolutions_refuse_what_they_are_not_made_for(source, found):
    with pytest.raises(ValueError, match=f"network convolutional .*{found}"):
        TINY.given(source)


def test_convolutions_without_a_source_and_channels_without_convolutions_are_refused():
    with pytest.raises(ValueError, match="was not given a source"):
        TINY.fit(digits(20), seed=SEED)
    with pytest.raises(ValueError, match="network dense has no channels, so channels 4 would change nothing"):
        Vae(channels=4)


def test_a_sampled_row_is_one_of_its_class():
    model = SMALL.given(Three()).fit(lumps(), seed=SEED.at("fit"))
    found = sampled(model)
    for chain in range(2):
        means = [found.values[chain, found.labels[chain] == label].mean() for label in range(3)]
        np.testing.assert_allclose(means, [0.0, 12.0, 24.0], atol=1.5)


def test_classes_are_drawn_as_often_as_the_weights_of_the_rows_say_and_a_dead_one_never():
    rows = lumps(1, 200)
    weights = np.choose(rows.labels, [0.0, 1.0, 3.0])
    weights[0, 50:100] = 0.0
    shares = [np.sum(weights[rows.labels == label]) / weights.sum() for label in range(3)]
    for start in (0, -1):  # the rows of a class may have lost their class, too
        labels = np.where(rows.labels == 1, start, rows.labels) if start else rows.labels
        model = SMALL.given(Three()).fit(Rows(rows.values, weights, labels=labels), seed=SEED.at("fit"))
        drawn = sampled(model, 4000).labels
        expected = [shares[0], shares[1] if not start else 0.0, shares[2]]
        found = [np.mean(drawn == label) for label in range(3)]
        np.testing.assert_allclose(found, expected, atol=4 * 0.5 / np.sqrt(4000))
        assert (np.array(found)[np.array(expected) == 0] == 0).all()
        assert np.isclose(np.mean(drawn == -1), 1.0 - sum(found))


def test_rows_without_classes_get_none_and_a_family_without_names_ignores_them():
    rows = lumps()
    assert (sampled(SMALL.given(Three()).fit(Rows(rows.values), seed=SEED), 20).labels == -1).all()
    plain = (SMALL.fit(some, seed=SEED) for some in (rows, Rows(rows.values)))
    first, second = (sampled(model, 20) for model in plain)
    assert first.labels is None
    np.testing.assert_array_equal(first.values, second.values)


def test_a_row_is_encoded_with_its_class():
    rows = lumps()
    model = replace(SMALL, beta=0.002).given(Three()).fit(rows, seed=SEED.at("fit"))
    own = model.encode(rows)
    swapped = model.encode(replace(rows, labels=(rows.labels + 1) % 3))
    assert np.abs(own - swapped).mean() > 0.1
    np.testing.assert_array_equal(model.encode(Rows(rows.values[:1], labels=rows.labels[:1]))[0], own[0])
