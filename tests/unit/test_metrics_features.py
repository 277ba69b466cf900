from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.stats import entropy
from sklearn.metrics.pairwise import polynomial_kernel

from dwindle.checks.examples import evidence, rows_of
from dwindle.contracts import Rows
from dwindle.metrics.class_balance import ClassBalance
from dwindle.metrics.frechet_features import FrechetFeatures
from dwindle.metrics.kernel_distance import KernelDistance
from dwindle.metrics.prdc_features import PrdcFeatures
from dwindle.nets.features import feature_net

GENERATOR = np.random.default_rng(15)
FOUND = evidence("vectors", samples=rows_of("vectors", count=150, name="some").values * 0.8)
FOUND = replace(FOUND, held_out=rows_of("vectors", chains=1, count=170, name="real"))
NET = feature_net(FOUND)
SAMPLES, REAL = NET.features(FOUND.samples.values), NET.features(FOUND.held_out.values)[0]


def test_the_frechet_distance_is_that_of_the_matrix_root_of_features():
    found = FrechetFeatures().measure(FOUND)["frechet_features"]
    second = np.cov(REAL, rowvar=False)
    for value, features in zip(found.values, SAMPLES, strict=True):
        first = np.cov(features, rowvar=False)
        shift = ((features.mean(axis=0) - REAL.mean(axis=0)) ** 2).sum()
        root = sqrtm(first @ second + 1e-12 * np.eye(len(first))).real
        assert value == pytest.approx((shift + np.trace(first + second - 2 * root)) / np.trace(second), rel=1e-3)


def test_precision_and_its_kin_are_those_of_prdc_in_features():
    found = PrdcFeatures().measure(FOUND)
    for chain, features in enumerate(SAMPLES):
        for name, value in compute_prdc(REAL, features, 5).items():
            assert found[f"{name}_features"].values[chain] == pytest.approx(value, rel=1e-9)


def test_the_kernel_distance_is_that_of_whole_kernel_matrices_of_features():
    found = KernelDistance().measure(FOUND)["kernel_distance"]
    for value, features in zip(found.values, SAMPLES, strict=True):
        within = [polynomial_kernel(rows, degree=3) for rows in (features, REAL)]
        means = [(part.sum() - np.trace(part)) / (len(part) * (len(part) - 1)) for part in within]
        assert value == pytest.approx(sum(means) - 2 * polynomial_kernel(features, REAL, degree=3).mean(), rel=1e-6)


def test_class_entropy_is_that_of_the_classes_which_the_net_tells():
    found = ClassBalance().measure(FOUND)
    counts = [np.bincount(classes, minlength=3) for classes in NET.classes(FOUND.samples.values)]
    real = entropy(np.bincount(NET.classes(FOUND.held_out.values)[0], minlength=3))
    assert found["class_entropy"].values == pytest.approx([entropy(some) for some in counts])
    assert found["class_entropy_ratio"].values == pytest.approx([entropy(some) / real for some in counts])


def test_a_model_that_makes_one_class_has_no_entropy_and_covers_one():
    samples = np.stack([np.full((50, 2), 3.0), GENERATOR.normal(1.0, 1.0, size=(50, 2))])
    found = ClassBalance().measure(replace(FOUND, samples=Rows(samples)))
    assert found["class_entropy"].values[0] == 0.0
    assert found["classes_covered"].values.tolist() == [1.0, 3.0]
    assert found["class_entropy_ratio"].values[1] == pytest.approx(1.0, abs=0.15)


def test_rows_without_classes_have_no_balance():
    unlabelled = replace(FOUND, anchor=rows_of("vectors", name="anchor"))
    found = ClassBalance().measure(unlabelled)
    assert all(np.isnan(measurement.values).all() for measurement in found.values())
    assert {measurement.reason for measurement in found.values()} == {"the real rows carry no classes"}


@pytest.mark.parametrize("metric", [FrechetFeatures(), PrdcFeatures(), KernelDistance(), ClassBalance()])
def test_every_number_says_which_net_it_was_taken_with(metric):
    for measurement in metric.measure(FOUND).values():
        assert measurement.detail == {"features": {"sha256": NET.sha256}}


def test_samples_of_the_real_law_have_no_kernel_distance_on_average():
    drawn = rows_of("vectors", chains=40, count=170, name="as real").values
    near = KernelDistance().measure(replace(FOUND, samples=Rows(drawn)))["kernel_distance"].values
    far = KernelDistance().measure(replace(FOUND, samples=Rows(0.5 * drawn)))["kernel_distance"].values
    assert near.min() < 0.0 < near.max()
    assert far.min() > near.max()
    assert near.mean() == pytest.approx(0.0, abs=0.1 * far.mean())
