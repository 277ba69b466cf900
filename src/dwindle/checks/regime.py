"""Checks of a regime: its plans can be carried out with the rows that it asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from dwindle.checks.claims import Check, claim, expect
from dwindle.checks.settings import settings_checks
from dwindle.contracts import FRESH, REAL, Origin, Regime, TrainingPlan

__all__ = ["check_regime", "regime_checks"]

_GENERATIONS = 6
_BUDGETS = (7, 100)


def regime_checks() -> tuple[Check[Regime], ...]:
    """Return every check of a regime."""
    return (
        *settings_checks(),
        check_asks_are_counts_of_new_rows,
        check_plans_take_counts_of_rows_within_reach,
        check_plans_survive_a_shortage,
        check_weights_are_positive,
        check_every_generation_trains_on_something,
        check_rows_that_were_asked_for_are_used,
        check_a_draw_can_be_made,
        check_kept_origins_are_within_reach,
        check_the_same_question_has_the_same_answer,
    )


def check_regime(regime: Regime) -> None:
    """Run every check on a regime.

    Raises:
        CheckFailed: at the first broken claim.
    """
    for check in regime_checks():
        check(regime)


class _Turn(NamedTuple):
    """One generation of a lineage in counts."""

    generation: int
    budget: int
    asked: Mapping[Origin, int]
    available: Mapping[Origin, int]
    plan: TrainingPlan


def _turns(regime: Regime, *, share: float = 1.0) -> Iterator[_Turn]:
    """Grow lineages in counts: the anchor and the kept origins stay within reach.

    Args:
        regime: the regime.
        share: how many of the rows that were asked for the curators leave.
    """
    for budget in _BUDGETS:
        kept: dict[Origin, int] = {REAL: budget}
        for generation in range(1, _GENERATIONS + 1):
            asked = regime.asks(generation, budget=budget)
            available = kept | {origin: int(np.ceil(share * count)) for origin, count in asked.items()}
            plan = regime.plan(generation, dict(available), budget=budget)
            yield _Turn(generation, budget, asked, available, plan)
            kept = {REAL: budget} | {origin: available[origin] for origin in plan.keep if origin in available}


def _within_reach(turn: _Turn) -> None:
    origins = [take.origin for take in turn.plan.takes]
    expect(len(set(origins)) == len(origins), "one take of each origin", origins)
    for take in turn.plan.takes:
        limit = turn.available.get(take.origin, 0)
        whole = isinstance(take.count, int | np.integer) and take.count >= 0
        expect(whole, f"a count of rows of origin {take.origin}", repr(take.count))
        expect(take.count <= limit, f"at most {limit} rows of origin {take.origin}", take.count)


@claim
def check_asks_are_counts_of_new_rows(regime: Regime) -> None:
    """Only rows of this generation and fresh real rows can come into being."""
    for turn in _turns(regime):
        strange = set(turn.asked) - {turn.generation, FRESH}
        expect(not strange, f"keys {turn.generation} and {FRESH} (FRESH)", sorted(strange))
        for count in turn.asked.values():
            expect(isinstance(count, int | np.integer) and count >= 0, "whole counts >= 0", repr(count))


@claim
def check_plans_take_counts_of_rows_within_reach(regime: Regime) -> None:
    """A plan takes each origin once, and never more than there is."""
    for turn in _turns(regime):
        _within_reach(turn)


@claim
def check_plans_survive_a_shortage(regime: Regime) -> None:
    """Curators drop rows: with half of what was asked for the plan still takes only what there is."""
    for turn in _turns(regime, share=0.5):
        _within_reach(turn)


@claim
def check_weights_are_positive(regime: Regime) -> None:
    """A row that is taken counts for something."""
    for turn in _turns(regime):
        for take in turn.plan.takes:
            expect(0 < take.weight < np.inf, f"a weight above 0 for origin {take.origin}", take.weight)


@claim
def check_every_generation_trains_on_something(regime: Regime) -> None:
    """No generation is trained on nothing."""
    for turn in _turns(regime):
        total = sum(take.count for take in turn.plan.takes)
        expect(total > 0, f"rows for generation {turn.generation} with budget {turn.budget}", total)


@claim
def check_rows_that_were_asked_for_are_used(regime: Regime) -> None:
    """Rows are not made for nothing: what was asked for is taken, or kept for later."""
    for turn in _turns(regime):
        used = {take.origin for take in turn.plan.takes if take.count} | set(turn.plan.keep)
        idle = sorted(origin for origin, count in turn.asked.items() if count and origin not in used)
        expect(not idle, "a use for all rows that were asked for", f"none for origins {idle}")


@claim
def check_a_draw_can_be_made(regime: Regime) -> None:
    """A draw without replacement is no larger than what it draws from."""
    for turn in _turns(regime):
        if turn.plan.draw is not None:
            total = sum(take.count for take in turn.plan.takes)
            limit = np.inf if turn.plan.replacement else total
            expect(0 < turn.plan.draw <= limit, f"a draw of 1..{limit:g} rows", turn.plan.draw)


@claim
def check_kept_origins_are_within_reach(regime: Regime) -> None:
    """Only rows that are there can stay."""
    for turn in _turns(regime):
        lost = sorted(set(turn.plan.keep) - set(turn.available))
        expect(not lost, f"kept origins among {sorted(turn.available)}", lost)
        expect(len(set(turn.plan.keep)) == len(turn.plan.keep), "each origin kept once", turn.plan.keep)


@claim
def check_the_same_question_has_the_same_answer(regime: Regime) -> None:
    """A plan is arithmetic: it depends on its arguments alone and leaves them alone."""
    for turn in _turns(regime):
        given = dict(turn.available)
        again = regime.plan(turn.generation, given, budget=turn.budget)
        expect(given == dict(turn.available), "the available counts untouched", given)
        expect(again == turn.plan, f"the same plan again: {turn.plan}", again)
        asked = regime.asks(turn.generation, budget=turn.budget)
        expect(dict(asked) == dict(turn.asked), f"the same asks again: {dict(turn.asked)}", dict(asked))
