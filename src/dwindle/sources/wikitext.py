"""WikiText as it is published, from a local folder or the Hugging Face hub: a finite source of real text."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from dwindle.contracts import Kind, Within
from dwindle.data.hub import resolved
from dwindle.data.pictures import digest_of_files
from dwindle.data.tokens import Corpus, OfCorpus, Reading, Unit

__all__ = ["Wikitext"]

Split = Literal["train", "valid", "test"]

_PUBLISHED: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
_State = tuple[Path, int, int]


@dataclass(frozen=True)
class Wikitext(OfCorpus):
    """WikiText, articles of Wikipedia, in blocks of tokens: one of its splits for the streams, another held out.

    In a folder a split is `wiki.train.tokens`, `wiki.train.raw`, `train.txt`, `train.parquet` or parts named
    `train-00000-of-00002.parquet`, in this order, and likewise for valid (or validation) and test; parquet has a column
    `text` with a line a row. A line of words, empty ones included, ends with the token `<eos>`, and what the text
    spells `<unk>` is the token of unknown words; of characters and pieces, the text is what it is. The stream of each
    chain is a permutation of the training blocks. A row's provenance holds the number of its block, and held-out blocks
    are numbered on from the training blocks.

    Args:
        path: the folder, from the working directory, or the id of a data set on the hub with its revision,
            org/name@<40 hexadecimal digits>; published as Salesforce/wikitext.
        variant: the subfolder of the hub's data set, and of a folder that has one of that name; empty: none.
        split: the split to train on.
        held_out_split: the split that is held out, another one.
        unit: what a token is: words between white space, characters, or pieces of words by byte-level BPE.
        symbols: size K of the alphabet: the K-1 most frequent tokens of the training text, and the last one for all
            others; of pieces, the 256 bytes and what is learned from the training text. Numbers that no token needs
            never occur.
        length: tokens of a block.
        tokenizer: for pieces, a tokenizer to use instead of learning one: a folder with tokenizer.json, or a hub id
            with its revision, org/name@<40 hexadecimal digits>; symbols must be at least its size.

    Source: Merity et al. 2016, Pointer sentinel mixture models, arXiv 1609.07843; blocks of 64 tokens as in Shumailov
    et al. 2024, AI models collapse when trained on recursively generated data, Nature 631.
    """

    kind: ClassVar[Kind] = "sequences"

    path: str
    variant: str = "wikitext-2-raw-v1"
    split: Split = "train"
    held_out_split: Split = "test"
    unit: Unit = "words"
    symbols: Annotated[int, Within(low=2, high=100_000_000, unit="symbols")] = 10_000
    length: Annotated[int, Within(low=1, high=1_000_000, unit="tokens")] = 64
    tokenizer: str = ""

    def __post_init__(self) -> None:
        """Read the splits.

        Raises:
            ValueError: if a split is missing, empty, no text or shorter than a block, both are the same one, or the
                tokens cannot be made.
            NotReachable: if data set or tokenizer are on a hub that does not answer.
        """
        if self.split == self.held_out_split:
            raise ValueError(f"split and held_out_split are both {self.split}; expected two of {', '.join(_PUBLISHED)}")
        self._corpus()

    def card(self) -> Mapping[str, str]:
        """Return the data set, its revision where it is on the hub, and the digest of both splits' files in turn."""
        package, _, revision = ("", "", "") if Path(self.path).expanduser().is_dir() else self.path.partition("@")
        digest = _digest(tuple(state for split in self._states() for state in split))
        licence = "CC BY-SA 3.0 (Wikipedia)"
        return {"package": package or "wikitext", "version": revision, "licence": licence, "sha256": digest}

    @classmethod
    def smallest(cls) -> Self:
        """Return characters of two splits of a few lines, in a folder that goes when the process ends."""
        return cls(path=_few_lines().name, unit="characters", symbols=40, length=20)

    def _corpus(self) -> Corpus:
        return _read(self._states(), Reading(self.unit, self.symbols, self.length, self.tokenizer, line_ends=True))

    def _states(self) -> tuple[tuple[_State, ...], ...]:
        """Return the files of each split."""
        folder = self._folder()
        splits: tuple[Split, Split] = (self.split, self.held_out_split)
        return tuple(tuple(map(_state, _files(folder, split))) for split in splits)

    def _folder(self) -> Path:
        """Return the folder of the splits, on the hub or here."""
        local = Path(self.path).expanduser()
        if local.is_dir():
            inner = local / self.variant
            return (inner if self.variant and inner.is_dir() else local).absolute()
        before = f"{self.variant}/" if self.variant else ""
        wanted = [f"{before}{_PUBLISHED[split]}-*.parquet" for split in (self.split, self.held_out_split)]
        return resolved(self.path, wanted, kind="dataset") / self.variant


def _files(folder: Path, split: Split) -> list[Path]:
    """Return the files of a split.

    Raises:
        ValueError: if there are none.
    """
    for name in dict.fromkeys((split, _PUBLISHED[split])):
        kinds = (f"wiki.{name}.tokens", f"wiki.{name}.raw", f"{name}.txt", f"{name}.parquet", f"{name}-*-of-*.parquet")
        for kind in kinds:
            if found := sorted(folder.glob(kind)):
                return found
    told = f"expected wiki.{split}.tokens, wiki.{split}.raw, {split}.txt, {split}.parquet or {split}-*-of-*.parquet"
    raise ValueError(f"{folder} has no split {split}: {told}")


def _state(path: Path) -> _State:
    """Return a file's path, size and time of change, so that a file that has changed is read again."""
    found = path.stat()
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _read(splits: tuple[tuple[_State, ...], ...], reading: Reading) -> Corpus:
    texts = ["".join(_text(path) for path, _, _ in split) for split in splits]
    for text, ((path, _, _), *_) in zip(texts, splits, strict=True):
        if not text.strip():
            raise ValueError(f"the text file {path} is empty")
    return reading.parts(*texts)


@lru_cache(maxsize=8)
def _digest(states: tuple[_State, ...]) -> str:
    return digest_of_files(path for path, _, _ in states)


def _text(path: Path) -> str:
    try:
        return _lines(path) if path.suffix == ".parquet" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read the text file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the text file {path} is not UTF-8: {error.reason} at byte {error.start}") from error


def _lines(path: Path) -> str:
    """Return the column `text` of a parquet file; a row is a line, with its end or without."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path, columns=["text"]).column("text").to_pylist()
    except (pa.ArrowException, KeyError) as error:
        raise ValueError(f"{path} has no column text that can be read: {error}") from error
    return "".join(row if row.endswith("\n") else f"{row}\n" for row in (row or "" for row in rows))


@lru_cache(maxsize=1)
def _few_lines() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="dwindle-wikitext-")
    article = (
        " = Article {0} = \n\n This is line {0} of a text that stands for <unk> articles of an encyclopaedia . \n\n"
    )
    for split, first, last in (("train", 0, 40), ("test", 40, 55)):
        text = "".join(article.format(number) for number in range(first, last))
        (Path(folder.name) / f"wiki.{split}.tokens").write_text(text, encoding="utf-8")
    return folder
