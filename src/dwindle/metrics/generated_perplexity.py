"""How surprising generated text is to the model of generation 0, and to the model that wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, Kind, Measure, Measurement, Model, Rows, Scorable
from dwindle.samplers import Sampler

__all__ = ["GeneratedPerplexity"]

_EDGES = np.geomspace(1.0, 1e6, 121)  # the same for all, so that histograms can be laid over each other


@dataclass(frozen=True)
class GeneratedPerplexity:
    """Perplexity of sampled blocks under the model of generation 0, over blocks, and under their own model.

    Collapse shows at both ends: text that generation 0 would have written gladly piles up, and a tail grows of text
    that it would never have written. The shift is the 1-Wasserstein distance between the blocks' log-perplexities and
    those of as many blocks of generation 0's own; at generation 0 it is the sampling error of two such draws. The
    histogram of each chain's blocks is kept with the mean; its first and last bin hold what lies beyond.

    Source: Shumailov et al. 2024, figure 1 (perplexity of generated text under the model that saw real data only).
    """

    needs_reference: ClassVar[bool] = True
    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "generated_perplexity": Measure("as_anchor", "tokens", "perplexity of samples under generation 0", "log"),
        "generated_perplexity_p05": Measure("as_anchor", "tokens", "its 5 % quantile over blocks", "log"),
        "generated_perplexity_p50": Measure("as_anchor", "tokens", "its median over blocks", "log"),
        "generated_perplexity_p95": Measure("as_anchor", "tokens", "its 95 % quantile over blocks", "log"),
        "generated_perplexity_shift": Measure("lower", "nats a token", "distance of its logarithms to generation 0's"),
        "self_perplexity": Measure("as_anchor", "tokens", "perplexity of samples under their own model", "log"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined where a model does not know its density."""
        own = _losses(evidence.model, evidence.samples)
        none = Measurement.undefined(evidence.samples.chains, "the model does not know its density")
        itself = none if own is None else _perplexity(own.mean(axis=1))
        return {**self._under_reference(evidence), "self_perplexity": itself}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()

    def _under_reference(self, evidence: Evidence) -> Mapping[str, Measurement]:
        names, samples, reference = list(self.measures)[:5], evidence.samples, evidence.reference
        losses = None if reference is None else _losses(reference, samples)
        if reference is None or losses is None:
            reason = "there is no model of generation 0" if reference is None else "it does not know its density"
            return {name: Measurement.undefined(samples.chains, f"generation 0: {reason}") for name in names}
        drawn = reference.sample(samples.count, sampler=Sampler(), seed=evidence.seed.at("reference"))
        real = _losses(reference, drawn)
        quantiles = np.quantile(losses, (0.05, 0.5, 0.95), axis=1, method="inverted_cdf")
        mean = _perplexity(losses.mean(axis=1), {"histogram": _histogram(losses)})
        found = [mean, *(_perplexity(values) for values in quantiles), _shift(losses, real)]
        return dict(zip(names, found, strict=True))


def _losses(model: Model, rows: Rows) -> FloatArray | None:
    """Return the nats a token of each block, (c, n); None where the model knows no density."""
    if not isinstance(model, Scorable):
        return None
    return np.asarray(-model.log_prob(rows) / rows.values.shape[2])


def _perplexity(losses: FloatArray, detail: Mapping[str, Any] | None = None) -> Measurement:
    with np.errstate(over="ignore"):
        values = np.exp(losses)
    finite = np.isfinite(values)
    reason = "" if finite.all() else "a sampled token has no probability under the model"
    return Measurement(np.where(finite, values, np.nan), reason, detail or {})


def _shift(losses: FloatArray, real: FloatArray | None) -> Measurement:
    """Return the 1-Wasserstein distance of each chain: the mean gap between the sorted numbers."""
    if real is None or not np.isfinite(real).all():
        return Measurement.undefined(len(losses), "generation 0 gives its own text no probability")
    finite = np.asarray(np.isfinite(losses).all(axis=1))
    gaps = np.abs(np.sort(np.where(finite[:, None], losses, 0.0), axis=1) - np.sort(real, axis=1)).mean(axis=1)
    reason = "" if finite.all() else "a sampled token has no probability under the model"
    return Measurement(np.where(finite, gaps, np.nan), reason)


def _histogram(losses: FloatArray) -> Mapping[str, Any]:
    """Return the share of each chain's blocks between fixed edges of perplexity."""
    inner = np.log(_EDGES[1:-1])
    bins = np.stack(
        [np.bincount(np.searchsorted(inner, row, side="right"), minlength=len(_EDGES) - 1) for row in losses]
    )
    return {"edges": _EDGES.tolist(), "shares": (bins / losses.shape[1]).tolist()}
