"""The data behind the page as CSV: every number that it shows, and those that it has no room for."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dwindle.report.page.cost import costs
from dwindle.report.page.material import Material
from dwindle.report.page.provenance import rows_a_chain
from dwindle.report.profiles import phase_label
from dwindle.stages.seconds import stage_seconds

__all__ = ["FILES", "csv_files"]

FILES = {
    "measures.csv": "every measure of every lineage and generation, with its interval and what theory expects",
    "verdicts.csv": "every verdict with its statistic, interval, threshold and reason",
    "passages.csv": "every first passage, also those of measures that the page leaves out",
    "rows.csv": "rows a chain by origin of every generation",
    "cost.csv": "rows sampled, bytes and seconds of each lineage",
    "seconds.csv": "seconds of every stage that was timed",
}
"""The files and what is in them."""


def csv_files(material: Material) -> dict[str, str]:
    """Return the text of each file, by name; one without a line is left out."""
    tables = {
        "measures.csv": _measures(material),
        "verdicts.csv": _verdicts(material),
        "passages.csv": _passages(material),
        "rows.csv": _rows(material),
        "cost.csv": _costs(material),
        "seconds.csv": _seconds(material),
    }
    texts = {name: _spelled(lines) for name, lines in tables.items()}
    return {name: text for name, text in texts.items() if text.count("\n") > 1}


def _spelled(lines: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_plain(part) for part in line] for line in lines)
    return stream.getvalue()


def _plain(part: Any) -> str:
    """Spell a number to seven digits; undefined is empty."""
    if isinstance(part, float):
        return "" if math.isnan(part) else f"{part:.7g}"
    return "" if part is None else str(part)


def _measures(material: Material) -> Iterator[Sequence[Any]]:
    keys = material.arrangement.columns
    theory = {panel.name: panel.theory for panel in material.panels}
    yield ["lineage", *keys, "generation", "measure", "mean", "low", "high", "chains", "theory", "reason"]
    for measure, by_lineage in material.gathered.items():
        for name, series in by_lineage.items():
            settings = material.arrangement.differs[name]
            told = [settings.get(key) for key in keys]
            curve = theory.get(measure, {}).get(name)
            for place, t in enumerate(series.generations):
                numbers = [float(part[place]) for part in (series.mean, series.low, series.high)]
                expected = float(curve.mean[t]) if curve is not None and t < len(curve.mean) else None
                yield [name, *told, int(t), measure, *numbers, series.chains.shape[1], expected, series.reasons[place]]


def _verdicts(material: Material) -> Iterator[Sequence[Any]]:
    yield ["lineage", "definition", *_VERDICT]
    for name, profile in material.profiles.items():
        for verdict in profile.verdicts:
            yield [name, verdict.definition, *(getattr(verdict, part) for part in _VERDICT)]
        yield [name, "phase", phase_label(profile), *("",) * 6, profile.phase.reason]


_VERDICT = ("verdict", "measure", "statistic", "value", "low", "high", "threshold", "reason")


def _passages(material: Material) -> Iterator[Sequence[Any]]:
    yield ["lineage", "measure", "generation", "side", "harmful", "median", "low", "high", "left", "chains", "reason"]
    for name, profile in material.profiles.items():
        for measure, found in profile.passages.items():
            numbers = (found.median, found.low, found.high, found.left, found.chains)
            yield [name, measure, float(found.generation), found.side, found.harmful, *numbers, found.reason]


def _rows(material: Material) -> Iterator[Sequence[Any]]:
    yield ["lineage", "generation", "real", "fresh", "synthetic"]
    for name in material.plan.recipes:
        for generation, rows in rows_a_chain(material, name).items():
            yield [name, generation, *rows.values()]


def _costs(material: Material) -> Iterator[Sequence[Any]]:
    found = costs(material)
    stages = list(dict.fromkeys(stage for one in found for stage in one.seconds))
    yield ["lineage", "rows_sampled", "data_bytes", "model_bytes", *(f"{stage}_seconds" for stage in stages)]
    for one in found:
        yield [one.lineage, one.rows, one.data, one.models, *(one.seconds.get(stage) for stage in stages)]


def _seconds(material: Material) -> Iterator[Sequence[Any]]:
    known = set(material.plan.stage_names())
    yield ["stage", "seconds"]
    yield from ([stage, spent] for stage, spent in stage_seconds(material.sweep.root).items() if stage in known)
