"""The picture of the profiles says what the profiles say: a cell a definition, and when each measure left."""

from __future__ import annotations

import math

import pytest

from dwindle.profile import DEFINITIONS
from dwindle.report.canvas import styled
from dwindle.report.profiles import phase_label, profiles
from dwindle.report.verdicts import draw_verdicts, verdicts_figure
from tests.unit.made_sweep import planned, publish

PARAMS = """\
sweep: pictured
generations: 6
chains: 6
budget: 50
source: {name: gaussian}
family: gaussian
metrics: [moments]
control: true
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


def values(mean):
    return [mean + 0.01 * (place - 2.5) for place in range(6)]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictured") / "sweep"
    plan = planned(root, PARAMS)
    still = {t: {"variance": values(1.0 + 0.001 * (t % 2)), "mean_error": values(0.1)} for t in range(7)}
    gone = {t: {"variance": values(1.0 - 0.14 * t), "mean_error": values(0.1 + 0.05 * t)} for t in range(7)}
    publish(root, plan, {"control": still, "accumulate": still, "replace": gone})
    return root, plan


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_verdict_stands_in_its_cell(swept):
    root, plan = swept
    found = profiles(root, plan)
    with styled():
        upper, lower = verdicts_figure(plan, found).axes
    assert [label.get_text() for label in upper.get_yticklabels()] == ["replace", "accumulate"]
    answers = [text.split()[0] for text in texts(upper)]
    width = len(DEFINITIONS) + 1
    for row, profile in enumerate(found.values()):
        assert answers[row * width : (row + 1) * width - 1] == [verdict.verdict for verdict in profile.verdicts]
        assert answers[(row + 1) * width - 1] == phase_label(profile)
    told = [f.passages[name].generation for f in found.values() for name in found["replace"].passages]
    assert texts(lower) == [f"{t:g}" if math.isfinite(t) else "-" if math.isnan(t) else "never" for t in told]


def test_it_is_drawn_where_something_is_answered_and_not_where_nothing_is(swept):
    root, plan = swept
    assert draw_verdicts(root, plan, profiles(root, plan)).stat().st_size > 5000
    assert draw_verdicts(root, plan, {}) is None


def test_nothing_has_left_by_generation_0(swept):
    found = profiles(*swept)
    assert found["replace"].passages["variance"].generation == 1
    assert all(passage.generation > 0 for profile in found.values() for passage in profile.passages.values())
