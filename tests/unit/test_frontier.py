"""The frontier of privacy and utility: who is beaten by whom, how surely, and what is missing where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.errors import BadInput
from dwindle.judging.frontier import frontier, pareto
from dwindle.judging.frontier_views import frontier_figure, frontier_table
from dwindle.report.canvas import styled
from dwindle.seeds import Seed
from tests.unit.made_sweep import around, planned, publish

PARAMS = """\
sweep: traded
generations: 2
chains: 4
budget: 50
source: {name: gaussian, dimensions: 2}
family: gaussian
metrics: [METRICS]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


def traded(root, points, *, metrics="frechet, membership"):
    """Publish membership and Frechet distance of each generation."""
    plan = planned(root, PARAMS.replace("METRICS", metrics))
    for lineage, generations in points.items():
        rows = {
            t: {"membership_auc": around(privacy, 0.001), "frechet": around(utility, 0.001)}
            for t, (privacy, utility) in enumerate(generations)
        }
        publish(root, plan, {lineage: rows})
    return plan


def test_a_point_is_on_the_front_unless_another_is_as_good_in_both_and_better_in_one():
    draw = Seed(1, ("front",)).numpy()
    first, second = draw.integers(6, size=(2, 60)).astype(float)
    beaten = [
        any((a >= x and b >= y) and (a > x or b > y) for a, b in zip(first, second, strict=True))
        for x, y in zip(first, second, strict=True)
    ]
    assert pareto(first, second).tolist() == [not one for one in beaten]


def test_the_front_is_what_no_generation_beats_the_most_private_first(tmp_path):
    points = {"replace": [(0.6, 0.1), (0.55, 0.3), (0.5, 0.9)], "accumulate": [(0.6, 0.1), (0.7, 0.2), (0.52, 0.2)]}
    found = frontier(tmp_path, traded(tmp_path, points), ["replace", "accumulate"])
    assert (found.privacy, found.utility) == ("membership_auc", "frechet")
    assert [(one.lineage, one.generation) for one in found.front] == [
        ("replace", 2),
        ("accumulate", 2),
        ("replace", 0),
        ("accumulate", 0),
    ]
    assert all(one.share == 1.0 for one in found.front)
    table = frontier_table(found)
    assert [row[0] for row in table.rows] == ["replace", "accumulate", "all"]
    assert table.notes[0].startswith("3 of 5 generations, shared ones counted once,")


def test_where_chains_cannot_tell_the_front_says_so(tmp_path):
    plan = traded(tmp_path, {"replace": [(0.6, 0.1)]})
    noisy = {"membership_auc": [0.4, 0.5, 0.7, 0.7], "frechet": [0.11, 0.08, 0.12, 0.13]}
    publish(tmp_path, plan, {"replace": {1: noisy}})
    found = frontier(tmp_path, plan, ["replace"])
    assert 0.02 < found.points[0].share < 0.999
    assert np.isfinite(found.points[1].share)


def test_the_picture_turns_good_to_the_right_and_up_and_draws_the_front(tmp_path):
    points = {"replace": [(0.6, 0.1), (0.55, 0.3), (0.5, 0.9)]}
    found = frontier(tmp_path, traded(tmp_path, points), ["replace"])
    with styled():
        figure = frontier_figure("traded", found)
        figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.xaxis_inverted()
    assert axes.yaxis_inverted()
    (front,) = (line for line in axes.get_lines() if line.get_gid() == "front")
    assert list(front.get_xdata()) == pytest.approx([0.5, 0.55, 0.6])


def test_a_sweep_without_such_measures_is_told_which_metrics_to_add(tmp_path):
    plan = planned(tmp_path, PARAMS.replace("METRICS", "moments"))
    publish(tmp_path, plan, {"replace": {0: {"mean": around(0.0, 0.1)}}})
    with pytest.raises(BadInput, match=r"no measure of privacy is evaluated; add one of closest_record, membership"):
        frontier(tmp_path, plan, ["replace"])
    own = traded(tmp_path / "own", {"replace": [(0.6, 0.1)]})
    with pytest.raises(BadInput, match=r"--utility frehcet: it was not measured; did you mean frechet"):
        frontier(tmp_path / "own", own, ["replace"], utility="frehcet")


def test_a_measure_whose_good_value_nobody_knows_has_no_front(tmp_path):
    plan = planned(tmp_path, PARAMS.replace("METRICS", "vendi, membership"))
    publish(tmp_path, plan, {"replace": {0: {"membership_auc": around(0.5, 0.1), "vendi": around(9.0, 1.0)}}})
    with pytest.raises(BadInput, match="its real value is not known"):
        frontier(tmp_path, plan, ["replace"], utility="vendi")
