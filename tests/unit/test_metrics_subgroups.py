"""Shares and gaps of subgroups are those of pandas, scipy and scikit-learn, and a group is lost when theory says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression

from dwindle.checks.examples import evidence
from dwindle.contracts import Column, Rows, Seed
from dwindle.families.tabular import Tabular
from dwindle.metrics.subgroups import Subgroups
from dwindle.samplers import Sampler
from dwindle.theory.wright_fisher import extinction_of_shares

GROUPS = ("most", "some", "few")
COLUMNS = (Column("height"), Column("group", GROUPS, "group"), Column("outcome", ("no", "yes"), "target"))
SHARES = np.array([0.6, 0.3, 0.1])
LEANS = np.array([1.0, 0.0, -1.0])


@dataclass(frozen=True)
class Plain:
    """A source of tables."""

    told: tuple[Column, ...] = COLUMNS
    kind: ClassVar[str] = "tables"

    def columns(self):
        return self.told


class Source(Plain):
    """A source of tables with a group."""

    def group_names(self):
        return GROUPS

    def groups(self, rows):
        own = rows.values[..., 1]
        return np.where(np.isin(own, (0, 1, 2)), own, -1).astype(np.int64)


@dataclass(frozen=True)
class Classes:
    """A source of vectors with labels."""

    kind: ClassVar[str] = "vectors"

    def label_names(self):
        return GROUPS


def table(name, chains=2, count=200, shares=SHARES, lean=LEANS):
    """Return a number that depends on the group, the group, and a target that leans on both, (c, n, 3)."""
    draw = np.random.default_rng([9, *name.encode()])
    group = draw.choice(3, p=shares, size=(chains, count))
    height = draw.normal(size=(chains, count)) + 0.5 * group
    target = draw.random((chains, count)) < 1 / (1 + np.exp(-height - np.asarray(lean)[group]))
    return np.dstack([height, group, target])


SAMPLES, HELD_OUT, ANCHOR = table("samples"), table("held-out", 1), table("anchor")


def found(samples=SAMPLES, held_out=HELD_OUT, anchor=ANCHOR, source=None, least=5):
    shown = replace(evidence("tables"), samples=Rows(samples), held_out=Rows(held_out), anchor=Rows(anchor))
    return Subgroups(least).measure(replace(shown, source=source or Source()))


def shares_of(groups):
    return pd.Series(groups).value_counts(normalize=True).reindex(range(3), fill_value=0.0).to_numpy()


def test_shares_are_those_of_pandas():
    measured = found()
    real = shares_of(np.concatenate([HELD_OUT[..., 1].ravel(), ANCHOR[..., 1].ravel()]))
    own = np.array([shares_of(chain[:, 1]) for chain in SAMPLES])
    np.testing.assert_allclose(measured["smallest_share"].values, own[:, 2] / real[2], rtol=1e-12)
    np.testing.assert_allclose(measured["group_share_distance"].values, np.abs(own - real).sum(axis=1) / 2, rtol=1e-12)
    assert measured["groups_alive"].values.tolist() == [3.0, 3.0]


def test_a_lost_group_has_share_0_and_rows_without_a_group_are_no_groups():
    samples = SAMPLES.copy()
    samples[..., 1] = np.where(samples[..., 1] == 2, 9.0, samples[..., 1])
    measured = found(samples)
    assert measured["smallest_share"].values.tolist() == [0.0, 0.0]
    assert measured["groups_alive"].values.tolist() == [2.0, 2.0]
    real = shares_of(np.concatenate([HELD_OUT[..., 1].ravel(), ANCHOR[..., 1].ravel()]))
    kept = np.array([np.array([(chain[:, 1] == g).mean() for g in range(2)]) for chain in samples])
    apart = (np.abs(kept - real[:2]).sum(axis=1) + real[2] + (samples[..., 1] == 9).mean(axis=1)) / 2
    np.testing.assert_allclose(measured["group_share_distance"].values, apart, rtol=1e-12)


def test_groups_are_compared_by_equal_numbers_of_rows():
    distances = []
    for chain in SAMPLES:
        sizes = [min((rows[:, 1] == g).sum() for g in range(3)) for rows in (chain, HELD_OUT[0])]
        own, real = (
            [rows[rows[:, 1] == g][:size] for g in range(3)]
            for rows, size in zip((chain, HELD_OUT[0]), sizes, strict=True)
        )
        each = [
            (ks_2samp(a[:, 0], b[:, 0]).statistic + abs(a[:, 2].mean() - b[:, 2].mean())) / 2
            for a, b in zip(own, real, strict=True)
        ]
        distances.append(max(each) - min(each))
    np.testing.assert_allclose(found()["fidelity_gap"].values, distances, rtol=1e-9)


def test_a_group_that_is_told_badly_opens_the_gap():
    samples = np.repeat(HELD_OUT, 2, axis=0)
    np.testing.assert_array_equal(found(samples)["fidelity_gap"].values, 0.0)
    samples[1, samples[1, :, 1] == 2, 0] += 100.0
    gap = found(samples)["fidelity_gap"].values
    assert gap.tolist() == [0.0, pytest.approx(0.5)]  # one of two columns is off as far as can be


def test_utility_is_that_of_scikit_learn_by_group():
    centre, scale = ANCHOR[..., 0].mean(), ANCHOR[..., 0].std()

    def features(rows):
        return np.column_stack([(rows[:, 0] - centre) / scale, *(rows[:, 1] == g for g in range(3))]) * [
            1,
            *[0.5**0.5] * 3,
        ]

    gaps = []
    for chain in SAMPLES:
        model = LogisticRegression(tol=1e-13, max_iter=100_000).fit(features(chain), chain[:, 2])
        right = model.predict(features(HELD_OUT[0])) == HELD_OUT[0, :, 2]
        by_group = pd.Series(right).groupby(HELD_OUT[0, :, 1]).mean()
        gaps.append(by_group.max() - by_group.min())
    np.testing.assert_allclose(found()["utility_gap"].values, gaps, rtol=1e-9)


def chances(rows):
    return pd.DataFrame(rows).groupby(1)[2].mean()


def test_amplification_is_the_gap_of_the_target_less_the_real_one():
    real = chances(HELD_OUT[0])
    often, seldom = real.idxmax(), real.idxmin()
    gaps = [chances(chain)[often] - chances(chain)[seldom] for chain in SAMPLES]
    expected = np.array(gaps) - (real[often] - real[seldom])
    np.testing.assert_allclose(found()["bias_amplification"].values, expected, rtol=1e-9)


def test_amplification_is_above_0_where_the_bias_grows_and_below_where_it_fades():
    wide = np.concatenate([table(name, 1, 4000, lean=LEANS * by) for name, by in (("grown", 3), ("faded", 0.2))])
    values = found(wide, table("held-out", 1, 4000))["bias_amplification"].values
    assert values[0] > 0.1
    assert values[1] < -0.1


def test_a_target_that_is_a_number_is_cut_at_the_anchors_median():
    columns = (replace(COLUMNS[0], role="target"), COLUMNS[1], replace(COLUMNS[2], role="feature"))
    middle = np.median(ANCHOR[..., 0])
    cut = [np.dstack([rows[..., 0] > middle, rows[..., 1]]) for rows in (SAMPLES, HELD_OUT, ANCHOR)]
    binary = (Column("height", ("low", "high"), "target"), COLUMNS[1])
    measured, same = found(source=Source(columns)), found(*cut, source=Source(binary))
    np.testing.assert_allclose(measured["bias_amplification"].values, same["bias_amplification"].values, rtol=1e-12)


def test_groups_with_few_rows_are_not_judged():
    samples = SAMPLES[:, :40]
    fewest = (samples[..., 1] == 2).sum(axis=1)
    assert (fewest < 20).all()
    both = found(samples, least=20)
    assert np.isnan(both["fidelity_gap"].values).all()
    assert "fewer than two groups" in both["fidelity_gap"].reason
    assert np.isnan(both["bias_amplification"].values).all()
    assert np.isfinite(both["smallest_share"].values).all()


def test_labels_are_the_groups_of_vectors():
    parts = []
    for rows in (SAMPLES, HELD_OUT, ANCHOR):
        parts.append(Rows(rows[..., :1], labels=rows[..., 1].astype(np.int64)))
    shown = replace(evidence("vectors"), **dict(zip(("samples", "held_out", "anchor"), parts, strict=True)))
    measured, tabular = Subgroups().measure(replace(shown, source=Classes())), found()
    for name in ("smallest_share", "group_share_distance", "groups_alive"):
        np.testing.assert_array_equal(measured[name].values, tabular[name].values)
    assert np.isfinite(measured["fidelity_gap"].values).all()
    assert measured["utility_gap"].reason == "no column is the target"
    bare = Subgroups().measure(replace(shown, source=Classes(), samples=Rows(parts[0].values)))
    assert bare["groups_alive"].reason == "some rows carry no labels"


def test_without_groups_all_is_undefined():
    plain = (replace(column, role="feature") for column in COLUMNS)
    for measurement in Subgroups().measure(replace(evidence("tables"), source=Plain(tuple(plain)))).values():
        assert np.isnan(measurement.values).all()
        assert measurement.reason == "the source tells neither groups nor labels"


def test_nan_in_one_chain_costs_only_that_chain():
    samples, whole = SAMPLES.copy(), found()
    samples[0, 7, 0] = np.nan
    for name, measurement in found(samples).items():
        assert np.isnan(measurement.values).tolist() == [True, False]
        assert measurement.values[1] == pytest.approx(whole[name].values[1], rel=1e-12)
        assert "nan" in measurement.reason


def test_a_group_that_a_copula_refits_is_lost_with_the_chance_of_the_exact_chain():
    source, chains, rows, seed = Source(COLUMNS[:2]), 400, 20, Seed(3, ("unit", "erosion"))
    family, drawn = Tabular().given(source), Rows(table("first", chains, rows)[..., :2])
    for fit in range(4):
        model = family.fit(drawn, seed=seed.at("fit", fit))
        drawn = model.sample(rows, sampler=Sampler(), seed=seed.at("sample", fit))
    measured = found(drawn.values, HELD_OUT[..., :2], ANCHOR[..., :2], source)
    chance = extinction_of_shares(SHARES, rows, np.array([5]))[0]
    expected, error = (1 - chance).sum(), np.sqrt((chance * (1 - chance)).sum() / chains)
    assert abs(measured["groups_alive"].values.mean() - expected) < 4 * error
    gone = (measured["smallest_share"].values == 0).mean()
    assert abs(gone - chance[2]) < 4 * np.sqrt(chance[2] * (1 - chance[2]) / chains)
