"""What holds for the checks of every kind of component."""

from __future__ import annotations

import importlib
import inspect

import pytest

from dwindle import checks
from dwindle.checks.claims import expect, same

LISTED = {
    "family": checks.family_checks(),
    "curator": checks.curator_checks(),
    "metric": checks.metric_checks(),
    "source": checks.source_checks(),
    "regime": checks.regime_checks(),
}


@pytest.mark.parametrize("kind", LISTED)
def test_every_check_that_is_written_is_listed_once(kind):
    modules = ["settings", kind, *(["model"] if kind == "family" else [])]
    members = (vars(importlib.import_module(f"dwindle.checks.{module}")).items() for module in modules)
    written = {name for items in members for name, value in items if name.startswith("check_") and callable(value)}
    written -= {f"check_{kind}", *(["check_smallest_is_one_of_its_own"] if kind == "regime" else [])}
    names = [check.__name__ for check in LISTED[kind]]
    assert sorted(names) == sorted(written)


@pytest.mark.parametrize("check", [check for checks_ in LISTED.values() for check in checks_])
def test_every_check_says_why_its_claim_matters(check):
    assert len(inspect.getdoc(check)) > 20


def test_a_failed_check_is_an_assertion_error():
    with pytest.raises(AssertionError, match=r"^check_it_is_a_frozen_dataclass: int: expected a dataclass, got"):
        checks.check_metric(3)


def test_an_expectation_that_holds_is_silent():
    assert expect(True, "anything", "something") is None


def test_nan_is_the_same_as_nan_and_other_shapes_are_not_the_same():
    import numpy as np

    values = np.array([1.0, np.nan])
    assert same(values, values.copy())
    assert not same(values, np.array([1.0, 2.0]))
    assert not same(values, values[:1])
