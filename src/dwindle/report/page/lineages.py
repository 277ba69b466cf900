"""The tables of lineages: what differs and where each has come to, what the definitions say, and first passages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dwindle.profile import DEFINITIONS, Passage
from dwindle.report.page.arrangement import spelled, titled
from dwindle.report.page.markup import Markup, breakable, listed, tag
from dwindle.report.page.material import Material
from dwindle.report.page.palette import ORIGINS, PHASES
from dwindle.report.page.provenance import rows_a_chain
from dwindle.report.page.tables import Cell, Column, number, table, verdict_chip
from dwindle.report.panels import Panel
from dwindle.report.profiles import phase_label
from dwindle.report.table import collapses
from dwindle.report.wording import UNDEFINED, heading, quoted

__all__ = ["final", "lineage_table", "passage_table", "verdict_table"]

_MOST = 9
"""Measures in the table of passages; all are in its CSV."""


def lineage_table(material: Material) -> Markup:
    """Return the table of lineages: what differs, how far each is grown, what trained it, and its last measures."""
    arrangement = material.arrangement
    columns = [
        Column("lineage"),
        *(Column(titled(key), "what differs", about=key) for key in arrangement.columns),
        Column("generations", numeric=True),
        *(Column(origin, "rows a chain, last generation", numeric=True) for origin in ORIGINS),
        *(
            Column(
                heading(panel.name, panel.measure, panel.real),
                "at the last generation, 95 % interval",
                True,
                panel.measure.about,
            )
            for panel in material.panels
        ),
        Column("last dataset", about="the first digits of its digest"),
    ]
    rows = [_lineage_row(material, name) for name in material.plan.recipes]
    notes = list(
        dict.fromkeys([*collapses(material.sweep.root, material.plan, material.evaluated), *_reasons(material)])
    )
    return table("Lineages", columns, rows, notes=notes)


def _lineage_row(material: Material, name: str) -> list[Cell]:
    arrangement, done, wanted = material.arrangement, material.evaluated[name], material.planned(name)
    told = arrangement.differs[name]
    differs = [_setting(told.get(key)) for key in arrangement.columns]
    rows = rows_a_chain(material, name)
    last = rows[max(rows)] if rows else {}
    counts = [number(f"{last[origin]:,.0f}" if last else UNDEFINED, last.get(origin, math.nan)) for origin in ORIGINS]
    measures = [final(panel, name) for panel in material.panels]
    grown = f"{done} of {wanted}" if done >= 0 else f"none of {wanted}"
    return [named(material, name), *differs, number(grown, float(done)), *counts, *measures, _digest(material, name)]


def named(material: Material, lineage: str) -> Cell:
    """Return a lineage's name; below it, what it is called on the charts, if that is something else."""
    label = material.arrangement.label(lineage)
    below = tag("span", label, class_="detail") if label != lineage else None
    return Cell((breakable(lineage), below), lineage)


def _setting(value: str | float | int | None) -> Cell:
    order = float(value) if isinstance(value, int | float) else value
    return Cell(spelled(value) or UNDEFINED, order)


def final(panel: Panel, lineage: str) -> Cell:
    """Return a measure at the last generation that was evaluated, with its interval."""
    series = panel.series.get(lineage)
    if series is None:
        return number(UNDEFINED, math.nan)
    mean, low, high = (float(part[-1]) for part in (series.mean, series.low, series.high))
    reason = series.reasons[-1]
    star = "*" if reason and math.isfinite(mean) else ""
    return Cell(quoted(mean, low, high) + star, mean, reason)


def _reasons(material: Material) -> list[str]:
    """Return why a number of the table is undefined or stands for some chains only."""
    found: dict[tuple[str, str], list[str]] = {}
    for panel in material.panels:
        for name, series in panel.series.items():
            if series.reasons[-1]:
                mark = "*" if math.isfinite(series.mean[-1]) else UNDEFINED
                found.setdefault((f"{mark} {panel.name}", series.reasons[-1]), []).append(name)
    return [
        f"{what} of {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}: {why}"
        for (what, why), names in found.items()
    ]


def _digest(material: Material, name: str) -> Cell:
    """Return the digest of the newest dataset that is here."""
    known = [material.manifest(name, t, "train") for t in range(material.planned(name) + 1)]
    digests = [manifest.digest for manifest in known if manifest is not None]
    return Cell(
        tag("code", digests[-1][:12]) if digests else UNDEFINED,
        digests[-1] if digests else "",
        digests[-1] if digests else "",
    )


def verdict_table(material: Material) -> Markup | None:
    """Return the verdicts of each lineage on the eight definitions, and its phase; None without any."""
    if not material.profiles:
        return None
    known = [profile.verdicts for profile in material.profiles.values()]
    told = [place for place in range(len(DEFINITIONS)) if any(v[place].verdict != "undefined" for v in known)]
    columns = [Column("lineage"), *(Column(DEFINITIONS[place]) for place in told), Column("phase")]
    rows = [
        [
            named(material, name),
            *(verdict_chip(profile.verdicts[place]) for place in told),
            _phase(phase_label(profile), profile.phase.reason),
        ]
        for name, profile in material.profiles.items()
    ]
    notes = ["In each cell: the verdict, the statistic and its 95 % interval over chains."]
    for place in range(len(DEFINITIONS)):
        if place not in told:
            reasons = dict.fromkeys(verdicts[place].reason for verdicts in known)
            notes.append(f"Undefined for all: {DEFINITIONS[place]} ({listed(reasons, most=3)}).")
    return table("Verdicts on the eight definitions of collapse", columns, rows, notes=notes)


def _phase(label: str, reason: str) -> Cell:
    return Cell(tag("span", label, class_=f"phase {label}"), float(list(PHASES).index(label)), reason)


def passage_table(material: Material) -> Markup | None:
    """Return when each measure of each lineage left its band; None where no profile tells."""
    if not material.profiles:
        return None
    names = measures_watched(material)
    columns = [Column("lineage"), *(Column(name, numeric=True) for name in names)]
    rows = [
        [named(material, lineage), *(_passage(profile.passages, name) for name in names)]
        for lineage, profile in material.profiles.items()
    ]
    every = dict.fromkeys(name for profile in material.profiles.values() for name in profile.passages)
    more = [name for name in every if name not in names]
    notes = [f"Also watched, in passages.csv: {', '.join(more)}."] if more else []
    band = "the control's band" if material.arrangement.controls else "the band of generation 0"
    return table(f"First generation outside {band}", columns, rows, notes=notes)


def measures_watched(material: Material) -> Sequence[str]:
    """Return the measures whose passages are shown: the main ones, then the others, nine at most."""
    every = dict.fromkeys(name for profile in material.profiles.values() for name in profile.passages)
    main = [panel.name for panel in material.panels if panel.name in every]
    return tuple(dict.fromkeys([*main, *every]))[:_MOST]


def _passage(passages: Mapping[str, Passage], name: str) -> Cell:
    """Return the generation, which side, and the median over chains with its interval."""
    found = passages.get(name)
    if found is None or math.isnan(found.generation):
        return Cell(UNDEFINED, math.nan, found.reason if found is not None else "")
    side = {1: "↑", -1: "↓", 0: ""}[found.side]
    words = {1: " above", -1: " below", 0: ""}[found.side]
    mark = tag("span", side, tag("span", words, class_="unseen"), class_="harm" if found.harmful else "side")
    shown = (tag("strong", ends(found.generation)), " ", mark)
    return Cell((shown, tag("span", chains_left(found), class_="detail")), float(found.generation), found.reason)


def ends(generation: float) -> str:
    """Spell a generation that may never come."""
    return "never" if math.isinf(generation) else UNDEFINED if math.isnan(generation) else f"{generation:g}"


def chains_left(found: Passage) -> str:
    """Spell what single chains did: the median of their first passages, and its interval."""
    if math.isnan(found.median):
        return ""
    if math.isinf(found.median) and math.isinf(found.low):
        return "chains never"
    interval = f" [{ends(found.low)}, {ends(found.high)}]" if not math.isnan(found.low) else ""
    return f"chains {ends(found.median)}{interval}"
