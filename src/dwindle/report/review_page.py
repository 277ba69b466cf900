"""The page of a review: rows that are to train beside rows that were dropped, what curation did, and what to answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.config.recipe import Recipe
from dwindle.data.manifest import Manifest, read_manifest
from dwindle.data.workspace import publish_text
from dwindle.plan import Plan, chain_key
from dwindle.report.grid import some_rows
from dwindle.report.page.document import Section, document
from dwindle.report.page.markup import Markup, tag
from dwindle.report.page.palette import Looks, named
from dwindle.report.page.tables import text_table
from dwindle.report.review_rows import Entry, entries_of, real_entries, shown_entries, spelled_rows
from dwindle.report.series import HEADLINES, measure_of
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED, heading, quoted
from dwindle.review import Case, case_path, has_trained, values_of
from dwindle.review.sample import training_folder
from dwindle.stages.results import evaluations

__all__ = ["Material", "material_of", "sample_table", "trained_already", "write_review_page"]

_REAL = 6
"""Real rows to compare with."""

_LONGEST = 200
"""Characters of a row in a table for the terminal or a form."""


@dataclass(frozen=True, eq=False)
class Material:
    """What a reviewer is shown.

    Args:
        case: the case.
        recipe: the lineage's recipe.
        kept: rows that are to train.
        dropped: rows that are not.
        real: rows of the anchor.
        facts: of the datasets from generation 1 on that are here, by generation.
        measures: of the generations that are evaluated.
        trained: whether a model that was made of this dataset stands already.
    """

    case: Case
    recipe: Recipe
    kept: Sequence[Entry]
    dropped: Sequence[Entry]
    real: Sequence[Entry]
    facts: Mapping[int, Mapping[str, Any]]
    measures: Mapping[int, Mapping[str, Any]]
    trained: bool = False

    @property
    def numbered(self) -> list[Entry]:
        """The rows that reviewers judge."""
        return [*self.kept, *self.dropped]


def material_of(root: Path, plan: Plan, case: Case) -> Material:
    """Read what a reviewer is shown.

    Raises:
        DataDamaged: if rows are not what their manifest says, or no longer there.
    """
    recipe, name, generation = plan.recipe(case.lineage), case.lineage, case.generation
    entries = entries_of(case.shown, values_of(root, case.shown))
    kept = sum(row.kept for row in case.shown)
    folders = {t: root / training_folder(name, t) for t in range(1, generation + 1)}
    manifests: dict[int, Manifest | None] = {t: read_manifest(folder) for t, folder in folders.items()}
    anchor = root / str(plan.chain[chain_key(name, generation)]["real"])
    real = real_entries(some_rows(recipe, anchor, 0, _REAL)) if read_manifest(anchor) is not None else []
    return Material(
        case,
        recipe,
        entries[:kept],
        entries[kept:],
        real,
        {t: manifest.facts for t, manifest in manifests.items() if manifest is not None},
        {t: measured for t, measured in evaluations(root, plan, name) if t < generation},
        has_trained(root, case),
    )


def write_review_page(root: Path, material: Material) -> Path:
    """Write `reviews/<lineage>/<generation>.html`; the same case gives the same bytes."""
    case = material.case
    target = case_path(root, case.lineage, case.generation).with_suffix(".html")
    sections = [_question(material), _rows(material), _curation(material)]
    if (changed := _change_table(material)) is not None:
        reading = "Means over chains with 95 % intervals: of generation 0, which only real rows trained, and since."
        sections.append(Section("change", "How the lineage changed", reading, text_table(changed)))
    colours = named(Looks({}, None, {}))
    publish_text(target, document(case.name, sections, colours, kicker="dwindle review", about="a review of its rows"))
    return target


def _question(material: Material) -> Section:
    case = material.case
    asked = f"May these rows train generation {case.generation} of {case.lineage}?"
    answers = [
        "approve, if a model may learn from the rows that are kept; reject, and the lineage ends here;",
        "wrong rows: numbers of kept rows that you would have dropped, and of dropped rows that you would have kept;",
        "ranking, if you like: numbers of rows, the best first, from which a reward can be learnt.",
    ]
    still = case.outcome == "open"
    terms = f" Without a majority in time the answer is {case.review.default}." if still else ""
    body = [
        tag("p", asked, class_="lead"),
        tag("ul", [tag("li", answer) for answer in answers], class_="answers") if still else None,
        tag("p", f"{case.told[:1].upper()}{case.told[1:]}.{terms}"),
        tag("p", f"{trained_already(case)}.", class_="warning") if material.trained else None,
        tag("pre", tag("code", "\n".join(_commands(case))), tabindex=0, role="region", aria_label="Commands"),
        _decisions(case),
    ]
    how = "Answer on the flow run's page, or with one of these commands."
    settled = f"It is settled: {case.outcome}. This command asks anew."
    return Section("question", "The question", how if still else settled, body)


def trained_already(case: Case) -> str:
    """Return what a decision means that comes after the training."""
    return (
        f"Generation {case.generation} of {case.lineage} was trained on this dataset already: its model stays, and so "
        "do later generations; a decision is recorded for the audit, and holds if the generation is trained anew"
    )


def _commands(case: Case) -> list[str]:
    """Return the commands that answer an open case, or ask anew about a settled one."""
    if case.outcome != "open":
        return [f"dwindle review {case.name} --again"]
    shown = ",".join(f"{row.number}" for row in case.shown[:2])
    told = f" --wrong {shown} --ranking {shown}" if shown else ""
    return [f"dwindle review {case.name} --{verdict} --reviewer NAME{told}" for verdict in ("approve", "reject")]


def _decisions(case: Case) -> Markup | None:
    if not case.decisions:
        return None
    rows = tuple(
        (
            one.reviewer,
            one.decision if one in case.standing else f"{one.decision}, replaced",
            one.at,
            UNDEFINED if one.minutes is None else f"{one.minutes:g}",
            ", ".join(map(str, one.wrong)) or "none",
            ", ".join(map(str, one.ranking)) or UNDEFINED,
            one.note,
        )
        for one in case.decisions
    )
    columns = ("reviewer", "decision", "at (UTC)", "minutes", "wrong rows", "ranking", "note")
    return text_table(TextTable("decisions", "Decisions", columns, rows, (_agreement_line(case),)))


def _agreement_line(case: Case) -> str:
    """Say how far reviewers agree on the rows."""
    found = case.agreement
    if math.isnan(found.raw):
        return f"Agreement between reviewers is undefined: {found.reason}."
    told = f"Reviewers agree on {found.raw:.0%} of the rows, averaged over pairs of them"
    kappa = f"Fleiss' kappa {found.kappa:.2f}, z {found.z:.1f}"
    return f"{told}; {found.reason or kappa}."


def _rows(material: Material) -> Section:
    recipe, real = material.recipe, material.real
    blocks = [
        ("Rows that are to train", material.kept),
        ("Rows that were dropped", material.dropped),
        ("Real rows, to compare", real),
    ]
    columns = [
        tag("div", tag("h3", title), shown_entries(recipe, title, entries, real), style="min-width:0")
        for title, entries in blocks
    ]
    style = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 1.5rem"
    reading = "Drawn at random from all chains, dropped rows over all reasons. Speak of them by their numbers."
    return Section("rows", "The rows", reading, tag("div", columns, style=style))


def _curation(material: Material) -> Section:
    told = [tag("p", alarm, class_="warning") for alarm in _alarms(material)]
    tables = [text_table(found) for found in (_curation_table(material), _counts_table(material)) if found is not None]
    reading = "What the curators did to this generation's rows, and how many rows each generation trained on so far."
    return Section("curation", "What curation did", reading, tag("div", told, tables))


def _report(material: Material) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = material.facts.get(material.case.generation, {}).get("curation", ())
    return found


def _alarms(material: Material) -> list[str]:
    return [f"{step['curator']}: {alarm}" for step in _report(material) for alarm in step.get("alarms", ())]


def _curation_table(material: Material) -> TextTable | None:
    """Return a line a curator: rows shown and kept, and what was dropped for which reason; None where nothing says."""
    rows = tuple(
        (
            str(step["curator"]),
            f"{step['shown']}",
            f"{step['kept']}",
            _counts(step.get("dropped", {})),
            _counts(step.get("repaired", {})),
            f"{step.get('added', 0)}",
        )
        for step in _report(material)
    )
    columns = ("curator", "shown", "kept", "dropped", "repaired", "added")
    return TextTable("curation", "Rows of all chains, curator by curator", columns, rows) if rows else None


def _counts_table(material: Material) -> TextTable:
    """Return a line a generation: rows that trained it, the share of synthetic ones, what was dropped."""
    rows = tuple(
        (f"{t}", f"{facts['rows']['total']}", f"{facts.get('synthetic_ratio', 0.0):.3g}", _counts(facts["dropped"]))
        for t, facts in material.facts.items()
    )
    columns = ("generation", "rows", "synthetic ratio", "dropped")
    return TextTable("counts", "Rows of all chains, generation by generation", columns, rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in counts.items() if count) or "none"


def _change_table(material: Material) -> TextTable | None:
    """Return a line a measure: at generation 0 and at the last one that is evaluated; None before that."""
    known = sorted(material.measures)
    if not known:
        return None
    shown = [known[0], known[-1]] if len(known) > 1 else known
    recipe, last = material.recipe, material.measures[known[-1]]
    names = [name for name in HEADLINES[recipe.source.kind] if name in last] or list(last)[:8]
    rows = tuple(
        (heading(name, measure_of(recipe, name)), *(_quoted(material.measures[t].get(name)) for t in shown))
        for name in names
    )
    columns = ("measure", *(f"generation {t}" for t in shown))
    return TextTable("change", "Measures of the models so far", columns, rows)


def _quoted(described: Mapping[str, Any] | None) -> str:
    if described is None:
        return UNDEFINED
    numbers = (math.nan if described[key] is None else float(described[key]) for key in ("mean", "low", "high"))
    return quoted(*numbers)


def sample_table(material: Material) -> TextTable:
    """Return the shown rows, a line each."""
    case, entries = material.case, material.numbered
    lines = zip(case.shown, spelled_rows(material.recipe, entries), strict=True)
    rows = tuple((f"{row.number}", "kept" if row.kept else "dropped", row.reason, _short(line)) for row, line in lines)
    title = f"Rows of generation {case.generation} of {case.lineage}"
    return TextTable("sample", title, ("number", "now", "why", "row"), rows, (case.told,))


def _short(line: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in line)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 4]} ..."
