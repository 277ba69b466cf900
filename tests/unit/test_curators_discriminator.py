"""Curators that learn what is synthetic: what their discriminator finds, what stays, and what is drawn how often."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dwindle.contracts import FRESH, Column, Provenance, Rows, Seed
from dwindle.curators.discriminator_filter import DiscriminatorFilter
from dwindle.curators.importance_resampling import ImportanceResampling
from dwindle.data.discriminators import discerned

SEED = Seed(9, ("discriminator",))
CHAINS = 12


def normal(count, dimensions, name, *, at=0.0, scale=1.0, chains=CHAINS, origin=1):
    values = at + scale * SEED.at(name).numpy().standard_normal((chains, count, dimensions))
    return Rows(values, provenance=Provenance.of(origin, chains, count))


def curate(curator, rows, anchor):
    return curator.curate(rows, anchor=anchor, seed=SEED)


def auc(curated):
    return curated.facts["discriminator.auc"].values


def z(values, expected):
    return (values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values)))


@pytest.fixture(scope="module")
def anchor():
    return normal(300, 1, "anchor", origin=0)


@pytest.fixture(scope="module")
def shifted():
    return normal(300, 1, "shifted", at=0.7)


@pytest.mark.parametrize("dimensions", [1, 60, 100])
def test_a_discriminator_of_equal_laws_guesses_because_it_saw_none_of_the_rows_it_judges(dimensions):
    anchor, rows = (normal(60, dimensions, name) for name in ("equal anchor", "equal rows"))
    assert abs(z(auc(curate(DiscriminatorFilter(), rows, anchor)), 0.5)) < 4


def test_a_discriminator_of_shifted_normal_laws_has_the_area_that_the_shift_says(anchor, shifted):
    area = 0.5 * (1 + math.erf(0.7 / 2))  # Phi(0.7 / sqrt 2)
    assert abs(auc(curate(DiscriminatorFilter(), shifted, anchor)).mean() - area) < 0.02


def test_the_odds_are_those_of_equally_many_rows(anchor):
    rows = normal(1200, 1, "many", at=0.7)
    odds = discerned(rows, anchor, np.ones((CHAINS, 1200), dtype=bool)).odds
    slopes = [np.polyfit(x[:, 0], own, 1) for x, own in zip(rows.values, odds, strict=True)]
    # log N(x; .7, 1) / N(x; 0, 1) = .7 x - .245
    np.testing.assert_allclose(np.mean(slopes, axis=0), [0.7, -0.245], atol=0.06)


def test_what_differs_in_variance_alone_is_seen(anchor):
    rows = normal(300, 1, "narrow", scale=0.3)
    curated = curate(DiscriminatorFilter(threshold=0.7), rows, anchor)
    assert (auc(curated) > 0.7).all()
    assert rows.values[curated.kept].std() > rows.values[~curated.kept].std()


def test_surely_synthetic_rows_are_dropped(anchor, shifted):
    curated = curate(DiscriminatorFilter(threshold=0.6), shifted, anchor)
    assert 0.1 < (~curated.kept).mean() < 0.6
    assert curated.dropped == {"synthetic with probability above 0.6": int((~curated.kept).sum())}
    assert shifted.values[curated.kept].max() < shifted.values.max()


def test_the_top_fraction_is_most_like_real_rows(anchor, shifted):
    curated = curate(DiscriminatorFilter(action="top", fraction=0.25), shifted, anchor)
    assert curated.kept.sum(axis=1).tolist() == [75] * CHAINS
    assert shifted.values[curated.kept].mean() < shifted.values[~curated.kept].mean() - 0.5


def test_what_rejection_leaves_follows_the_real_law(anchor, shifted):
    curated = curate(DiscriminatorFilter(action="reject"), shifted, anchor)
    assert abs(shifted.values[curated.kept].mean()) < 0.1
    assert abs(shifted.values[curated.kept].std() - 1) < 0.1
    assert 0.05 < curated.kept.mean() < 0.5


def test_tables_are_told_by_their_levels_and_blocks_by_their_pairs():
    generator = SEED.at("others").numpy()
    columns = (Column("size"), Column("colour", ("red", "green", "blue")))
    table = np.dstack([generator.standard_normal((1, 400)), generator.integers(0, 3, (1, 400))])
    other = np.where(np.arange(2) == 1, np.minimum(table, 1.0), table)  # no blue row

    class Described:
        def columns(self):
            return columns

    curated = curate(DiscriminatorFilter().given(Described()), Rows(other[:, 200:]), Rows(table[:, :200]))
    assert auc(curated)[0] > 0.6
    random = generator.integers(0, 10, (1, 200, 20))
    ordered = np.cumsum(np.full((1, 200, 20), 1), axis=2) + generator.integers(0, 10, (1, 200, 1))
    assert auc(curate(DiscriminatorFilter(), Rows(ordered % 10), Rows(random)))[0] > 0.95


def test_rows_that_are_nan_or_beyond_all_numbers_are_synthetic(anchor):
    rows = normal(300, 1, "broken")
    rows.values[:, :40] = np.nan
    rows.values[:, 40:80] = 1e300
    curated = curate(DiscriminatorFilter(), rows, anchor)
    assert not curated.kept[:, :80].any()
    assert curated.kept[:, 80:].all()


@pytest.mark.parametrize("curator", [DiscriminatorFilter(threshold=0.0), ImportanceResampling(bias=9.0)])
def test_a_chain_with_few_rows_keeps_all_and_says_so(anchor, shifted, curator):
    weights = np.ones((CHAINS, 300))
    weights[1, 9:] = 0.0
    weights[2, 10:] = 0.0
    curated = curate(curator, replace(shifted, weights=weights), anchor)
    assert curated.kept[1].sum() == 9
    assert curated.kept[2].sum() < 10
    assert np.isnan(auc(curated)).tolist() == [False, True] + [False] * (CHAINS - 2)
    assert "fewer than 10 rows" in curated.facts["discriminator.auc"].reason


def test_a_fraction_for_dropping_and_a_threshold_for_rejecting_are_refused():
    with pytest.raises(ValueError, match=r"fraction 0\.1 belongs to action top"):
        DiscriminatorFilter(fraction=0.1)
    with pytest.raises(ValueError, match=r"threshold 0\.1 belongs to action drop"):
        DiscriminatorFilter(action="reject", threshold=0.1)


def test_as_many_rows_are_drawn_as_there_are_none_too_often_and_with_their_weights(anchor, shifted):
    weights = np.ones((CHAINS, 300))
    weights[0, 200:], weights[1] = 0.0, 2.0
    curated = curate(ImportanceResampling(max_repeats=2), replace(shifted, weights=weights), anchor)
    assert curated.weights.sum(axis=1).tolist() == [200.0, 600.0] + [300.0] * (CHAINS - 2)
    assert curated.weights.max(axis=1).tolist() == [2.0, 4.0] + [2.0] * (CHAINS - 2)
    assert not curated.kept[0, 200:].any()
    assert curated.dropped["not drawn"] == ((weights > 0) & ~curated.kept).sum()


def test_a_bias_of_0_draws_all_rows_alike_and_a_cap_of_1_keeps_them_all(anchor, shifted):
    alike = curate(ImportanceResampling(bias=0.0), shifted, anchor)
    np.testing.assert_allclose(alike.facts["effective_rows"].values, 1.0)
    assert abs(z(alike.kept.mean(axis=1), 1 - (1 - 1 / 300) ** 300)) < 4
    assert curate(ImportanceResampling(bias=50.0, max_repeats=1), shifted, anchor).kept.all()


def test_effective_rows_fall_with_the_bias_and_what_is_drawn_comes_nearer_to_the_real_law(anchor, shifted):
    mild, strong = (curate(ImportanceResampling(bias=bias), shifted, anchor) for bias in (1.0, 4.0))
    means = [np.average(shifted.values[..., 0], weights=one.weights) for one in (mild, strong)]
    assert means[1] < means[0] < shifted.values.mean()
    effective = [one.facts["effective_rows"].values for one in (mild, strong)]
    assert (effective[1] < effective[0]).all()
    assert (effective[0] < 1).all()


def test_fresh_real_rows_among_the_new_ones_are_judged_and_teach_nothing(anchor):
    synthetic, fresh = normal(200, 1, "far", at=2.0), normal(100, 1, "fresh", origin=FRESH)
    both = Rows.join([synthetic, fresh])
    curated = curate(ImportanceResampling(), both, anchor)
    assert curated.weights[:, 200:].mean() > 3 * curated.weights[:, :200].mean()
    other = replace(both, values=np.concatenate([synthetic.values, fresh.values - 5.0], axis=1))
    np.testing.assert_array_equal(auc(curated), auc(curate(ImportanceResampling(), other, anchor)))


def test_resampling_needs_rows_that_say_where_they_came_from(anchor):
    with pytest.raises(ValueError, match="these rows do not say"):
        curate(ImportanceResampling(), Rows(anchor.values), anchor)
