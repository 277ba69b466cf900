"""Which rows of tokens nearly equal earlier ones: MinHash finds who may, the shingles themselves decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dwindle.data.grams import compact, grams
from dwindle.data.rows import Array, IntArray
from dwindle.seeds import Seed

__all__ = ["Shingles", "bands_of", "near_copies"]

_AT_ONCE = 4096  # rows: rensa gives signatures back as lists of numbers
_FOUND = 0.99


class Shingles:
    """The sets of shingles of rows: their distinct runs of consecutive tokens, numbered from 0.

    A row that is shorter than a shingle is one shingle.

    Args:
        rows: (n, L) tokens >= 0.
        length: tokens of a shingle.
    """

    def __init__(self, rows: Array, length: int) -> None:
        (marks,), self.none = compact(grams([rows], min(length, rows.shape[1])))
        ordered = np.sort(marks, axis=1)
        repeated = np.diff(ordered, axis=1, prepend=-1) == 0
        self.marks: IntArray = np.where(repeated, self.none, ordered)
        """(n, m) the shingles of each row, ascending; one that repeats the one before it has the number `none`."""
        self.sizes: IntArray = np.count_nonzero(~repeated, axis=1)
        """(n,) how many distinct shingles each row has."""
        self._held = np.zeros(self.none + 1, dtype=np.bool_)

    def likeness(self, place: int, others: Sequence[int]) -> Array:
        """Return the Jaccard similarity of a row to others, (k,): shingles that both hold over those that either holds.

        Source: Broder 1997, On the resemblance and containment of documents, section 2 (resemblance).
        """
        mine, theirs = self.marks[place], np.asarray(others, dtype=np.int64)
        self._held[mine] = True
        self._held[-1] = False
        shared = np.count_nonzero(self._held[self.marks[theirs]], axis=1)
        self._held[mine] = False
        return np.asarray(shared / (self.sizes[place] + self.sizes[theirs] - shared))


def near_copies(
    known: Sequence[Array], new: Array, *, length: int, threshold: float, permutations: int, within: bool, seed: Seed
) -> IntArray:
    """Say of each new row what it nearly equals: the place of the first part of `known` that holds such a row.

    The new rows are judged in their order, each against those before it that are themselves near copies of nothing, so
    of a group of near-equal rows the first stays. A pair as alike as the threshold is missed with a probability below
    0.01, a more alike one with a smaller one; no pair below the threshold is taken.

    Args:
        known: (m, L) tokens of each part, in the order of precedence.
        new: (n, L) tokens.
        length: tokens of a shingle.
        threshold: Jaccard similarity of the sets of shingles from which on two rows are near copies, above 0.
        permutations: numbers of a MinHash signature.
        within: whether the new rows are compared with each other.
        seed: address of the hash functions.

    Returns:
        (n,) place of a part, `len(known)` for a near copy of a new row, -1 for none.

    Source: Broder 1997, On the resemblance and containment of documents, sections 2 and 3 (shingles, MinHash);
    Leskovec, Rajaraman and Ullman 2020, Mining of massive datasets, section 3.4 (bands).
    """
    sizes = [len(part) for part in (*known, new)]
    layers = np.repeat(np.arange(len(sizes)), sizes)
    shingles = Shingles(np.concatenate([*known, new]), length)
    buckets = _buckets(shingles, *bands_of(threshold, permutations), seed)
    judged = layers == len(known)
    found = np.full(len(layers), -1, dtype=np.int64)
    shelves = [_Shelf(shingles, threshold) for _ in sizes]
    for place in np.flatnonzero(_meeting(buckets, judged, within)).tolist():
        own = buckets[place].tolist()
        if judged[place]:
            found[place] = next((layer for layer, shelf in enumerate(shelves) if shelf.holds(place, own)), -1)
        if found[place] < 0 and (within or not judged[place]):
            shelves[layers[place]].put(place, own)
    return np.asarray(found[judged], dtype=np.int64)


def bands_of(threshold: float, permutations: int) -> tuple[int, int]:
    """Return into how many bands of how many numbers a signature is cut.

    Two rows may be near copies if they agree in a whole band. Long bands leave few false suspects; these are the
    longest by which a pair as alike as the threshold s is found with probability 1 - (1 - s^r)^b >= 0.99.
    """
    for length in range(permutations, 1, -1):
        bands = permutations // length
        if 1.0 - (1.0 - threshold**length) ** bands >= _FOUND:
            return bands, length
    return permutations, 1


class _Shelf:
    """Rows that others are held against.

    Args:
        shingles: of all rows.
        threshold: Jaccard similarity from which on two rows are near copies.
    """

    def __init__(self, shingles: Shingles, threshold: float) -> None:
        self._shingles, self._threshold = shingles, threshold
        self._equals: set[bytes] = set()
        self._buckets: dict[int, list[int]] = {}

    def put(self, place: int, buckets: Iterable[int]) -> None:
        """Add the row at a place; one that equals another adds nothing."""
        key = self._shingles.marks[place].tobytes()
        if key in self._equals:
            return
        self._equals.add(key)
        for bucket in buckets:
            self._buckets.setdefault(bucket, []).append(place)

    def holds(self, place: int, buckets: Iterable[int]) -> bool:
        """Say whether a near copy of the row at a place stands here."""
        if self._shingles.marks[place].tobytes() in self._equals:
            return True
        suspects = sorted(set().union(*(self._buckets.get(bucket, ()) for bucket in buckets)))
        return bool(suspects) and bool((self._shingles.likeness(place, suspects) >= self._threshold).any())


def _buckets(shingles: Shingles, bands: int, length: int, seed: Seed) -> IntArray:
    """Return the bucket of each row in each band, (n, b); rows that agree in a band share one, no two bands do."""
    import rensa  # type: ignore[import-untyped]

    marks = np.where(shingles.marks == shingles.none, shingles.marks[:, :1], shingles.marks).astype(np.uint64)
    hashes = _scrambled((marks + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    factors = seed.at("bands").numpy().integers(2**63, size=length, dtype=np.uint64) | np.uint64(1)
    codes = np.empty((len(hashes), bands), dtype=np.uint64)
    for start in range(0, len(hashes), _AT_ONCE):
        part = hashes[start : start + _AT_ONCE]
        offsets = np.arange(len(part) + 1, dtype=np.uint64) * np.uint64(part.shape[1])
        made = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            part.reshape(-1), offsets, bands * length, seed.at("minhash").integer()
        )
        signatures = np.array(made.to_rows(), dtype=np.uint64).reshape(len(part), bands, length)
        codes[start : start + len(part)] = _scrambled((signatures + np.uint64(1)) * factors).sum(axis=2)
    numbered = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in codes.T]
    return np.stack(numbered, axis=1) * bands + np.arange(bands)


def _scrambled(numbers: Array) -> Array:
    """Scramble 64-bit numbers, one to one: rensa takes hashes of 64 bits as they are.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators, figure 16 (mix64variant13).
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(numbers ^ (numbers >> np.uint64(31)))


def _meeting(buckets: IntArray, judged: Array, within: bool) -> Array:
    """Say which rows share a bucket with one that they may have to be held against, (n,)."""
    size = int(buckets.max(initial=0)) + 1
    news = np.bincount(buckets[judged].reshape(-1), minlength=size)
    olds = np.bincount(buckets[~judged].reshape(-1), minlength=size)
    suspect = (olds > 0) | (news > 1) if within else olds > 0
    return np.asarray(np.where(judged, suspect[buckets].any(axis=1), (news > 0)[buckets].any(axis=1)))
