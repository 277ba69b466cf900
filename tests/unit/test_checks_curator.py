"""Each check of a curator catches a curator that is broken in just that way, and passes one that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

from dwindle.checks import CheckFailed, check_curator, curator_checks
from dwindle.contracts import Curated, Rows, Within


@dataclass(frozen=True)
class Halve:
    """Keeps about half of the rows.

    Args:
        share: of the rows that stay.
    """

    judges: ClassVar[str] = "synthetic"
    kinds: ClassVar[frozenset] = frozenset({"vectors"})

    share: Annotated[float, Within(low=0.0, high=1.0)] = 0.5

    def curate(self, rows, *, anchor, seed):
        there = rows.filled_weights() > 0
        kept = there & (seed.numpy().random(there.shape) < self.share)
        return Curated(kept, rows.weights, {"unlucky": there & ~kept})

    @classmethod
    def smallest(cls):
        return cls()


def broken(**parts: Any) -> Any:
    namespace = {"__doc__": Halve.__doc__, "__module__": __name__, "__annotations__": {}, **parts}
    return dataclass(frozen=True)(type("BrokenHalve", (Halve,), namespace))()


def judging(change):
    """Return a `curate` whose verdict is changed."""

    def curate(self, rows, *, anchor, seed):
        return change(Halve.curate(self, rows, anchor=anchor, seed=seed), rows, anchor)

    return curate


def _draw_globally(found, rows, anchor):
    np.random.rand()  # noqa: NPY002
    return found


def _overwrite(found, rows, anchor):
    anchor.values[0] += 1
    return found


def _relabel(found, rows, anchor):
    rows.provenance.origin[:] = 7
    return found


def _without_seed(found, rows, anchor):
    kept = np.random.default_rng().random(rows.values.shape[:2]) < 0.5
    return Curated(kept, None, {"unlucky": ~kept})


def _all_places(found, rows, anchor):
    return Curated(np.ones_like(found.kept), None)


BROKEN: Mapping[str, list[Any]] = {
    "check_it_is_a_frozen_dataclass": [type("Loose", (Halve,), {})()],
    "check_number_settings_have_a_range": [broken(__annotations__={"share": float}, share=0.5)],
    "check_defaults_are_in_range": [broken(__annotations__={"share": Annotated[float, Within(high=0.1)]}, share=0.5)],
    "check_settings_are_documented": [broken(__doc__="Keeps half.")],
    "check_smallest_is_one_of_its_own": [broken(smallest=classmethod(lambda cls: None))],
    "check_it_declares_what_it_judges": [
        broken(judges="everything"),
        broken(kinds=frozenset()),
        broken(kinds=frozenset({"vectors", "pictures"})),
    ],
    "check_kept_says_yes_or_no_for_every_row": [
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept[:, 1:]))),
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept * 1.0))),
    ],
    "check_kept_rows_have_a_positive_weight": [
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept, rows.weights * 0))),
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept, rows.weights * np.nan))),
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept, np.ones(3)))),
    ],
    "check_absent_rows_are_not_kept": [broken(curate=judging(_all_places))],
    "check_dropped_rows_have_one_reason": [
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept, None, {}))),
        broken(curate=judging(lambda found, rows, anchor: Curated(found.kept, None, {"": found.why["unlucky"]}))),
        broken(
            curate=judging(
                lambda found, rows, anchor: Curated(found.kept, None, {"a": found.why["unlucky"], "b": found.kept})
            )
        ),
    ],
    "check_repaired_rows_are_named": [
        broken(curate=judging(lambda found, rows, anchor: replace(found, values=rows.values + 1))),
        broken(curate=judging(lambda found, rows, anchor: replace(found, values=rows.values[:, 1:]))),
        broken(curate=judging(lambda found, rows, anchor: replace(found, repaired={"noise": found.kept}))),
        broken(
            curate=judging(
                lambda found, rows, anchor: replace(found, values=rows.values, repaired={"noise": ~found.kept})
            )
        ),
    ],
    "check_added_rows_say_where_they_come_from": [
        broken(curate=judging(lambda found, rows, anchor: replace(found, added=rows.anonymous()))),
        broken(curate=judging(lambda found, rows, anchor: replace(found, added=Rows(rows.values[:1])))),
    ],
    "check_rows_and_anchor_are_not_changed": [
        broken(curate=judging(_overwrite)),
        broken(curate=judging(_relabel)),
    ],
    "check_same_seed_curates_the_same": [broken(curate=judging(_without_seed))],
    "check_global_random_state_is_untouched": [broken(curate=judging(_draw_globally))],
}


def test_a_whole_curator_passes():
    check_curator(Halve())


@pytest.mark.parametrize("check", curator_checks(), ids=lambda check: check.__name__)
def test_each_check_names_the_claim_that_is_broken(check):
    for curator in BROKEN[check.__name__]:
        with pytest.raises(
            CheckFailed, match=f"^{check.__name__}: {type(curator).__name__}: expected (?!no exception)"
        ):
            check(curator)
