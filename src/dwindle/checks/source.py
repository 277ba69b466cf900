"""Checks of a source: its stream is addressed, not consumed, and never meets the held-out rows."""

from __future__ import annotations

from typing import get_args

import numpy as np

from dwindle.checks.claims import Check, claim, expect, global_random_state_kept, same
from dwindle.checks.examples import CHAINS, SEED
from dwindle.checks.settings import settings_checks, smallest_checks
from dwindle.checks.truth import MANY, expect_law, expect_moments, expect_probabilities
from dwindle.contracts import (
    REAL,
    Array,
    Documented,
    Grouped,
    IntArray,
    Kind,
    KnownLaw,
    Moments,
    Pictured,
    Probabilities,
    Provenance,
    Rows,
    Source,
    Tabular,
    classes_of,
)

__all__ = ["check_source", "source_checks"]

_LARGEST = 100_000


def source_checks() -> tuple[Check[Source], ...]:
    """Return every check of a source."""
    return (
        *settings_checks(),
        *smallest_checks(),
        check_rows_have_the_shape_that_was_asked_for,
        check_rows_know_where_they_came_from,
        check_same_seed_draws_the_same_rows,
        check_another_seed_draws_other_rows,
        check_blocks_are_disjoint,
        check_blocks_may_be_drawn_in_any_order,
        check_chains_have_streams_of_their_own,
        check_held_out_rows_are_never_in_a_stream,
        check_capacity_is_honoured,
        check_the_truth_is_that_of_the_rows,
        check_what_it_says_of_its_rows_is_so,
        check_taken_rows_are_documented,
        check_global_random_state_is_untouched,
    )


def check_source(source: Source) -> None:
    """Run every check on a source.

    Raises:
        CheckFailed: at the first broken claim.
    """
    for check in source_checks():
        check(source)


def _block(source: Source) -> int:
    """Return a number of rows that a stream holds at least twice."""
    return 20 if source.capacity is None else max(1, min(20, source.capacity // 2))


def _drawn(source: Source, *, first: int = 0, count: int | None = None, name: str = "real") -> Rows:
    return source.draw(count or _block(source), first=first, chains=CHAINS, seed=SEED.at(name))


def _provenance(rows: Rows) -> Provenance:
    expect(rows.provenance is not None, "rows with provenance", "None")
    assert rows.provenance is not None
    return rows.provenance


def _ids(rows: Rows, chain: int) -> IntArray:
    """Return the rows of the real source that a chain's rows were copied from, unless there is no such source."""
    ids = _provenance(rows).source[chain]
    return np.asarray(ids[ids >= 0])


@claim
def check_rows_have_the_shape_that_was_asked_for(source: Source) -> None:
    """`count` rows in each of `chains` streams; held-out rows in one chain, of the same width."""
    rows, held_out = _drawn(source), source.draw_held_out(seed=SEED.at("real"))
    expect(source.kind in get_args(Kind), f"a kind among {', '.join(get_args(Kind))}", repr(source.kind))
    axes = 2 if source.kind == "symbols" else 3
    expect(rows.values.ndim == axes, f"{axes} axes for {source.kind}", rows.values.shape)
    expect((rows.chains, rows.count) == (CHAINS, _block(source)), f"{CHAINS} chains of rows", rows.values.shape)
    expect(held_out.chains == 1 and held_out.count > 0, "held-out rows in one chain", held_out.values.shape)
    width, other = rows.values.shape[2:], held_out.values.shape[2:]
    expect(width == other, f"held-out rows as wide as the stream, {width}", other)
    expect(np.isfinite(rows.values).all() and np.isfinite(held_out.values).all(), "finite rows", "nan or inf")


@claim
def check_rows_know_where_they_came_from(source: Source) -> None:
    """Rows of a block are of origin REAL and numbered from `first`; held-out rows have provenance too."""
    found = _provenance(_drawn(source, first=_block(source)))
    numbers = np.arange(_block(source), 2 * _block(source))
    expect((found.origin == REAL).all(), "origin REAL", np.unique(found.origin))
    expect(all(same(chain, numbers) for chain in found.row), f"rows {numbers[0]}..{numbers[-1]}", found.row)
    held_out = source.draw_held_out(seed=SEED.at("real"))
    shape = _provenance(held_out).row.shape
    expect(shape == held_out.values.shape[:2], "a provenance for each held-out row", shape)


@claim
def check_same_seed_draws_the_same_rows(source: Source) -> None:
    """A lineage that is grown again starts from the same rows and is measured against the same ones."""
    expect(same(_drawn(source).values, _drawn(source).values), "the same rows from the same seed", "other rows")
    held_out = [source.draw_held_out(seed=SEED.at("real")).values for _ in range(2)]
    expect(same(*held_out), "the same held-out rows from the same seed", "other rows")


@claim
def check_another_seed_draws_other_rows(source: Source) -> None:
    """Another root seed is another experiment."""
    other = _drawn(source, name="another")
    expect(not same(_drawn(source).values, other.values), "other rows from another seed", "the same rows")


@claim
def check_blocks_are_disjoint(source: Source) -> None:
    """Blocks that do not overlap share no row, by number, and by source row where the source has rows."""
    first, second = _drawn(source), _drawn(source, first=_block(source))
    for chain in range(CHAINS):
        numbers = np.intersect1d(_provenance(first).row[chain], _provenance(second).row[chain])
        expect(not numbers.size, "blocks without a row in common", f"rows {numbers} in both")
        ids = np.concatenate([_ids(first, chain), _ids(second, chain)])
        expect(len(set(ids.tolist())) == ids.size, "no source row twice in a stream", "source rows drawn twice")
    if source.capacity is None:
        expect(not same(first.values, second.values), "another block to hold other rows", "the same rows")


@claim
def check_blocks_may_be_drawn_in_any_order(source: Source) -> None:
    """A block is an address: what was drawn before does not matter."""
    later = _drawn(source, first=_block(source)).values
    _drawn(source)
    again = _drawn(source, first=_block(source)).values
    expect(same(later, again), "the same block whatever was drawn before it", "other rows")


@claim
def check_chains_have_streams_of_their_own(source: Source) -> None:
    """Chains are independent replicates; judged where the stream has no end."""
    if source.capacity is None:
        values = _drawn(source).values
        expect(not same(values[0], values[1]), "other rows in the second chain", "the rows of the first")


@claim
def check_held_out_rows_are_never_in_a_stream(source: Source) -> None:
    """No training set contains a held-out row: by source row where there is one, else by value for vectors."""
    held_out = source.draw_held_out(seed=SEED.at("real"))
    count = max(200, held_out.count) if source.capacity is None else min(source.capacity, _LARGEST)
    rows = _drawn(source, count=count)
    frozen = _ids(held_out, 0)
    for chain in range(CHAINS):
        shared = np.intersect1d(frozen, _ids(rows, chain))
        expect(not shared.size, "no held-out row in a stream", f"{shared.size} of them, by source row")
        if not frozen.size and source.kind == "vectors":
            equal = _equal_rows(held_out.values[0], rows.values[chain])
            expect(equal == 0, "no held-out row in a stream", f"{equal} of them, by value")


def _equal_rows(first: Array, second: Array) -> int:
    return len({row.tobytes() for row in first} & {row.tobytes() for row in second})


@claim
def check_capacity_is_honoured(source: Source) -> None:
    """A stream gives all the rows it says it has, and a ValueError instead of one more."""
    capacity = source.capacity
    expect(capacity is None or capacity > 0, "a capacity above 0, or None", capacity)
    if capacity is None or capacity > _LARGEST:
        return
    count = _drawn(source, count=capacity).count
    expect(count == capacity, f"all {capacity} rows", count)
    try:
        _drawn(source, first=capacity, count=1)
    except ValueError as error:
        expect(str(error), "a ValueError that says what is wrong", "an empty message")
        return
    expect(False, f"a ValueError for row {capacity} of {capacity}", "a row")


@claim
def check_the_truth_is_that_of_the_rows(source: Source) -> None:
    """A source that knows its moments, its probabilities or its whole law draws rows that have them."""
    if source.capacity is not None:
        return
    values = np.concatenate(list(_drawn(source, count=MANY).values))[None]
    if isinstance(source, Moments):
        expect_moments(values, source)
    if isinstance(source, Probabilities):
        expect_probabilities(values, source)
    if isinstance(source, KnownLaw):
        expect_law(values, source)


@claim
def check_what_it_says_of_its_rows_is_so(source: Source) -> None:
    """Columns, classes, groups and pictures fit the rows, held-out ones too."""
    for rows in (_drawn(source), source.draw_held_out(seed=SEED.at("real"))):
        if source.kind == "tables":
            expect(isinstance(source, Tabular), "columns() of a source of tables", type(source).__name__)
        if isinstance(source, Tabular):
            _expect_columns(rows, source)
        names = classes_of(source)
        expect((rows.labels is None) == (not names), f"labels of the classes {names}, or neither", rows.labels)
        if rows.labels is not None:
            found = np.unique(rows.labels)
            expect(found[0] >= 0 and found[-1] < len(names), f"classes 0..{len(names) - 1}", found)
        if isinstance(source, Grouped):
            groups = source.groups(rows)
            expect(groups.shape == rows.values.shape[:2], "a group for each row", groups.shape)
            expect(groups.min() >= -1 and groups.max() < len(source.group_names()), "known groups", np.unique(groups))
        if isinstance(source, Pictured):
            images = source.images(rows.values[0], seed=SEED.at("real"))
            shape = source.pixels()
            expect(images.ndim in (3, 4) and len(images) == rows.count, "a picture for each row", images.shape)
            wide = shape is None or (rows.values.shape[2] == int(np.prod(shape)) and images.shape[1:3] == shape[:2])
            expect(wide, f"pictures of {shape}", images.shape)


def _expect_columns(rows: Rows, source: Tabular) -> None:
    columns = source.columns()
    expect(len(columns) == rows.values.shape[2], f"{len(columns)} columns", rows.values.shape)
    expect(len({column.name for column in columns}) == len(columns), "columns of different names", columns)
    for role in ("target", "group"):
        expect(sum(column.role == role for column in columns) <= 1, f"one {role} at most", columns)
    for place, column in enumerate(columns):
        if column.categorical:
            levels = np.unique(rows.values[..., place])
            expect(np.isin(levels, range(len(column.levels))).all(), f"levels of {column.name}", levels)


@claim
def check_taken_rows_are_documented(source: Source) -> None:
    """Rows that are taken from a package or a file say from which, in which version, under which licence."""
    expect(source.capacity is None or isinstance(source, Documented), "card() of a source with an end", "none")
    if isinstance(source, Documented):
        card = source.card()
        expect({"package", "version", "licence", "sha256"} <= set(card), "package, version, licence, sha256", card)
        expect(all(isinstance(value, str) for value in card.values()), "texts", card)
        expect(len(card["sha256"]) == 64, "64 hexadecimal digits", card["sha256"])


@claim
def check_global_random_state_is_untouched(source: Source) -> None:
    """Every draw comes from the seed that was given."""
    _drawn(source)
    with global_random_state_kept():
        _drawn(source)
        source.draw_held_out(seed=SEED.at("real"))
