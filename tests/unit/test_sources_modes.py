"""The sources with a shape: separate modes on a grid, a ring or at random, two moons and a rolled-up sheet."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from dwindle.checks import check_source
from dwindle.contracts import Modes, Moments, Seed
from dwindle.sources.blobs import Blobs
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.grid_of_gaussians import GridOfGaussians
from dwindle.sources.moons import Moons
from dwindle.sources.ring import Ring
from dwindle.sources.swiss_roll import SwissRoll

SEED = Seed(7, ("lineage", "draw"))
SOURCES = [
    GridOfGaussians(),
    GridOfGaussians(side=1, deviation=3.0),
    GridOfGaussians(side=4),
    Moons(),
    Moons(0.0),
    Ring(),
    Ring(centres=1, deviation=2.0),
    Ring(centres=2, radius=5.0, deviation=0.5),
    SwissRoll(),
    SwissRoll(dimensions=2, deviation=0.0),
    Blobs(),
    Blobs(dimensions=4, centres=3, labels=True),
]


def rows(source, count=50_000):
    return source.draw(count, first=0, chains=1, seed=SEED).values[0]


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_every_setting_keeps_the_contract(source):
    check_source(source)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_the_covariance_is_the_one_that_it_states(source):
    values = rows(source, 200_000)
    scale = np.sqrt(np.diag(source.covariance()[0]))
    np.testing.assert_allclose(
        np.cov(values.T) / np.outer(scale, scale), source.covariance()[0] / np.outer(scale, scale), atol=0.02
    )
    np.testing.assert_allclose(values.mean(axis=0) / scale, source.mean()[0] / scale, atol=0.01)


def test_the_default_grid_has_25_modes_2_apart_around_the_origin():
    modes = GridOfGaussians().modes()
    assert modes.shape == (25, 2)
    assert sorted(set(modes[:, 0])) == sorted(set(modes[:, 1])) == [-4, -2, 0, 2, 4]
    assert len({tuple(mode) for mode in modes}) == 25
    assert isinstance(GridOfGaussians(), Modes)
    assert not isinstance(Gaussian(), Modes)


def test_modes_are_equally_likely():
    source = GridOfGaussians(side=3, deviation=0.2)
    nearest = np.linalg.norm(rows(source)[:, None] - source.modes(), axis=2).argmin(axis=1)
    assert chisquare(np.bincount(nearest, minlength=9)).pvalue > 1e-3


def test_989_of_a_thousand_rows_are_within_the_radius_of_their_mode():
    source = GridOfGaussians(deviation=0.3)
    inside = np.linalg.norm(rows(source)[:, None] - source.modes(), axis=2).min(axis=1) <= source.mode_radius()
    share = 1 - np.exp(-4.5)
    assert abs(inside.mean() - share) < 4 * np.sqrt(share * (1 - share) / 50_000)


def test_modes_that_overlap_are_refused():
    with pytest.raises(ValueError, match=r"modes 2 apart overlap unless their deviation is 0\.333333 or less"):
        GridOfGaussians(deviation=0.34)
    assert GridOfGaussians(side=1, deviation=10.0).modes().tolist() == [[0.0, 0.0]]


def test_without_noise_every_row_lies_on_one_of_two_half_circles():
    values = rows(Moons(deviation=0.0), 5000)
    upper, lower = values, np.array([1.0, 0.5]) - values
    on = [np.isclose((arc**2).sum(axis=1), 1.0) & (arc[:, 1] >= -1e-12) for arc in (upper, lower)]
    assert (on[0] ^ on[1]).all()
    assert abs(on[0].mean() - 0.5) < 4 * 0.5 / np.sqrt(5000)


def test_noise_widens_the_moons_by_its_own_variance():
    wide, narrow = Moons(deviation=0.5), Moons(deviation=0.0)
    np.testing.assert_allclose(wide.covariance() - narrow.covariance(), [0.25 * np.eye(2)])
    assert isinstance(wide, Moments)


def test_the_default_ring_has_8_modes_on_the_unit_circle_and_refuses_that_they_overlap():
    modes = Ring().modes()
    np.testing.assert_allclose(modes[:2], [[1.0, 0.0], [np.sqrt(0.5), np.sqrt(0.5)]])
    np.testing.assert_allclose(np.linalg.norm(modes - np.roll(modes, 1, axis=0), axis=1), 2 * np.sin(np.pi / 8))
    with pytest.raises(ValueError, match=r"modes 0\.765367 apart overlap unless their deviation is 0\.127561 or less"):
        Ring(deviation=0.13)
    Ring(deviation=0.127)


def test_without_noise_the_roll_is_a_sheet_whose_distance_from_the_axis_is_its_angle():
    values = rows(SwissRoll(deviation=0.0), 5000)
    angles = np.hypot(values[:, 0], values[:, 2])
    np.testing.assert_allclose(values[:, [0, 2]], angles[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert (angles.min() >= 1.5 * np.pi) & (angles.max() <= 4.5 * np.pi)
    assert (values[:, 1].min() >= 0) & (values[:, 1].max() <= 21)


@pytest.mark.parametrize("dimensions", [1, 2, 7])
def test_989_of_a_thousand_rows_keep_to_their_blob_and_are_labelled_by_it(dimensions):
    source = Blobs(dimensions=dimensions, centres=3, reach=20.0, labels=True)
    drawn = source.draw(50_000, first=0, chains=1, seed=SEED)
    distances = np.linalg.norm(drawn.values[0][:, None] - source.modes(), axis=2)
    share = 1 - np.exp(-4.5)
    assert abs((distances.min(axis=1) <= source.mode_radius()).mean() - share) < 4 * np.sqrt(share * (1 - share) / 5e4)
    assert (distances.argmin(axis=1) == drawn.labels[0]).mean() > 0.99


def test_blobs_keep_apart_lie_where_their_setting_says_and_need_room():
    modes = Blobs(centres=12, deviation=0.8).modes()
    apart = np.linalg.norm(modes[:, None] - modes, axis=2)[~np.eye(12, dtype=bool)]
    assert apart.min() >= 2 * 3 * 0.8
    assert not np.isclose(modes, Blobs(centres=12, deviation=0.8, arrangement=1).modes()).any()
    with pytest.raises(ValueError, match="30 centres in a cube of 20 find no places 6 apart; take fewer"):
        Blobs(centres=30)
