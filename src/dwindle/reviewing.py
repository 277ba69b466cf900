"""Reviews at work: questions put, shown and answered, for the command line and for flow runs alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.plan import Plan, chain_key, read_plan
from dwindle.report.grid import pictured
from dwindle.report.review_page import Material, material_of, sample_table, trained_already, write_review_page
from dwindle.report.review_rows import picture_sheet, picture_source
from dwindle.report.text_table import TextTable, print_table
from dwindle.review import Case, Decision, again, decided, find_case, has_trained, opened
from dwindle.review_terms import Review

__all__ = ["Question", "put_question", "record_decision", "show_open_reviews", "show_rankings", "show_review"]


@dataclass(frozen=True, eq=False)
class Question:
    """A question as it is put to reviewers.

    Args:
        case: the case.
        page: its page.
        table: the shown rows.
        material: all that is shown.
    """

    case: Case
    page: Path
    table: TextTable
    material: Material

    @property
    def picture(self) -> str:
        """The address of an image that holds all rows, each below its number; empty where they are no pictures."""
        entries = self.material.numbered
        if not entries or not pictured(self.material.recipe):
            return ""
        return picture_source(picture_sheet(self.material.recipe, entries, self.material.real))


def put_question(root: Path, plan: Plan, lineage: str, generation: int) -> Question | None:
    """Ask reviewers about the dataset that stands there, unless they were asked, and write the page.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: the lineage.
        generation: the generation.

    Returns:
        The question; None where none is due.
    """
    review = plan.recipe(lineage).review
    if review is None or not review.is_due(generation):
        return None
    return _shown(root, plan, opened(root, review, lineage, generation))


def _shown(root: Path, plan: Plan, case: Case) -> Question:
    material = material_of(root, plan, case)
    return Question(case, write_review_page(root, material), sample_table(material), material)


def show_review(params: Path, name: str, *, anew: bool = False) -> None:
    """Print the rows that reviewers are shown, where their page is, and how the review stands.

    Args:
        params: the sweep's file.
        name: `lineage/generation`.
        anew: whether to ask again about a case that is settled.
    """
    root, plan, lineage, generation, review = _found(params, name)
    case = (again if anew else opened)(root, review, lineage, generation)
    question = _shown(root, plan, case)
    print_table(question.table)
    print(f"page      {question.page}")
    _tell_trained(question)


def record_decision(params: Path, name: str, decision: Decision) -> None:
    """Record what a reviewer decided, and print how the review stands.

    Args:
        params: the sweep's file.
        name: `lineage/generation`.
        decision: what the reviewer decided.
    """
    root, plan, lineage, generation, review = _found(params, name)
    opened(root, review, lineage, generation)
    case = decided(root, lineage, generation, decision)
    question = _shown(root, plan, case)
    print(f"{case.name}: {case.told}")
    _tell_trained(question)


def _tell_trained(question: Question) -> None:
    """Say so where a decision comes too late for the model."""
    if question.material.trained:
        print(trained_already(question.case))


def _found(params: Path, name: str) -> tuple[Path, Plan, str, int, Review]:
    """Return what a review's name stands for.

    Raises:
        BadInput: if there is no such generation, or no review is due before it trains.
    """
    root = load_sweep(params).root
    plan = read_plan(root)
    lineage, _, number = name.rpartition("/")
    if not number.isascii() or not number.isdigit() or not lineage:
        raise BadInput(f"{name}: expected LINEAGE/GENERATION, for instance replace/3")
    recipe, generation = plan.recipe(lineage), int(number)
    if chain_key(lineage, generation) not in plan.chain:
        raise BadInput(f"{name}: the plan has generations 0..{len(plan.generations(lineage)) - 1} of {lineage}")
    if recipe.review is None or not recipe.review.is_due(generation):
        told = "its recipe has no `review`" if recipe.review is None else f"one is due every {recipe.review.every}"
        raise BadInput(f"{name}: no review is due before it trains; {told}")
    return root, plan, lineage, generation, recipe.review


def show_open_reviews(params: Path) -> None:
    """Print every review of the sweep that is open."""
    root = load_sweep(params).root
    rows = tuple(
        (case.name, f"{len(case.standing)} of {case.review.reviewers}", _state(root, case))
        for lineage in read_plan(root).recipes
        for case in _cases(root, lineage)
        if case.outcome == "open"
    )
    print_table(
        TextTable("reviews", "Open reviews" if rows else "No review is open", ("review", "have decided", "state"), rows)
    )


def _state(root: Path, case: Case) -> str:
    return case.told.replace("open", "open, trained already,", 1) if has_trained(root, case) else case.told


def _cases(root: Path, lineage: str) -> Iterator[Case]:
    """Yield the reviews of a lineage, generation by generation."""
    numbers = [int(path.stem) for path in (root / "reviews" / lineage).glob("*.json") if path.stem.isdigit()]
    for generation in sorted(numbers):
        case = find_case(root, lineage, generation)
        if case is not None:
            yield case


def show_rankings(params: Path, lineage: str) -> None:
    """Print the rankings of a lineage's reviewers as JSON lines: `{"ranking": [values, ...]}`, the best row first.

    Raises:
        BadInput: if there is no such lineage, or nobody has ranked anything.
    """
    root = load_sweep(params).root
    read_plan(root).recipe(lineage)
    decisions = [decision for case in _cases(root, lineage) for decision in case.every_decision]
    ranked = [decision.ranked for decision in decisions if len(decision.ranked) > 1]
    if not ranked:
        raise BadInput(f"{lineage}: no reviewer has ranked two rows or more")
    for rows in ranked:
        print(json.dumps({"ranking": [row if isinstance(row, list) else [row] for row in rows]}, allow_nan=False))
