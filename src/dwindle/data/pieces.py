"""Pieces of words as tokens: byte-level byte-pair encoding, learned from a text, or a tokenizer that is given."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dwindle.data.hub import resolved
from dwindle.data.rows import IntArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["SMALLEST", "encoded", "given", "learned", "placed", "single", "size", "spelled", "spellings"]

SMALLEST = 257
"""The fewest symbols of a tokenizer that is learned: the 256 bytes, and one piece of two."""

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_AT_ONCE = 1 << 20  # characters: the library takes 140 bytes for each while it reads
_LONGEST = 4  # bytes of a character
_GAP = re.compile(r"(?<=\S)[ \n]")


@lru_cache(maxsize=4)
def learned(text: str, symbols: int) -> Tokenizer:
    """Return byte-level BPE learned from a text: the 256 bytes, then the pieces in the order they were merged.

    Equally frequent pairs are merged in the order of their numbers, so that a text has one tokenizer, in every process.

    Args:
        text: what it is learned from.
        symbols: pieces in all; fewer if the text has no more pairs that occur.

    Source: Sennrich et al. 2016, Neural machine translation of rare words with subword units, arXiv 1508.07909; over
    bytes as in Radford et al. 2019, Language models are unsupervised multitask learners, section 2.2.
    """
    _alone()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=symbols, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator(_parts(text), trainer)
    return tokenizer


def given(name: str) -> Tokenizer:
    """Return a tokenizer that exists, as it is.

    Args:
        name: a local folder or a hub id with its revision, as `resolved` takes it, with `tokenizer.json`, or with
            `vocab.json` and `merges.txt` of byte-level BPE, as GPT-2 and OPT have them.

    Raises:
        ValueError: if the name has neither form, or its files are missing or no tokenizer.
        NotReachable: if the hub does not answer.
    """
    folder = resolved(name, ("tokenizer.json",), otherwise=("vocab.json", "merges.txt"))
    whole = folder / "tokenizer.json"
    paths = (whole,) if whole.is_file() else (folder / "vocab.json", folder / "merges.txt")
    return _loaded(paths, tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=4)
def _loaded(paths: tuple[Path, ...], states: tuple[tuple[int, int], ...]) -> Tokenizer:
    """Read a tokenizer; files that have changed, as their size and time tell, are read again."""
    _alone()
    from tokenizers import Tokenizer

    try:
        if len(paths) == 2:
            return _merging(*paths)
        tokenizer = Tokenizer.from_file(str(paths[0]))
    except Exception as error:  # the library raises bare ones
        raise ValueError(f"{paths[0]} is no tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _merging(vocabulary: Path, merges: Path) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _alone() -> None:
    """Keep the library to one thread: more gain nothing on one text, and warn when a process forks."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def size(tokenizer: Tokenizer) -> int:
    """Return how many symbols hold every number of a tokenizer, special tokens included."""
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)


def encoded(tokenizer: Tokenizer, text: str) -> IntArray:
    """Return the numbers of a text's pieces, (n,), without special tokens around it."""
    parts = _parts(text) if _is_plain(tokenizer) else [text]
    numbers = (tokenizer.encode(part, add_special_tokens=False).ids for part in parts)
    return np.concatenate([np.array(part, dtype=np.int64) for part in numbers])


def _parts(text: str) -> Iterator[str]:
    """Cut a text before the white space after a word, where no piece of byte-level BPE lies across."""
    start = 0
    while found := _GAP.search(text, start + _AT_ONCE):
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


def _is_plain(tokenizer: Tokenizer) -> bool:
    """Say whether a tokenizer cuts a text as one that is learned here does: at words, and by nothing else."""
    settings = json.loads(tokenizer.to_str())
    cut = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return not settings["normalizer"] and not settings["added_tokens"] and settings["pre_tokenizer"] == cut


def spellings(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Return how the tokenizer writes each piece, by number; empty where a number has none."""
    return tuple(tokenizer.id_to_token(number) or "" for number in range(size(tokenizer)))


def spelled(tokenizer: Tokenizer, numbers: list[int]) -> str:
    """Return pieces as text; numbers without a piece, and bytes that are no UTF-8, as replacement characters."""
    parts: list[list[int]] = [[]]
    for number in numbers:
        if tokenizer.id_to_token(number) is None:
            parts.append([])
        else:
            parts[-1].append(number)
    return _UNKNOWN.join(tokenizer.decode(part, skip_special_tokens=False) for part in parts)


def placed(tokenizer: Tokenizer, blocks: list[list[int]]) -> list[tuple[str, IntArray]]:
    """Return blocks of pieces as text, and where in it each piece begins and ends, (L, 2).

    Pieces that share the bytes of a character share a place. Bytes that are no UTF-8 may be more or fewer replacement
    characters than `spelled` makes of them.

    Raises:
        ValueError: if the tokenizer is not one of byte-level BPE.
    """
    decoder = json.loads(tokenizer.to_str())["decoder"]
    if not decoder or decoder["type"] != "ByteLevel":
        raise ValueError("the pieces of this tokenizer have no place in its text; only those of byte-level BPE have")
    return [_placed(tokenizer, block) for block in blocks]


def _placed(tokenizer: Tokenizer, numbers: list[int]) -> tuple[str, IntArray]:
    text, places = "", []
    waiting: list[int] = []
    for place, number in enumerate(numbers):
        waiting.append(number)
        part = spelled(tokenizer, waiting)
        if part.endswith(_UNKNOWN) and len(waiting) < _LONGEST and place + 1 < len(numbers):
            continue
        places += [(len(text), len(text) + len(part))] * len(waiting)
        text, waiting = text + part, []
    return text, np.array(places, dtype=np.int64).reshape(-1, 2)


def single(tokenizer: Tokenizer, text: str) -> int | None:
    """Return the piece that is a whole text, None where it takes several."""
    found = tokenizer.encode(text, add_special_tokens=False).ids
    return int(found[0]) if len(found) == 1 and spelled(tokenizer, found) == text else None
