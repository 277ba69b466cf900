"""Each check of a metric catches a metric that is broken in just that way, and passes one that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

from dwindle.checks import CheckFailed, check_metric, metric_checks
from dwindle.contracts import Measure, Measurement, Within


@dataclass(frozen=True)
class Gap:
    """Absolute difference of the means.

    Args:
        power: of the difference.
    """

    power: Annotated[int, Within(low=1)] = 1

    kinds: ClassVar[frozenset] = frozenset({"vectors", "symbols"})
    measures: ClassVar[Mapping[str, Measure]] = {"gap": Measure("lower", "units", "difference of the means")}

    def measure(self, evidence):
        samples = evidence.samples.values
        if samples.ndim == 2:
            return {"gap": Measurement.undefined(len(samples), "symbols have no mean")}
        gaps = np.abs(samples.mean(axis=(1, 2)) - evidence.held_out.values.mean()) ** self.power
        defined = np.isfinite(gaps)
        return {"gap": Measurement(np.where(defined, gaps, np.nan), "" if defined.all() else "not finite")}

    @classmethod
    def smallest(cls):
        return cls()


def broken(**parts: Any) -> Any:
    namespace = {"__doc__": Gap.__doc__, "__module__": __name__, "__annotations__": {}, **parts}
    return dataclass(frozen=True)(type("BrokenGap", (Gap,), namespace))()


def reporting(change):
    """Return a `measure` whose values are changed."""

    def measure(self, evidence):
        found = Gap.measure(self, evidence)["gap"]
        return {"gap": Measurement(change(found.values, evidence), found.reason)}

    return broken(measure=measure)


def _raising(self, evidence):
    if not np.isfinite(evidence.samples.values).all():
        raise FloatingPointError("nan")
    return Gap.measure(self, evidence)


def _for_vectors_only(self, evidence):
    return {} if evidence.samples.values.ndim == 2 else Gap.measure(self, evidence)


def _without_reason(self, evidence):
    return {"gap": Measurement(Gap.measure(self, evidence)["gap"].values)}


def _with_idle_reason(self, evidence):
    return {"gap": Measurement(Gap.measure(self, evidence)["gap"].values, "just in case")}


def _draw_globally(values, evidence):
    np.random.rand()  # noqa: NPY002
    return values


def _overwrite(values, evidence):
    evidence.training.values[:] = 0
    return values


def _spreading(values, evidence):
    return values if np.isfinite(values).all() else values * np.nan


def measures(**changes: Any) -> dict[str, Measure]:
    return {"gap": Measure(**({"better": "lower", "unit": "units", "about": "a gap"} | changes))}


BROKEN: Mapping[str, list[Any]] = {
    "check_it_is_a_frozen_dataclass": [type("Loose", (Gap,), {})()],
    "check_number_settings_have_a_range": [broken(__annotations__={"power": int}, power=1)],
    "check_defaults_are_in_range": [broken(__annotations__={"power": Annotated[int, Within(low=2)]}, power=1)],
    "check_settings_are_documented": [broken(__doc__="A gap.")],
    "check_smallest_is_one_of_its_own": [broken(smallest=classmethod(lambda cls: Gap()))],
    "check_it_declares_its_kinds": [
        broken(kinds=frozenset()),
        broken(kinds=frozenset({"vectors", "pictures"})),
    ],
    "check_measures_say_what_they_mean": [
        broken(measures={}),
        broken(measures={"gap": "lower"}),
        broken(measures=measures(better="up")),
        broken(measures=measures(scale="cubic")),
        broken(measures=measures(unit="")),
        broken(measures=measures(about="")),
        broken(measures={"The gap": measures()["gap"]}),
    ],
    "check_every_measure_is_returned": [
        broken(measure=_for_vectors_only),
        broken(measures=measures() | {"other": measures()["gap"]}),
    ],
    "check_there_is_one_number_a_chain": [
        reporting(lambda values, evidence: values.mean(keepdims=True)),
        reporting(lambda values, evidence: values.astype(np.float32)),
        broken(measure=lambda self, evidence: {"gap": np.zeros(3)}),
    ],
    "check_undefined_numbers_have_a_reason": [broken(measure=_without_reason), broken(measure=_with_idle_reason)],
    "check_real_rows_give_sane_numbers": [
        reporting(lambda values, evidence: values * np.nan),
        reporting(lambda values, evidence: np.full(3, np.inf)),
        reporting(lambda values, evidence: values + 1e12),
    ],
    "check_better_is_the_right_way_round": [broken(measures=measures(better="higher"))],
    "check_broken_samples_give_nan_and_no_error": [
        reporting(_spreading),
        reporting(lambda values, evidence: np.nan_to_num(values, nan=np.inf)),
    ],
    "check_evidence_is_not_changed": [reporting(_overwrite)],
    "check_measuring_twice_gives_the_same": [
        reporting(lambda values, evidence: values + np.random.default_rng().random()),
    ],
    "check_global_random_state_is_untouched": [reporting(_draw_globally)],
}


def test_a_whole_metric_passes():
    check_metric(Gap())


def test_a_metric_that_raises_on_nan_breaks_the_claim_by_name():
    with pytest.raises(CheckFailed, match=r"^check_broken_samples_give_nan_and_no_error: .*FloatingPointError: nan"):
        check_metric(broken(measure=_raising))


@pytest.mark.parametrize("check", metric_checks(), ids=lambda check: check.__name__)
def test_each_check_names_the_claim_that_is_broken(check):
    for metric in BROKEN[check.__name__]:
        with pytest.raises(CheckFailed, match=f"^{check.__name__}: {type(metric).__name__}: expected (?!no exception)"):
            check(metric)
