"""Where in a text its tokens stand, and which token a text is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dwindle.data import pieces
from dwindle.data.rows import Array, IntArray

if TYPE_CHECKING:
    from dwindle.data.tokens import Corpus

__all__ = ["places", "token"]


def places(corpus: Corpus, values: Array) -> list[tuple[str, IntArray]]:
    """Return blocks as text, and where in it each token begins and ends, (L, 2).

    Args:
        corpus: whose tokens they are.
        values: (n, L) tokens.

    Raises:
        ValueError: if the pieces are not those of byte-level BPE, which alone stand one after another in the text.
    """
    if corpus.tokenizer is not None:
        return pieces.placed(corpus.tokenizer, np.asarray(values).tolist())
    gap = int(corpus.unit == "words")
    lengths = np.array([len(spelled) for spelled in corpus.spelled()], dtype=np.int64)[np.asarray(values, np.int64)]
    ends = np.cumsum(lengths + gap, axis=1) - gap
    return list(zip(corpus.text(values), np.stack([ends - lengths, ends], axis=2), strict=True))


def token(corpus: Corpus, text: str) -> int | None:
    """Return the token that is spelled like this, alone; None where there is none."""
    if corpus.tokenizer is not None:
        return pieces.single(corpus.tokenizer, text)
    *_, unknown = corpus.spelled()
    if text == unknown:
        return corpus.symbols - 1
    return corpus.tokens.index(text) if text in corpus.tokens else None
