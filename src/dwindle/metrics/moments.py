"""How far mean, variance and correlations have drifted from the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle import contracts
from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement
from dwindle.data.summaries import mean_and_covariance, squared_wasserstein

__all__ = ["Moments"]


@dataclass(frozen=True)
class Moments:
    """Mean, variance and correlations against the real ones, exact where model and source know theirs.

    A model that knows its own moments (`contracts.Moments`) is judged by them, any other one by its samples. The
    reference is the source's truth where the source knows it, else the held-out rows. Rows give unbiased covariances.

    Source: Shumailov et al. 2024, Theorem 3.1 (the variance goes to 0, the mean drifts off); Kazdan et al. 2024
        (squared error of the mean and variance by generation).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "mean": Measure("as_anchor", "source units", "mean, averaged over the dimensions"),
        "mean_error": Measure("lower", "source units^2", "squared error of the mean, averaged over the dimensions"),
        "variance": Measure("as_anchor", "source units^2", "variance, averaged over the dimensions"),
        "second_moment": Measure(
            "as_anchor", "source units^2", "mean squared distance of a row from the real mean, a dimension"
        ),
        "wasserstein": Measure("lower", "source units^2", "squared 2-Wasserstein distance of the moments, a dimension"),
        "variance_ratio": Measure("as_anchor", "ratio", "total variance over the real total variance", scale="log"),
        "log_variance": Measure("as_anchor", "nats", "log of the generalised variance over the real one, a dimension"),
        "correlation_error": Measure("lower", "correlation", "mean absolute difference of the correlations"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; symbols have no moments, so all is undefined for them."""
        if evidence.samples.values.ndim == 2:
            return {name: _undefined(evidence, "symbols have no moments") for name in self.measures}
        mean, covariance = _moments_of_model(evidence)
        real_mean, real_covariance = _moments_of_real(evidence)
        usable = np.isfinite(mean.sum(axis=1) + covariance.sum(axis=(1, 2)))
        if not (np.isfinite(real_mean).all() and np.isfinite(real_covariance).all()):
            return {name: _undefined(evidence, "the real moments are not known") for name in self.measures}
        measured = dict(_compared(mean[usable], covariance[usable], real_mean, real_covariance))
        return {name: _spread(*measured[name], usable=usable) for name in self.measures}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _undefined(evidence: Evidence, reason: str) -> Measurement:
    return Measurement.undefined(evidence.samples.chains, reason)


def _moments_of_model(evidence: Evidence) -> tuple[FloatArray, FloatArray]:
    if isinstance(evidence.model, contracts.Moments):
        return evidence.model.mean(), evidence.model.covariance()
    with np.errstate(invalid="ignore", over="ignore"):
        return mean_and_covariance(evidence.samples.values)


def _moments_of_real(evidence: Evidence) -> tuple[FloatArray, FloatArray]:
    if isinstance(evidence.source, contracts.Moments):
        return evidence.source.mean(), evidence.source.covariance()
    return mean_and_covariance(evidence.held_out.values)


def _spread(values: FloatArray, reason: str, *, usable: Array) -> Measurement:
    """Put the values of the usable chains in their places, nan elsewhere, with every reason that applies."""
    everywhere = np.full(usable.shape, np.nan)
    everywhere[usable] = np.where(np.isfinite(values), values, np.nan)
    reasons = [reason] if np.isnan(everywhere[usable]).any() else []
    if not usable.all():
        reasons.append("the model's moments are not finite")
    return Measurement(everywhere, "; ".join(reasons))


def _compared(
    mean: FloatArray, covariance: FloatArray, real_mean: FloatArray, real_covariance: FloatArray
) -> Mapping[str, tuple[FloatArray, str]]:
    """Return each measure of the usable chains, with the reason that holds wherever it is not finite."""
    dimensions = mean.shape[1]
    total, real_total = (np.trace(matrix, axis1=1, axis2=2) for matrix in (covariance, real_covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = total / real_total
        error = ((mean - real_mean) ** 2).mean(axis=1)
        distance = squared_wasserstein(mean, covariance, real_mean[0], real_covariance[0])
    log_ratio = (_log_determinant(covariance) - _log_determinant(real_covariance)) / dimensions
    return {
        "mean": (mean.mean(axis=1), "the mean overflows"),
        "mean_error": (error, "the squared error overflows"),
        "variance": (total / dimensions, "the variance overflows"),
        "second_moment": (total / dimensions + error, "the second moment overflows"),
        "wasserstein": (distance / dimensions, "the distance overflows"),
        "variance_ratio": (ratio, "the real rows do not vary"),
        "log_variance": (log_ratio, "the covariance of the model or of the real rows is singular"),
        "correlation_error": _correlation_error(covariance, real_covariance),
    }


def _correlations(covariance: FloatArray) -> FloatArray:
    """Return the correlations, (c, d, d), nan beside a dimension that does not vary."""
    deviations = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Two divisions: the product of two tiny deviations would underflow in a chain that has nearly collapsed.
        return covariance / deviations[:, :, None] / deviations[:, None, :]


def _log_determinant(covariance: FloatArray) -> FloatArray:
    """Return log det S, (c,), nan where S is singular to working precision whatever the units of its dimensions."""
    dimensions = covariance.shape[1]
    correlations = _correlations(covariance)
    regular = np.asarray(np.isfinite(correlations).all(axis=(1, 2)))
    eigenvalues = np.linalg.eigvalsh(np.where(regular[:, None, None], correlations, np.eye(dimensions)))
    regular &= eigenvalues[:, 0] > dimensions * np.finfo(np.float64).eps * eigenvalues[:, -1]
    logs = np.full(len(covariance), np.nan)
    variances = np.diagonal(covariance, axis1=1, axis2=2)
    logs[regular] = np.log(eigenvalues[regular]).sum(axis=1) + np.log(variances[regular]).sum(axis=1)
    return logs


def _correlation_error(covariance: FloatArray, real_covariance: FloatArray) -> tuple[FloatArray, str]:
    """Return the mean absolute difference over the pairs of dimensions that vary in the real rows."""
    if covariance.shape[1] == 1:
        return np.full(len(covariance), np.nan), "one dimension has no correlations"
    varying = np.flatnonzero(np.diagonal(real_covariance[0]) > 0)
    first, second = (varying[index] for index in np.triu_indices(len(varying), 1))
    if not first.size:
        return np.full(len(covariance), np.nan), "fewer than two real dimensions vary"
    differences = _correlations(covariance)[:, first, second] - _correlations(real_covariance)[:, first, second]
    return np.abs(differences).mean(axis=1), "a dimension of the model does not vary"
