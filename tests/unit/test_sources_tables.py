"""Sources of tables with an end: scikit-learn's, and files of the user's, whose every fault has one clear message."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import datasets

from dwindle.contracts import Seed
from dwindle.data.columns import Column
from dwindle.sources.breast_cancer import BreastCancer
from dwindle.sources.diabetes import Diabetes
from dwindle.sources.iris import Iris
from dwindle.sources.table_file import TableFile
from dwindle.sources.wine import Wine

SEED = Seed(8, ("lineage", "draw"))
TEXT = """age,town,member,rooms,income,id
31.5,Ulm,true,2,high,1
47,Bonn,false,3,low,2
,Ulm,false,2,low,3
52.25,,true,10,high,4
28,Bonn,true,,low,5
"""


def whole(source):
    """Return all rows of a source in the order of its table."""
    parts = [source.draw_held_out(seed=SEED), source.draw(source.capacity, first=0, chains=1, seed=SEED)]
    numbers = np.concatenate([part.provenance.source[0] for part in parts])
    return np.concatenate([part.values[0] for part in parts])[np.argsort(numbers)]


@pytest.fixture
def table(tmp_path):
    """Return a function that makes a source of a text, or of a dictionary of columns in a Parquet file."""

    def make(content=TEXT, **settings):
        path = tmp_path / ("table.csv" if isinstance(content, str) else "table.parquet")
        if isinstance(content, str):
            path.write_text(content)
        else:
            pq.write_table(pa.table(content), path)
        return TableFile(**{"path": str(path), "held_out": 1, "missing": "drop", **settings})

    return make


@pytest.mark.parametrize(
    ("source", "loader", "file"),
    [
        (Iris(), datasets.load_iris, "iris.csv"),
        (Wine(), datasets.load_wine, "wine_data.csv"),
        (BreastCancer(), datasets.load_breast_cancer, "breast_cancer.csv"),
    ],
    ids=["iris", "wine", "breast_cancer"],
)
def test_classified_tables_are_scikit_learns_with_the_class_as_target(source, loader, file):
    found, target = loader(), source.columns()[-1]
    np.testing.assert_array_equal(whole(source), np.column_stack([found.data, found.target]))
    assert [column.name for column in source.columns()[:-1]] == list(found.feature_names)
    assert (target.name, target.levels, target.role) == ("class", tuple(found.target_names), "target")
    content = Path(datasets.__file__).parent / "data" / file
    assert source.card()["sha256"] == hashlib.sha256(content.read_bytes()).hexdigest()


def test_diabetes_has_units_a_numeric_target_and_sex_as_its_group():
    source, found = Diabetes(), datasets.load_diabetes(scaled=False)
    values = whole(source)
    np.testing.assert_array_equal(
        np.delete(values, 1, axis=1), np.column_stack([found.data, found.target])[:, [0, *range(2, 11)]]
    )
    assert source.columns()[1] == Column("sex", ("1", "2"), "group")
    assert source.columns()[-1] == Column("progression", (), "target")
    rows = source.draw(50, first=0, chains=2, seed=SEED)
    np.testing.assert_array_equal(source.groups(rows) + 1, found.data[rows.provenance.source, 1])


def test_held_out_rows_are_the_same_for_every_lineage_and_others_with_another_root():
    first, again, other = (Iris().draw_held_out(seed=seed) for seed in (SEED, Seed(8, ("other",)), Seed(9)))
    np.testing.assert_array_equal(first.provenance.source, again.provenance.source)
    assert set(first.provenance.source[0]) != set(other.provenance.source[0])


def test_columns_of_text_truth_and_few_whole_numbers_hold_levels_in_their_order(table):
    source = table(target="income", group="town", leave_out=("id",))
    assert source.columns() == (
        Column("age"),
        Column("town", ("", "Bonn", "Ulm"), "group"),
        Column("member", ("false", "true")),
        Column("rooms", ("", "2", "3", "10")),
        Column("income", ("high", "low"), "target"),
    )
    assert whole(source).tolist() == [[31.5, 2, 1, 1, 0], [47, 1, 0, 2, 1], [52.25, 0, 1, 3, 0], [28, 1, 1, 0, 1]]
    assert source.group_names() == ("", "Bonn", "Ulm")


def test_whole_numbers_are_numbers_where_more_differ_than_are_few(table):
    assert [c.categorical for c in table(few=4).columns()] == [False, True, True, True, True, False]
    assert [c.categorical for c in table(few=0).columns()] == [False, True, True, False, True, False]


def test_named_columns_are_the_only_levels_beside_the_group(table):
    source = table(leave_out=("age", "town", "income"), categorical=("member", "id"), group="rooms")
    assert [column.levels for column in source.columns()] == [
        ("false", "true"), ("", "2", "3", "10"), ("1", "2", "3", "4", "5")
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"column town holds string and is not among categorical"):
        table(categorical=("member",))


def test_a_parquet_file_is_the_same_table(table):
    columns = {
        "x": [1.5, 2.5, 3.5, 4.5],
        "kind": pa.array(["b", "a", None, "a"]).dictionary_encode(),
        "n": [1, 0, 1, 0],
    }
    source, text = table(columns), table("x,kind,n\n1.5,b,1\n2.5,a,0\n3.5,,1\n4.5,a,0\n")
    assert source.columns() == text.columns()
    np.testing.assert_array_equal(whole(source), whole(text))
    assert source.card()["sha256"] != text.card()["sha256"]


def test_a_table_without_a_group_has_no_groups(table):
    source = table()
    assert source.group_names() == ()
    assert (source.groups(source.draw(2, first=0, chains=3, seed=SEED)) == -1).all()


def test_the_card_holds_the_digest_of_the_file_and_no_path(table, tmp_path):
    source = table()
    assert source.card()["sha256"] == hashlib.sha256((tmp_path / "table.csv").read_bytes()).hexdigest()
    assert not any(str(tmp_path) in text for text in source.card().values())


def test_a_file_that_has_changed_is_read_again(table):
    assert table().capacity == 3
    assert table(TEXT + "60,Ulm,true,2,low,6\n").capacity == 4


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"target": "incme"}, r"target 'incme' is no column of the table; did you mean income\?"),
        ({"group": "twn"}, r"group 'twn' is no column of the table; did you mean town\?"),
        ({"categorical": ("agee",)}, r"categorical 'agee' is no column.*did you mean age\?"),
        ({"leave_out": ("i",)}, r"leave_out 'i' is no column"),
        ({"leave_out": ("id",), "target": "id"}, r"target 'id' is left out"),
        ({"target": "town", "group": "town"}, r"target and group are both town"),
        ({"missing": "refuse"}, r"column age lacks a number in 1 of 5 rows; set missing to drop"),
        ({"held_out": 3}, r"held_out 3 leaves fewer than 2 of the 4 rows"),
        ({"path": "nowhere.csv"}, r"cannot read the table .*nowhere.csv: No such file"),
        ({"path": __file__}, r"expected a name that ends in .csv or .parquet"),
    ],
)  # fmt: skip
def test_a_wrong_setting_has_one_clear_error(table, settings, told):
    with pytest.raises(ValueError, match=told):
        table(**settings)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"cannot read the table"),
        ("a,b\n", r"has no rows"),
        ("a,b\n1,2\n3\n", r"cannot read the table .*Expected 2 columns"),
        ("a,a\n1,2\n", r"two columns of the table .* are called a"),
        ("a,\n1,2\n", r"column 2 of the table .* has no name"),
        ("a,b\n1,\n2,\n", r"column b is empty; leave it out"),
        ("a\n" + "\n".join(f"word{n}" for n in range(501)), r"column a has 501 levels; at most 500"),
        ({"a": [1.0, float("inf"), 2.0]}, r"column a holds numbers that are not finite"),
        ({"a": [date(2020, 1, 1)] * 3}, r"column a holds date32\[day\], neither numbers nor text"),
        ({"a": [[1], [2]]}, r"column a holds list"),
    ],
)
def test_a_wrong_file_has_one_clear_error(table, content, told):
    with pytest.raises(ValueError, match=told):
        table(content)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "table.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"cannot read the table .*table\.parquet"):
        TableFile(path=str(tmp_path / "table.parquet"))
