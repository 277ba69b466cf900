"""What an estimate works out without measuring: rows of lineages too long to work out whole, and how it spells them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.estimate.rows import lineage_rows
from dwindle.estimate.spelling import counted, lasting, sized
from dwindle.regimes import Accumulate, AccumulateSubsample, Mixture

PARAMS = """\
budget: 300
source: {name: gaussian, dimensions: 2}
family: {name: gaussian}
lineages:
  replace: {regime: replace}
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    return load_sweep(tmp_path / "params.yaml", ["sweep=long"]).lineages["replace"].recipe


@pytest.mark.parametrize(
    ("regime", "trained"),
    [
        (Accumulate(), lambda t: t + 1),
        (AccumulateSubsample(), lambda t: 1),
        (Mixture(window=7, real="replayed"), lambda t: 1),
        (Mixture(growth=1.0), lambda t: t + 1),
    ],
)
def test_rows_of_long_lineages_follow_from_a_few_generations_and_quickly(recipe, regime, trained):
    recipe, begun = replace(recipe, regime=regime), time.process_time()
    rows = lineage_rows(recipe, 2000)
    assert time.process_time() - begun < 1
    assert rows.trained.sum() == pytest.approx(300 * sum(map(trained, range(2001))), rel=1e-3)
    assert rows.sampled[1:].min() > 0


def test_numbers_have_no_more_digits_than_an_estimate_knows():
    assert [counted(rows) for rows in (0, 450, 999, 4950, 999_600, 1_234_567)] == [
        "0", "450", "999", "4.95k", "1M", "1.23M",
    ]  # fmt: skip
    assert [sized(size) for size in (None, 0, 512, 995, 92_400, 1.46e9)] == [
        "unknown", "nothing", "510 B", "1 kB", "92 kB", "1.5 GB",
    ]  # fmt: skip
    assert [lasting(spent) for spent in (None, 0, 0.4, 40.4, 740, 11_500, 400_000)] == [
        "unknown", "nothing", "under 1 s", "40 s", "12 min", "3.2 h", "4.6 days",
    ]  # fmt: skip
