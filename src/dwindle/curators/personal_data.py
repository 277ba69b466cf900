"""The curator that keeps personal data out of the training text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Curated, IntArray, Kind, Measurement, Placed, Readable, Rows, Seed, knowing
from dwindle.data.personal import LABELS, Personal, found

__all__ = ["PersonalData"]

Counts = Mapping[Personal, IntArray]


@dataclass(frozen=True)
class PersonalData:
    """Drops the new rows of text in which personal data stand, or masks what stands there.

    What it finds is told a chain, as facts of the generation: `personal_data.found`, and one by kind,
    `personal_data.<kind>`. Of matches that overlap one counts. Masked are all tokens that a match touches, each by the
    same token; a row in which something is found even then goes. Patterns find what looks like personal data and keeps
    the rule of its kind: a random number of 16 digits passes for a payment card once in some 40 times, a version of
    four numbers for an IP address.

    Args:
        kinds_of_data: what is looked for: `url` (one with a user and a password), `email`, `iban` (checksum), `card`
            (issuer and checksum), `ssn` (a social security number of the United States), `ip` (versions 4 and 6; none
            that means the machine itself) and `phone` (international, North American, and with a trunk prefix 0).
        action: what becomes of a row with personal data: `drop`, or `mask` them.
        mask: how the token is spelled that replaces others; one token of the source, and of words it may be `<unk>`.
        source: who turns tokens into text; no setting, see `given`.

    Raises:
        ValueError: if no kind is given or one twice, or a mask and rows are dropped.

    Source: our own patterns; checksums by ISO 13616-1 and ISO/IEC 7812-1, phone numbers by ITU-T E.164.
    """

    judges: ClassVar[Literal["synthetic", "new"]] = "synthetic"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})

    kinds_of_data: tuple[Personal, ...] = tuple(LABELS)
    action: Literal["drop", "mask"] = "drop"
    mask: str = "x"
    source: Readable | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a search for nothing, and a mask that would change nothing."""
        if not self.kinds_of_data or len(set(self.kinds_of_data)) < len(self.kinds_of_data):
            told = ", ".join(self.kinds_of_data) or "nothing"
            raise ValueError(f"kinds_of_data names {told}; expected one or more of {', '.join(LABELS)}, each once")
        if self.action == "drop" and self.mask != type(self).mask:
            raise ValueError(f"rows with personal data are dropped, so mask {self.mask!r} would change nothing")

    def given(self, source: Any) -> Self:
        """Return the curator that reads this source's text.

        Raises:
            ValueError: if the source's tokens spell no text, or none of them can be masked by the mask.
        """
        name = type(source).__name__
        if not isinstance(source, Readable):
            raise ValueError(f"personal data are found in text, and {name} cannot spell its rows")
        if self.action == "mask":
            if not isinstance(source, Placed):
                raise ValueError(f"{name} cannot tell where in the text its tokens stand; set action to drop")
            source.places(np.zeros((0, 1), dtype=np.int64))
            if source.token(self.mask) is None:
                raise ValueError(f"mask {self.mask!r} is no single token of {name}; expected the spelling of one")
        return knowing(self, source=source)

    def curate(self, rows: Rows, *, anchor: Rows, seed: Seed) -> Curated:
        """Read every new row; nothing is drawn.

        Raises:
            ValueError: if no source was given.
        """
        present = rows.filled_weights() > 0
        counts = self._counts(rows.values, present)
        facts = {"personal_data.found": sum(count.sum(axis=1) for count in counts.values())}
        facts |= {f"personal_data.{kind}": count.sum(axis=1) for kind, count in counts.items()}
        told = {name: Measurement(np.asarray(number, dtype=np.float64)) for name, number in facts.items()}
        if self.action == "drop":
            why = _reasons(counts)
            return Curated(present & ~_any(why, present), rows.weights, why, told)
        values = self._masked(rows.values, np.asarray(sum(counts.values())) > 0)
        why = _reasons(self._counts(values, _any(counts, present)))
        kept = present & ~_any(why, present)
        repaired = {f"personal data: {LABELS[kind]}": (count > 0) & kept for kind, count in counts.items()}
        return Curated(kept, rows.weights, why, told, values, repaired)

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _counts(self, values: Array, present: Array) -> Counts:
        """Return how often each kind stands in each row, (c, n); 0 where no row is present."""
        if self.source is None:
            raise ValueError("this curator was given no source to spell the rows")
        chains, places = np.nonzero(present)
        counts = {kind: np.zeros(present.shape, dtype=np.int64) for kind in LABELS if kind in self.kinds_of_data}
        for chain, place, text in zip(chains, places, self.source.text(values[present]), strict=True):
            for match in found(text, self.kinds_of_data):
                counts[match.kind][chain, place] += 1
        return counts

    def _masked(self, values: Array, touched: Array) -> Array:
        """Return the values with the tokens of every match in the touched rows masked, (c, n, L)."""
        assert isinstance(self.source, Placed)
        masked, rows = values.copy(), values[touched]
        for row, (text, places) in zip(rows, self.source.places(rows), strict=True):
            for match in found(text, self.kinds_of_data):
                row[(places[:, 0] < match.end) & (places[:, 1] > match.start)] = self.source.token(self.mask)
        masked[touched] = rows
        return masked


def _reasons(counts: Counts) -> dict[str, Array]:
    """Return where each kind is the first that was found, by its reason, (c, n)."""
    why: dict[str, Array] = {}
    for kind, count in counts.items():
        why[f"personal data: {LABELS[kind]}"] = (count > 0) & ~_any(why, count > 0)
    return why


def _any(masks: Mapping[Any, Array], like: Array) -> Array:
    """Say where any of some masks or counts is above 0, (c, n)."""
    return np.asarray(np.any([mask > 0 for mask in masks.values()] or [np.zeros_like(like)], axis=0))
