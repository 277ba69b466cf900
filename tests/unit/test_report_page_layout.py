"""How a page lays lineages out: axes, facets and seeds; heat maps and phase symbols by their places."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.intervals import summarize
from dwindle.report.page.curves import cells_of
from dwindle.report.page.heat import shading, sheets
from dwindle.report.page.material import gathered_material
from dwindle.report.page.phases import diagrams, phase_pictures
from dwindle.report.page.samples import chosen_lineages
from dwindle.report.profiles import phase_label
from tests.unit.made_sweep import around, planned, publish

RATIOS, BUDGETS, SEEDS = (0.0, 0.5, 0.9, 1.0), (20, 40, 80), (1, 2)

TIED = """\
sweep: tied
chains: 4
budget: 40
source: gaussian
family: gaussian
metrics: [moments]
lineages:
  a: {budget: 20, regime: {name: blend, synthetic_ratio: 0.2}}
  b: {budget: 40, regime: {name: blend, synthetic_ratio: 0.4}}
"""


def lattice(root, *, budgets=BUDGETS, seeds=(0,), ratios=RATIOS, generations=4):
    """Make up a sweep over ratio, budget and seed; the variance falls with the ratio, less so with the size."""
    lines = [
        "sweep: lattice",
        f"generations: {generations}",
        "chains: 4",
        "budget: 40",
        "source: {name: gaussian}",
        "family: gaussian",
        "metrics: [moments, tail_mass]",
        "control: true",
        "lineages:",
    ]
    points = [(ratio, budget, seed) for ratio in ratios for budget in budgets for seed in seeds]
    for ratio, budget, seed in points:
        regime = f"{{name: mixture, real: fresh, synthetic_ratio: {ratio}}}"
        lines.append(f"  r{ratio * 100:.0f}-b{budget}-s{seed}: {{budget: {budget}, seed: {seed}, regime: {regime}}}")
    plan = planned(root, "\n".join(lines) + "\n")
    made = {name: _values(*point, generations) for name, point in zip(plan.recipes, points, strict=False)}
    publish(root, plan, {**made, "control": _values(0.0, 80, 0, generations)})
    return gathered_material(load_sweep(root / "params.yaml"), plan)


def _values(ratio, budget, seed, generations):
    fall = max(0.0, ratio - budget / 100)
    return {
        t: {
            "variance_ratio": around(math.exp(-t * fall) + 0.001 * seed, 0.02),
            "tail_mass": around(math.exp(-t * fall), 0.02),
            "log_variance": around(-t * fall, 0.02),
        }
        for t in range(generations + 1)
    }


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return lattice(tmp_path_factory.mktemp("lattice"))


def panel(material, name):
    return next(one for one in material.panels if one.name == name)


def test_ratio_and_budget_are_axes_and_the_control_is_on_none(material):
    arrangement = material.arrangement
    assert arrangement.ratio.values == RATIOS
    assert arrangement.budget.values == BUDGETS
    assert arrangement.controls == {"control"}
    assert "control" not in arrangement.ratio.of


def test_a_setting_that_differs_together_with_another_one_is_no_axis(tmp_path):
    plan = planned(tmp_path, TIED)
    publish(tmp_path, plan, {"a": {0: {"variance": around(1.0, 0.1)}}})
    arrangement = gathered_material(load_sweep(tmp_path / "params.yaml"), plan).arrangement
    assert arrangement.ratio is None
    assert arrangement.budget is None


def test_many_lines_are_coloured_by_the_ratio_and_parted_by_the_size(material):
    assert material.looks.axis.key == "regime.synthetic_ratio"
    cells = cells_of(material)
    assert [cell.title for cell in cells] == ["budget 20", "budget 40", "budget 80"]
    assert all(len(cell.strands) == len(RATIOS) for cell in cells)
    assert all([strand.first for strand in cell.yardsticks] == ["control"] for cell in cells)
    colours = [[material.looks.of[strand.label].colour for strand in cell.strands] for cell in cells]
    assert colours[0] == colours[1] == colours[2]
    assert len(set(colours[0])) == len(RATIOS)


def test_heat_maps_hold_the_means_a_row_a_ratio_the_largest_on_top(material):
    found = sheets(material, panel(material, "variance_ratio"))
    assert [sheet.title for sheet in found] == ["budget 20", "budget 40", "budget 80", ""]
    assert found[0].labels == ("1", "0.9", "0.5", "0")
    series = material.gathered["variance_ratio"]
    assert found[1].values[1] == pytest.approx(series["r90-b40-s0"].mean)
    assert found[3].labels == ("control",)


def test_a_generation_that_was_not_evaluated_is_an_empty_cell(tmp_path):
    material = lattice(tmp_path, budgets=(40,), ratios=(0.0, 1.0))
    longer = {"r100-b40-s0": {5: {"tail_mass": around(0.5, 0.1)}}}
    plan = planned(tmp_path, (tmp_path / "params.yaml").read_text().replace("generations: 4", "generations: 5"))
    publish(tmp_path, plan, longer)
    material = gathered_material(load_sweep(tmp_path / "params.yaml"), plan)
    values = sheets(material, panel(material, "tail_mass"))[0].values
    assert np.isnan(values[1, 5])
    assert values[0, 5] == pytest.approx(0.5)


def test_variances_are_shaded_by_equal_factors_around_one(material):
    one = panel(material, "variance_ratio")
    scale = shading(material, one, np.array([0.25, 1.0, 2.0]))
    assert scale.logarithmic
    assert scale.centre == 1.0
    assert (scale.low, scale.high) == pytest.approx((0.25, 4.0))


def test_phase_symbols_stand_at_their_ratio_and_size_as_the_profile_says(material):
    phase = next(one for one in diagrams(material) if one.name == "phase")
    assert phase.of == {name: phase_label(profile) for name, profile in material.profiles.items()}
    assert phase.of["r100-b20-s0"] == "late"
    assert phase.of["r0-b80-s0"] == "none"
    assert "control" not in phase.of


def test_phases_are_drawn_over_the_ratio_alone_where_no_size_varies(tmp_path):
    material = lattice(tmp_path, budgets=(40,))
    (picture,) = phase_pictures(material)
    assert picture.path.is_file()
    assert "synthetic ratio" in picture.svg
    assert "late: the bulk goes 2" in picture.svg


def test_seeds_are_one_line_over_the_chains_of_all(tmp_path):
    material = lattice(tmp_path, budgets=(40,), seeds=SEEDS, ratios=(0.0, 1.0))
    strands = material.arrangement.strands
    assert [strand.label for strand in strands] == ["r0-b40, 2 seeds", "r100-b40, 2 seeds", "control"]
    one = panel(material, "variance_ratio")
    pooled = material.pooled(one, strands[1])
    both = [one.series[name].chains for name in strands[1].lineages]
    expected = summarize(np.concatenate([chains[-1] for chains in both]), scale="log")
    assert (pooled.mean[-1], pooled.low[-1], pooled.high[-1]) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert pooled.chains.shape[1] == 8


def test_rows_of_a_few_lineages_are_shown_from_one_end_of_the_axis_to_the_other(material):
    shown = chosen_lineages(material)
    assert len(shown) == 6
    ratios = [material.arrangement.ratio.of.get(name, -1.0) for name in shown]
    assert ratios == sorted(ratios)
    assert ratios[-1] == 1.0
