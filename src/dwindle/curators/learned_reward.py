"""The curator that judges by a reward which is learnt from rankings by people."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from dwindle.contracts import Array, Curated, FloatArray, Kind, Rows, Seed, Within, pixels_of
from dwindle.data.pictures import state_of
from dwindle.data.rankings import Rankings, attributed, preferred, read_rankings
from dwindle.rewards import best_of, idle, leading

__all__ = ["LearnedReward"]


@dataclass(frozen=True)
class LearnedReward:
    """Keeps the new rows that people would rank high, by a reward that is learnt from a file of their rankings.

    The file holds JSON lines: `{"better": [...], "worse": [...]}` or `{"ranking": [[...], [...]]}`, the best first;
    a row is its values or its tokens. The reward is linear in a row's numbers and their squares, or in the shares of
    tokens and of pairs of neighbouring tokens. Lines of `{"values": [...], "scores": {"helpfulness": 3}}` give marks
    instead: with `attributes` the reward is the weighted sum of the marks that regressions expect. What the file holds
    is part of the recipe by its SHA-256, so that another file makes other datasets.

    Args:
        rankings: the file, from the working directory.
        sha256: of the file, to refuse any other; what it has where none is given.
        action: keep the `top` fraction, rows above a `threshold`, or the `best_of` every k consecutive rows.
        fraction: for `top`: share of a chain's rows that stays, rounded to whole rows.
        threshold: for `threshold`: reward that a row must exceed; the mean ranked row has 0, nats. Or units of marks.
        k: for `best_of`: rows of a group; what makes no full group goes.
        ridge: penalty on the squares of what is learnt.
        attributes: names of the marks that count; none: rankings count.
        weights: weight of each attribute.

    Raises:
        ValueError: if the file cannot be read, is another one than `sha256` says, or holds anything else; or a setting
            is given that belongs to another action.

    Source: Bradley and Terry 1952; Christiano et al. 2017; Ouyang et al. 2022. Attributes: Wang et al. 2024
    (HelpSteer2), Adler et al. 2024 (Nemotron-4 340B).
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "pairs", "sequences"})

    rankings: str
    sha256: str = ""
    action: Literal["top", "threshold", "best_of"] = "top"
    fraction: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.5
    threshold: Annotated[float, Within(unit="nats or marks")] = 0.0
    k: Annotated[int, Within(low=1, high=1_000_000, unit="rows")] = 2
    ridge: Annotated[float, Within(low=1e-9, high=1e9)] = 1.0
    attributes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Read the file, and note what it holds among the settings."""
        idle(self, self.action, {"fraction": "top", "threshold": "threshold", "k": "best_of"})
        if len(self.attributes) != len(self.weights):
            raise ValueError(f"{len(self.attributes)} attributes have {len(self.weights)} weights; expected one each")
        found = self._read()
        object.__setattr__(self, "sha256", found.sha256)
        known = {name for marks in found.scores.values() for name in marks}
        if missing := sorted(set(self.attributes) - known):
            there = ", ".join(sorted(known)) or "none"
            raise ValueError(f"the rankings {self.rankings} have no scores of {missing[0]}; they have: {there}")
        if not (self.attributes or found.orders):
            raise ValueError(
                f"the rankings {self.rankings} rank no rows; name the attributes to learn from their scores"
            )

    def refuses(self, recipe: Any) -> str:
        """Say which ranked row is of another width than the rows of a source that knows its own."""
        width = _width(recipe.source)
        other = next((len(row) for row in self._read().rows if len(row) != width), None)
        if width is None or other is None:
            return ""
        return f"the source's rows have {width} values, a row of the rankings {self.rankings} has {other}"

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Learn the reward, and judge by it; nothing is drawn.

        Raises:
            ValueError: if the file has changed, or ranks rows of another kind or width than the new ones.
        """
        kept, why = self._kept(self._rewards(rows.values), rows.filled_weights() > 0)
        return Curated(kept, rows.weights, why)

    @classmethod
    def smallest(cls) -> Self:
        """Return rankings of pairs of numbers, in a folder that goes when the process ends."""
        return cls(rankings=str(Path(_few_rankings().name) / "rankings.jsonl"))

    def _read(self) -> Rankings:
        """Return what the file holds, now and in every generation the same.

        Raises:
            ValueError: if it holds anything else than the settings say.
        """
        found = read_rankings(state_of(Path(self.rankings).expanduser().absolute()))
        if self.sha256 not in ("", found.sha256):
            told = f"the rankings {self.rankings} have changed: their SHA-256 is {found.sha256}, not {self.sha256}"
            raise ValueError(f"{told}; plan anew, or put back the file")
        return found

    def _rewards(self, values: Array) -> FloatArray:
        found = self._read()
        if self.attributes:
            return attributed(found, values, self.attributes, self.weights, self.ridge).reward(values)
        return preferred(found, values, self.ridge).reward(values)

    def _kept(self, rewards: FloatArray, present: Array) -> tuple[Array, dict[str, Array]]:
        if self.action == "best_of":
            return best_of(rewards, present, self.k)
        if self.action == "top":
            kept, reason = leading(rewards, present, self.fraction), f"not among the best {self.fraction:g} of the rows"
        else:
            kept, reason = present & (rewards > self.threshold), f"a reward of {self.threshold:g} or less"
        return kept, {reason: present & ~kept}


def _width(source: Any) -> int | None:
    """Return the numbers of a source's row; None where it does not know, or rows are tokens, of any number."""
    if source.kind == "sequences":
        return None
    pixels, dimensions = pixels_of(source), getattr(source, "dimensions", None)
    if pixels is not None:
        return math.prod(pixels)
    return dimensions + (source.kind == "pairs") if isinstance(dimensions, int) else None


@lru_cache(maxsize=1)
def _few_rankings() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="dwindle-rankings-")
    lines = [f'{{"better": [{1 + n % 3}, {n % 2}], "worse": [{n % 2 - 1}, {n % 5 - 2}]}}\n' for n in range(12)]
    (Path(folder.name) / "rankings.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder
