"""Checks of a curator: every row is judged once, and every dropped row has a reason."""

from __future__ import annotations

from typing import get_args

import numpy as np

from dwindle.checks.claims import Check, claim, expect, global_random_state_kept, rows_kept, same
from dwindle.checks.examples import SEED, ready, rows_of, with_provenance
from dwindle.checks.settings import settings_checks, smallest_checks
from dwindle.contracts import Curated, Curator, Kind, Rows

__all__ = ["check_curator", "curator_checks"]


def curator_checks() -> tuple[Check[Curator], ...]:
    """Return every check of a curator."""
    return (
        *settings_checks(),
        *smallest_checks(),
        check_it_declares_what_it_judges,
        check_kept_says_yes_or_no_for_every_row,
        check_kept_rows_have_a_positive_weight,
        check_absent_rows_are_not_kept,
        check_dropped_rows_are_counted_by_reason,
        check_rows_and_anchor_are_not_changed,
        check_same_seed_curates_the_same,
        check_global_random_state_is_untouched,
    )


def check_curator(curator: Curator) -> None:
    """Run every check on a curator.

    Raises:
        CheckFailed: at the first broken claim.
    """
    for check in curator_checks():
        check(ready(curator))


def _inputs(curator: Curator) -> tuple[Rows, Rows]:
    """Return new rows and anchor rows with copies among them, the last chain three rows shorter."""
    kind = sorted(curator.kinds)[-1]
    anchor, new = rows_of(kind, name="anchor"), rows_of(kind, name="new")
    new.values[:, 5] = new.values[:, 2]
    new.values[:, 7] = anchor.values[:, 1]
    weights = np.ones(new.values.shape[:2])
    weights[-1, -3:] = 0.0
    return with_provenance(Rows(new.values, weights), 1), with_provenance(anchor)


def _curated(curator: Curator) -> tuple[Curated, Rows]:
    rows, anchor = _inputs(curator)
    return curator.curate(rows, anchor=anchor, seed=SEED.at("curate")), rows


@claim
def check_it_declares_what_it_judges(curator: Curator) -> None:
    """The configuration and the curate stage read both before any row is judged."""
    expect(curator.judges in ("synthetic", "new"), "judges 'synthetic' or 'new'", repr(curator.judges))
    known = curator.kinds and curator.kinds <= set(get_args(Kind))
    expect(known, f"kinds among {', '.join(get_args(Kind))}", curator.kinds)


@claim
def check_kept_says_yes_or_no_for_every_row(curator: Curator) -> None:
    """`kept` is True or False for each row of each chain."""
    curated, rows = _curated(curator)
    shape = rows.values.shape[:2]
    expect(curated.kept.shape == shape, f"kept of shape {shape}", curated.kept.shape)
    expect(curated.kept.dtype == np.bool_, "kept of booleans", curated.kept.dtype)


@claim
def check_kept_rows_have_a_positive_weight(curator: Curator) -> None:
    """A row of weight 0 does not exist, so it cannot be kept."""
    curated, rows = _curated(curator)
    if curated.weights is None:
        return
    expect(curated.weights.shape == rows.values.shape[:2], "a weight for each row", curated.weights.shape)
    kept = curated.weights[curated.kept]
    expect(np.isfinite(kept).all() and (kept > 0).all(), "weights above 0 for kept rows", kept.min(initial=np.inf))


@claim
def check_absent_rows_are_not_kept(curator: Curator) -> None:
    """A place of weight 0 pads a shorter chain; it holds no row that could be kept."""
    curated, rows = _curated(curator)
    kept = int((curated.kept & (rows.filled_weights() == 0)).sum())
    expect(kept == 0, "no place of weight 0 kept", f"{kept} kept")


@claim
def check_dropped_rows_are_counted_by_reason(curator: Curator) -> None:
    """The reasons of a curator account for every row that it dropped, and for no other."""
    curated, rows = _curated(curator)
    gone = int(rows.counts.sum()) - int((curated.kept & (rows.filled_weights() > 0)).sum())
    expect(all(curated.dropped), "a reason for every count", "an empty reason")
    expect(all(count >= 0 for count in curated.dropped.values()), "counts of dropped rows", dict(curated.dropped))
    expect(sum(curated.dropped.values()) == gone, f"reasons for {gone} dropped rows", dict(curated.dropped))


@claim
def check_rows_and_anchor_are_not_changed(curator: Curator) -> None:
    """A curator judges; the stage drops."""
    rows, anchor = _inputs(curator)
    with rows_kept(new=rows, anchor=anchor):
        curator.curate(rows, anchor=anchor, seed=SEED.at("curate"))


@claim
def check_same_seed_curates_the_same(curator: Curator) -> None:
    """A generation that is curated again keeps the same rows."""
    (first, _), (again, _) = _curated(curator), _curated(curator)
    expect(same(first.kept, again.kept), "the same rows kept with the same seed", "other rows")
    weights = [np.zeros(0) if some.weights is None else some.weights for some in (first, again)]
    expect(same(*weights), "the same weights with the same seed", "other weights")


@claim
def check_global_random_state_is_untouched(curator: Curator) -> None:
    """Every draw comes from the seed that was given."""
    _curated(curator)
    with global_random_state_kept():
        _curated(curator)
