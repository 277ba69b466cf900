"""Training in phases: rows are parted by their classes, and what is replayed is not forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.families.categorical import Categorical
from dwindle.families.recurrent_lm import RecurrentLm
from dwindle.phases import Phase, objection, parts
from dwindle.sources.grammar import Grammar
from dwindle.sources.taxonomy import Taxonomy
from dwindle.stages.phased import class_names, fit_in_phases, with_classes

SEED = Seed(7, ("phases",))
NAMES = ("knowledge/rivers", "knowledge/capitals", "skills/sums")
FIRST, SECOND = Phase(("knowledge",)), Phase(("skills",))


def labelled(*labels):
    found = np.array(labels, dtype=np.int64)
    return Rows(np.zeros((*found.shape, 2), dtype=np.int64), labels=found)


def there(part):
    return (part.filled_weights() > 0).tolist()


def test_a_phase_has_the_rows_of_its_branches_and_the_last_one_those_of_no_class():
    first, second = parts(labelled([0, 1, 2, -1]), (FIRST, SECOND), NAMES, seed=SEED)
    assert there(first) == [[True, True, False, False]]
    assert there(second) == [[False, False, True, True]]


def test_a_share_of_all_earlier_rows_is_replayed_in_every_chain_from_a_draw_of_its_own():
    rows = labelled(*[[0] * 100 + [2] * 20] * 2)
    _, second = parts(rows, (FIRST, Phase(("skills",), replay=0.25)), NAMES, seed=SEED)
    replayed = np.array(there(second))[:, :100]
    assert replayed.sum(axis=1).tolist() == [25, 25]
    assert (replayed[0] != replayed[1]).any()
    assert np.array(there(second))[:, 100:].all()
    _, again = parts(rows, (FIRST, Phase(("skills",), replay=0.25)), NAMES, seed=SEED)
    assert there(again) == there(second)


def test_weights_stay_rows_that_are_not_there_stay_away_and_a_chain_without_a_phase_has_all_its_rows():
    rows = Rows(
        np.zeros((2, 3, 2)), np.array([[3.0, 0.0, 2.0], [1.0, 0.0, 1.0]]), labels=np.array([[0, 0, 2], [0, 0, 1]])
    )
    first, second = parts(rows, (FIRST, SECOND), NAMES, seed=SEED)
    assert first.filled_weights().tolist() == [[3.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    assert second.filled_weights().tolist() == [[0.0, 0.0, 2.0], [1.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("phases", "names", "says"),
    [
        ((FIRST,), (), "the source's rows have no classes"),
        ((FIRST,), NAMES, "class skills/sums is in no phases"),
        ((FIRST, SECOND, Phase(("skills/sums",))), NAMES, "class skills/sums is in 2 phases"),
        ((FIRST, Phase(("skill",))), NAMES, "no class is, or lies below, 'skill'; known: knowledge/rivers,"),
        ((Phase(("knowledge",), replay=0.5), SECOND), NAMES, "replay 0.5 of the first phase: there is no earlier one"),
        ((FIRST, SECOND), NAMES, ""),
    ],
)
def test_phases_that_do_not_part_the_classes_are_told(phases, names, says):
    assert objection(phases, names).startswith(says)
    assert bool(says) == bool(objection(phases, names))


def test_a_phase_of_nothing_rows_without_labels_and_a_family_that_forgets_are_refused():
    with pytest.raises(ValueError, match="a phase needs labels"):
        Phase(())
    with pytest.raises(ValueError, match="rows without labels"):
        parts(Rows(np.zeros((1, 3, 2))), (FIRST, SECOND), NAMES, seed=SEED)
    with pytest.raises(ValueError, match="Categorical starts anew in every fit"):
        fit_in_phases(Categorical(symbols=3), labelled([0, 2]), (FIRST, SECOND), NAMES, seed=SEED)


def test_rows_that_carry_no_label_are_parted_by_what_their_source_says_of_them():
    source = Taxonomy(labels=True)
    rows = source.draw(50, first=0, chains=2, seed=SEED)
    assert (with_classes(Rows(rows.values), source).labels == rows.labels).all()
    half = Rows(rows.values, labels=np.where(np.arange(50) < 25, rows.labels, -1))
    assert (with_classes(half, source).labels == rows.labels).all()
    assert class_names(Taxonomy()) == class_names(source) == source.group_names()
    assert with_classes(Rows(rows.values), Grammar()).labels is None
    assert class_names(Grammar()) == ()


def test_replay_keeps_what_an_earlier_phase_has_taught():
    source = Taxonomy(labels=True)
    rows = source.draw(400, first=0, chains=2, seed=SEED)
    family = RecurrentLm(symbols=source.symbols, hidden=48, embedding=16, steps=150, batch=32, learning_rate=2e-2)
    early = np.array([name.startswith("knowledge") for name in source.group_names()])[rows.labels]
    lost = {}
    for replay in (0.0, 0.5):
        phases = (Phase(("knowledge",)), Phase(("skills",), replay=replay))
        model = fit_in_phases(family, rows, phases, source.label_names(), seed=SEED)
        lost[replay] = -np.where(early, model.log_prob(rows), 0.0).sum(axis=1) / early.sum(axis=1)
    assert (lost[0.5] < 0.5 * lost[0.0]).all()  # nats a row of the first phase
