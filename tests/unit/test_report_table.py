"""The sweep's table: numbers, order, and what is said of numbers that are not there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rich.console import Console

from dwindle.contracts import Measure
from dwindle.report.table import as_markdown, as_rich, sweep_table
from dwindle.report.wording import heading, question, quoted
from tests.unit.made_sweep import around, made_sweep

DASH = "\N{EN DASH}"
FRACTION = {"precision": around(0.9, 0.02), "recall": around(0.93, 0.004)}
MADE = {
    "replace": {
        0: {"frechet": around(0.033, 0.001), **FRACTION},
        3: {"frechet": around(0.5, 0.1), **FRACTION},
        4: {"frechet": around(0.129, 0.004), **FRACTION, "recall": ([np.nan] * 4, "the samples are not finite")},
    },
    "accumulate": {
        0: {"frechet": around(0.033, 0.001), **FRACTION},
        2: {"frechet": ([0.04, 0.05, np.nan, 0.06], "too far off"), **FRACTION},
    },
}


def drawn(table, width=120):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(as_rich(table))
    return capture.get()


def test_a_cell_tells_the_first_and_the_last_generation_with_the_last_interval(tmp_path):
    table = sweep_table(tmp_path, made_sweep(tmp_path, MADE))
    assert table.columns == (
        "lineage",
        "frechet ↓ [fraction of real variance]",
        "precision ↑ [fraction]",
        "recall ↑ [fraction]",
    )
    assert table.brief_rows[0][1] == "0.033 → 0.129 ±0.004"
    assert table.rows[0][1] == "0.033 ±0.001 → 0.129 ±0.004"
    assert table.title == "made, generation 0 → 4: mean over chains, 95 % interval"


def test_lineages_stand_in_the_order_of_params_and_tell_how_far_they_have_grown(tmp_path):
    table = sweep_table(tmp_path, made_sweep(tmp_path, MADE))
    assert table.lineages == ("replace", "accumulate (0 → 2)", "blend (not evaluated)")
    assert set(table.rows[2][1:]) == {DASH}


def test_measures_stand_in_the_order_that_was_asked_for(tmp_path):
    table = sweep_table(tmp_path, made_sweep(tmp_path, MADE), measures=["recall", "frechet"])
    assert [column.split()[0] for column in table.columns] == ["lineage", "recall", "frechet"]


def test_an_undefined_number_is_a_dash_with_its_reason_below(tmp_path):
    table = sweep_table(tmp_path, made_sweep(tmp_path, MADE))
    assert table.brief_rows[0][3] == f"0.930 → {DASH}"
    assert f"{DASH} recall of replace at generation 4: the samples are not finite" in table.notes
    assert f"{DASH} recall of replace at generation 4: the samples are not finite" in drawn(table)
    assert f"\n- {DASH} recall of replace at generation 4: the samples are not finite\n" in as_markdown(table)


def test_a_number_that_some_chains_lack_carries_a_star_with_its_reason_below(tmp_path):
    table = sweep_table(tmp_path, made_sweep(tmp_path, MADE))
    assert table.brief_rows[1][1].endswith("*")
    assert "* frechet of accumulate at generation 2: 1 of 4 chains undefined: too far off" in table.notes


def test_one_reason_for_many_numbers_is_told_once(tmp_path):
    measures = {"frechet": [0.1], "recall": [0.9]}
    plan = made_sweep(tmp_path, {name: {0: measures} for name in ("replace", "accumulate", "blend")})
    note, theory = sweep_table(tmp_path, plan).notes
    assert note == "* frechet, recall of replace, accumulate, blend at generation 0: one chain has no interval"
    assert theory == "no closed form is known for replace, accumulate, blend"


def test_a_table_of_five_measures_fits_120_columns_without_losing_a_digit(tmp_path):
    names = ("frechet", "precision", "recall", "tail_mass", "variance_ratio")
    ends = {0: {name: around(0.933, 0.004) for name in names}, 4: {name: around(0.129, 0.004) for name in names}}
    table = sweep_table(tmp_path, made_sweep(tmp_path, {"replace": ends}))
    for width in (120, 80):
        text = drawn(table, width)
        assert max(map(len, text.splitlines())) <= width
        for row in table.brief_rows:
            assert all(text.count(part) >= row[1:].count(row[1]) for part in row[1].split())


def test_markdown_has_one_line_a_lineage_and_escapes_bars(tmp_path):
    table = sweep_table(tmp_path, made_sweep(tmp_path, MADE))
    lines = as_markdown(table).splitlines()
    assert lines[0] == f"**{table.title}**"
    assert lines[2].startswith("| lineage | frechet ↓ [fraction of real variance] |")
    assert lines[4].startswith("| replace | 0.033 ±0.001 → 0.129 ±0.004 |")
    assert all(line.count("|") == 5 for line in lines[2:7])


def test_where_theory_speaks_the_table_tells_how_far_the_chains_are_from_it(tmp_path):
    # Gaussian, replace, n = 50, ddof 0, two dimensions: E[S] = 1 - 1/n at generation 0; the chains lie far above.
    plan = made_sweep(tmp_path, {"replace": {0: {"variance": around(1.3, 0.01)}}}, family="gaussian")
    (note,) = sweep_table(tmp_path, plan).notes
    deviation = math.sqrt(2 * 49 / 2) / 50  # of the mean of two chi-squared laws of 49 degrees over 50
    expected = (1.3 - 0.98) / (deviation / math.sqrt(4))
    told = "replace, the largest of 1; standard errors of the closed form"
    assert note == f"variance: at most |z| = {expected:.1f} from the closed form ({told})"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.129, 0.125, 0.133), "0.129 ±0.004"),
        ((0.92, 0.77, 1.4), "0.9 [0.8, 1.4]"),
        ((458.5, 446.0, 471.0), "458 ±12"),
        ((1.0, 1.0, 1.0), "1 ±0"),
        ((0.5, math.nan, math.nan), "0.5"),
        ((math.nan, math.nan, math.nan), DASH),
        ((7e-10, 1e-10, 4e-9), "7e-10 [1e-10, 4e-09]"),
        ((-1e-4, -0.01, 0.01), "0.00 ±0.01"),
    ],
)
def test_digits_are_those_that_the_interval_warrants(numbers, text):
    assert quoted(*numbers) == text


def test_a_heading_tells_name_direction_and_unit():
    assert heading("gap", Measure("lower", "nats", "a gap")) == "gap ↓ [nats]"
    assert heading("spread", Measure("as_anchor", "source units^2", "spread")) == "spread ≈ real [source units²]"
    assert heading("spread", Measure("as_anchor", "ratio", "spread"), 1.0) == "spread ≈ 1 [ratio]"


def test_a_measure_from_outside_is_asked_about_in_its_own_words():
    assert question("my_gap", Measure("lower", "nats", "gap between two laws")) == "Gap between two laws"
