"""The metrics of tables say what scipy, scikit-learn and pandas say, and a broken chain costs its own number."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp
from scipy.stats.contingency import association, crosstab
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier

from dwindle.checks.examples import evidence, source_of
from dwindle.contracts import Column, Rows
from dwindle.data.logistic import logistic
from dwindle.metrics.closest_record import ClosestRecord
from dwindle.metrics.column_fidelity import ColumnFidelity
from dwindle.metrics.correlation_distance import CorrelationDistance
from dwindle.metrics.downstream import Downstream
from dwindle.metrics.membership import Membership

COLUMNS = source_of("tables").columns()
METRICS = (ColumnFidelity(), CorrelationDistance(), Downstream(), ClosestRecord(), Membership())
CHAINS, COUNT, REAL = 3, 150, 110
KEEN = {"tol": 1e-13, "max_iter": 100_000}


@dataclass(frozen=True)
class Table:
    """A source of tables of the given columns."""

    told: tuple[Column, ...]

    def columns(self):
        return self.told


def table(name, chains=CHAINS, count=COUNT, drift=0.0):
    """Return rows of two numbers, one of them rounded, a colour of three, a group and a target, (c, n, 5)."""
    draw = np.random.default_rng([7, *name.encode()])
    numbers = draw.normal(drift, 1.0, (chains, count, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]]) * [3.0, 0.2]
    colour = draw.choice(3, p=[0.5, 0.3 - drift / 5, 0.2 + drift / 5], size=(chains, count))
    group = draw.random((chains, count)) < 0.3
    target = draw.random((chains, count)) < 1 / (1 + np.exp(-numbers[..., 0] - colour + 1.5 * group))
    return np.dstack([numbers[..., 0], numbers[..., 1].round(1), colour, group, target])


SAMPLES, HELD_OUT, ANCHOR = table("samples", drift=0.3), table("held-out", 1, REAL), table("anchor")


def found(metric, samples=SAMPLES, held_out=HELD_OUT, anchor=ANCHOR, columns=COLUMNS):
    shown = replace(evidence("tables"), samples=Rows(samples), held_out=Rows(held_out), anchor=Rows(anchor))
    return metric.measure(replace(shown, source=Table(columns)))


def close(measurement, oracle):
    assert measurement.reason == ""
    np.testing.assert_allclose(measurement.values, oracle, rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------------------------------- columns and their ties


def distance(own, real, column):
    if not column.categorical:
        return ks_2samp(own, real).statistic
    shares = [pd.Series(values).value_counts(normalize=True) for values in (own, real)]
    return shares[0].sub(shares[1], fill_value=0.0).abs().sum() / 2


def test_columns_are_as_far_off_as_scipy_and_pandas_say():
    pairs = [[(chain[:, j], HELD_OUT[0, :, j]) for j in range(5)] for chain in SAMPLES]
    oracle = np.array([[distance(*pair, c) for pair, c in zip(row, COLUMNS, strict=True)] for row in pairs])
    measured = found(ColumnFidelity())
    close(measured["column_distance"], oracle.mean(axis=1))
    close(measured["column_distance_max"], oracle.max(axis=1))


def test_equal_rows_in_another_order_are_at_no_distance():
    turned = np.repeat(HELD_OUT[:, ::-1], CHAINS, axis=0)
    for metric in (ColumnFidelity(), CorrelationDistance()):
        for measurement in found(metric, turned).values():
            np.testing.assert_allclose(measurement.values, 0.0, atol=1e-14)


def test_all_values_that_are_no_level_are_one_more_level():
    strange, plain = SAMPLES.copy(), SAMPLES.copy()
    strange[:, :9, 2], plain[:, :9, 2] = [-1.0, 3.0, 7.0, 1e9, 0.5, -0.5, 2.5, 99.0, 3.0], 3.0
    wider = tuple(replace(c, levels=(*c.levels, "none")) if c.name == "colour" else c for c in COLUMNS)
    for metric in (ColumnFidelity(), CorrelationDistance()):
        for name, measurement in found(metric, strange).items():
            close(measurement, found(metric, plain, columns=wider)[name].values)


def associated(rows):
    """Return the associations of the columns of (n, 5) rows by numpy, pandas and scipy, (5, 5), each pair once."""
    frame = pd.DataFrame(rows)
    matrix = np.zeros((5, 5))
    for i in range(5):
        for j in range(i):
            first, second = COLUMNS[i].categorical, COLUMNS[j].categorical
            if not first and not second:
                matrix[i, j] = np.corrcoef(rows[:, i], rows[:, j])[0, 1]
            elif first and second:
                matrix[i, j] = association(crosstab(rows[:, i], rows[:, j]).count, method="cramer")
            else:  # columns of numbers come first
                means = frame.groupby(i)[j].transform("mean")
                matrix[i, j] = np.sqrt(means.var(ddof=0) / frame[j].var(ddof=0))
    return matrix


def test_ties_between_columns_are_those_of_numpy_pandas_and_scipy():
    gaps = [associated(chain) - associated(HELD_OUT[0]) for chain in SAMPLES]
    close(found(CorrelationDistance())["correlation_distance"], [np.sqrt((gap**2).sum() / 10) for gap in gaps])


def test_a_column_that_does_not_vary_is_tied_to_none():
    frozen = np.repeat(HELD_OUT, CHAINS, axis=0)
    frozen[:, :, 1], frozen[:, :, 2] = 1234.5678, 2.0
    real = associated(HELD_OUT[0])
    lost = real[1:, 1] @ real[1:, 1] + real[1, :1] @ real[1, :1] + real[3:, 2] @ real[3:, 2] + real[2, 0] ** 2
    close(found(CorrelationDistance(), frozen)["correlation_distance"], np.sqrt(lost / 10))


# ------------------------------------------------------------------------------------------- classifiers


def dummies(rows, keep):
    """Return the features of (n, d) rows by pandas, numbers in units of the anchor's deviation."""
    parts = []
    for j in keep:
        if COLUMNS[j].categorical:
            levels = pd.Categorical(rows[:, j], categories=range(len(COLUMNS[j].levels)))
            parts.append(pd.get_dummies(levels).to_numpy(float) / np.sqrt(2.0))
        else:
            pooled = ANCHOR[..., j].ravel()
            parts.append((rows[:, [j]] - pooled.mean()) / pooled.std())
    return np.hstack(parts)


@pytest.mark.parametrize("place", [4, 2, 0], ids=["two classes", "three classes", "a number"])
def test_a_classifier_is_as_good_as_scikit_learns(place):
    columns = tuple(replace(c, role="target" if j == place else "feature") for j, c in enumerate(COLUMNS))
    keep, middle = [j for j in range(5) if j != place], np.median(ANCHOR[..., 0])

    def labels(rows):
        return rows[:, 0] > middle if place == 0 else rows[:, place]

    def accuracy(rows):
        model = LogisticRegression(**KEEN)
        model = OneVsRestClassifier(model) if place == 2 else model
        fitted = model.fit(dummies(rows, keep), labels(rows))
        return (fitted.predict(dummies(HELD_OUT[0], keep)) == labels(HELD_OUT[0])).mean()

    measured = found(Downstream(), columns=columns)
    own, real = (np.array([accuracy(chain) for chain in rows]) for rows in (SAMPLES, ANCHOR))
    close(measured["downstream_accuracy"], own)
    close(measured["downstream_ratio"], own / real)


def test_coefficients_are_scikit_learns():
    points = np.random.default_rng(1).normal(size=(2, 80, 4))
    signs = np.where(points[..., 0] + np.random.default_rng(2).normal(size=(2, 80)) > 0.5, 1, -1)
    for chain, own in enumerate(logistic(points, signs)):
        model = LogisticRegression(**KEEN).fit(points[chain], signs[chain])
        np.testing.assert_allclose(own, [*model.coef_[0], model.intercept_[0]], rtol=1e-5)


def test_rows_that_a_plane_separates_have_finite_coefficients():
    points = np.array([[[-1e6], [-1.0], [1.0], [1e6]]])
    slopes = logistic(points, np.array([[-1, -1, 1, 1]]))
    assert np.isfinite(slopes).all()
    assert slopes[0, 0] > 0


def test_samples_of_one_class_predict_it_and_samples_of_none_are_undefined():
    samples = SAMPLES.copy()
    samples[0, :, 4], samples[1, :, 4] = 1.0, 17.0
    measured = found(Downstream(), samples)
    accuracy = measured["downstream_accuracy"]
    assert accuracy.values[0] == HELD_OUT[0, :, 4].mean()
    assert np.isnan(accuracy.values).tolist() == [False, True, False]
    assert "no sample has a level of the target" in accuracy.reason


def test_samples_and_anchor_train_with_equal_numbers_of_rows():
    measured = found(Downstream(), SAMPLES, anchor=np.concatenate([SAMPLES, ANCHOR], axis=1))
    close(measured["downstream_ratio"], 1.0)


def test_a_table_without_a_target_has_no_classifier():
    columns = tuple(replace(column, role="feature") for column in COLUMNS)
    assert found(Downstream(), columns=columns)["downstream_accuracy"].reason == "no column is the target"


# ------------------------------------------------------------------------------------------- records


def points_of(rows):
    return dummies(rows, range(5))


def test_the_closest_record_is_where_scipy_finds_it():
    def median(rows, chain):
        return np.median(cdist(points_of(rows), points_of(ANCHOR[chain])).min(axis=1))

    oracle = [median(SAMPLES[chain], chain) / median(HELD_OUT[0], chain) for chain in range(CHAINS)]
    close(found(ClosestRecord())["record_distance"], oracle)


def test_copies_are_counted_and_are_at_distance_zero():
    samples = SAMPLES.copy()
    samples[:, :30] = ANCHOR[:, 50:80]
    samples[1] = ANCHOR[1]
    anchor = ANCHOR.copy()
    samples[2, 0, 0], anchor[2, 50, 0] = -0.0, 0.0
    measured = found(ClosestRecord(), samples, anchor=anchor)
    close(measured["copied_records"], [0.2, 1.0, 0.2])
    assert measured["record_distance"].values[1] == 0.0


def test_without_any_distance_among_real_rows_the_ratio_is_undefined_and_the_copies_are_not():
    measured = found(ClosestRecord(), held_out=ANCHOR[:1])
    assert np.isnan(measured["record_distance"].values).tolist() == [True, False, False]
    assert "held-out rows equal an anchor row" in measured["record_distance"].reason
    assert measured["copied_records"].reason == ""


def test_members_are_told_apart_as_well_as_scikit_learn_finds():
    samples = SAMPLES.copy()
    samples[0, :50] = ANCHOR[0, :50]
    areas = []
    for chain in range(CHAINS):
        rows = np.concatenate([ANCHOR[chain, :REAL], HELD_OUT[0]])
        near = cdist(points_of(rows), points_of(samples[chain])).min(axis=1)
        areas.append(roc_auc_score(np.arange(2 * REAL) < REAL, -near))
    measured = found(Membership(), samples)["membership_auc"]
    close(measured, areas)
    assert measured.values[0] > 0.65


def test_a_model_that_repeats_its_anchor_gives_its_rows_away():
    assert (found(Membership(), ANCHOR)["membership_auc"].values > 0.95).all()


def test_vectors_have_records_in_units_of_the_anchor():
    draw = np.random.default_rng(5)
    samples, held_out, anchor = (draw.normal(size=(chains, 60, 3)) for chains in (2, 1, 2))
    shown = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), anchor=Rows(anchor))
    scales = np.array([1e-3, 1.0, 1e5])
    stretched = (Rows(rows * scales + 7.0) for rows in (samples, held_out, anchor))
    wide = replace(shown, **dict(zip(("samples", "held_out", "anchor"), stretched, strict=True)))
    unit = anchor.reshape(-1, 3).std(axis=0)
    near, usual = (np.median(cdist(rows / unit, anchor[0] / unit).min(axis=1)) for rows in (samples[0], held_out[0]))
    for metric in (ClosestRecord(), Membership()):
        for name, measurement in metric.measure(shown).items():
            np.testing.assert_allclose(measurement.values, metric.measure(wide)[name].values, rtol=1e-7)
    assert ClosestRecord().measure(shown)["record_distance"].values[0] == pytest.approx(near / usual, rel=1e-9)


# ------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_a_broken_chain_costs_its_own_number_only(metric):
    broken = SAMPLES.copy()
    broken[1, 3, 0] = np.nan
    whole = found(metric)
    for name, measurement in found(metric, broken).items():
        assert np.isnan(measurement.values[1])
        assert "nan" in measurement.reason
        np.testing.assert_allclose(measurement.values[[0, 2]], whole[name].values[[0, 2]], rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_without_samples_all_is_undefined(metric):
    for measurement in found(metric, SAMPLES[:, :0]).values():
        assert np.isnan(measurement.values).all()
        assert measurement.reason == "there are no rows"


def test_distances_to_records_stay_in_tiles():
    rows = np.random.default_rng(6).normal(size=(3, 3000, 5))
    columns = tuple(Column(str(place)) for place in range(5))
    tracemalloc.start()
    found(Membership(), rows[:1], rows[1:2], rows[2:], columns)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.3 * 3000**2 * 8
