"""Checks of a curator: every row is judged once, and every dropped row has a reason."""

from __future__ import annotations

from typing import get_args

import numpy as np

from dwindle.checks.claims import Check, claim, expect, global_random_state_kept, rows_kept, same
from dwindle.checks.examples import SEED, ready, rows_of, shown, with_provenance
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
        check_dropped_rows_have_one_reason,
        check_repaired_rows_are_named,
        check_added_rows_say_where_they_come_from,
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
    return shown(curator, rows, anchor).curate(rows, anchor=anchor, seed=SEED.at("curate")), rows


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
def check_dropped_rows_have_one_reason(curator: Curator) -> None:
    """The reasons of a curator account for every row that it dropped, once, and for no other."""
    curated, rows = _curated(curator)
    shape, gone = rows.values.shape[:2], (rows.filled_weights() > 0) & ~curated.kept
    expect(all(curated.why), "a reason for every dropped row", "an empty reason")
    for reason, masked in curated.why.items():
        expect(_is_mask(masked, shape), f"'{reason}' True or False for each row", getattr(masked, "shape", masked))
    counted = np.sum([masked.astype(int) for masked in curated.why.values()], axis=0, initial=0) + np.zeros(shape)
    expect(same(counted, gone * 1.0), f"one reason for each of {int(gone.sum())} dropped rows", curated.dropped)


@claim
def check_repaired_rows_are_named(curator: Curator) -> None:
    """Rows come out as they came in, but for those that a repair names; these stay."""
    curated, rows = _curated(curator)
    named = np.zeros(rows.values.shape[:2], dtype=np.bool_)
    for repair, masked in curated.repaired.items():
        expect(repair and _is_mask(masked, named.shape), "a named repair, True or False for each row", repr(repair))
        named |= masked
    expect(not (named & ~curated.kept).any(), "repaired rows kept", f"{int((named & ~curated.kept).sum())} dropped")
    if curated.values is None:
        expect(not named.any(), "values where rows are said to be repaired", "none")
        return
    expect(curated.values.shape == rows.values.shape, f"values of shape {rows.values.shape}", curated.values.shape)
    expect(curated.values.dtype == rows.values.dtype, f"values of {rows.values.dtype}", curated.values.dtype)
    others = curated.kept & ~named
    expect(same(curated.values[others], rows.values[others]), "rows that no repair names as they came", "others")


@claim
def check_added_rows_say_where_they_come_from(curator: Curator) -> None:
    """What is put beside the new rows trains like them, so it is of their shape and has a provenance of its own."""
    curated, rows = _curated(curator)
    if curated.added is None:
        return
    added = curated.added
    expect(added.chains == rows.chains, f"added rows of {rows.chains} chains", added.chains)
    expect(
        added.values.shape[2:] == rows.values.shape[2:], f"rows of shape {rows.values.shape[2:]}", added.values.shape
    )
    expect(added.provenance is not None, "added rows with provenance", "none")


def _is_mask(masked: object, shape: tuple[int, ...]) -> bool:
    return isinstance(masked, np.ndarray) and masked.shape == shape and masked.dtype == np.bool_


@claim
def check_rows_and_anchor_are_not_changed(curator: Curator) -> None:
    """A curator judges; the stage drops."""
    rows, anchor = _inputs(curator)
    with rows_kept(new=rows, anchor=anchor):
        shown(curator, rows, anchor).curate(rows, anchor=anchor, seed=SEED.at("curate"))


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
