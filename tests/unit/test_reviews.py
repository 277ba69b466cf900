"""Reviews: the rows that are shown, decisions and what follows from them, deadlines, agreement, and the gate itself."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest

from dwindle.data.shards import read_shard
from dwindle.data.workspace import publish_document, read_document
from dwindle.errors import BadInput, DataDamaged, Rejected, Undecided
from dwindle.review import (
    Decision,
    again,
    agreement,
    case_path,
    decided,
    demand,
    find_case,
    opened,
    postponed,
    values_of,
)
from dwindle.review.case import Case
from dwindle.review_terms import Review
from tests.unit.test_curate_stage import PositiveSynthetic, grown

REGIME = f'{{regime: replace, curators: ["{__name__}:Halved"]}}'


@dataclass(frozen=True)
class Halved(PositiveSynthetic):
    """Keeps the synthetic rows whose first number is above 0."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("reviewed")
    grown(root, REGIME, generations=2)
    return root


@pytest.fixture
def fresh(root):
    """The same sweep, without any review."""
    yield root
    for path in (root / "reviews" / "one").glob("*"):
        path.unlink()


def approve(reviewer, **settings):
    return Decision(reviewer, "approve", **settings)


def reject(reviewer, **settings):
    return Decision(reviewer, "reject", **settings)


def test_kept_rows_train_and_dropped_rows_do_not(fresh):
    case = opened(fresh, Review(sample=5), "one", 2)
    values = values_of(fresh, case.shown)
    assert [row.number for row in case.shown] == list(range(1, 11))
    for row, value in zip(case.shown, values, strict=True):
        assert (value[0] > 0) == row.kept
    place = fresh / case.shown[0].shard
    assert values[0] in read_shard(place.parent, place.name).values.reshape(-1, 2)


def test_the_sample_is_the_same_whenever_it_is_drawn(fresh):
    first = opened(fresh, Review(), "one", 1).shown
    case_path(fresh, "one", 1).unlink()
    assert opened(fresh, Review(), "one", 1).shown == first
    assert opened(fresh, Review(), "one", 2).shown != first


def test_a_generation_trains_when_its_dataset_is_approved_and_not_before(fresh):
    with pytest.raises(Undecided, match="generation 2 of one waits for review: dwindle review one/2"):
        demand(fresh, Review(), "one", 2)
    decided(fresh, "one", 2, approve("ada"))
    demand(fresh, Review(), "one", 2)
    with pytest.raises(Undecided):
        demand(fresh, Review(), "one", 1)


def test_what_is_rejected_never_trains(fresh):
    opened(fresh, Review(), "one", 2)
    decided(fresh, "one", 2, reject("ada", note="too few of them"))
    with pytest.raises(Rejected, match=r"generation 2 of one is rejected by majority: ada rejects .*too few of them"):
        demand(fresh, Review(), "one", 2)


def test_nobody_is_asked_about_the_anchor_or_between_two_reviews(fresh):
    demand(fresh, None, "one", 2)
    demand(fresh, Review(every=2), "one", 0)
    demand(fresh, Review(every=2), "one", 1)
    assert not (fresh / "reviews" / "one").exists() or not list((fresh / "reviews" / "one").iterdir())
    with pytest.raises(Undecided):
        demand(fresh, Review(every=2), "one", 2)


@pytest.mark.parametrize(
    ("reviewers", "verdicts", "outcome"),
    [
        (1, "a", "approved"),
        (1, "r", "rejected"),
        (2, "a", "open"),
        (2, "ar", "rejected"),
        (2, "r", "rejected"),
        (3, "ar", "open"),
        (3, "aa", "approved"),
        (3, "rr", "rejected"),
        (3, "ara", "approved"),
        (4, "rr", "rejected"),
        (5, "aarr", "open"),
    ],
)
def test_a_majority_settles_a_case_as_soon_as_it_cannot_change_and_a_tie_rejects(reviewers, verdicts, outcome):
    case = Case("one", 1, "digest", Review(reviewers=reviewers), "2026-01-01T00:00:00+00:00", ())
    for place, verdict in enumerate(verdicts):
        case = case.with_decision((approve if verdict == "a" else reject)(f"reviewer {place}"))
    assert case.outcome == outcome


@pytest.mark.parametrize(("default", "outcome"), [("approve", "approved"), ("reject", "rejected")])
def test_at_the_deadline_the_default_holds_whoever_looks_first(default, outcome):
    case = Case("one", 1, "digest", Review(default=default, timeout=60, reviewers=3), "2026-01-01T00:00:00+00:00", ())
    case = case.with_decision(approve("ada"))
    assert case.at(case.deadline - timedelta(seconds=1)).outcome == "open"
    late = case.at(case.deadline)
    assert (late.outcome, late.by) == (outcome, "time-out")
    with pytest.raises(BadInput, match=f"one/1 is {outcome} already"):
        late.with_decision(approve("grace"))


def test_a_deadline_that_has_passed_is_written_down_and_one_that_could_not_run_begins_anew(fresh):
    case = opened(fresh, Review(), "one", 1)
    path = case_path(fresh, "one", 1)
    long_ago = replace(case, asked="2020-01-01T00:00:00+00:00")
    path.unlink()
    publish_document(path, {**long_ago.plain, "record": [{"stage": "review"}]})
    assert find_case(fresh, "one", 1).outcome == "rejected"
    assert find_case(fresh, "one", 1, timed=False).outcome == "open"
    assert postponed(fresh, "one", 1).outcome == "open"
    assert find_case(fresh, "one", 1).outcome == "open"
    publish_document(path, {**long_ago.plain, "record": [{"stage": "review"}]})
    opened(fresh, Review(), "one", 1)
    assert json.loads(path.read_text())["by"] == "time-out"


def test_another_dataset_is_another_case_and_the_old_one_stays_in_the_document(fresh):
    opened(fresh, Review(), "one", 1)
    decided(fresh, "one", 1, approve("ada", ranking=(2, 1)))
    path = case_path(fresh, "one", 1)
    publish_document(path, {**read_document(path), "digest": "another", "record": [{"stage": "review"}]})
    case = opened(fresh, Review(), "one", 1)
    assert case.outcome == "open"
    assert case.earlier[0]["digest"] == "another"
    assert [one.reviewer for one in case.every_decision] == ["ada"]


def test_a_settled_case_can_be_opened_again(fresh):
    opened(fresh, Review(), "one", 1)
    decided(fresh, "one", 1, reject("ada"))
    assert again(fresh, Review(), "one", 1).outcome == "open"
    assert decided(fresh, "one", 1, approve("ada")).outcome == "approved"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"wrong": (99,)}, "wrong = 99: rows are shown as 1..24"),
        ({"ranking": (1, 1)}, "ranking = 1, 1: a number stands here twice"),
        ({"reviewer": " "}, "expected a name"),
        ({"reviewer": "a\nb"}, "expected a name"),
        ({"minutes": math.nan}, "minutes = nan"),
        ({"minutes": -1.0}, "minutes = -1"),
        ({"note": "x" * 5000}, "note: 5000 characters"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_and_nothing_is_written(fresh, settings, told):
    opened(fresh, Review(), "one", 1)
    before = case_path(fresh, "one", 1).read_bytes()
    with pytest.raises(BadInput, match=told):
        decided(fresh, "one", 1, approve(**{"reviewer": "ada", **settings}))
    assert case_path(fresh, "one", 1).read_bytes() == before


def test_nobody_counts_twice_and_the_later_decision_of_a_person_replaces_the_earlier_one(fresh):
    opened(fresh, Review(reviewers=3), "one", 1)
    decided(fresh, "one", 1, reject("ada", ranking=(1, 2)))
    case = decided(fresh, "one", 1, approve(" Ada "))
    assert (case.outcome, len(case.decisions), len(case.every_decision)) == ("open", 2, 1)
    assert decided(fresh, "one", 1, approve("ada")).outcome == "open"
    case = decided(fresh, "one", 1, approve("ben"))
    assert case.told == "approved by majority: ada approves, ben approves"


def test_an_outcome_without_a_majority_is_not_called_one():
    case = Case("one", 1, "digest", Review(reviewers=2), "2026-01-01T00:00:00+00:00", ())
    told = case.with_decision(reject("ben", note="dull")).told
    assert told == "rejected: ben rejects, and a majority for approval can no longer be had (ben: dull)"
    both = case.with_decision(approve("ada")).with_decision(reject("ben")).told
    assert both == "rejected: ada approves, ben rejects, and a majority for approval can no longer be had"
    sole = replace(case, review=Review()).with_decision(reject("ben")).told
    assert sole == "rejected by majority: ben rejects"


def test_a_document_that_was_tampered_with_is_damage_and_no_approval(fresh):
    opened(fresh, Review(), "one", 1)
    path = case_path(fresh, "one", 1)
    path.write_text(path.read_text().replace('"outcome": "open"', '"outcome": "approved"'))
    with pytest.raises(DataDamaged, match="not what it was published as"):
        demand(fresh, Review(), "one", 1)


def test_fleiss_kappa_is_what_a_hand_computes():
    found = agreement(np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 0]]))
    assert found.raw == pytest.approx(2 / 3)
    assert found.kappa == pytest.approx(11 / 35)
    assert found.z == pytest.approx(11 / 35 * math.sqrt(12))


def test_reviewers_who_toss_a_coin_agree_as_chance_has_it():
    draws = np.random.default_rng(7).random((1000, 3, 400)) < 0.7
    z = np.array([agreement(keeps.astype(int)).z for keeps in draws])
    assert abs(z.mean()) < 5 / math.sqrt(1000)
    assert z.std() == pytest.approx(1.0, abs=5 / math.sqrt(2000))


@pytest.mark.parametrize(
    ("keeps", "reason"), [([[1, 0]], "one reviewer"), ([[1, 1], [1, 1]], "gave every row the same answer")]
)
def test_an_agreement_that_is_undefined_says_why(keeps, reason):
    found = agreement(np.array(keeps))
    assert math.isnan(found.kappa)
    assert reason in found.reason
    assert found.plain["kappa"] is None
