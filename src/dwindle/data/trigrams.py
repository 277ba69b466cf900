"""The law of a character after the two before it, learned from texts: how far another text is from their language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwindle.data.rows import Array, FloatArray, IntArray

__all__ = ["Trigrams"]

_LARGEST = 128  # symbols, so that the table of all trigrams is small: the others are one
_BEGIN, _OTHER = 0, 1
_CODES = 0x110000


class Trigrams:
    """Interpolated character trigrams of some texts; each text begins with two marks of its beginning.

    The law is p(c | h) = (n(h c) + d(h) p(c | h')) / (n(h) + d(h)), d(h) the number of distinct characters after h and
    h' the context h without its first character, from the uniform law up. Characters beyond the 126 most frequent
    ones are one.

    Args:
        texts: what it is learned from.

    Source: Witten and Bell 1991, The zero-frequency problem, method C; as Chen and Goodman 1999, An empirical study of
        smoothing techniques for language modeling, section 2.5, write it.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        codes, counts = np.unique(_codes("".join(texts)), return_counts=True)
        frequent = codes[np.argsort(-counts, kind="stable")][: _LARGEST - 2]
        self._table = np.full(_CODES, _OTHER, dtype=np.int64)
        self._table[frequent] = 2 + np.arange(len(frequent))
        size = self._size = 2 + len(frequent)
        keys = self._keys(texts)[0]
        triples = np.bincount(keys, minlength=size**3).reshape(size, size, size).astype(np.float64)
        lower = np.full(size, 1.0 / size)
        for tables in (triples.sum(axis=(0, 1)), triples.sum(axis=0), triples):
            lower = _smoothed(tables, lower)
        self._logs: FloatArray = np.log(lower).reshape(-1)

    def score(self, texts: Sequence[str]) -> FloatArray:
        """Return the cross-entropy of each text, nats a character, (n,); nan of a text without characters."""
        keys, lengths = self._keys(texts)
        ends = np.cumsum(lengths)
        sums = np.concatenate([[0.0], np.cumsum(self._logs[keys])])
        with np.errstate(invalid="ignore"):
            return np.asarray((sums[ends - lengths] - sums[ends]) / lengths)

    def _keys(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Return the number of each character's trigram, text after text, and the length of each text."""
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        starts = np.cumsum(lengths + 2) - lengths - 2
        begun = np.full(int(lengths.sum()) + 2 * len(texts), _BEGIN, dtype=np.int64)
        real = np.ones(len(begun), dtype=np.bool_)
        real[starts] = real[starts + 1] = False
        begun[real] = self._table[_codes("".join(texts))]
        after = np.flatnonzero(real)
        return (begun[after - 2] * self._size + begun[after - 1]) * self._size + begun[after], lengths


def _smoothed(counts: FloatArray, lower: FloatArray) -> FloatArray:
    """Return the law of the last character, (..., K), mixed with the law of contexts one shorter."""
    distinct = np.count_nonzero(counts, axis=-1)[..., None]
    total = np.maximum(counts.sum(axis=-1, keepdims=True) + distinct, 1.0)
    return np.asarray(np.where(distinct > 0, (counts + distinct * lower) / total, lower))


def _codes(text: str) -> Array:
    """Return the code point of each character, (n,)."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
