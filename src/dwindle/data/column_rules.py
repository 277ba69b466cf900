"""Rules of the form `age >= 0` or `height < weight`, which the rows of a table must keep."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dwindle.data.rows import Array
from dwindle.errors import nearest

__all__ = ["Rule", "rule_from"]

_COMPARED: Mapping[str, Callable[[Array, Array | float], Array]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_SIGN = re.compile(r"(<=|>=|==|!=|<|>)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Rule:
    """A column compared with a number or with another column.

    Args:
        column: the column on the left.
        sign: `<`, `<=`, `==`, `!=`, `>=` or `>`.
        other: the number or the column on the right.
    """

    column: str
    sign: str
    other: float | str

    def __str__(self) -> str:
        """Spell the rule with single spaces."""
        other = self.other if isinstance(self.other, str) else f"{self.other:.12g}"
        return f"{self.column} {self.sign} {other}"

    def refuse_unknown(self, numeric: Mapping[str, bool]) -> None:
        """Refuse columns that a table does not have, or that hold levels.

        Args:
            numeric: for each column, whether it holds numbers.

        Raises:
            ValueError: with the nearest name, or that of the column of levels.
        """
        for name in (self.column, self.other):
            if not isinstance(name, str):
                continue
            if name not in numeric:
                raise ValueError(f"rule '{self}': no column '{name}'{nearest(name, numeric)}")
            if not numeric[name]:
                raise ValueError(f"rule '{self}': column '{name}' holds levels; expected one of numbers")

    def holds(self, values: Mapping[str, Array]) -> Array:
        """Say which rows keep the rule, (c, n); one that holds nan keeps `!=` alone.

        Args:
            values: (c, n) numbers of each column.
        """
        other = values[self.other] if isinstance(self.other, str) else self.other
        return _COMPARED[self.sign](values[self.column], other)


def rule_from(text: str) -> Rule:
    """Return the rule that a line says.

    Raises:
        ValueError: if it is not a column, a sign, and a number or a column.
    """
    parts = [part.strip() for part in _SIGN.split(text)]
    if len(parts) != 3 or not parts[0] or not parts[2] or "=" in parts[0] + parts[2] or _NUMBER.fullmatch(parts[0]):
        told = f"expected a column, one of {', '.join(_COMPARED)}, and a number or a column: 'age >= 0'"
        raise ValueError(f"rule '{text}' cannot be read; {told}")
    column, sign, other = parts
    return Rule(column, sign, float(other) if _NUMBER.fullmatch(other) else other)
