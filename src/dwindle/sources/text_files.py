"""Local text files, one to train on and one held out: a finite source of real text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Self

from dwindle.contracts import Array, Kind, Rows, Seed, Within
from dwindle.data.tokens import Corpus, Unit, corpus, split

__all__ = ["TextFiles"]


@dataclass(frozen=True)
class TextFiles:
    """Two text files, UTF-8, in blocks of tokens: one for the streams and one that is held out as a whole.

    A line of words, empty ones included, ends with the token `<eos>`, and what a file spells `<unk>`, as WikiText does,
    is the token of unknown words. The stream of each chain is a permutation of the training blocks; tokens that are
    left over at the end of a file make no block. A row's provenance holds the number of its block, and held-out blocks
    are numbered on from the training blocks. The recipe holds the names of the files, not what is in them.

    Args:
        train: path of the training text, from the working directory.
        test: path of the held-out text, another file.
        unit: what a token is: words between white space, or characters.
        symbols: size K of the alphabet: the K-1 most frequent tokens of the training text, and the last one for all
            others; numbers that no token needs never occur.
        length: tokens of a block.

    Source: end of line and unknown words as in WikiText, Merity et al. 2016, Pointer sentinel mixture models.
    """

    kind: ClassVar[Kind] = "sequences"

    train: str
    test: str
    unit: Unit = "words"
    symbols: Annotated[int, Within(low=2, high=100_000_000, unit="symbols")] = 10_000
    length: Annotated[int, Within(low=1, high=1_000_000, unit="tokens")] = 64

    def __post_init__(self) -> None:
        """Read the files.

        Raises:
            ValueError: if a file is missing, no text or shorter than a block, or both are the same file.
        """
        if Path(self.train).resolve() == Path(self.test).resolve():
            raise ValueError(f"train and test are the same file: {self.test}")
        self._corpus()

    @property
    def capacity(self) -> int:
        """Return the blocks of the training text."""
        return len(self._corpus().training)

    def draw_held_out(self, *, seed: Seed) -> Rows:
        """Return all blocks of the held-out text, (1, n, L); no seed changes them."""
        return self._corpus().held_out_rows()

    def draw(self, count: int, *, first: int, chains: int, seed: Seed) -> Rows:
        """Return a part of each chain's permutation of the training blocks, (c, n, L).

        Raises:
            ValueError: if a stream does not hold so many rows.
        """
        return self._corpus().draw(count, first=first, chains=chains, seed=seed)

    def text(self, values: Array) -> list[str]:
        """Return blocks, (n, L), of this source or of a model of it as text."""
        return self._corpus().text(values)

    @classmethod
    def smallest(cls) -> Self:
        """Return characters of two files that are there wherever dwindle is: this one, and the seams of models."""
        test = Path(__file__).parents[1] / "contracts" / "models.py"
        return cls(train=str(Path(__file__)), test=str(test), unit="characters", symbols=40, length=20)

    def _corpus(self) -> Corpus:
        states = tuple(_state(Path(name).absolute()) for name in (self.train, self.test))
        return _read(*states, unit=self.unit, symbols=self.symbols, length=self.length)


def _state(path: Path) -> tuple[Path, int, int]:
    """Return a file's path, size and time of change, so that a file that has changed is read again."""
    try:
        found = path.stat()
    except OSError as error:
        raise ValueError(f"cannot read the text file {path}: {error.strerror}") from error
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _read(
    train: tuple[Path, int, int], test: tuple[Path, int, int], *, unit: Unit, symbols: int, length: int
) -> Corpus:
    parts = (split(_text(path), unit, line_ends=True) for path, _, _ in (train, test))
    return corpus(*parts, unit=unit, symbols=symbols, length=length)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read the text file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the text file {path} is not UTF-8: {error.reason} at byte {error.start}") from error
