"""A case: one dataset under review, the rows shown of it, the decisions, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from dwindle.errors import BadInput
from dwindle.review.agreement import Agreement, agreement
from dwindle.review_terms import Review, Verdict

__all__ = ["LONGEST_NAME", "Case", "Decision", "Outcome", "Shown", "now", "spelled"]

Outcome = Literal["open", "approved", "rejected"]

LONGEST_NAME, _LONGEST_NOTE = 64, 4000
"""Characters of a reviewer's name and of a note."""


@dataclass(frozen=True)
class Shown:
    """A row that reviewers are shown.

    Args:
        number: by which they speak of it, from 1.
        kept: whether it trains.
        shard: the shard that it stands in, below the workspace.
        chain: its chain.
        origin: who made it.
        row: its number among the rows of its origin and chain.
        label: its class; -1 where it has none.
        reason: why it was dropped; empty where it was not, or nothing says why.
    """

    number: int
    kept: bool
    shard: str
    chain: int
    origin: int
    row: int
    label: int = -1
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """What one reviewer decided.

    Args:
        reviewer: who.
        decision: what.
        at: when, UTC.
        minutes: how long it took; None where the reviewer did not say.
        wrong: numbers of the shown rows that the reviewer would have kept if dropped, and dropped if kept.
        ranking: numbers of shown rows, the best first.
        ranked: values of these rows, in that order, so that the ranking outlives the dataset.
        note: what else there is to say.
    """

    reviewer: str
    decision: Verdict
    at: str = ""
    minutes: float | None = None
    wrong: tuple[int, ...] = ()
    ranking: tuple[int, ...] = ()
    ranked: tuple[Sequence[Any], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot stand by itself.

        Raises:
            BadInput: if the name is empty or too long, or the minutes are no time.
        """
        if not (0 < len(self.reviewer) <= LONGEST_NAME and self.reviewer.isprintable() and self.reviewer.strip()):
            raise BadInput(f"reviewer = {self.reviewer!r}: expected a name of 1 to {LONGEST_NAME} characters")
        if self.minutes is not None and not (math.isfinite(self.minutes) and 0 <= self.minutes <= 1e6):
            raise BadInput(f"minutes = {self.minutes:g}: expected 0..1000000")
        if len(self.note) > _LONGEST_NOTE:
            raise BadInput(f"note: {len(self.note)} characters, expected {_LONGEST_NOTE} at most")


@dataclass(frozen=True)
class Case:
    """A dataset under review.

    Args:
        lineage: the lineage.
        generation: the generation that the dataset is to train.
        digest: payload digest of the dataset.
        review: the terms.
        asked: when the question was put, UTC.
        shown: the rows that reviewers are shown, those that train first.
        decisions: in the order in which they came; of one person's, the last one counts.
        outcome: what follows from them.
        by: what settled it: `majority`, `time-out`, or empty.
        earlier: earlier cases about this generation, as plain data: of another dataset, or opened again.
    """

    lineage: str
    generation: int
    digest: str
    review: Review
    asked: str
    shown: tuple[Shown, ...]
    decisions: tuple[Decision, ...] = ()
    outcome: Outcome = "open"
    by: str = ""
    earlier: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return f"{self.lineage}/{self.generation}"

    @property
    def deadline(self) -> datetime:
        """When the default holds."""
        return datetime.fromisoformat(self.asked) + timedelta(seconds=self.review.timeout)

    @property
    def standing(self) -> tuple[Decision, ...]:
        """The decisions that count: the last one of each person."""
        return _standing(self.decisions)

    @property
    def agreement(self) -> Agreement:
        """How far the reviewers agree on the shown rows."""
        if not self.shown or not self.decisions:
            return Agreement(math.nan, math.nan, math.nan, "no row was judged")
        return agreement(
            np.array([[row.kept != (row.number in one.wrong) for row in self.shown] for one in self.standing], int)
        )

    def with_decision(self, decision: Decision) -> Case:
        """Return the case with one more decision, and settled if the majority can change no more.

        What the same person has decided before counts no longer.

        Raises:
            BadInput: if the case is settled, or a number stands for no row.
        """
        if self.outcome != "open":
            raise BadInput(f"{self.name} is {self.outcome} already; `--again` asks anew")
        self._hold("wrong", decision.wrong)
        self._hold("ranking", decision.ranking)
        return replace(self, decisions=(*self.decisions, decision))._settled()

    def _hold(self, key: str, numbers: Sequence[int]) -> None:
        """Hold numbers to the rows that are shown, each once."""
        strange = sorted({number for number in numbers if not 1 <= number <= len(self.shown)})
        told = f"rows are shown as 1..{len(self.shown)}" if self.shown else "no row is shown"
        if strange:
            raise BadInput(f"{key} = {', '.join(map(str, strange))}: {told}")
        if len(set(numbers)) < len(numbers):
            raise BadInput(f"{key} = {', '.join(map(str, numbers))}: a number stands here twice")

    def _settled(self) -> Case:
        """Settle the case if the decisions that are still to come cannot change the majority."""
        approvals = sum(one.decision == "approve" for one in self.standing)
        waiting = max(0, self.review.reviewers - len(self.standing))
        if 2 * approvals > self.review.reviewers:
            return replace(self, outcome="approved", by="majority")
        if 2 * (approvals + waiting) <= self.review.reviewers:
            return replace(self, outcome="rejected", by="majority")
        return self

    def at(self, now: datetime) -> Case:
        """Return the case as it stands at some time: settled by the default if it was open at the deadline."""
        if self.outcome != "open" or now < self.deadline:
            return self
        return replace(self, outcome="approved" if self.review.default == "approve" else "rejected", by="time-out")

    @property
    def told(self) -> str:
        """How it stands, in a few words."""
        if self.by == "time-out":
            return f"{self.outcome} by time-out, after {self.review.timeout:g} s without a majority"
        voices = ", ".join(f"{one.reviewer} {one.decision}s" for one in self.standing) or "nobody has decided yet"
        if self.outcome == "open":
            many = self.review.reviewers
            who = f"a majority of {many} decides" if many > 1 else "one reviewer decides"
            return f"open until {self.deadline:%Y-%m-%d %H:%M:%S} UTC, {who}: {voices}"
        notes = "; ".join(f"{one.reviewer}: {one.note}" for one in self.standing if one.note)
        said = f" ({notes})" if notes else ""
        verdict = "approve" if self.outcome == "approved" else "reject"
        if 2 * sum(one.decision == verdict for one in self.standing) > self.review.reviewers:
            return f"{self.outcome} by majority: {voices}{said}"
        return f"{self.outcome}: {voices}, and a majority for approval can no longer be had{said}"

    @property
    def plain(self) -> dict[str, Any]:
        """The case as JSON has it, with the agreement of its reviewers."""
        return {**asdict(self), "deadline": spelled(self.deadline), "agreement": dict(self.agreement.plain)}

    @property
    def every_decision(self) -> tuple[Decision, ...]:
        """The decisions that count about this generation, those of earlier cases too, in the order they came."""
        before = (one for case in self.earlier for one in _standing([*map(_decision, case["decisions"])]))
        return (*before, *self.standing)

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Case:
        """Return a case from its plain data; the agreement follows from it.

        Raises:
            ValueError: if it is no case.
        """
        known = {key: plain[key] for key in plain.keys() - {"record", "agreement", "deadline"}}
        try:
            known |= {"decisions": tuple(map(_decision, known["decisions"]))}
            known |= {"shown": tuple(Shown(**row) for row in known["shown"])}
            return Case(**known | {"review": Review(**known["review"]), "earlier": tuple(known["earlier"])})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a review: {error}") from error


def _standing(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Return the last decision of each person, whose name may be spelled in capitals or with other blanks."""
    last = {" ".join(one.reviewer.split()).casefold(): place for place, one in enumerate(decisions)}
    return tuple(decisions[place] for place in sorted(last.values()))


def _decision(plain: Mapping[str, Any]) -> Decision:
    return Decision(**{**plain, **{key: tuple(plain[key]) for key in ("wrong", "ranking", "ranked")}})


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def spelled(time: datetime) -> str:
    """Spell a time as documents have it: `2026-01-31T12:00:00+00:00`."""
    return time.astimezone(UTC).isoformat(timespec="seconds")
