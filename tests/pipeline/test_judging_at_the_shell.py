"""`dwindle fidelity`, `scorecard`, `frontier` and `cost` on a sweep that was grown: tables, pictures, mistakes."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def grown(flowed, tmp_path_factory):
    return flowed.copy(tmp_path_factory.mktemp("judged") / "copy")


def test_fidelity_as_data_names_each_column_and_judges_curated_rows_as_well(grown):
    told = json.loads(grown.run("dwindle", "fidelity", "replace", "--json").stdout)
    assert (told["lineage"], told["generation"], told["chains"]) == ("replace", 2, 4)
    assert [one["name"] for one in told["columns"]] == ["column 1", "column 2"]
    curated = json.loads(grown.run("dwindle", "fidelity", "fresh", "--curated", "--json").stdout)
    assert (curated["curated"], curated["rows"]) == (True, 20.0)


def test_each_command_prints_tables_and_draws_a_picture(grown):
    before = grown.files()
    for command, picture in (
        (("fidelity", "accumulate", "--generation", "1"), "fidelity-accumulate.png"),
        (("scorecard", "replace", "fresh"), "scorecard.png"),
        (("cost",), "cost.png"),
    ):
        done = grown.run("dwindle", *command)
        assert done.stdout.rstrip().endswith(f"/plots/small/{picture}")
        assert (grown.root / "plots" / "small" / picture).stat().st_size > 5000
    assert grown.files() == before


def test_a_mistake_is_one_line_and_no_traceback(grown):
    wrong = grown.run("dwindle", "frontier", check=False)
    assert wrong.returncode == 2
    assert "no measure of privacy is evaluated; add one of closest_record, " in wrong.stderr
    ahead = grown.run("dwindle", "fidelity", "replace", "--generation", "9", check=False)
    assert ahead.returncode == 2
    assert ahead.stderr == "error: replace: grown up to generation 2, no generation 9; `dwindle run` grows it\n"
