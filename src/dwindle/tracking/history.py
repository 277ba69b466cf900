"""What a run already holds, so that a replay writes what is missing and nothing twice.

MLflow tells two points of a curve apart by their timestamps. A step therefore keeps the timestamp it was first logged
with, wherever it is replayed from, and a value that has changed is logged one millisecond after the one it replaces.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dwindle.tracking.records import Dataset, GenerationRecord

__all__ = ["History", "Point"]


class Point(NamedTuple):
    """A point of a curve; the value None takes an earlier value back."""

    name: str
    step: int
    timestamp: int
    value: float | None


class History:
    """The curves and datasets of one run, each curve read from MLflow when it is first asked for.

    Args:
        client: MLflow's client.
        run: the run as MLflow has it now; from here on only the owner of this object may write to it.
    """

    def __init__(self, client: Any, run: Any) -> None:
        self._client = client
        self._run: str = run.info.run_id
        self._stored = frozenset(run.data.metrics)
        self._curves: dict[str, dict[int, Point]] = {}
        self._datasets = {(held.dataset.name, held.dataset.digest) for held in run.inputs.dataset_inputs}

    def missing_points(self, record: GenerationRecord) -> list[Point]:
        """Return the points that make the run agree with a record; `generation` comes first, it dates the others.

        A record without metrics only brings its dataset: it must not date a step that has not been measured.
        """
        if not record.metrics:
            return []
        step, first = record.generation, self._curve("generation").get(record.generation)
        wanted, points = record.wanted(), []
        for name in self._ordered(wanted):
            value = wanted[name]
            held = self._curve(name).get(step) if first else None
            if held is None and value is not None:
                points.append(Point(name, step, first.timestamp if first else record.made_ms, value))
            elif held is not None and held.value != value:
                points.append(Point(name, step, held.timestamp + 1, value))
        return points

    def _ordered(self, names: Iterable[str]) -> list[str]:
        """Return names in the order to log them in: MLflow compares runs by the metric that was there first."""
        dated, *others = names
        return [*others[:1], dated, *others[1:]] if not self._stored and not self._curves else [dated, *others]

    def missing_datasets(self, records: Iterable[GenerationRecord]) -> list[tuple[int, Dataset]]:
        """Return each dataset that is not an input of the run yet, with its generation."""
        datasets = ((record.generation, record.dataset) for record in records)
        return [(step, data) for step, data in datasets if data and (data.name, data.digest) not in self._datasets]

    def replaces(self, point: Point) -> bool:
        """Say whether a point that is about to be logged takes the place of another value."""
        return point.step in self._curves.get(point.name, {})

    def settle(self, points: Sequence[Point], datasets: Iterable[tuple[int, Dataset]]) -> None:
        """Take note of what has been logged."""
        for point in points:
            if point.name in self._curves or point.name not in self._stored:
                self._curves.setdefault(point.name, {})[point.step] = point
        self._datasets |= {(data.name, data.digest) for _, data in datasets}

    def _curve(self, name: str) -> dict[int, Point]:
        """Return the newest point of each step of a curve; the history comes in order of time."""
        if name not in self._curves and name in self._stored:
            history = self._client.get_metric_history(self._run, name)
            points = (Point(name, m.step, m.timestamp, None if math.isnan(m.value) else m.value) for m in history)
            self._curves[name] = {point.step: point for point in sorted(points, key=lambda point: point.timestamp)}
        return self._curves.get(name, {})
