"""What the page says in words: bands of the right control, chance, lengths, how to grow it again, what is behind."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.plan import unroll, write_plan
from dwindle.report.page import write_report
from dwindle.report.page.again import again
from dwindle.report.page.cost import costs
from dwindle.report.page.curves import curve_figure, shows_bands
from dwindle.report.page.heat import heat_picture
from dwindle.report.page.keys import signs
from dwindle.report.page.material import gathered_material
from dwindle.report.page.palette import BAND
from dwindle.report.page.phases import diagrams
from dwindle.report.page.picture import drawing
from dwindle.report.page.question import answer
from dwindle.report.page.tables import Cell, Column, chip, table
from tests.unit.made_sweep import around, planned, publish

HEAD = """\
sweep: two
generations: 4
chains: 4
budget: 40
source: gaussian
family: {family}
metrics: [moments, frechet, tail_mass]
control: true
lineages:
  small: {{regime: replace}}
  half: {{regime: {{name: blend, synthetic_ratio: 0.5}}}}
"""
LARGE = """\
  large: {budget: 80, regime: replace}
  control-large: {budget: 80, regime: {name: fresh, synthetic_ratio: 0.0}}
"""
PRESET = """\
preset:
  paper: P 2024
  claim: it holds
  checks: [{{claim: it is so, measure: variance, lineages: [small], generation: 4, expected: 1.0}}]
"""
CHANCE = "one in twenty of those that do not drift leaves by chance"


def material_of(root, *, large=False, family="gaussian_mixture", lengths=(4, 4)):
    """Make up a sweep with one control, or with one for each of two budgets."""
    plan = planned(root, HEAD.format(family=family) + (LARGE if large else ""))
    for place, name in enumerate(plan.recipes):
        last = lengths[place] if place < 2 else 4
        made = {t: {part: around(1.0 + 0.2 * t * (place == 0), 0.05) for part in MEASURES} for t in range(last + 1)}
        publish(root, plan, {name: made})
    return gathered_material(load_sweep(root / "params.yaml"), plan)


MEASURES = ("frechet", "variance_ratio", "tail_mass", "mean_error")


def bands(material):
    """Return how many bands of a control stand in each chart."""
    found = []
    with drawing():
        for panel in material.panels:
            figure, _ = curve_figure(material, panel)
            patches = [patch for axes in figure.axes for patch in axes.patches]
            found.append(sum(patch.get_facecolor()[:3] == pytest.approx(rgb(BAND)) for patch in patches))
    return found


def rgb(colour):
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


# ------------------------------------------------------------------------------------------------------------ bands


def test_a_band_is_drawn_where_all_lines_share_one_control_and_left_out_where_they_have_two(tmp_path):
    one = material_of(tmp_path / "one")
    assert set(bands(one)) == {1}
    assert shows_bands(one)
    two = material_of(tmp_path / "two", large=True)
    assert {two.arrangement.control(name) for name in ("small", "large")} == {"control", "control-large"}
    assert set(bands(two)) == {0}
    assert not shows_bands(two)
    assert two.shared_band("frechet", ["large"]) == two.band("frechet", "large")


def test_the_key_says_what_the_band_is_only_where_there_is_one(tmp_path):
    material = material_of(tmp_path)
    told = "where a lineage that does not drift stays at all generations, with a chance of 95 %"
    assert told in signs(material, bands=True)
    assert told not in signs(material, bands=False)


# ----------------------------------------------------------------------------------------------------------- chance


def test_who_left_first_stands_beside_how_many_were_watched_and_how_many_leave_by_chance(tmp_path):
    material = material_of(tmp_path)
    watched = sum(len(profile.passages) for profile in material.profiles.values())
    assert f"Of {watched} measures watched, {CHANCE}." in answer(material)


def test_a_distance_from_theory_says_of_how_many_it_is_the_largest_and_whose_errors_it_rests_on(tmp_path):
    material = material_of(tmp_path, family="gaussian")
    panel = next(one for one in material.panels if one.name == "mean_error")
    far = panel.distance()
    assert far.count == sum(int(np.isfinite(panel.series[name].mean).sum()) for name in panel.theory)
    known = panel.theory[far.lineage].deviation is not None
    assert far.chains == (0 if known else 4)
    told = "standard errors of the closed form" if known else "standard errors from its 4 chains, too small where"
    assert f"({far.lineage}, the largest of {far.count}; {told}" in panel.closeness()


# ---------------------------------------------------------------------------------------------------------- lengths


def test_lineages_of_different_length_are_judged_by_their_own_last_generation(tmp_path):
    even = material_of(tmp_path / "even")
    assert "By generation 4: " in answer(even)
    uneven = material_of(tmp_path / "uneven", lengths=(4, 2))
    told = answer(uneven)
    assert "By the last generation of each (2 to 4): " in told
    assert "3 lineages, 2 to 4 generations" in told
    assert "by the last generation of each (2 to 4)." in diagrams(uneven)[0].about


def test_a_heat_map_names_what_has_no_colour(tmp_path):
    material = material_of(tmp_path)
    panels = [panel for panel in material.panels if panel.measure.better == "as_anchor"]
    words = [heat_picture(material, panel).about for panel in panels]
    assert any("white is the real value" in told for told in words)
    assert not any("usual" in told for told in words)


# ------------------------------------------------------------------------------------------------- how to reproduce


def grown_with(root, file, *overrides, head=HEAD):
    """Return what the page says of a sweep of a file with overrides laid over it, whose plan was made of both."""
    root.mkdir(exist_ok=True)
    (root / file).write_text(head.format(family="gaussian_mixture"))
    sweep = load_sweep(root / file, overrides)
    write_plan(unroll(sweep), root)
    plan = unroll(sweep)
    publish(root, plan, {"small": {t: {"frechet": around(1.0, 0.1)} for t in range(3)}})
    return again(gathered_material(sweep, plan), "text")


def test_the_commands_name_the_file_and_what_was_laid_over_it(tmp_path):
    plain = grown_with(tmp_path / "plain", "params.yaml")
    assert "<code>dwindle run\ndwindle report</code>" in plain
    laid = ("budget=60", "lineages.small.regime={name: replace}", "tracking.uri=sqlite:///secret.db", "engine=ray")
    other = grown_with(tmp_path / "other", "other.yaml", *laid)
    words = "other.yaml budget=60 &#x27;lineages.small.regime={name: replace}&#x27;"
    assert f"<code>dwindle run -p {words}\ndwindle report {words}</code>" in other
    assert "<summary>other.yaml</summary>" in other
    assert "secret" not in other
    assert "does not say what was grown" not in other


def test_a_preset_is_grown_again_from_its_own_workspace_with_what_was_laid_over_it(tmp_path):
    root = tmp_path / "reproduced" / "known"
    root.parent.mkdir()
    told = grown_with(root, "params.yaml", "chains=5", head=HEAD + PRESET)
    assert "python -m flows.sweep preset=known chains=5\ndwindle report known chains=5" in told


def test_the_report_takes_what_was_laid_over_the_file(tmp_path, dwindle, monkeypatch):
    grown_with(tmp_path, "other.yaml", "budget=60")
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "plots" / "two" / "report" / "index.html"
    assert dwindle("report", "other.yaml").code == 0
    warning = "other.yaml does not say what was grown"
    assert warning in page.read_text()
    assert "plan.json in the project&#x27;s folder has the recipes" in page.read_text()
    assert dwindle("report", "other.yaml", "budget=60").code == 0
    assert warning not in page.read_text()
    assert "budget: 40" in page.read_text()  # the file as it is, the overrides in the command


def test_the_sweeps_end_shows_the_file_that_it_was_read_from(tmp_path):
    grown_with(tmp_path, "other.yaml", "budget=60")
    (tmp_path / "params.yaml").write_text("sweep: another\n")
    sweep = load_sweep(tmp_path / "other.yaml", ("budget=60",))
    page = write_report(sweep, unroll(sweep)).html.read_text()
    assert "sweep: another" not in page
    assert "generations: 4" in page


# ------------------------------------------------------------------------------------------------ what stands behind


def test_what_is_behind_a_verdict_can_be_read_without_a_pointer_and_equal_words_stand_once():
    columns = [Column("lineage"), Column("risk", about="how wrong it is"), Column("tails")]
    rows = [[Cell(name, name), chip("yes", about="over 2 <b>"), chip("no")] for name in "ab"]
    shown = table("Verdicts", columns, rows)
    assert shown.count("<details>") == 1
    folded = shown[shown.index("<details>") :]
    assert "<summary>What is behind “Verdicts”</summary>" in folded
    assert "<li><b>risk</b>: how wrong it is</li>" in folded
    assert "<li><b>risk</b> of a and b: over 2 &lt;b&gt;</li>" in folded
    assert "<details>" not in table("Plain", columns[::2], [[Cell("a", "a"), chip("no")]])


def test_bytes_on_the_disk_are_counted_once_a_report(tmp_path):
    material = material_of(tmp_path)
    assert costs(material) is costs(material)
