"""The census: every column follows the law that is written down, and the chance of the target is the one it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import beta, chisquare, kstest, norm

from dwindle.contracts import Rows, Seed
from dwindle.sources.census import Census

SEED = Seed(3, ("census",))
COUNT = 40_000


@pytest.fixture(scope="module")
def people():
    """Return age, education, hours, sector, group and income of many people, half of them of the minority."""
    return Census(minority=0.5).draw(COUNT, first=0, chains=1, seed=SEED).values[0].T


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_groups_have_the_share_that_is_set(share):
    source = Census(minority=share)
    rows = source.draw(COUNT, first=0, chains=2, seed=SEED)
    found = source.groups(rows).mean(axis=1)
    assert source.group_shares().tolist() == [1 - share, share]
    assert (np.abs(found - share) <= 4 * np.sqrt(share * (1 - share) / COUNT)).all()
    assert source.group_names() == source.columns()[4].levels


def test_age_is_a_beta_variable_and_the_minority_is_younger(people):
    age, _, _, _, group, _ = people
    for value, shape in ((0, 3.0), (1, 4.0)):
        assert kstest(age[group == value], beta(2.0, shape, loc=18, scale=52).cdf).pvalue > 1e-4
    assert age[group == 1].mean() < age[group == 0].mean()


def test_levels_of_education_have_the_chances_of_an_ordered_logit(people):
    age, education, _, _, group, _ = people
    steps = expit(np.array([-1.5, 0.0, 1.2])[:, None] - (45 - age) / 50 + 0.8 * group)
    chances = np.diff(steps, axis=0, prepend=0.0, append=1.0)
    for value in (0, 1):
        there = group == value
        found = np.bincount(education[there].astype(int), minlength=4)
        error = (found - chances[:, there].sum(axis=1)) / np.sqrt((chances * (1 - chances))[:, there].sum(axis=1))
        assert np.abs(error).max() < 4


def test_sectors_have_the_chances_of_a_multinomial_logit(people):
    _, education, _, sector, group, _ = people
    base, slope, shift = [-0.6, 0.3, 0.0, -0.8], [-0.5, -0.2, 0.1, 0.6], [0.3, 0.4, 0.0, -0.6]
    for level in range(4):
        for value in (0, 1):
            found = np.bincount(sector[(education == level) & (group == value)].astype(int), minlength=4)
            chances = np.exp(np.array(base) + level * np.array(slope) + value * np.array(shift))
            assert chisquare(found, found.sum() * chances / chances.sum()).pvalue > 1e-4


def test_hours_are_normal_around_what_the_other_columns_make_of_them(people):
    age, education, hours, sector, _, _ = people
    mean = 38 + 1.5 * education + np.array([5.0, 2.0, -3.0, 0.0])[sector.astype(int)] - 0.004 * (age - 45) ** 2
    assert kstest((hours - mean) / 6, norm.cdf).pvalue > 1e-4


def test_the_target_comes_as_often_as_its_probability_says():
    source = Census(minority=0.4, gap=2.0)
    rows = source.draw(COUNT, first=0, chains=2, seed=SEED)
    chances, high, groups = source.target_probability(rows), rows.values[..., 5], source.groups(rows)
    assert chances.shape == groups.shape
    cells = np.floor(10 * chances).astype(int) * 2 + groups
    for cell in np.unique(cells):
        there = cells == cell
        spread = np.sqrt((chances * (1 - chances))[there].sum())
        assert abs((high - chances)[there].sum()) < 4.5 * spread


def test_the_gap_is_what_parts_two_people_who_differ_in_group_only():
    row = np.array([40.0, 2.0, 40.0, 3.0, 0.0, 1.0])
    other = np.where(np.arange(6) == 4, 1.0, row)
    for gap in (0.0, 1.5):
        chances = Census(gap=gap).target_probability(Rows(np.stack([row, other])[None]))[0]
        odds = np.log(chances / (1 - chances))
        np.testing.assert_allclose(odds, [0.95, 0.95 - gap])


def test_the_probability_ignores_the_target_and_is_unknown_without_the_other_levels():
    rows = Census().draw(5, first=0, chains=1, seed=SEED)
    values = rows.values.copy()
    values[..., 5] = 7.0
    np.testing.assert_array_equal(Census().target_probability(Rows(values)), Census().target_probability(rows))
    values[0, :3, [1, 3, 4]] = [[4.0], [-1.0], [0.5]]
    assert np.isnan(Census().target_probability(Rows(values))).tolist() == [[True, True, True, False, False]]
    assert Census().groups(Rows(values))[0, :3].tolist() == [-1, -1, -1]
