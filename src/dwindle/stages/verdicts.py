"""Verdicts: what the curators decide about a generation's new rows, what becomes of the rows, and at what price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dwindle.components import name_of
from dwindle.contracts import Curated, Curator, Grouped, IntArray, Measurement, Needing
from dwindle.data.biases import biases
from dwindle.data.rows import Rows
from dwindle.errors import StageFailed
from dwindle.seeds import Seed
from dwindle.stages.described import described
from dwindle.stages.job import Job, Part, compressed, facts_of, read_rows, told
from dwindle.stages.lift import load_model

__all__ = ["Bench", "Verdicts", "kept_earlier"]


@dataclass(eq=False)
class Verdicts:
    """What the curators have decided.

    Args:
        parts: the new rows that stay, synthetic ones first.
        added: rows that train beside what the regime takes.
        report: a line for each curator, in order: rows shown and kept, reasons, repairs, bias, alarms.
        rejected: for each reason, the rows that were dropped for it.
        facts: what curators tell of their own work, by name; that of a later one with its place before it.
    """

    parts: list[Part]
    added: list[Part] = field(default_factory=list)
    report: list[dict[str, Any]] = field(default_factory=list)
    rejected: dict[str, list[Rows]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def dropped(self) -> dict[str, int]:
        """For each reason, how many rows of all chains were dropped."""
        counts: dict[str, int] = {}
        for line in self.report:
            for reason, count in line["dropped"].items():
                counts[reason] = counts.get(reason, 0) + count
        return counts


class Bench:
    """The curators of a generation, each with what it needs to see.

    Args:
        job: the curate stage.
        earlier: synthetic rows that earlier generations kept; None where no curator asks for them or there are none.
    """

    def __init__(self, job: Job, earlier: Rows | None) -> None:
        self._job, self._earlier = job, earlier
        self._anchor = read_rows(job.inputs["real"])
        self._source = job.recipe.source

    @cached_property
    def _first(self) -> Any:
        return self._model("first", 0)

    @cached_property
    def maker(self) -> Any:
        """The model that made the synthetic rows."""
        return self._model("maker", self._job.generation - 1)

    def _model(self, slot: str, generation: int) -> Any:
        family = told(self._job.recipe.family_of(generation), self._source)
        return load_model(family, self._job.inputs[slot])

    def judge(self, parts: Sequence[Part], seed: Seed, kept: Rows | None = None) -> Verdicts:
        """Show the new rows to each curator in turn, each what the ones before it have left.

        Args:
            parts: the synthetic rows, and the fresh real ones beside them.
            seed: address of every random draw of the curators.
            kept: synthetic rows of this generation that an earlier bench has kept.

        Raises:
            StageFailed: if a curator cannot judge these rows.
        """
        verdicts = Verdicts(list(parts))
        for place, curator in enumerate(self._job.recipe.curators):
            shown = verdicts.parts if curator.judges == "new" else verdicts.parts[:1]
            rows = Rows.join([part.rows for part in shown])
            if rows.count:
                verdict = self._verdict(curator, rows, seed.at(place), kept)
                self._enter(verdicts, place, curator, rows, verdict)
        return verdicts

    def _verdict(self, curator: Curator, rows: Rows, seed: Seed, kept: Rows | None) -> Curated:
        try:
            return self._ready(curator, kept).curate(rows, anchor=self._anchor, seed=seed)
        except ValueError as error:
            told = f"curator {name_of(curator)} cannot judge generation {self._job.generation}"
            raise StageFailed(f"{told}: {error}") from error

    def _ready(self, curator: Curator, kept: Rows | None) -> Curator:
        """Return the curator with all that it asks for."""
        ready = told(curator, self._source)
        if not isinstance(ready, Needing) or not ready.needs:
            return ready
        earlier = [rows for rows in (self._earlier, kept) if rows is not None]
        given: dict[str, Any] = {"earlier": Rows.join(earlier) if earlier else None}
        given |= {"first": self._first} if "first" in ready.needs else {}
        given |= {"maker": self.maker} if "maker" in ready.needs else {}
        return ready.shown(**{need: given[need] for need in ready.needs})

    def _enter(self, verdicts: Verdicts, place: int, curator: Curator, rows: Rows, verdict: Curated) -> None:
        """Enter what a curator has decided, and do it."""
        shown = len(verdicts.parts) if curator.judges == "new" else 1
        touched = _touches(verdict, rows)
        if touched:
            verdicts.parts[:shown] = list(_sentenced(verdicts.parts[:shown], rows, verdict))
        if verdict.added is not None and verdict.added.counts.any():
            verdicts.added.append(Part(f"added-{place}", 0, verdict.added))
        for reason, gone in verdict.why.items() if self._job.recipe.keeps_rejected(self._job.generation) else ():
            if gone.any():
                verdicts.rejected.setdefault(reason, []).append(_only(rows, gone))
        for name, fact in verdict.facts.items():
            verdicts.facts[name if name not in verdicts.facts else f"{place}.{name}"] = described(fact)
        after = [part.rows for part in verdicts.parts[:shown]] + ([verdict.added] if verdict.added is not None else [])
        bias = self._bias(rows, Rows.join(after)) if touched or verdict.added is not None else {}
        alarms = self._job.recipe.curation.alarms({name: _mean(fact) for name, fact in bias.items()})
        verdicts.report.append(
            {
                "curator": name_of(curator),
                "shown": int(rows.counts.sum()),
                "kept": int((verdict.kept & (rows.filled_weights() > 0)).sum()),
                "dropped": verdict.dropped,
                "repaired": {kind: int(changed.sum()) for kind, changed in verdict.repaired.items()},
                "added": 0 if verdict.added is None else int(verdict.added.counts.sum()),
                "bias": bias,
                "alarms": alarms,
            }
        )

    def _bias(self, before: Rows, after: Rows) -> dict[str, Mapping[str, Any]]:
        source = self._source
        groups = [_groups(source, rows) for rows in (before, after)]
        tables = source.kind == "tables"
        found = biases(
            before, after, anchor=self._anchor, groups_before=groups[0], groups_after=groups[1], scaled=tables
        )
        scales = {"variance_factor": "log"}
        return {
            name: described(Measurement(values, reason), "log" if name in scales else "linear")
            for name, (values, reason) in found.items()
        }


def _mean(fact: Mapping[str, Any]) -> float | None:
    """Return the mean over chains, the plain one where a chain has 0, which no logarithm knows."""
    known = [value for value in fact["chains"] if value is not None]
    return float(np.mean(known)) if 0.0 in known else fact["mean"]


def _groups(source: Any, rows: Rows) -> IntArray | None:
    return source.groups(rows) if isinstance(source, Grouped) and source.group_names() else None


def _touches(verdict: Curated, rows: Rows) -> bool:
    """Say whether a verdict changes anything about the rows it was given on."""
    whole = bool((verdict.kept | (rows.filled_weights() == 0)).all())
    same = verdict.weights is None or verdict.weights is rows.weights
    return not (whole and same and verdict.values is None)


def _sentenced(parts: Sequence[Part], rows: Rows, verdict: Curated) -> Iterator[Part]:
    """Yield what a verdict on the joined rows leaves of each part."""
    weights = rows.filled_weights() if verdict.weights is None else verdict.weights
    left = np.where(verdict.kept, weights, 0.0)
    values = rows.values if verdict.values is None else verdict.values
    place = 0
    for part in parts:
        own = slice(place, place + part.rows.count)
        place += part.rows.count
        judged = replace(part.rows, weights=left[:, own], values=values[:, own])
        yield Part(part.name, part.origin, compressed(judged))


def _only(rows: Rows, chosen: Any) -> Rows:
    """Return some of the rows, unweighted."""
    return compressed(replace(rows, weights=chosen.astype(np.float64)))


def kept_earlier(job: Job) -> Rows | None:
    """Return the synthetic rows that earlier generations kept, where the previous dataset holds them."""
    folder = job.inputs.get("pool")
    names = facts_of(folder).get("seen", []) if folder is not None else []
    return read_rows(folder, "seen") if folder is not None and names else None
