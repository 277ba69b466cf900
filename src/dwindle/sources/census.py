"""A simulated population of two groups, one of them small, whose law is known: an endless source of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Array, Column, FloatArray, IntArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.streams import OfLaw
from dwindle.data.tables import groups_of

__all__ = ["Census"]

_YOUNGEST, _SPAN = 18.0, 52.0  # years
_OLDER = (3.0, 4.0)  # second shape of the age's beta distribution, majority and minority
_STEPS = np.array([-1.5, 0.0, 1.2])  # where the next level of education begins
_SECTORS = np.array([[-0.6, 0.3, 0.0, -0.8], [-0.5, -0.2, 0.1, 0.6], [0.3, 0.4, 0.0, -0.6]])
_HOURS = np.array([5.0, 2.0, -3.0, 0.0])  # by sector
_NOISE = 6.0  # hours
_PAY = np.array([-0.8, 0.0, -0.3, 0.5])  # log-odds by sector


@dataclass(frozen=True)
class Census(OfLaw):
    """People with age, education, hours of work, sector, group and whether their income is high; no end.

    Drawn in this order, each column given those before it, g being 1 for the minority and 0 for the majority:

        group      g = 1 with chance m
        age        a = 18 + 52 Beta(2, 3 + g), years
        education  e = 0 .. 3, the number of steps -1.5, 0, 1.2 below u = (45 - a) / 50 - 0.8 g + Logistic(0, 1)
        sector     s with chance in proportion to exp(b_s + e c_s + g d_s), b, c, d the rows of a table in this file
        hours      h ~ N(38 + 1.5 e + (5, 2, -3, 0)_s - 0.004 (a - 45)^2, 6^2), hours a week
        income     high at the log-odds 0.9 (e - 1.5) + 0.06 (h - 40) + 0.04 (a - 40) - 0.0015 (a - 40)^2
                   + (-0.8, 0, -0.3, 0.5)_s - gap g

    Args:
        minority: chance m that a row is of the minority.
        gap: by how much the log-odds of a high income are lower in the minority, all other columns equal.
        held_out: number of held-out rows.

    Source: none; a population made up for experiments on small groups, as Wyllie et al. 2024, Fairness feedback loops,
        arXiv 2403.07857, run them on published tables. No numbers of a real population are in it.
    """

    kind: ClassVar[Kind] = "tables"

    minority: Annotated[float, Within(low=0.0, high=0.5)] = 0.1
    gap: Annotated[float, Within(low=0.0, high=10.0, unit="log-odds")] = 1.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 2000

    def columns(self) -> tuple[Column, ...]:
        """Return the six columns; the target is income, the group is group."""
        return (
            Column("age"),
            Column("education", ("none", "school", "trade", "degree")),
            Column("hours"),
            Column("sector", ("farming", "industry", "services", "office")),
            Column("group", ("majority", "minority"), "group"),
            Column("income", ("low", "high"), "target"),
        )

    def group_names(self) -> tuple[str, ...]:
        """Return the two groups."""
        return ("majority", "minority")

    def groups(self, rows: Rows) -> IntArray:
        """Return the group of each row, (c, n), -1 where it has none."""
        return groups_of(rows, self.columns())

    def group_shares(self) -> FloatArray:
        """Return the exact chance of each group, (2,)."""
        return np.array([1.0 - self.minority, self.minority])

    def target_probability(self, rows: Rows) -> FloatArray:
        """Return the exact chance that a row's income is high, given its other columns, (c, n); the income is not read.

        No model of the target can be right more often than the larger of this chance and 1 less it, on average. It is
        nan where a value is no level of its column.
        """
        levels, values = [len(column.levels) for column in self.columns()], rows.values
        known = np.ones(values.shape[:2], dtype=np.bool_)
        for place in (1, 3, 4):
            known &= np.isin(values[..., place], range(levels[place]))
        parts = [np.where(known, values[..., place], 0.0) for place in range(5)]
        return np.where(known, 1.0 / (1.0 + np.exp(-self._odds(parts))), np.nan)

    @classmethod
    def smallest(cls) -> Self:
        """Return few held-out rows."""
        return cls(held_out=100)

    def _odds(self, parts: Sequence[Array]) -> FloatArray:
        """Return the log-odds of a high income, given the first five columns."""
        age, education, hours, sector, group = parts
        odds = 0.9 * (education - 1.5) + 0.06 * (hours - 40.0) + _PAY[sector.astype(np.int64)]
        return np.asarray(odds + 0.04 * (age - 40.0) - 0.0015 * (age - 40.0) ** 2 - self.gap * group)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        shape = (chains, count)
        group = (seed.at("group").numpy().random(shape) < self.minority).astype(np.int64)
        age = _YOUNGEST + _SPAN * seed.at("age").numpy().beta(2.0, np.array(_OLDER)[group])
        schooling = (45.0 - age) / 50.0 - 0.8 * group + seed.at("education").numpy().logistic(size=shape)
        education = np.searchsorted(_STEPS, schooling)
        sector = _sectors(education, group, seed.at("sector"))
        expected = 38.0 + 1.5 * education + _HOURS[sector] - 0.004 * (age - 45.0) ** 2
        hours = expected + _NOISE * seed.at("hours").numpy().standard_normal(shape)
        parts = [age, education, hours, sector, group]
        # A logistic variable below the log-odds is a high income with their chance.
        income = seed.at("income").numpy().logistic(size=shape) < self._odds(parts)
        values = np.stack([*parts, income], axis=2).astype(np.float64)
        return Rows(values, provenance=Provenance.of(REAL, *shape, first=first))


def _sectors(education: IntArray, group: IntArray, seed: Seed) -> IntArray:
    """Return a sector for each row, (c, n): the largest of the log-chances with Gumbel noise."""
    base, slope, shift = _SECTORS
    scores = base + education[..., None] * slope + group[..., None] * shift
    return np.asarray((scores + seed.numpy().gumbel(size=scores.shape)).argmax(axis=2))
