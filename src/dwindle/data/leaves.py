"""Taxonomies: a tree of skills and knowledge in a YAML file, and the questions and answers at its leaves.

A branch is a mapping of names, `knowledge` and `skills` at the top. A leaf is a mapping with `examples`, each a
`question` and an `answer`, and perhaps a `weight`. An example may have `slots`: what stands in braces in question and
answer is filled with every value of its slot, every slot with every other; `country, capital` are two slots that are
filled together, by lists of two. Everything is text: nothing is made a number or a date.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

__all__ = ["SHIPPED", "Leaf", "Tree", "state_of_tree", "tree_of"]

SHIPPED = Path(__file__).with_name("taxonomy.yaml")
"""The tree that ships with dwindle."""

_TOPS = ("knowledge", "skills")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SLOT = re.compile(r"\{([^{}]*)\}")
_LARGEST_FILE, _DEEPEST, _MOST = 1 << 18, 16, 100_000

State = tuple[Path, int, int]
"""A file's path, size and time of change in ns."""


@dataclass(frozen=True)
class Leaf:
    """A skill, or a piece of knowledge.

    Args:
        path: names of the branches and its own, with slashes between.
        weight: how often it is asked for, beside the weights of the other leaves.
        examples: its questions and their answers, all different.
    """

    path: str
    weight: float
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tree:
    """A taxonomy.

    Args:
        leaves: in the order of the file.
        sha256: digest of the file.
    """

    leaves: tuple[Leaf, ...]
    sha256: str


def state_of_tree(path: str) -> State:
    """Return the state of the file that a tree stands in, so that one that has changed is read again.

    Args:
        path: where it is; empty: the tree that ships with dwindle.

    Raises:
        ValueError: if there is none.
    """
    place = Path(path).absolute() if path else SHIPPED
    try:
        found = place.stat()
    except OSError as error:
        raise ValueError(f"cannot read the tree {place}: {error.strerror}") from error
    return place, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def tree_of(state: State) -> Tree:
    """Read a tree.

    Raises:
        ValueError: naming the leaf and what is wrong.
    """
    path = state[0]
    try:
        raw = path.read_bytes()[: _LARGEST_FILE + 1]
    except OSError as error:
        raise ValueError(f"cannot read the tree {path}: {error.strerror}") from error
    if len(raw) > _LARGEST_FILE:
        raise ValueError(f"the tree {path} is larger than {_LARGEST_FILE} bytes")
    leaves = tuple(_leaves(_plain(path, raw), (), path))
    _refuse_twins(leaves, path)
    return Tree(leaves, hashlib.sha256(raw).hexdigest())


def _plain(path: Path, raw: bytes) -> Mapping[str, Any]:
    """Return a YAML file as mappings, lists and texts."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="base", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        text = raw.decode()
        depth = 0
        for event in yaml.parse(io.StringIO(text)):
            if type(event).__name__ == "AliasEvent" or getattr(event, "tag", None):
                raise ValueError(f"the tree {path}: line {event.start_mark.line + 1}: no aliases, no tags")
            depth += type(event).__name__.endswith(("pingStartEvent", "nceStartEvent"))
            depth -= type(event).__name__.endswith(("pingEndEvent", "nceEndEvent"))
            if depth > _DEEPEST:
                raise ValueError(f"the tree {path}: line {event.start_mark.line + 1}: deeper than {_DEEPEST} levels")
        found = YAML(typ="base", pure=True).load(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"the tree {path} is not UTF-8: {error.reason} at byte {error.start}") from error
    except YAMLError as error:
        raise ValueError(f"the tree {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, Mapping) or not found or not set(found) <= set(_TOPS):
        raise ValueError(f"the tree {path}: expected a mapping of {' and '.join(_TOPS)} at the top")
    return found


def _leaves(node: Any, names: tuple[str, ...], path: Path) -> Iterator[Leaf]:
    """Yield the leaves of a branch, in the order of the file."""
    place = "/".join(names)
    if not isinstance(node, Mapping) or not node:
        raise ValueError(f"the tree {path}: {place}: expected branches, or a leaf with examples")
    if "examples" in node:
        yield _leaf(node, place, path)
        return
    for name, inner in node.items():
        if not _NAME.fullmatch(str(name)):
            raise ValueError(f"the tree {path}: {place}: {name!r} is no name of letters a-z, digits, _ and -")
        yield from _leaves(inner, (*names, name), path)


def _leaf(node: Mapping[str, Any], place: str, path: Path) -> Leaf:
    where = f"the tree {path}: {place}"
    if strange := sorted(set(node) - {"examples", "weight"}):
        raise ValueError(f"{where}: a leaf has examples and a weight, not {', '.join(strange)}")
    try:
        weight = float(node.get("weight", "1"))
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 < weight <= 1e9:
        raise ValueError(f"{where}: weight {node['weight']!r}: expected a number above 0")
    if not isinstance(node["examples"], Sequence) or isinstance(node["examples"], str):
        raise ValueError(f"{where}: examples: expected a list of questions and answers")
    examples = tuple(pair for given in node["examples"] for pair in _filled(given, where))
    if not 0 < len(examples) <= _MOST:
        raise ValueError(f"{where}: {len(examples)} examples; expected 1..{_MOST}")
    return Leaf(place, weight, examples)


def _filled(given: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yield an example with its slots filled in every way."""
    if not isinstance(given, Mapping) or not {"question", "answer"} <= set(given) <= {"question", "answer", "slots"}:
        raise ValueError(f"{where}: an example has a question, an answer, and perhaps slots")
    texts = tuple(given[key] for key in ("question", "answer"))
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{where}: a question and its answer are texts that are not empty")
    choices = _choices(given.get("slots", {}), where)
    known = {name for choice in choices for name in choice[0]}
    used = {name for text in texts for name in _SLOT.findall(text)}
    if known != used:
        told = f"slots {', '.join(sorted(known)) or 'none'}, in braces {', '.join(sorted(used)) or 'none'}"
        raise ValueError(f"{where}: {told}; expected the same")
    if math.prod(map(len, choices)) > _MOST:
        raise ValueError(f"{where}: slots fill an example in more than {_MOST} ways")
    for choice in product(*choices):
        values = {name: value for part in choice for name, value in part.items()}
        question, answer = (_SLOT.sub(lambda found: values[found.group(1)], text) for text in texts)  # noqa: B023
        yield question, answer


def _choices(slots: Any, where: str) -> list[list[dict[str, str]]]:
    """Return for each group of slots the ways to fill it."""
    if not isinstance(slots, Mapping):
        raise ValueError(f"{where}: slots: expected a mapping of names to lists of values")
    found = []
    for key, values in slots.items():
        names = [name.strip() for name in str(key).split(",")]
        lists = [[value] if isinstance(value, str) else value for value in (values if isinstance(values, list) else [])]
        if not lists or any(len(some) != len(names) or not all(isinstance(v, str) for v in some) for some in lists):
            raise ValueError(f"{where}: slot {key}: expected a list of values, of {len(names)} texts each")
        found.append([dict(zip(names, some, strict=True)) for some in lists])
    return found


def _refuse_twins(leaves: Sequence[Leaf], path: Path) -> None:
    """Refuse an example that stands twice: nobody could say which leaf it belongs to."""
    homes: dict[tuple[str, str], str] = {}
    for leaf in leaves:
        for example in leaf.examples:
            if example in homes:
                raise ValueError(f"the tree {path}: {example[0]!r} stands in {homes[example]} and in {leaf.path}")
            homes[example] = leaf.path
