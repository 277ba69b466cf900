"""Reviews asked through Prefect: a flow run pauses, or is suspended, with a typed form, and goes on with the answer.

The document in `reviews/` is the truth: an answer counts once it stands there, and one that comes by `dwindle review`
ends the pause as well.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from prefect.artifacts import acreate_image_artifact, acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from pydantic import Field, create_model

from dwindle.errors import BadInput
from dwindle.review import Case, Decision, decided, demand, find_case, opened, postponed
from dwindle.review.case import LONGEST_NAME
from dwindle.reviewing import Question, put_question
from dwindle.session import Session
from dwindle.stages.results import is_done
from flows.command import page_key

__all__ = ["Answer", "form_of", "reviewed"]

LOOK_EVERY = 1.0
"""Seconds between two looks at whether a paused flow run may go on."""

MARGIN = 3600.0
"""Seconds by which Prefect's deadline lies behind ours: past its own it lets a flow run only fail."""

WAKER = "dwindle: settled elsewhere"
"""Who resumes a flow run that need not wait any longer."""


class Answer(RunInput):
    """What a reviewer fills in; the server refuses what does not fit."""

    reviewer: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, description="Your name.")]
    decision: Annotated[Literal["approve", "reject"], Field(description="May these rows train the generation?")]
    wrong_rows: list[int] = Field(
        default_factory=list, description="Kept rows that you would drop, and dropped rows that you would keep."
    )
    ranking: list[int] = Field(default_factory=list, description="Rows by their numbers, the best first.")
    minutes: Annotated[float | None, Field(ge=0, le=1e6, description="How long it took you.")] = None
    note: Annotated[str, Field(max_length=4000, description="What else there is to say.")] = ""


def form_of(rows: int, description: str) -> type[Answer]:
    """Return the form for so many numbered rows.

    Args:
        rows: how many rows are shown: the form takes the numbers 1 to this.
        description: what stands above it, as Markdown.
    """
    number = Annotated[int, Field(ge=1, le=max(1, rows))]
    fields: dict[str, Any] = {
        name: (list[number], Field([], json_schema_extra={"uniqueItems": True}, description=about.description))
        for name in ("wrong_rows", "ranking")
        if (about := Answer.model_fields[name])
    }
    return create_model("Answer", __base__=Answer, **fields).with_initial_data(description=description)


async def reviewed(session: Session, key: str) -> None:
    """Let a generation's dataset be reviewed, where its recipe asks for it, before it trains.

    Args:
        session: the session that grows it.
        key: the generation's key in the plan.

    Raises:
        Rejected: if reviewers, or the default at the deadline, do not let it train.
    """
    root, plan = session.root, session.plan
    name, generation = plan.chain[key]["lineage"], plan.chain[key]["generation"]
    review = plan.recipe(name).review
    if review is None or not review.is_due(generation) or is_done(root, f"train@{key}", plan, whole=False):
        return
    question = await asyncio.to_thread(put_question, root, plan, name, generation)
    if question is not None and question.case.outcome == "open":
        await _publish(question)
        await _in_turn(session, question)
        await asyncio.to_thread(put_question, root, plan, name, generation)  # the page tells what was decided
    demand(root, review, name, generation)


async def _publish(question: Question) -> None:
    """Show the question on the flow run's page."""
    case, key = question.case, _artifact(question.case)
    await acreate_markdown_artifact(key=key, markdown=_description(question), description=f"Review of {case.name}")
    if question.picture:
        await acreate_image_artifact(image_url=question.picture, key=f"{key}-rows", description=f"Rows of {case.name}")


_doors: dict[UUID, asyncio.Lock] = {}
"""For each flow run, who may ask: Prefect knows one pause of a flow run at a time."""


async def _in_turn(session: Session, question: Question) -> None:
    """Ask once no other lineage of this flow run does; the time for an answer begins then."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    case = question.case
    door, waited = _doors.setdefault(context.flow_run.id, asyncio.Lock()), False
    while door.locked():
        waited = True
        await asyncio.sleep(LOOK_EVERY)
        found = find_case(session.root, case.lineage, case.generation, timed=False)
        if found is not None and found.outcome != "open":
            return
    async with door:
        if waited:
            await asyncio.to_thread(postponed, session.root, case.lineage, case.generation)
        await _ask(session, question)


async def _ask(session: Session, question: Question) -> None:
    """Ask until the review is settled."""
    told, attempt = "", 0
    while (case := _case(session, question)).outcome == "open":
        form = form_of(len(case.shown), "\n\n".join(filter(None, (told, _description(question)))))
        answer = await _answer(session, case, form, _pause_key(case, attempt))
        attempt += 1
        if answer is None or answer.reviewer == WAKER:
            continue
        try:
            case = await asyncio.to_thread(decided, session.root, case.lineage, case.generation, _decision(answer))
        except BadInput as error:  # two people answered, or one twice
            told = f"**The last answer does not count:** {error}"
            get_run_logger().warning("%s: an answer does not count: %s", case.name, error)
        else:
            told, attempt = "", 0
            get_run_logger().info("review of %s: %s", case.name, case.told)


def _pause_key(case: Case, attempt: int) -> str:
    """Return what tells one question from another: a flow run that begins anew is given its old answers by it."""
    return f"{case.lineage}-{case.generation}-{case.digest[:8]}-{len(case.earlier)}-{len(case.decisions)}-{attempt}"


def _case(session: Session, question: Question) -> Case:
    """Return the case as it stands; the default is recorded where the deadline has passed."""
    case = question.case
    return opened(session.root, case.review, case.lineage, case.generation)


def _decision(answer: Answer) -> Decision:
    return Decision(
        answer.reviewer,
        answer.decision,
        minutes=answer.minutes,
        wrong=tuple(answer.wrong_rows),
        ranking=tuple(answer.ranking),
        note=answer.note,
    )


async def _answer(session: Session, case: Case, form: type[Answer], key: str) -> Answer | None:
    """Return what somebody fills in; None where there is nothing any more to wait for."""
    if case.review.wait == "suspend" and _may_be_suspended(session):
        return await asuspend_flow_run(wait_for_input=form, key=key)
    left = (case.deadline - datetime.now(UTC)).total_seconds()
    waker = asyncio.create_task(_wake(session, case))
    try:
        return await apause_flow_run(
            wait_for_input=form, timeout=int(max(0.0, left) + MARGIN), poll_interval=int(LOOK_EVERY), key=key
        )
    finally:
        waker.cancel()


def _may_be_suspended(session: Session) -> bool:
    """Say whether this flow run can be begun anew by a worker; one of a sweep is another run's child, and cannot."""
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    able = run is not None and run.deployment_id is not None and run.parent_task_run_id is None
    if able and len(session.names) == 1:
        return True
    get_run_logger().info("review.wait = suspend: only a deployed flow run of one lineage can be; this one pauses")
    return False


async def _wake(session: Session, case: Case) -> None:
    """Resume the flow run when the case is settled without its form: by the command line, or at the deadline."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    while True:
        await asyncio.sleep(LOOK_EVERY)
        found = await asyncio.to_thread(find_case, session.root, case.lineage, case.generation)
        if found is not None and found.outcome != "open":
            async with get_client() as client:
                # Refused while the pause is not there yet, or when somebody was quicker.
                await client.resume_flow_run(context.flow_run.id, {"reviewer": WAKER, "decision": "reject"})


def _description(question: Question) -> str:
    """Return the question as Markdown. A form shows a few lines of it: the first ones say where the rows are."""
    case, columns = question.case, question.table.columns
    pictures = f" and `{_artifact(case)}-rows`" if question.picture else ""
    lines = [
        f"**May these rows train generation {case.generation} of {case.lineage}?** They are in artifact "
        f"`{_artifact(case)}`{pictures} of this flow run, and on [their page]({question.page.as_uri()}); or run "
        f"`dwindle review {case.name}`.",
        f"{case.told[:1].upper()}{case.told[1:]}. Without a majority in time the answer is **{case.review.default}**.",
    ]
    rows = [[*cells[:-1], _code(cells[-1])] for cells in question.table.rows]
    return "\n\n".join([*lines, "\n".join(map(_line, [columns, ["---"] * len(columns), *rows]))])


def _artifact(case: Case) -> str:
    """Return the key of the artifact that shows a question."""
    return page_key(f"review-{case.lineage}-{case.generation}")


def _line(cells: Any) -> str:
    return f"| {' | '.join(cell.replace('|', ' ') for cell in cells)} |"


def _code(text: str) -> str:
    """Return what a model wrote as code, so that nothing in it is taken for Markdown."""
    return f"`{text.replace('`', chr(39)) or ' '}`"
