"""A flow run that waits for reviewers on a real Prefect server: one form a lineage, answered in every possible way."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from urllib.error import HTTPError

import pytest

from tests.flows.prefect_server import background, prefect_server

PARAMS = """\
sweep: reviewed
generations: 1
seed: 3
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2, held_out: 30}
family: gaussian
regime: replace
metrics: [risk]
lineages:
  free: {}
  approved: {review: {sample: 3}}
  rejected: {review: {sample: 3}}
  told: {review: {sample: 3, timeout: 600}}
  late: {review: {sample: 3, timeout: 3, default: approve}}
"""
INVALID = {
    "decision": {"reviewer": "ada", "decision": "perhaps"},
    "wrong_rows": {"reviewer": "ada", "decision": "approve", "wrong_rows": [99]},
    "required": {"decision": "approve"},
}


class Watched:
    """A flow run that is watched through the API, with what was seen of it."""

    def __init__(self, server, project):
        self.server, self.project, self.refused, self.asked = server, project, {}, {}

    def resume(self, **answer):
        for _ in range(20):
            with suppress(HTTPError):  # 503: SQLite is busy now and then
                return self.server.post(f"flow_runs/{self.run}/resume", run_input=answer)
            time.sleep(0.5)
        raise TimeoutError("the server takes no answer")

    def watch(self, process):
        """Answer every form by the lineage that it is about, until the flow run ends."""
        deadline = time.monotonic() + 120
        while process.poll() is None:
            assert time.monotonic() < deadline, (self.project.root / "flow.log").read_text()
            time.sleep(0.1)
            runs = self.server.post("flow_runs/filter")
            keys = runs[0]["state"]["state_details"].get("run_input_keyset") if runs else None
            if keys and (lineage := keys["schema"].split("-")[1]) not in self.asked:
                self.run = runs[0]["id"]
                found = {one["key"]: one["value"] for one in self.inputs(lineage)}
                if keys["description"] in found:  # the form is there a moment after the state
                    self.asked[lineage] = json.loads(found[keys["schema"]]), json.loads(found[keys["description"]])
                    self.answer(lineage)

    def inputs(self, lineage):
        return self.server.post(f"flow_runs/{self.run}/input/filter", prefix=f"paused-{lineage}-", limit=9)

    def answer(self, lineage):
        if lineage == "approved":
            self.refused = {name: self.resume(**answer) for name, answer in INVALID.items()}
            self.still = self.server.state(self.run)["name"]
            self.grown = self.wait_for("metrics/free/001.json")
            self.resume(reviewer="ada", decision="approve", wrong_rows=[2], ranking=[3, 1], note="fine")
        elif lineage == "rejected":
            self.resume(reviewer="grace", decision="reject", minutes=2.5)
        elif lineage == "told":
            self.project.run("dwindle", "review", "told/1", "--approve", "--reviewer", "alan")

    def wait_for(self, path):
        deadline = time.monotonic() + 30
        while not (self.project.root / path).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return (self.project.root / path).exists()

    def review(self, lineage):
        return json.loads((self.project.root / "reviews" / lineage / "001.json").read_text())


@pytest.fixture(scope="module")
def watched(new_project, tmp_path_factory):
    project = new_project(PARAMS)
    with prefect_server(tmp_path_factory.mktemp("home")) as server, (project.root / "flow.log").open("w") as log:
        command = (sys.executable, "-m", "flows.sweep")
        with background(*command, cwd=project.root, env=server.env, stdout=log, stderr=log) as process:
            watched = Watched(server, project)
            watched.watch(process)
        watched.states = server.get(f"flow_run_states/?flow_run_id={watched.run}")
    watched.printed = (project.root / "flow.log").read_text()
    assert process.returncode == 0, watched.printed
    return watched


def test_the_form_is_typed_and_shows_the_rows_that_it_asks_about(watched):
    schema, description = watched.asked["approved"]
    assert schema["required"] == ["reviewer", "decision"]
    assert schema["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert schema["properties"]["wrong_rows"]["items"] == {"type": "integer", "minimum": 1, "maximum": 3}
    assert "| 3 | kept |" in description


@pytest.mark.parametrize("field", INVALID)
def test_an_answer_that_does_not_fit_the_form_is_refused_by_the_api(watched, field):
    assert watched.refused[field]["status"] == "REJECT"
    assert field in watched.refused[field]["details"]["reason"]
    assert watched.still == "Paused"


def test_lineages_are_asked_about_one_after_another(watched):
    names = [state["name"] for state in watched.states]
    asked = [
        state["state_details"]["pause_key"].partition("-")[0] for state in watched.states if state["name"] == "Paused"
    ]
    assert sorted(asked) == ["approved", "late", "rejected", "told"]
    assert names[names.index("Running") : -1] == ["Running", "Paused"] * 4 + ["Running"]


def test_lineages_that_nobody_reviews_grow_while_the_flow_run_is_paused(watched):
    assert watched.grown


def test_what_is_approved_grows_on_and_the_document_tells_who_decided(watched):
    document = watched.review("approved")
    (decision,) = document["decisions"]
    assert (document["outcome"], document["by"]) == ("approved", "majority")
    assert (decision["reviewer"], decision["wrong"], decision["ranking"]) == ("ada", [2], [3, 1])
    assert len(decision["ranked"]) == 2
    assert (watched.project.root / "metrics/approved/001.json").exists()
    ranked = watched.project.run("dwindle", "review", "--rankings", "approved").stdout
    assert json.loads(ranked) == {"ranking": decision["ranked"]}


def test_what_is_rejected_ends_its_lineage_as_a_result_before_it_trains(watched):
    assert watched.review("rejected")["decisions"][0]["minutes"] == 2.5
    assert not (watched.project.root / "models/rejected/001").exists()
    assert "rejected ended early: generation 1 of rejected is rejected by majority: grace rejects" in watched.printed
    assert watched.states[-1]["type"] == "COMPLETED"


def test_a_decision_at_the_command_line_ends_the_pause(watched):
    assert watched.review("told")["decisions"][0]["reviewer"] == "alan"
    assert (watched.project.root / "metrics/told/001.json").exists()


def test_the_deadline_brings_the_default(watched):
    document = watched.review("late")
    assert (document["outcome"], document["by"], document["decisions"]) == ("approved", "time-out", [])
    assert (watched.project.root / "metrics/late/001.json").exists()


def test_the_page_tells_what_was_decided(watched):
    page = (watched.project.root / "reviews/approved/001.html").read_text()
    assert "ada approves" in page
