"""Rankings by people, and the reward that is learnt from them: Bradley and Terry's model, or a sum of attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from dwindle.data.lenses import Lens, are_tokens, plain
from dwindle.data.logistic import newton
from dwindle.data.pictures import FileState, digest_of_files
from dwindle.data.rows import Array, FloatArray

__all__ = ["Learnt", "Rankings", "attributed", "preferred", "read_rankings"]

_LARGEST = 1e15
_EXPECTED = '{"better": [...], "worse": [...]}, {"ranking": [[...], [...]]} or {"values": [...], "scores": {...}}'


@dataclass(frozen=True, eq=False)
class Rankings:
    """What a file of rankings holds.

    Args:
        rows: the values of every row in it.
        orders: for each ranking the places of its rows, the best first.
        scores: for the places of rows that were given marks, the mark of each attribute.
        sha256: of the file.
    """

    rows: tuple[tuple[float, ...], ...]
    orders: tuple[tuple[int, ...], ...]
    scores: Mapping[int, Mapping[str, float]]
    sha256: str


@dataclass(frozen=True, eq=False)
class Learnt:
    """A reward that is linear in what a lens shows of a row.

    Args:
        lens: the units of the ranked rows.
        slopes: (w,) reward of what is seen.
        offset: reward of a row of which nothing is seen.
        tokens: whether it was learnt from tokens.
        width: numbers of a row; None for tokens, of which a row may have any number.
    """

    lens: Lens
    slopes: FloatArray
    offset: float
    tokens: bool
    width: int | None

    def reward(self, values: Array) -> FloatArray:
        """Return the reward of each row, (c, n).

        Raises:
            ValueError: if the rows are of another width than the ranked ones.
        """
        if self.width is not None and values.shape[2] != self.width:
            raise ValueError(f"the ranked rows have {self.width} values, the new rows {values.shape[2]}")
        return np.asarray(self.lens.seen(plain(values)) @ self.slopes + self.offset)


@lru_cache(maxsize=8)
def read_rankings(state: FileState) -> Rankings:
    """Read a file of JSON lines, UTF-8; empty lines are passed over.

    Args:
        state: of the file, as `dwindle.data.pictures.state_of` has it.

    Raises:
        ValueError: with the line that is none of `{"better": [...], "worse": [...]}`, `{"ranking": [[...], ...]}`, best
            first, and `{"values": [...], "scores": {"helpfulness": 3}}`; or if there is no line.
    """
    path = state[0]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the rankings {path}: {error}") from error
    rows: list[tuple[float, ...]] = []
    orders: list[tuple[int, ...]] = []
    scores: dict[int, Mapping[str, float]] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            ranked, marks = _parsed(line, f"{path}, line {number}")
            places = tuple(range(len(rows), len(rows) + len(ranked)))
            rows += ranked
            orders += [places] if marks is None else []
            scores |= {} if marks is None else {places[0]: marks}
    if not rows:
        raise ValueError(f"the rankings {path} have no lines; expected {_EXPECTED}")
    return Rankings(tuple(rows), tuple(orders), scores, digest_of_files([path]))


def _parsed(line: str, where: str) -> tuple[list[tuple[float, ...]], Mapping[str, float] | None]:
    """Return the rows of a line, the best first, and the marks of its only row; None where it is a ranking.

    Raises:
        ValueError: if it is neither.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: no JSON: {error}") from error
    keys = set(found) if isinstance(found, dict) else set()
    if keys >= {"better", "worse"}:
        return [_row(found["better"], where), _row(found["worse"], where)], None
    if "ranking" in keys and isinstance(found["ranking"], list) and len(found["ranking"]) > 1:
        return [_row(row, where) for row in found["ranking"]], None
    if keys >= {"values", "scores"} and isinstance(found["scores"], dict):
        marks = {str(name): _number(mark, where) for name, mark in found["scores"].items()}
        return [_row(found["values"], where)], marks
    raise ValueError(f"{where}: expected {_EXPECTED}")


def _row(found: Any, where: str) -> tuple[float, ...]:
    if not isinstance(found, list) or not found:
        raise ValueError(f"{where}: expected the values of a row, a list of numbers")
    return tuple(_number(value, where) for value in found)


def _number(found: Any, where: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < _LARGEST:
        raise ValueError(f"{where}: expected a number below {_LARGEST:g}, not {str(found)[:40]}")
    return found


def preferred(rankings: Rankings, values: Array, ridge: float) -> Learnt:
    """Return the reward under which the rankings are likeliest: better beats worse with odds e^(reward's difference).

    Of each ranking all pairs count, and all of them together as much as a single pair. The mean ranked row has about
    reward 0, nats.

    Args:
        rankings: what people said.
        values: rows to be judged: vectors or tokens.
        ridge: penalty on the squared slopes, nats.

    Source: Bradley and Terry 1952; Christiano et al. 2017, section 2.2.3; Ouyang et al. 2022, equation 1, for the
    weight of a ranking.

    Raises:
        ValueError: if there are no rankings, or the ranked rows are of another kind than the values.
    """
    if not rankings.orders:
        raise ValueError("the file of rankings ranks no rows; name the attributes to learn from its scores")
    seen, lens = _seen(rankings, values)
    pairs = [pair for order in rankings.orders for pair in combinations(order, 2)]
    better, worse = (np.array(side) for side in zip(*pairs, strict=True))
    sizes = np.array([len(order) * (len(order) - 1) // 2 for order in rankings.orders])
    shares = np.repeat(1.0 / (sizes * len(sizes)), sizes)
    penalty = np.full((1, seen.shape[1]), ridge / len(sizes))
    (slopes,) = newton((seen[better] - seen[worse])[None], shares[None], penalty)
    offset = -float((seen @ slopes).mean())
    return _learnt(lens, slopes, offset, values)


def attributed(
    rankings: Rankings, values: Array, attributes: Sequence[str], weights: Sequence[float], ridge: float
) -> Learnt:
    """Return the weighted sum of what a ridge regression expects of each attribute's marks.

    Args:
        rankings: what people said.
        values: rows to be judged: vectors or tokens.
        attributes: which marks count.
        weights: of each attribute.
        ridge: penalty on the squared slopes.

    Source: Wang et al. 2024 (HelpSteer2) and Adler et al. 2024 (Nemotron-4 340B), regressions of attributes; there on
    the last state of a language model.

    Raises:
        ValueError: if no row has a mark of an attribute, or the rows are of another kind than the values.
    """
    seen, lens = _seen(rankings, values)
    slopes, offset = np.zeros(seen.shape[1]), 0.0
    for attribute, weight in zip(attributes, weights, strict=True):
        marked = [place for place, marks in rankings.scores.items() if attribute in marks]
        if not marked:
            raise ValueError(f"no row of the file of rankings has a score of {attribute}")
        marks = np.array([rankings.scores[place][attribute] for place in marked])
        centred = seen[marked] - seen[marked].mean(axis=0)
        own = np.linalg.solve(
            centred.T @ centred + ridge * np.eye(centred.shape[1]), centred.T @ (marks - marks.mean())
        )
        slopes = slopes + weight * own
        offset += weight * float(marks.mean() - seen[marked].mean(axis=0) @ own)
    return _learnt(lens, slopes, offset, values)


def _learnt(lens: Lens, slopes: FloatArray, offset: float, values: Array) -> Learnt:
    tokens = are_tokens(values)
    return Learnt(lens, slopes, offset, tokens, None if tokens else values.shape[2])


def _seen(rankings: Rankings, values: Array) -> tuple[FloatArray, Lens]:
    """Return what is seen of all ranked rows, (r, w), and the lens that they give."""
    tokens = are_tokens(values)
    points = _of_tokens(rankings.rows) if tokens else _of_numbers(rankings.rows, values.shape[2])
    lens = Lens.of(points, tokens=tokens)
    return lens.seen(points), lens


def _of_tokens(rows: Sequence[Sequence[float]]) -> FloatArray:
    if any(not isinstance(token, int) or token < 0 for row in rows for token in row):
        raise ValueError("the new rows are blocks of tokens, but the ranked rows hold other numbers")
    return np.concatenate([plain(np.array(row, dtype=np.int64)[None, None])[0] for row in rows])


def _of_numbers(rows: Sequence[Sequence[float]], width: int) -> FloatArray:
    for row in rows:
        if len(row) != width:
            raise ValueError(f"the new rows have {width} values, a ranked row has {len(row)}")
    return np.array(rows, dtype=np.float64)
