"""How much sampled blocks resemble each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dwindle.contracts import Evidence, FloatArray, IntArray, Kind, Measure, Measurement
from dwindle.data.grams import grams, matched

__all__ = ["SelfBleu"]

_LONGEST = 4
_SMOOTHING = 0.1


@dataclass(frozen=True)
class SelfBleu:
    """Self-BLEU-4: the mean BLEU of each sampled block with all other blocks of its chain as references.

    An n-gram of a block matches at most as often as it occurs in the one other block that has it most often; the two
    largest counts of every n-gram give that for all blocks at once, so that the time grows with the text and not with
    the pairs. Blocks are equally long, so that there is no brevity penalty. A length without a match counts 0.1
    matches, unless not even a token matches: then the block has 0. More blocks resemble each other more: samples are
    cut to as many blocks as are held out. Low is not good in itself, noise resembles nothing.

    Source: Zhu et al. 2018, Texygen, section 3 (self-BLEU); Papineni et al. 2002, section 2 (BLEU); Chen and Cherry
        2014, smoothing 1.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "self_bleu": Measure("as_anchor", "fraction", "mean BLEU-4 of a sampled block against all others"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined for single blocks and blocks of less than four tokens."""
        samples, _ = matched(evidence.samples.values, evidence.held_out.values)
        chains, count, length = samples.shape
        if length < _LONGEST or count < 2:
            reason = "one block has no other to resemble" if count < 2 else f"blocks of {length} tokens have no 4-grams"
            return {"self_bleu": Measurement.undefined(chains, reason)}
        return {"self_bleu": Measurement(np.array([_bleu(blocks).mean() for blocks in samples]))}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls()


def _bleu(blocks: IntArray) -> FloatArray:
    """Return the BLEU of each block, (n,), for blocks (n, L)."""
    matches = np.stack([_matches(grams([blocks], length)[0]) for length in range(1, _LONGEST + 1)])
    places = blocks.shape[1] - np.arange(_LONGEST)[:, None]
    precisions = np.where(matches > 0, matches, _SMOOTHING) / places
    return np.asarray(np.where(matches[0] > 0, np.exp(np.log(precisions).mean(axis=0)), 0.0))


def _matches(numbers: IntArray) -> IntArray:
    """Return how many n-grams of each row match in another row, (n,), for n-grams numbered (n, p)."""
    rows = len(numbers)
    kinds = np.unique(numbers, return_inverse=True)[1].reshape(numbers.shape)
    keys, counts = np.unique(kinds * rows + np.arange(rows)[:, None], return_counts=True)
    kind, row = keys // rows, keys % rows
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    most = np.maximum.reduceat(counts, starts)[kind]
    top = counts == most
    second = np.maximum.reduceat(np.where(top, 0, counts), starts)[kind]
    alone = top & (np.add.reduceat(top.astype(np.int64), starts)[kind] == 1)
    allowed = np.minimum(counts, np.where(alone, second, most))
    return np.bincount(row, allowed, minlength=rows).astype(np.int64)
