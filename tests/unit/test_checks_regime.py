"""Each check of a regime catches a regime that is broken in just that way, and passes one that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from dwindle.checks import CheckFailed, check_regime, regime_checks
from dwindle.contracts import REAL, Take, TrainingPlan, Within


@dataclass(frozen=True)
class Recent:
    """The anchor and the last few generations.

    Args:
        memory: how many generations stay.
    """

    memory: Annotated[int, Within(low=1)] = 2

    def asks(self, generation, *, budget):
        return {generation: budget}

    def plan(self, generation, available, *, budget):
        recent = sorted(origin for origin in available if origin > generation - self.memory)
        origins = {REAL, *recent} & set(available)
        takes = tuple(Take(origin, available[origin]) for origin in sorted(origins))
        return TrainingPlan(takes, keep=tuple(recent))


def broken(**parts: Any) -> Any:
    namespace = {"__doc__": Recent.__doc__, "__module__": __name__, "__annotations__": {}, **parts}
    return dataclass(frozen=True)(type("BrokenRecent", (Recent,), namespace))()


def planning(change):
    """Return a regime whose plan is made by a function of generation, available rows and budget."""
    return broken(plan=lambda self, generation, available, *, budget: change(generation, available, budget))


def one(origin, count, weight=1.0, **rest):
    return TrainingPlan((Take(origin, count, weight),), **rest)


def _consuming(generation, available, budget):
    return one(generation, available.pop(generation))


_counter = iter(range(1, 10**6))

BROKEN: Mapping[str, list[Any]] = {
    "check_it_is_a_frozen_dataclass": [type("Loose", (Recent,), {})()],
    "check_number_settings_have_a_range": [broken(__annotations__={"memory": int}, memory=1)],
    "check_defaults_are_in_range": [broken(__annotations__={"memory": Annotated[int, Within(low=5)]}, memory=1)],
    "check_settings_are_documented": [broken(__doc__="Recent rows.")],
    "check_asks_are_counts_of_new_rows": [
        broken(asks=lambda self, generation, *, budget: {REAL: budget}),
        broken(asks=lambda self, generation, *, budget: {generation: budget / 2}),
        broken(asks=lambda self, generation, *, budget: {generation: -1}),
    ],
    "check_plans_take_counts_of_rows_within_reach": [
        planning(lambda generation, available, budget: one(generation, budget + 1)),
        planning(lambda generation, available, budget: one(generation - 1, 1)),
        planning(lambda generation, available, budget: one(generation, budget / 2)),
        planning(lambda generation, available, budget: TrainingPlan((Take(REAL, 1), Take(REAL, 2)))),
    ],
    "check_plans_survive_a_shortage": [planning(lambda generation, available, budget: one(generation, budget))],
    "check_weights_are_positive": [planning(lambda generation, available, budget: one(generation, 1, 0.0))],
    "check_every_generation_trains_on_something": [planning(lambda generation, available, budget: TrainingPlan(()))],
    "check_rows_that_were_asked_for_are_used": [planning(lambda generation, available, budget: one(REAL, 1))],
    "check_a_draw_can_be_made": [
        planning(lambda generation, available, budget: one(generation, budget, draw=budget + 1)),
        planning(lambda generation, available, budget: one(generation, budget, draw=0, replacement=True)),
    ],
    "check_kept_origins_are_within_reach": [
        planning(lambda generation, available, budget: one(generation, 1, keep=(generation + 1,))),
        planning(lambda generation, available, budget: one(generation, 1, keep=(generation, generation))),
    ],
    "check_the_same_question_has_the_same_answer": [
        planning(_consuming),
        planning(lambda generation, available, budget: one(generation, next(_counter))),
        broken(asks=lambda self, generation, *, budget: {generation: next(_counter)}),
    ],
}


def test_a_whole_regime_passes():
    check_regime(Recent())


@pytest.mark.parametrize("check", regime_checks(), ids=lambda check: check.__name__)
def test_each_check_names_the_claim_that_is_broken(check):
    for regime in BROKEN[check.__name__]:
        with pytest.raises(CheckFailed, match=f"^{check.__name__}: {type(regime).__name__}: expected (?!no exception)"):
            check(regime)
