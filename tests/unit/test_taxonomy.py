"""A taxonomy: its tree is read safely, its rows follow its weights, and what the samples still cover is measured."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Grouped, KnownLaw, Rows, Seed, Verifiable
from dwindle.data.leaves import SHIPPED
from dwindle.metrics.leaf_coverage import LeafCoverage
from dwindle.sources.taxonomy import Taxonomy

SEED = Seed(11, ("taxonomy",))
TREE = """\
knowledge:
  rivers:
    weight: 3
    examples:
      - {question: "where is the {river}", answer: "{town}", slots: {"river, town": [[seine, paris], [tiber, rome]]}}
skills:
  foundational:
    say: {examples: [{question: say no, answer: no}]}
    swap:
      weight: 0.5
      examples:
        - question: "swap {first} {second}"
          answer: "{second} {first}"
          slots: {first: [a, b], second: [1, 07, yes]}
"""


def tree(folder, text=TREE):
    (folder / "tree.yaml").write_text(text)
    return str(folder / "tree.yaml")


def test_rows_are_the_examples_of_the_leaves_with_every_way_to_fill_their_slots(tmp_path):
    source = Taxonomy(tree=tree(tmp_path), labels=True)
    assert source.label_names() == ("knowledge/rivers", "skills/foundational/say", "skills/foundational/swap")
    rows = source.draw(500, first=0, chains=1, seed=SEED)
    swaps = {f"Q: swap {one} {other} A: {other} {one}" for one in "ab" for other in ("1", "07", "yes")}
    known = {"Q: where is the seine A: paris", "Q: where is the tiber A: rome", "Q: say no A: no", *swaps}
    assert set(source.text(rows.values[0])) == known  # a number and a truth value are the texts that they were
    assert source.prompt == 4
    assert rows.values.shape[2] == 4 + 2 + 1
    assert (
        Taxonomy(tree=source.tree, unit="characters").text(
            Taxonomy(tree=source.tree, unit="characters").draw(1, first=0, chains=1, seed=SEED).values[0]
        )[0]
        in known
    )


def test_leaves_come_as_often_as_their_weights_say_and_the_law_is_exact(tmp_path):
    source = Taxonomy(tree=tree(tmp_path), labels=True)
    assert isinstance(source, Grouped)
    assert isinstance(source, KnownLaw)
    assert isinstance(source, Verifiable)
    rows = source.draw(20_000, first=0, chains=1, seed=SEED)
    shares = np.bincount(rows.labels[0]) / rows.count
    np.testing.assert_allclose(shares, np.array([3, 1, 0.5]) / 4.5, atol=0.01)
    logs = source.log_prob(rows)
    np.testing.assert_allclose(np.exp(np.unique(logs)), np.array([0.5 / 6, 1, 1.5]) / 4.5, rtol=1e-12)
    assert -logs.mean() == pytest.approx(source.entropy(), abs=0.02)


def test_a_wrong_answer_is_of_no_probability_and_of_the_nearest_leaf(tmp_path):
    source = Taxonomy(tree=tree(tmp_path))
    rows = source.draw(50, first=0, chains=1, seed=SEED)
    assert rows.labels is None
    leaves = source.groups(rows)
    wrong = rows.values.copy()
    wrong[..., source.prompt] = 1  # another word for an answer
    assert source.is_right(rows).all()
    assert not source.is_right(Rows(wrong)).any()
    assert np.isneginf(source.log_prob(Rows(wrong))).all()
    assert (source.groups(Rows(wrong)) == leaves).all()
    assert (source.groups(Rows(np.zeros_like(wrong))) == -1).all()


def test_the_tree_that_ships_has_all_branches_of_lab_and_is_documented():
    source = Taxonomy()
    tops = {"/".join(name.split("/")[:2]) for name in source.group_names()}
    assert {"skills/foundational", "skills/compositional", "knowledge/geography"} <= tops
    assert source.card()["sha256"] == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert source.prompt == 6  # which presets write as `prompt`
    assert source.length == source.draw(3, first=0, chains=1, seed=SEED).values.shape[2]
    assert source.symbols == 149


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a mapping of knowledge and skills at the top"),
        ("other: {a: {examples: []}}", "expected a mapping of knowledge and skills at the top"),
        ("knowledge: {a: 3}", "knowledge/a: expected branches, or a leaf with examples"),
        ("knowledge: {A b: {examples: []}}", "'A b' is no name"),
        ("knowledge: {a: {examples: []}}", "knowledge/a: 0 examples"),
        ("knowledge: {a: {examples: [], wait: 3}}", "a leaf has examples and a weight, not wait"),
        (
            "knowledge: {a: {weight: -1, examples: [{question: q, answer: a}]}}",
            "weight '-1': expected a number above 0",
        ),
        ("knowledge: {a: {examples: [{question: q}]}}", "an example has a question, an answer, and perhaps slots"),
        ("knowledge: {a: {examples: [{question: q, answer: ' '}]}}", "texts that are not empty"),
        ("knowledge: {a: {examples: [{question: 'q {b}', answer: a}]}}", "slots none, in braces b"),
        ("knowledge: {a: {examples: [{question: 'q {b}', answer: a, slots: {b: 3}}]}}", "slot b: expected a list"),
        ("knowledge: {a: {examples: &x [{question: q, answer: a}]}, b: {examples: *x}}", "line 1: no aliases, no tags"),
        ("knowledge: !!python/object:os.system {a: 1}", "no aliases, no tags"),
        (
            "knowledge: {a: {examples: [{question: q, answer: a}, {question: q, answer: a}]}}",
            "'q' stands in knowledge/a",
        ),
        ("knowledge: {a: {}, a: {}}", "is not YAML"),
        ("knowledge: [", "is not YAML"),
        (f"knowledge: {'{a: ' * 20}1{'}' * 20}", "deeper than 16 levels"),
    ],
)
def test_what_is_no_tree_is_refused_by_the_leaf(tmp_path, text, says):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Taxonomy(tree=tree(tmp_path, text))
    assert says in str(caught.value)


def test_a_tree_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read the tree .*none\.yaml: No such file"):
        Taxonomy(tree=str(tmp_path / "none.yaml"))


# ------------------------------------------------------------------------------------------- what is still covered


def covered(source, samples, **known):
    anchor, held_out = (source.draw(400, first=0, chains=chains, seed=SEED.at(chains)) for chains in (2, 1))
    shown = replace(evidence("sequences"), source=source, samples=samples, anchor=anchor, held_out=held_out, **known)
    return {name: found.values for name, found in LeafCoverage().measure(shown).items()}


def test_coverage_counts_the_leaves_that_are_left_and_the_rarer_half_of_them():
    source = Taxonomy()
    rows = source.draw(400, first=400, chains=2, seed=SEED)
    leaves = source.groups(rows)
    frequent = np.isin(leaves[0], [0, 4, 8])
    values = np.where(frequent[:, None], rows.values[0], rows.values[0][frequent.argmax()])
    found = covered(source, Rows(np.stack([rows.values[0], values])))
    assert found["leaves_covered"][0] == 1.0
    assert found["leaves_covered"][1] == pytest.approx(3 / 12)
    assert found["rare_leaves_covered"].tolist() == [1.0, 0.0]
    assert found["leaf_evenness"][0] > found["leaf_evenness"][1]
    assert found["leaf_distance"][0] < 0.1 < 0.35 < found["leaf_distance"][1]


class Plain:
    """A source of text whose rows carry labels, and which knows nothing of rows without."""

    kind = "sequences"

    def __init__(self):
        self.draw = Taxonomy(labels=True).draw

    def label_names(self):
        return Taxonomy(labels=True).label_names()


def test_without_groups_the_leaf_is_that_of_the_most_similar_real_rows():
    rows = Taxonomy(labels=True).draw(400, first=400, chains=2, seed=SEED)
    told, likened = (covered(source, Rows(rows.values)) for source in (Taxonomy(labels=True), Plain()))
    by_label = covered(Plain(), rows)
    for name, values in told.items():
        np.testing.assert_allclose(by_label[name], values)
        np.testing.assert_allclose(likened[name], values, atol=0.1)


def test_evenness_is_one_for_equal_shares_and_samples_of_no_leaf_are_far_from_real_ones():
    source = Taxonomy()
    one_of_each = source._population().values[np.unique(source._population().leaves, return_index=True)[1]]
    empty = np.zeros_like(one_of_each)
    found = covered(source, Rows(np.stack([one_of_each, empty])))
    assert found["leaf_evenness"][0] == pytest.approx(1.0)
    assert np.isnan(found["leaf_evenness"][1])
    assert found["leaf_distance"][1] == 1.0
    assert found["leaves_covered"].tolist() == [1.0, 0.0]
