"""Questions and answers from the leaves of a taxonomy: an endless source of text whose law is known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import REAL, Array, FloatArray, IntArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.leaves import State, state_of_tree, tree_of
from dwindle.data.nearest_class import NearestClass
from dwindle.data.streams import OfLaw

__all__ = ["Taxonomy"]

_END = 0
_MOST_CELLS = 1 << 26


@dataclass(frozen=True)
class Taxonomy(OfLaw):
    """Questions and answers of a tree of skills and knowledge, each leaf as often as its weight says; no end.

    A row is a question, end tokens up to the width of the longest one, its answer, and end tokens again, one at least;
    so answers begin at one place, and what stands before it is a prompt. Rows are drawn from the examples of the tree,
    the held-out rows too, so that the probability of every row is known, and a row is right if it is one of them. A row
    belongs to the leaf that it is an example of; one that is no example belongs to the nearest leaf, by its tokens and
    pairs of tokens, and one without words to none. The recipe holds the name of the file, not what is in it.

    Source: Sudalairaj et al. 2024, LAB: large-scale alignment for chatbots, section 3 (a taxonomy of knowledge,
        foundational and compositional skills with seed examples at its leaves). The format is our own.

    Args:
        tree: path of the YAML file from the working directory; empty: the tree that ships with dwindle. Its format
            stands in docs/pipelines.md.
        unit: what a token is: words between white space, or characters.
        labels: whether rows carry their leaf.
        held_out: number of held-out rows.
    """

    kind: ClassVar[Kind] = "sequences"

    tree: str = ""
    unit: Literal["words", "characters"] = "words"
    labels: bool = False
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000

    def __post_init__(self) -> None:
        """Read the tree.

        Raises:
            ValueError: if it cannot be read, or is no tree; the leaf is named.
        """
        self._population()

    @property
    def symbols(self) -> int:
        """Return the size of the vocabulary, the end token included, which is token 0."""
        return len(self._population().words)

    @property
    def prompt(self) -> int:
        """Return how many tokens of a row stand before the answer."""
        return self._population().prompt

    @property
    def length(self) -> int:
        """Return how many tokens a row has."""
        return int(self._population().values.shape[1])

    def log_prob(self, rows: Rows) -> FloatArray:
        """Return the exact log-probability of each row, nats, (c, n); -inf for what is no example of the tree."""
        found, shares = self._population(), self._population().shares
        places = found.places(rows.values)
        return np.where(places >= 0, np.log(shares)[places], -np.inf)

    def entropy(self) -> float:
        """Return the exact entropy of a row, nats."""
        shares = self._population().shares
        return float(-(shares * np.log(shares)).sum())

    def is_right(self, rows: Rows) -> Array:
        """Say which rows are examples of the tree, answered rightly, (c, n)."""
        return self._population().places(rows.values) >= 0

    def label_names(self) -> tuple[str, ...]:
        """Return the paths of the leaves where rows carry theirs."""
        return self.group_names() if self.labels else ()

    def group_names(self) -> tuple[str, ...]:
        """Return the path of each leaf, in the order of the file."""
        return self._population().names

    def groups(self, rows: Rows) -> IntArray:
        """Return the leaf of each row, (c, n): its own, else the nearest, -1 where it has no words."""
        return self._population().leaves_of(rows.values)

    def text(self, values: Array) -> list[str]:
        """Return rows, (n, L), of this source or of a model of it as text; an unknown token is shown as `<unk>`."""
        found = self._population()
        spelled, gap = dict(enumerate(found.words)), " " if self.unit == "words" else ""
        parts = np.split(np.asarray(values), [found.prompt], axis=1)
        asked, told = ([gap.join(_spoken(row, spelled)) for row in part.tolist()] for part in parts)
        return [f"Q: {question} A: {answer}" for question, answer in zip(asked, told, strict=True)]

    def card(self) -> Mapping[str, str]:
        """Return the digest of the file; whose examples they are, nobody says of another tree than dwindle's own."""
        own, licence = ("", "") if self.tree else ("dwindle", "Apache-2.0")
        digest = tree_of(state_of_tree(self.tree)).sha256
        return {"package": own, "version": "", "licence": licence, "sha256": digest}

    @classmethod
    def smallest(cls) -> Self:
        """Return the tree that ships with dwindle, and few held-out rows with their leaves."""
        return cls(labels=True, held_out=100)

    def _population(self) -> _Population:
        return _population(state_of_tree(self.tree), self.unit)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        found = self._population()
        ends = np.cumsum(found.shares)
        drawn = np.searchsorted(ends, seed.numpy().random((chains, count)) * ends[-1], side="right")
        labels = found.leaves[drawn] if self.labels else None
        return Rows(found.values[drawn], None, Provenance.of(REAL, chains, count, first=first), labels)


@dataclass(frozen=True, eq=False)
class _Population:
    """All examples of a tree as rows.

    Args:
        words: the vocabulary; the end token is the first and empty.
        values: (m, L) the rows.
        leaves: (m,) the leaf of each.
        shares: (m,) the probability of each.
        names: paths of the leaves.
        prompt: tokens before an answer.
    """

    words: tuple[str, ...]
    values: IntArray
    leaves: IntArray
    shares: FloatArray
    names: tuple[str, ...]
    prompt: int

    def places(self, values: Array) -> IntArray:
        """Return which example each row is, (c, n), -1 for none."""
        wide = np.ascontiguousarray(values, dtype=np.int64)
        flat = (self._known.get(row.tobytes(), -1) for row in wide.reshape(-1, wide.shape[2]))
        return np.fromiter(flat, dtype=np.int64, count=wide.shape[0] * wide.shape[1]).reshape(wide.shape[:2])

    def leaves_of(self, values: Array) -> IntArray:
        """Return the leaf of each row, (c, n), -1 for one of end tokens only."""
        places = self.places(values)
        leaves = np.where(places >= 0, self.leaves[places], -1)
        strange = (places < 0) & (values != _END).any(axis=2)
        if strange.any():
            leaves[strange] = self._nearest.nearest(np.asarray(values, dtype=np.int64)[strange])
        return leaves

    @cached_property
    def _known(self) -> Mapping[bytes, int]:
        return {row.tobytes(): place for place, row in enumerate(self.values)}

    @cached_property
    def _nearest(self) -> NearestClass:
        return NearestClass.fitted(self.values, self.leaves, self.shares, len(self.names))


@lru_cache(maxsize=8)
def _population(state: State, unit: str) -> _Population:
    tree = tree_of(state)
    pairs = [tuple(_split(text, unit) for text in pair) for leaf in tree.leaves for pair in leaf.examples]
    words = ("", *dict.fromkeys(token for pair in pairs for text in pair for token in text))
    widths = [max(len(pair[place]) for pair in pairs) + place for place in (0, 1)]
    if len(pairs) * sum(widths) > _MOST_CELLS:
        raise ValueError(f"the tree has {len(pairs)} examples of {sum(widths)} tokens, more than memory should hold")
    numbers = {word: number for number, word in enumerate(words)}
    values = np.full((len(pairs), sum(widths)), _END, dtype=np.int64)
    for row, (question, answer) in zip(values, pairs, strict=True):
        row[: len(question)] = [numbers[token] for token in question]
        row[widths[0] : widths[0] + len(answer)] = [numbers[token] for token in answer]
    if len({row.tobytes() for row in values}) < len(values):
        raise ValueError("two examples of the tree differ in white space only")
    weights = np.array([leaf.weight / len(leaf.examples) for leaf in tree.leaves])
    leaves = np.repeat(np.arange(len(weights), dtype=np.int64), [len(leaf.examples) for leaf in tree.leaves])
    shares = weights[leaves] / sum(leaf.weight for leaf in tree.leaves)
    return _Population(words, values, leaves, shares, tuple(leaf.path for leaf in tree.leaves), widths[0])


def _split(text: str, unit: str) -> list[str]:
    return text.split() if unit == "words" else list(" ".join(text.split()))


def _spoken(row: list[int], words: Mapping[int, str]) -> list[str]:
    """Return the words of a part of a row, without the end tokens after the last one; those before it are shown."""
    while row and row[-1] == _END:
        row = row[:-1]
    return [words.get(token, "<unk>") or "<eos>" for token in row]
