"""Local text files, one to train on and one held out, or one for both: a finite source of real text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Self

from dwindle.contracts import Kind, Within
from dwindle.data.pictures import digest_of_files
from dwindle.data.tokens import Corpus, OfCorpus, Reading, Unit

__all__ = ["TextFiles"]

_State = tuple[Path, int, int]


@dataclass(frozen=True)
class TextFiles(OfCorpus):
    """Text files, UTF-8, in blocks of tokens: one for the streams and one held out as a whole, or one file for both.

    A line of words, empty ones included, ends with the token `<eos>`, and what a file spells `<unk>`, as WikiText does,
    is the token of unknown words; of characters and pieces, the text is what it is. The stream of each chain is a
    permutation of the training blocks; tokens that are left over at the end of a file make no block. Of a single file
    the last blocks are held out, the same for every seed. A row's provenance holds the number of its block, and
    held-out blocks are numbered on from the training blocks. The recipe holds the names of the files, not what is in
    them.

    Args:
        train: path of the training text, from the working directory.
        test: path of the held-out text, another file.
        unit: what a token is: words between white space, characters, or pieces of words by byte-level BPE.
        symbols: size K of the alphabet: the K-1 most frequent tokens of the training text, and the last one for all
            others; of pieces, the 256 bytes and what is learned from the training text. Numbers that no token needs
            never occur.
        length: tokens of a block.
        path: a single text instead of train and test.
        held_out: number of blocks at the end of the single text that are held out.
        tokenizer: for pieces, a tokenizer to use instead of learning one: a folder with tokenizer.json, or a hub id
            with its revision, org/name@<40 hexadecimal digits>; symbols must be at least its size.

    Source: end of line and unknown words as in WikiText, Merity et al. 2016, Pointer sentinel mixture models.
    """

    kind: ClassVar[Kind] = "sequences"

    train: str = ""
    test: str = ""
    unit: Unit = "words"
    symbols: Annotated[int, Within(low=2, high=100_000_000, unit="symbols")] = 10_000
    length: Annotated[int, Within(low=1, high=1_000_000, unit="tokens")] = 64
    path: str = ""
    held_out: Annotated[int, Within(low=1, unit="blocks")] = 400
    tokenizer: str = ""

    def __post_init__(self) -> None:
        """Read the files.

        Raises:
            ValueError: if it is not said which files, held_out is given with two, one is missing, empty, no text or
                shorter than a block, or the tokens cannot be made.
            NotReachable: if the tokenizer is on a hub that does not answer.
        """
        given = [name for name in ("path", "train", "test") if getattr(self, name)]
        if given not in (["path"], ["train", "test"]):
            told = f"only {' and '.join(given)} given" if given else "no file is given"
            told = "path is given beside train or test" if "path" in given and len(given) > 1 else told
            raise ValueError(f"{told}; expected either path, or train and test")
        if not self.path and Path(self.train).resolve() == Path(self.test).resolve():
            raise ValueError(f"train and test are the same file: {self.test}")
        if not self.path and self.held_out != type(self).held_out:
            raise ValueError(f"test is held out as a whole, so held_out {self.held_out} would change nothing")
        self._corpus()

    def card(self) -> Mapping[str, str]:
        """Return the digest of the files one after another; whose they are, nobody says."""
        return {"package": "", "version": "", "licence": "", "sha256": _digest(self._states())}

    @classmethod
    def smallest(cls) -> Self:
        """Return characters of two files that are there wherever dwindle is: this one, and the seams of models."""
        test = Path(__file__).parents[1] / "contracts" / "models.py"
        return cls(train=str(Path(__file__)), test=str(test), unit="characters", symbols=40, length=20)

    def _corpus(self) -> Corpus:
        reading = Reading(self.unit, self.symbols, self.length, self.tokenizer, line_ends=True)
        return _read(self._states(), reading, self.held_out)

    def _states(self) -> tuple[_State, ...]:
        names = (self.path,) if self.path else (self.train, self.test)
        return tuple(_state(Path(name).absolute()) for name in names)


def _state(path: Path) -> _State:
    """Return a file's path, size and time of change, so that a file that has changed is read again."""
    try:
        found = path.stat()
    except OSError as error:
        raise ValueError(f"cannot read the text file {path}: {error.strerror}") from error
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _read(states: tuple[_State, ...], reading: Reading, held_out: int) -> Corpus:
    """Return the corpus of two files, or of one with its last blocks held out."""
    texts = [_text(path) for path, _, _ in states]
    return reading.one(texts[0], held_out) if len(texts) == 1 else reading.parts(texts[0], texts[1])


@lru_cache(maxsize=8)
def _digest(states: tuple[_State, ...]) -> str:
    return digest_of_files(path for path, _, _ in states)


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read the text file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the text file {path} is not UTF-8: {error.reason} at byte {error.start}") from error
    if not text.strip():
        raise ValueError(f"the text file {path} is empty")
    return text
