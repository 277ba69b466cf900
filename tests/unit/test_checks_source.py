"""Each check of a source catches a source that is broken in just that way, and passes one that is whole."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

from dwindle.checks import CheckFailed, check_source, source_checks
from dwindle.contracts import FRESH, REAL, Column, Provenance, Rows, Within


@dataclass(frozen=True)
class Endless:
    """Normal rows without end.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[str] = "vectors"
    held_out: Annotated[int, Within(low=1)] = 50

    @property
    def capacity(self):
        return None

    def draw_held_out(self, *, seed):
        values = seed.at("held-out").numpy().standard_normal((1, self.held_out, 2))
        return Rows(values, provenance=Provenance.of(REAL, 1, self.held_out))

    def draw(self, count, *, first, chains, seed):
        values = seed.at("stream", first).numpy().standard_normal((chains, count, 2))
        return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))

    def mean(self):
        return np.zeros((1, 2))

    def covariance(self):
        return np.eye(2)[None]

    @classmethod
    def smallest(cls):
        return cls()


@dataclass(frozen=True)
class Table:
    """Rows of a table of a hundred symbols, each chain in its own order.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[str] = "symbols"
    held_out: Annotated[int, Within(low=1)] = 30

    @property
    def capacity(self):
        return 100 - self.held_out

    def _rows(self, ids, first):
        provenance = Provenance.of(REAL, *ids.shape, first=first, source=ids)
        return Rows(ids % 7, provenance=provenance)

    def draw_held_out(self, *, seed):
        return self._rows(seed.at("split").numpy().permutation(100)[None, : self.held_out], 0)

    def draw(self, count, *, first, chains, seed):
        if first + count > self.capacity:
            raise ValueError(f"rows up to {first + count} of {self.capacity}")
        rest = seed.at("split").numpy().permutation(100)[self.held_out :]
        order = [seed.at("order", chain).numpy().permutation(rest) for chain in range(chains)]
        return self._rows(np.array(order)[:, first : first + count], first)

    def card(self):
        return {"package": "tests", "version": "1", "licence": "Apache-2.0", "sha256": "0" * 64}

    @classmethod
    def smallest(cls):
        return cls()


@dataclass(frozen=True)
class People(Endless):
    """A number and a colour, which is the group too; the class says whether the number is above 0.

    Args:
        held_out: number of held-out rows.
    """

    kind: ClassVar[str] = "tables"
    mean = covariance = None

    def _told(self, rows):
        values = np.stack([rows.values[..., 0], (rows.values[..., 1] > 0) * 1.0], axis=2)
        return replace(rows, values=values, labels=(values[..., 0] > 0).astype(np.int64))

    def draw_held_out(self, *, seed):
        return self._told(super().draw_held_out(seed=seed))

    def draw(self, count, *, first, chains, seed):
        return self._told(super().draw(count, first=first, chains=chains, seed=seed))

    def columns(self):
        return (Column("number"), Column("colour", ("red", "blue"), "group"))

    def label_names(self):
        return ("below", "above")

    def group_names(self):
        return ("red", "blue")

    def groups(self, rows):
        return rows.values[..., 1].astype(np.int64)


def _pictures(side):
    return {"pixels": lambda self: (1, side, 1), "images": lambda self, values, *, seed: values.reshape(-1, 1, 2)}


def broken(whole: type = Endless, **parts: Any) -> Any:
    namespace = {"__doc__": whole.__doc__, "__module__": __name__, "__annotations__": {}, **parts}
    return dataclass(frozen=True)(type(f"Broken{whole.__name__}", (whole,), namespace))()


def drawing(change, whole: type = Endless):
    """Return a source whose blocks are changed."""

    def draw(self, count, *, first, chains, seed):
        return change(whole.draw(self, count, first=first, chains=chains, seed=seed), first, seed)

    return broken(whole, draw=draw)


def _of_origin(rows, origin):
    return replace(rows, provenance=Provenance.of(origin, rows.chains, rows.count))


def _draw_globally(rows, first, seed):
    random.random()
    return rows


def _same_block(self, count, *, first, chains, seed):
    values = seed.at("stream").numpy().standard_normal((chains, count, 2))
    return Rows(values, provenance=Provenance.of(REAL, chains, count, first=first))


def _replaying(self, count, *, first, chains, seed):
    values = np.resize(self.draw_held_out(seed=seed).values[0], (chains, count, 2)) * 1.0
    values[1:] += np.arange(1, chains)[:, None, None]
    return Rows(values + first, provenance=Provenance.of(REAL, chains, count, first=first))


def _cut(self, count, *, first, chains, seed):
    return Table.draw(self, min(count, self.capacity - first), first=first, chains=chains, seed=seed)


def _log_prob(self, rows):
    return -0.5 * (rows.values**2).sum(axis=-1) - np.log(2 * np.pi)


_position = iter(range(10**6))

BROKEN: Mapping[str, list[Any]] = {
    "check_it_is_a_frozen_dataclass": [type("Loose", (Endless,), {})()],
    "check_number_settings_have_a_range": [broken(__annotations__={"held_out": int}, held_out=9)],
    "check_defaults_are_in_range": [
        broken(__annotations__={"held_out": Annotated[int, Within(high=5)]}, held_out=9),
    ],
    "check_settings_are_documented": [broken(__doc__="Normal rows.")],
    "check_smallest_is_one_of_its_own": [broken(smallest=classmethod(lambda cls: Table()))],
    "check_rows_have_the_shape_that_was_asked_for": [
        broken(kind="symbols"),
        drawing(lambda rows, first, seed: Rows(rows.values[:, 1:])),
        drawing(lambda rows, first, seed: Rows(rows.values[:, :, :1])),
        drawing(lambda rows, first, seed: Rows(rows.values * np.inf)),
    ],
    "check_rows_know_where_they_came_from": [
        drawing(lambda rows, first, seed: rows.anonymous()),
        drawing(lambda rows, first, seed: _of_origin(rows, REAL)),
        drawing(lambda rows, first, seed: _of_origin(rows, FRESH)),
        broken(draw_held_out=lambda self, *, seed: Endless.draw_held_out(self, seed=seed).anonymous()),
    ],
    "check_same_seed_draws_the_same_rows": [
        drawing(lambda rows, first, seed: replace(rows, values=rows.values + next(_position))),
        broken(draw_held_out=lambda self, *, seed: Rows(np.random.default_rng().normal(size=(1, 9, 2)))),
    ],
    "check_another_seed_draws_other_rows": [
        drawing(lambda rows, first, seed: replace(rows, values=np.full_like(rows.values, first))),
    ],
    "check_blocks_are_disjoint": [
        broken(draw=_same_block),
        drawing(lambda rows, first, seed: _of_origin(rows, REAL)),
        drawing(
            lambda rows, first, seed: replace(
                rows, provenance=replace(rows.provenance, source=rows.provenance.source[:, ::-1] // 2)
            ),
            Table,
        ),
    ],
    "check_blocks_may_be_drawn_in_any_order": [
        drawing(lambda rows, first, seed: replace(rows, values=rows.values + next(_position))),
    ],
    "check_chains_have_streams_of_their_own": [
        drawing(lambda rows, first, seed: replace(rows, values=np.repeat(rows.values[:1], rows.chains, axis=0))),
    ],
    "check_held_out_rows_are_never_in_a_stream": [
        broken(draw=_replaying),
        broken(Table, draw_held_out=lambda self, *, seed: self._rows(np.arange(30)[None], 0)),
    ],
    "check_capacity_is_honoured": [
        broken(Table, draw=_cut),
        broken(Table, capacity=property(lambda self: 80)),
        broken(Table, capacity=property(lambda self: 0)),
    ],
    "check_the_truth_is_that_of_the_rows": [
        broken(mean=lambda self: np.full((1, 2), 0.5)),
        broken(covariance=lambda self: np.eye(2)),
        broken(covariance=lambda self: 2.0 * np.eye(2)[None]),
        broken(log_prob=_log_prob, entropy=lambda self: np.log(2 * np.pi)),  # it is 1 nat more
        broken(log_prob=lambda self, rows: np.where(rows.values[..., 0] > -2, 0.0, -np.inf), entropy=lambda self: 0.0),
    ],
    "check_what_it_says_of_its_rows_is_so": [
        broken(People, columns=lambda self: (Column("number"),)),
        broken(People, columns=lambda self: (Column("number"), Column("colour", ("red",)))),
        broken(People, columns=lambda self: (Column("one"), Column("one", ("red", "blue")))),
        broken(People, label_names=lambda self: ()),
        broken(People, label_names=lambda self: ("below",)),
        broken(People, group_names=lambda self: ("red",)),
        broken(People, groups=lambda self, rows: rows.values[0, :, 1].astype(np.int64)),
        broken(Endless, kind="tables"),
        broken(Endless, **_pictures(3)),
    ],
    "check_taken_rows_are_documented": [
        broken(Table, card=None),
        broken(Table, card=lambda self: {"package": "tests"}),
        broken(Table, card=lambda self: Table.card(self) | {"sha256": "short"}),
        broken(Table, card=lambda self: Table.card(self) | {"version": 1}),
    ],
    "check_global_random_state_is_untouched": [drawing(_draw_globally)],
}


@pytest.mark.parametrize("whole", [Endless(), Table(), People(), broken(Endless, **_pictures(2))])
def test_a_whole_source_passes(whole):
    check_source(whole)


@pytest.mark.parametrize("check", source_checks(), ids=lambda check: check.__name__)
def test_each_check_names_the_claim_that_is_broken(check):
    for source in BROKEN[check.__name__]:
        with pytest.raises(CheckFailed, match=f"^{check.__name__}: {type(source).__name__}: expected (?!no exception)"):
            check(source)
