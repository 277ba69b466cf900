from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.metrics.two_sample_auc import TwoSampleAuc

GENERATOR = np.random.default_rng(17)


def area(samples, held_out, anchor=None, **settings):
    anchor = held_out if anchor is None else anchor
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), anchor=Rows(anchor))
    return TwoSampleAuc(**settings).measure(found)["two_sample_auc"]


def by_scikit_learn(samples, held_out, parts=5):
    rows = np.concatenate([samples, held_out])
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    squares = (rows**2 - (rows**2).mean(axis=0)) / (rows**2).std(axis=0)
    points, ours = np.hstack([rows, squares]), np.repeat([1, 0], [len(samples), len(held_out)])
    part = np.concatenate([np.arange(len(samples)), np.arange(len(held_out))]) % parts
    areas = []
    for one in range(parts):
        model = LogisticRegression(tol=1e-10, max_iter=1000).fit(points[part != one], ours[part != one])
        areas.append(roc_auc_score(ours[part == one], model.decision_function(points[part == one])))
    return np.mean(areas)


def test_it_is_the_cross_validated_area_of_scikit_learn():
    held_out = GENERATOR.normal(size=(1, 120, 4))
    samples = GENERATOR.normal(0.2, 0.8, size=(3, 150, 4))
    expected = [by_scikit_learn(chain, held_out[0]) for chain in samples]
    assert area(samples, held_out).values == pytest.approx(expected, abs=1e-9)


def test_the_real_law_is_told_apart_by_chance_only_and_a_copy_not_at_all():
    held_out = GENERATOR.normal(size=(1, 300, 3))
    found = area(GENERATOR.normal(size=(30, 300, 3)), held_out).values
    assert found.mean() == pytest.approx(0.5, abs=0.04)
    assert area(held_out.copy(), held_out).values == [0.5]


def test_a_shift_and_a_collapse_are_both_seen():
    held_out, rows = GENERATOR.normal(size=(1, 300, 3)), GENERATOR.normal(size=(1, 300, 3))
    assert area(rows + 10.0, held_out).values == [1.0]
    assert area(0.2 * rows, held_out).values > 0.9


def test_rows_of_many_dimensions_are_told_by_the_anchors_axes():
    mixing = GENERATOR.normal(size=(12, 12))
    held_out, samples, anchor = (GENERATOR.normal(size=(c, 200, 12)) @ mixing for c in (1, 1, 1))
    axes = PCA(3).fit(anchor[0])
    expected = by_scikit_learn(axes.transform(samples[0] * 0.7), axes.transform(held_out[0]))
    assert area(samples * 0.7, held_out, anchor, components=3).values == pytest.approx([expected], abs=1e-6)


def test_a_dimension_that_never_varies_and_enormous_numbers_do_no_harm():
    held_out, samples = GENERATOR.normal(size=(1, 60, 3)), GENERATOR.normal(size=(2, 60, 3))
    held_out[..., 2] = samples[..., 2] = 4.0
    samples[1, :, 0] *= 1e130
    found = area(samples, held_out)
    assert np.isfinite(found.values).all()
    assert found.values[1] > 0.6


def test_too_few_rows_are_undefined():
    found = area(GENERATOR.normal(size=(1, 4, 2)), GENERATOR.normal(size=(1, 30, 2)))
    assert np.isnan(found.values).all()
    assert found.reason == "4 rows are too few to part"
