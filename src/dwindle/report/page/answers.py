"""What every generation answers to the same prompts, lineages side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dwindle.data.workspace import publish_text
from dwindle.plan import Plan
from dwindle.report.canvas import plots_folder
from dwindle.report.details import details_of
from dwindle.report.grid import ladder
from dwindle.report.page.document import Section, document
from dwindle.report.page.markup import Markup, Part, tag
from dwindle.report.page.tables import wide

__all__ = ["ANSWERED", "answers_section", "write_answers"]

ANSWERED = "answers.html"
"""Name of the page that holds the answers alone."""

_LINEAGES = 6
_REPEATED = re.compile(r"(\S{1,12}?)(?: ?\1){5,}")

Texts = Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]
"""For each lineage and generation, a list of `prompt` and `answer`."""


def answers_section(root: Path, plan: Plan, lineages: Sequence[str]) -> Section | None:
    """Return the section of the page, or None if no metric kept answers.

    Args:
        root: the workspace.
        plan: its plan.
        lineages: whose answers.
    """
    found = details_of(root, plan, "texts")
    if not found:
        return None
    of_all = next(iter(found.values()))
    by_lineage: Texts = {name: of_all[name] for name in lineages if name in of_all}
    reading = (
        "A table is one prompt, each row what a generation answers to it, each column a lineage; the prompts are real "
        "held-out text, and chain 0 answers."
    )
    return Section("answers", "Answers to the same prompts", reading, _tables(by_lineage))


def write_answers(root: Path, plan: Plan) -> Path | None:
    """Write the answers of the first lineages into `plots/<sweep>/answers.html`; None if no metric kept any."""
    section = answers_section(root, plan, list(plan.recipes)[:_LINEAGES])
    if section is None:
        return None
    target = plots_folder(root, plan.sweep) / ANSWERED
    publish_text(target, document(plan.sweep, [section], {}))
    return target


def _tables(by_lineage: Texts) -> Part:
    prompts = [str(told["prompt"]) for told in next(iter(next(iter(by_lineage.values())).values()))]
    return tag("div", [_table(place, prompt, by_lineage) for place, prompt in enumerate(prompts)])


def _table(place: int, prompt: str, by_lineage: Texts) -> Markup:
    last = max(generation for texts in by_lineage.values() for generation in texts)
    named = [tag("th", name, scope="col") for name in by_lineage]
    rows = [_row(generation, place, by_lineage) for generation in ladder(last)]
    caption = tag("caption", tag("span", f"{place + 1}. “{_legible(prompt)}”" if prompt else "Unprompted"))
    head = tag("thead", tag("tr", tag("th", "generation", scope="col"), named))
    return wide(f"Answers to prompt {place + 1}", tag("table", caption, head, tag("tbody", rows), class_="texts"))


def _row(generation: int, place: int, by_lineage: Texts) -> Markup:
    cells = [
        tag("td", tag("p", _answer(texts.get(generation, ()), place), dir="auto")) for texts in by_lineage.values()
    ]
    return tag("tr", tag("th", f"{generation}", scope="row"), cells)


def _answer(told: Sequence[Mapping[str, Any]], place: int) -> str:
    return _legible(str(told[place]["answer"])) if place < len(told) else ""


def _legible(text: str) -> str:
    """Return a text on one line: ends of lines as a sign, and what is repeated many times with its number."""
    line = " ".join(text.replace("\n", " \N{RETURN SYMBOL} ").split())
    return _REPEATED.sub(_counted, line).strip()


def _counted(found: re.Match[str]) -> str:
    return f"{found[1]} \N{MULTIPLICATION SIGN} {found[0].count(found[1])} "
