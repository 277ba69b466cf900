"""Checks of a metric: what it declares, what it returns, and what it makes of bad samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from dwindle.checks.claims import Check, claim, expect, global_random_state_kept, rows_kept, same
from dwindle.checks.examples import CHAINS, away, evidence, whole_numbers
from dwindle.checks.settings import settings_checks, smallest_checks
from dwindle.contracts import Array, Evidence, Kind, Measure, Measurement, Metric

__all__ = ["check_metric", "metric_checks"]

_SANE = 1e6


def metric_checks() -> tuple[Check[Metric], ...]:
    """Return every check of a metric."""
    return (
        *settings_checks(),
        *smallest_checks(),
        check_it_declares_its_kinds,
        check_measures_say_what_they_mean,
        check_every_measure_is_returned,
        check_there_is_one_number_a_chain,
        check_undefined_numbers_have_a_reason,
        check_real_rows_give_sane_numbers,
        check_better_is_the_right_way_round,
        check_broken_samples_give_nan_and_no_error,
        check_evidence_is_not_changed,
        check_measuring_twice_gives_the_same,
        check_global_random_state_is_untouched,
    )


def check_metric(metric: Metric) -> None:
    """Run every check on a metric.

    Raises:
        CheckFailed: at the first broken claim.
    """
    for check in metric_checks():
        check(metric)


def _copied(kind: Kind) -> Evidence:
    """Return evidence whose samples are copies of the held-out rows."""
    found = evidence(kind)
    return evidence(kind, samples=np.repeat(found.held_out.values, CHAINS, axis=0))


def _measured(metric: Metric, found: Evidence) -> Mapping[str, Measurement]:
    return metric.measure(found)


@claim
def check_it_declares_its_kinds(metric: Metric) -> None:
    """A recipe whose rows it cannot measure is refused before anything is grown."""
    known = metric.kinds and metric.kinds <= set(get_args(Kind))
    expect(known, f"kinds among {', '.join(get_args(Kind))}", metric.kinds)


@claim
def check_measures_say_what_they_mean(metric: Metric) -> None:
    """Plots and tables read direction, unit and description from the metric."""
    expect(len(metric.measures), "at least one measure", "none")
    for name, measure in metric.measures.items():
        expect(name.isidentifier() and name == name.lower(), "names in snake case", repr(name))
        expect(isinstance(measure, Measure), f"a Measure for {name}", measure)
        expect(measure.better in ("higher", "lower", "as_anchor"), f"a direction for {name}", repr(measure.better))
        expect(measure.scale in ("linear", "log"), f"a scale for {name}", repr(measure.scale))
        expect(measure.unit and measure.about, f"unit and description of {name}", measure)


@claim
def check_every_measure_is_returned(metric: Metric) -> None:
    """Every measure is there at every generation, undefined or not, and no other."""
    for kind in sorted(metric.kinds):
        names = set(_measured(metric, evidence(kind)))
        expect(names == set(metric.measures), f"{sorted(metric.measures)} for {kind}", sorted(names))


@claim
def check_there_is_one_number_a_chain(metric: Metric) -> None:
    """Chains are the unit of statistics."""
    for kind in sorted(metric.kinds):
        for name, measurement in _measured(metric, evidence(kind)).items():
            expect(isinstance(measurement, Measurement), f"a Measurement of {name}", type(measurement).__name__)
            values = np.asarray(measurement.values)
            expect(values.shape == (CHAINS,), f"{name} of shape {(CHAINS,)} for {kind}", values.shape)
            expect(values.dtype == np.float64, f"{name} in double precision", values.dtype)


@claim
def check_undefined_numbers_have_a_reason(metric: Metric) -> None:
    """An undefined number is nan with a reason; a defined one needs none."""
    for kind in sorted(metric.kinds):
        for found in (evidence(kind), _copied(kind)):
            for name, measurement in _measured(metric, found).items():
                missing = bool(np.isnan(measurement.values).any())
                expect(not missing or measurement.reason, f"a reason why {name} is nan for {kind}", "none")
                expect(missing or not measurement.reason, f"no reason for a {name} without nan", measurement.reason)


@claim
def check_real_rows_give_sane_numbers(metric: Metric) -> None:
    """Samples that copy the held-out rows have a finite number, for one kind of rows at least."""
    defined = set()
    for kind in sorted(metric.kinds):
        for name, measurement in _measured(metric, _copied(kind)).items():
            values = measurement.values
            expect(not np.isinf(values).any(), f"finite {name} for {kind}", values)
            expect(not (np.abs(values) > _SANE).any(), f"{name} below {_SANE:g} on real rows", values)
            defined |= {name} if np.isfinite(values).all() else set()
    missing = sorted(set(metric.measures) - defined)
    expect(not missing, "numbers for copies of the held-out rows", f"nan for {missing}")


@claim
def check_better_is_the_right_way_round(metric: Metric) -> None:
    """Copies of the held-out rows are no worse than rows that are far from them."""
    for kind in sorted(metric.kinds):
        real = _copied(kind)
        far = real.samples.values * 0 if whole_numbers(kind) else away(kind, real.samples.values)
        good, bad = _measured(metric, real), _measured(metric, evidence(kind, samples=far))
        for name, measure in metric.measures.items():
            near, distant = good[name].values, bad[name].values
            wrong = (near > distant) if measure.better == "lower" else (near < distant)
            judged = measure.better != "as_anchor" and bool(wrong.any())
            expect(
                not judged, f"{name} ({measure.better} is better) no worse on real rows", f"{near} against {distant}"
            )


@claim
def check_broken_samples_give_nan_and_no_error(metric: Metric) -> None:
    """A chain whose samples are nan or inf costs that chain its number, not the lineage its evaluation."""
    kinds = [kind for kind in sorted(metric.kinds) if not whole_numbers(kind)]
    if not kinds:
        return
    whole = evidence(kinds[-1])
    broken = whole.samples.values.copy()
    broken[1, 3], broken[2, 0] = np.nan, np.inf
    with np.errstate(all="ignore"):
        measured = _measured(metric, evidence(kinds[-1], samples=broken))
    for name, before in _measured(metric, whole).items():
        values, reason = measured[name].values, measured[name].reason
        expect(_close(values[0], before.values[0]), f"the same {name} of the whole chain", values[0])
        expect(not np.isinf(values).any(), f"{name} finite or nan", values)
        expect(reason or not np.isnan(values).any(), f"a reason why {name} is nan", "none")


def _close(first: float, second: float) -> bool:
    return bool(np.isclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True))


@claim
def check_evidence_is_not_changed(metric: Metric) -> None:
    """All metrics of an evaluation look at the same arrays."""
    for kind in sorted(metric.kinds):
        found = evidence(kind)
        rows: dict[str, Any] = {
            "samples": found.samples,
            "held_out": found.held_out,
            "anchor": found.anchor,
            "training": found.training,
        }
        with rows_kept(**rows):
            _measured(metric, found)


@claim
def check_measuring_twice_gives_the_same(metric: Metric) -> None:
    """A generation that is evaluated again gets the same numbers, to the last bit."""
    for kind in sorted(metric.kinds):
        first, again = (_measured(metric, replace(evidence(kind))) for _ in range(2))
        for name in first:
            expect(same(_values(first, name), _values(again, name)), f"the same {name} again", _values(again, name))


def _values(measured: Mapping[str, Measurement], name: str) -> Array:
    return np.asarray(measured[name].values)


@claim
def check_global_random_state_is_untouched(metric: Metric) -> None:
    """Every draw comes from the seed of the evidence."""
    for kind in sorted(metric.kinds):
        _measured(metric, evidence(kind))
        with global_random_state_kept():
            _measured(metric, evidence(kind))
