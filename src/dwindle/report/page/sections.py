"""The sections of the page in their order, and the pictures that they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dwindle.report.curation import curation_tables
from dwindle.report.page.again import again, data_files
from dwindle.report.page.answers import answers_section
from dwindle.report.page.cost import cost_table
from dwindle.report.page.curves import curve_picture, shows_bands
from dwindle.report.page.document import Section, figures
from dwindle.report.page.heat import heat_picture
from dwindle.report.page.keys import key, signs
from dwindle.report.page.lineages import lineage_table, passage_table, verdict_table
from dwindle.report.page.markup import Part, tag
from dwindle.report.page.material import Material
from dwindle.report.page.phases import phase_pictures
from dwindle.report.page.picture import Picture
from dwindle.report.page.provenance import provenance_picture
from dwindle.report.page.question import answer, question
from dwindle.report.page.samples import chosen_lineages, samples
from dwindle.report.page.tables import text_table
from dwindle.report.text_table import TextTable

__all__ = ["Beside", "sections_of"]

_NO_PHASES = (
    "Neither the synthetic ratio nor the budget varies between lineages that are alike in all else. To draw this, give "
    "lineages several values of regime.synthetic_ratio, of budget, or of both."
)
_NO_VERDICT = "Nothing is evaluated beyond generation 0, so there is no verdict yet."


@dataclass(frozen=True)
class Beside:
    """Tables that others made.

    Args:
        extra: tables to show after the phase diagram.
        checks: tables that say whether a published result was reproduced.
        fidelity: tables that hold rows to the held-out ones.
        cost: tables to show beside rows, disk and compute.
    """

    extra: Sequence[TextTable] = ()
    checks: Sequence[TextTable] = ()
    fidelity: Sequence[TextTable] = ()
    cost: Sequence[TextTable] = ()


def sections_of(
    material: Material, texts: Mapping[str, str], params: str, beside: Beside
) -> tuple[list[Section], tuple[Path, ...]]:
    """Return the sections of the page and the PNGs that were drawn for it.

    Args:
        material: the sweep.
        texts: the CSVs, by name.
        params: the text of the params file.
        beside: tables that others made.
    """
    curves = [curve_picture(material, panel) for panel in material.panels]
    heat = [heat_picture(material, panel) for panel in material.panels]
    phases = phase_pictures(material)
    bars = provenance_picture(material)
    rows, drawn = samples(material)
    sections = [
        _question(material, beside.checks),
        *_tables(material),
        _curves(material, curves),
        _heat(material, heat),
        _phases(phases, beside.extra),
        _passages(material),
        _rows(rows),
        *_answers(material),
        *_curation(material),
        *_fidelity(beside.fidelity),
        _provenance(bars),
        _cost(material, beside.cost),
        _again(material, texts, params),
    ]
    pictures: list[Picture] = [*curves, *heat, *phases, *([bars] if bars is not None else [])]
    return sections, (*(picture.path for picture in pictures), *drawn)


def _question(material: Material, checks: Sequence[TextTable]) -> Section:
    reading = "What this sweep asks, and what it has found so far; everything below is the evidence."
    return Section("question", "Question and answer", reading, (question(material), answer(material, checks)))


def _tables(material: Material) -> tuple[Section, Section]:
    lineages = Section(
        "lineages",
        "Lineages",
        "A row is one lineage: what sets it apart, how far it has grown, what trained its last generation and where "
        "its measures ended; ↑ more is better, ↓ less is better, ≈ closest is best.",
        lineage_table(material),
    )
    verdicts = Section(
        "verdicts",
        "Verdicts",
        "“Model collapse” has eight definitions, and they may disagree: yes or no where the whole interval lies on one "
        "side of the threshold, undecided where it holds it, undefined where nothing measured can tell.",
        verdict_table(material) or tag("p", _NO_VERDICT),
    )
    return lineages, verdicts


def _curves(material: Material, curves: Sequence[Picture]) -> Section:
    reading = (
        "A line is one lineage, generation by generation: where bands overlap, the sweep has not told lineages apart."
    )
    return Section(
        "curves", "Curves", reading, (key(material), signs(material, bands=shows_bands(material)), figures(curves))
    )


def _heat(material: Material, heat: Sequence[Picture]) -> Section:
    rows = "synthetic ratio" if material.arrangement.ratio is not None else "lineage"
    reading = (
        f"Each row is a {rows}, each column a generation: the sooner a row departs from its first column, the sooner "
        "the collapse."
    )
    return Section("heat", "Heat maps", reading, figures(heat))


def _phases(phases: Sequence[Picture], extra: Sequence[TextTable]) -> Section:
    reading = (
        "Each symbol is a lineage at its ratio and size: look for the line that parts the open symbols from the full "
        "ones."
    )
    body = (figures(phases) if phases else None, *map(text_table, extra))
    return Section("phases", "Phase diagram", reading if phases else _NO_PHASES, body)


def _passages(material: Material) -> Section:
    band = (
        "the control's band"
        if material.arrangement.controls
        else "the band of generation 0 (there is no control lineage)"
    )
    reading = (
        f"The first generation from which the mean over chains stays outside {band}, above (↑) or below it (↓), and "
        "below that the median over single chains with its 95 % interval. Each measure has a chance of 95 % to stay in "
        "its band at all generations if it does not drift: one in twenty leaves by chance."
    )
    return Section("passages", "First passages", reading, passage_table(material) or tag("p", _NO_VERDICT))


def _answers(material: Material) -> tuple[Section, ...]:
    section = answers_section(material.sweep.root, material.plan, chosen_lineages(material))
    return () if section is None else (section,)


def _curation(material: Material) -> tuple[Section, ...]:
    """Return what curators and gates have done; nothing where none did anything."""
    tables = curation_tables(material.sweep.root, material.plan)
    reading = (
        "What was dropped, for which reason, and how each curator bent the law of the rows it was shown: one that "
        "narrows the variance or removes the tail in every generation makes a lineage collapse by itself."
    )
    return (Section("curation", "Curation and gates", reading, (*map(text_table, tables),)),) if tables else ()


def _rows(rows: Part) -> Section:
    reading = (
        "Random rows of the first chain of each lineage: real ones first, then what each generation's parent made."
    )
    missing = tag("p", "Rows of this kind have no picture, or the datasets are not here.")
    return Section("samples", "Samples", reading, rows if rows is not None else missing)


def _provenance(bars: Picture | None) -> Section:
    reading = "Each bar is a generation's training set, split by where its rows came from."
    missing = tag("p", "No dataset is here, so the manifests cannot tell.")
    return Section("provenance", "Provenance", reading, figures([bars]) if bars is not None else missing)


def _fidelity(tables: Sequence[TextTable]) -> tuple[Section, ...]:
    reading = (
        "How many columns of the newest rows have the mean, the variance and the law of real rows; `dwindle fidelity` "
        "shows them one by one."
    )
    return (Section("fidelity", "Fidelity", reading, tuple(map(text_table, tables))),) if tables else ()


def _cost(material: Material, tables: Sequence[TextTable]) -> Section:
    reading = (
        "What each lineage took: rows that its models wrote, room on the disk, and compute where it was timed here."
    )
    return Section("cost", "Cost", reading, (cost_table(material), *map(text_table, tables)))


def _again(material: Material, texts: Mapping[str, str], params: str) -> Section:
    reading = (
        "The same recipes in the same environment give the same bytes: here are both, and the numbers behind this page."
    )
    body = (again(material, params), tag("h3", "Data behind this page"), data_files(texts))
    return Section("again", "How to reproduce", reading, body)
