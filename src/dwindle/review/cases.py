"""Cases on disk: who asks, answers or waits does it here, one at a time; a document appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dwindle.data.manifest import read_manifest
from dwindle.data.workspace import held, publish_document, read_document, sweep_litter
from dwindle.errors import BadInput, DataDamaged, Rejected, Undecided
from dwindle.plan import generation_folder
from dwindle.review.case import Case, Decision, now, spelled
from dwindle.review.sample import dataset_of, drawn_sample, values_of
from dwindle.review_terms import Review

__all__ = ["again", "case_path", "decided", "demand", "find_case", "has_trained", "opened", "postponed"]


def case_path(root: Path, lineage: str, generation: int) -> Path:
    """Return where the document of a review stands."""
    return root / "reviews" / lineage / f"{generation:03d}.json"


def find_case(root: Path, lineage: str, generation: int, *, timed: bool = True) -> Case | None:
    """Return the case as it stands now, or None where nobody was asked; writes nothing.

    Args:
        root: the workspace.
        lineage: the lineage.
        generation: the generation.
        timed: whether the default holds after the deadline; False where reviewers could not be asked yet.

    Raises:
        DataDamaged: if the document is not what it was published as.
    """
    path = case_path(root, lineage, generation)
    document = read_document(path)
    if document is None:
        if path.exists():
            raise DataDamaged(f"{path}: not what it was published as; remove it, and reviewers are asked again")
        return None
    try:
        case = Case.of(document)
    except ValueError as error:
        raise DataDamaged(f"{path}: {error}") from error
    return case.at(now()) if timed else case


def has_trained(root: Path, case: Case) -> bool:
    """Say whether a model of the generation stands that was made of the dataset which the case is about."""
    model = read_manifest(root / f"models/{generation_folder(case.lineage, case.generation)}")
    return model is not None and model.inputs.get("train") == case.digest


def opened(root: Path, review: Review, lineage: str, generation: int) -> Case:
    """Return the case about the dataset that stands there; where there is none yet, ask.

    Args:
        root: the workspace.
        review: the terms; an open case takes them over.
        lineage: the lineage.
        generation: the generation.

    Raises:
        DataDamaged: if there is no dataset, or the document is damaged.
    """

    def stands(found: Case | None) -> Case:
        digest = dataset_of(root, lineage, generation).digest
        if found is None or found.digest != digest:
            return _asked(root, review, lineage, generation, found)
        return replace(found, review=review).at(now()) if found.outcome == "open" else found

    return _changed(root, lineage, generation, stands)


def again(root: Path, review: Review, lineage: str, generation: int) -> Case:
    """Ask anew about a case that is settled; what was decided before stays in the document."""
    return _changed(root, lineage, generation, lambda found: _asked(root, review, lineage, generation, found))


def postponed(root: Path, lineage: str, generation: int) -> Case:
    """Let the time of an open case begin now: reviewers could not be asked before.

    Raises:
        BadInput: if nobody was asked.
    """

    def later(found: Case | None) -> Case:
        case = _there(found, lineage, generation)
        return replace(case, asked=spelled(now())) if case.outcome == "open" else case

    return _changed(root, lineage, generation, later)


def decided(root: Path, lineage: str, generation: int, decision: Decision) -> Case:
    """Record a decision and what follows from it.

    Args:
        root: the workspace.
        lineage: the lineage.
        generation: the generation.
        decision: the decision; its time is now if it has none, and the rows that it ranks are read.

    Raises:
        BadInput: if nobody was asked, the case is settled, or the decision cannot be about it.
    """

    def with_it(found: Case | None) -> Case:
        case = _there(found, lineage, generation).at(now())
        case.with_decision(decision)  # numbers are held to the rows before any is read
        ranked = values_of(root, [case.shown[number - 1] for number in decision.ranking])
        whole = replace(decision, at=decision.at or spelled(now()), ranked=tuple(row.tolist() for row in ranked))
        return case.with_decision(whole)

    return _changed(root, lineage, generation, with_it)


def demand(root: Path, review: Review | None, lineage: str, generation: int) -> None:
    """Let a generation train only if its dataset is approved, where a review is due; otherwise ask.

    Args:
        root: the workspace.
        review: the recipe's terms; None where nobody wants a review.
        lineage: the lineage.
        generation: the generation that is about to train.

    Raises:
        Rejected: if the dataset is rejected.
        Undecided: if it waits for a decision.
    """
    if review is None or not review.is_due(generation):
        return
    case = opened(root, review, lineage, generation)
    if case.outcome == "rejected":
        raise Rejected(f"generation {generation} of {lineage} is {case.told}")
    if case.outcome == "open":
        raise Undecided(f"generation {generation} of {lineage} waits for review: dwindle review {case.name}")


def _there(found: Case | None, lineage: str, generation: int) -> Case:
    if found is None:
        raise BadInput(f"{lineage}/{generation}: nobody was asked about it")
    return found


def _asked(root: Path, review: Review, lineage: str, generation: int, before: Case | None) -> Case:
    """Return a new case about the dataset that stands there; the one before it is kept in it."""
    digest = dataset_of(root, lineage, generation).digest
    earlier = () if before is None else (*before.earlier, {k: v for k, v in before.plain.items() if k != "earlier"})
    shown = drawn_sample(root, lineage, generation, count=review.sample)
    return Case(lineage, generation, digest, review, spelled(now()), shown, earlier=earlier)


def _changed(root: Path, lineage: str, generation: int, change: Callable[[Case | None], Case]) -> Case:
    """Change a case while nobody else does, and publish it where that makes a difference."""
    path = case_path(root, lineage, generation)
    with held(root, f"review-{lineage}", wait=True):
        sweep_litter(path.parent, path.name)
        found = find_case(root, lineage, generation, timed=False)
        case = change(found)
        if case != found:
            publish_document(path, {**case.plain, "record": [{"stage": "review"}]})
    return case
