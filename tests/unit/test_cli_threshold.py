"""`dwindle threshold`: which lineages are judged together, what is printed and drawn, and one line for each mistake."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.errors import BadInput
from dwindle.report import thresholds
from dwindle.report.canvas import styled
from dwindle.report.ratio_findings import Asked, findings
from dwindle.report.ratio_groups import ratio_groups
from dwindle.report.threshold_figure import threshold_figure
from dwindle.report.thresholds import answers, threshold_tables
from dwindle.seeds import Seed
from tests.unit.made_sweep import planned, publish

HEAD = """\
sweep: asked
generations: 8
chains: 6
budget: 100
source: gaussian
family: gaussian
metrics: [moments]
{more}
lineages:
"""
FRESH = {f"fresh-{round(100 * r)}": (f"{{name: fresh, synthetic_ratio: {r}}}", 1 / (1 - r**2)) for r in (0.3, 0.6, 0.9)}
BLEND = {f"blend-{round(100 * r)}": (f"{{name: blend, synthetic_ratio: {r}}}", 2 / (1 - r)) for r in (0.3, 0.6)}
REPLACE = {"replace": ("replace", 20.0)}
CONTROL = {"control": ("", 1.0)}


def swept(root, lineages, *, more="", own=None, generations=9):
    """Publish a sweep whose mean errors are 0.01 x a level in every generation after 0, with a little noise.

    Args:
        root: where.
        lineages: regime and level of each; no regime for the control.
        more: another line of the shared settings.
        own: what else differs, by lineage.
        generations: how many of them are published.
    """
    own = own or {}
    lines = [f"  {name}: {{regime: {how}{own.get(name, '')}}}\n" for name, (how, _) in lineages.items() if how]
    plan = planned(root, HEAD.format(more=more) + "".join(lines))
    for name, (_, level) in lineages.items():
        draw = Seed(3, (name,)).numpy()
        rows = {t: {"mean_error": chains(draw, 1.0 if t == 0 else level)} for t in range(generations)}
        publish(root, plan, {name: rows})
    return plan


def chains(draw, level):
    return (0.01 * level * (1 + 0.02 * draw.standard_normal(6))).tolist()


# ------------------------------------------------------------------------------------------- who is judged with whom


def test_fresh_and_replayed_rows_are_judged_apart_and_replacement_ends_both(tmp_path):
    plan = swept(tmp_path, FRESH | BLEND | REPLACE | CONTROL, more="control: true")
    fresh, replayed = ratio_groups(plan)
    assert (fresh.name, replayed.name) == ("fresh", "replayed")
    assert fresh.lineages == {0.3: ("fresh-30",), 0.6: ("fresh-60",), 0.9: ("fresh-90",), 1.0: ("replace",)}
    assert replayed.lineages == {0.3: ("blend-30",), 0.6: ("blend-60",), 1.0: ("replace",)}
    assert fresh.controls == replayed.controls == ("control",)


def test_a_mixture_that_is_fresh_or_replacement_is_one_with_them(tmp_path):
    mixtures = {
        "mixed": ("{name: mixture, real: fresh, synthetic_ratio: 0.9}", 5.0),
        "fixed": ("{name: mixture, real: fixed, synthetic_ratio: 0.5}", 3.0),
        "windowed": ("{name: mixture, real: fixed, synthetic_ratio: 0.5, window: 4}", 3.0),
        "windowed-more": ("{name: mixture, real: fixed, synthetic_ratio: 0.9, window: 4}", 4.0),
        "all": ("{name: mixture, synthetic_ratio: 1.0}", 20.0),
    }
    fresh, fixed, windowed = ratio_groups(swept(tmp_path, FRESH | mixtures))
    assert fresh.lineages[0.9] == ("fresh-90", "mixed")
    assert fixed.lineages == {0.5: ("fixed",), 1.0: ("all",)}
    assert windowed.lineages == {0.5: ("windowed",), 0.9: ("windowed-more",)}
    assert windowed.name == "fixed, window 4"


def test_lineages_that_differ_in_their_seed_alone_are_pooled_and_other_sizes_are_not(tmp_path):
    again = {f"{name}-again": value for name, value in FRESH.items()}
    large = {f"{name}-large": value for name, value in FRESH.items()}
    own = dict.fromkeys(again, ", seed: 7") | dict.fromkeys(large, ", budget: 500")
    plan = swept(tmp_path, FRESH | again | large | CONTROL, more="control: true", own=own)
    small, other = ratio_groups(plan)
    assert small.lineages[0.9] == ("fresh-90", "fresh-90-again")
    assert (small.name, small.controls) == ("fresh, budget 100", ("control",))
    assert (other.name, other.controls) == ("fresh, budget 500", ())
    found, without = findings(tmp_path, plan)
    assert [one.ratio for one in found.threshold.judged] == [0.0, 0.3, 0.6, 0.9]
    assert without.beside == "generation 0, for want of an all-real lineage with the same settings"


# --------------------------------------------------------------------------------------------------- what is found


def test_the_threshold_lies_where_the_made_up_errors_double_and_theory_stands_beside_it(tmp_path):
    plan = swept(tmp_path, FRESH | REPLACE | CONTROL, more="control: true")
    (found,) = findings(tmp_path, plan)
    assert found.threshold.value == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert (found.threshold.stable, found.threshold.unstable) == (0.6, 0.9)
    assert found.generations == (7, 8)
    assert found.exact == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_without_a_control_ratio_0_is_the_control_and_without_that_generation_0_is(tmp_path):
    zero = {"fresh-0": ("{name: fresh, synthetic_ratio: 0.0}", 1.0)}
    (own,) = findings(tmp_path / "own", swept(tmp_path / "own", zero | FRESH))
    assert own.beside == "fresh-0"
    (beginning,) = findings(tmp_path / "none", swept(tmp_path / "none", FRESH))
    assert beginning.beside.startswith("generation 0")
    assert beginning.threshold.judged[0].ratio == 0.0
    assert own.threshold.value == pytest.approx(beginning.threshold.value, abs=0.02)


def test_lineages_that_have_grown_less_cut_the_others_short_and_ungrown_ones_are_left_out(tmp_path):
    plan = swept(tmp_path, FRESH | BLEND, generations=1)
    for name, (_, level) in FRESH.items():
        draw, last = Seed(4, (name,)).numpy(), 5 if name == "fresh-60" else 8
        publish(tmp_path, plan, {name: {t: {"mean_error": chains(draw, level)} for t in range(last + 1)}})
    (found,) = findings(tmp_path, plan)
    assert found.generations == (4, 5)
    assert found.notes == ("judged up to generation 5, where fresh-60 ends",)


def test_the_tables_and_the_answer_say_the_same_number(tmp_path):
    plan = swept(tmp_path, FRESH | BLEND | REPLACE | CONTROL, more="control: true")
    ratios, every = threshold_tables(plan, tmp_path)
    found = findings(tmp_path, plan)
    assert [row[0] for row in ratios.rows] == ["fresh", "replayed"]
    assert ratios.rows[0][2].startswith(f"{found[0].threshold.value:.2f}"[:3])
    assert answers(found)[0].startswith(f"fresh: stable up to a synthetic ratio of {ratios.rows[0][2]}, so with ")
    share = float(ratios.rows[0][3].split()[0])
    assert share == pytest.approx(1 - float(ratios.rows[0][2].split()[0]))
    assert [row[2] for row in every.rows[:5]] == ["0", "0.3", "0.6", "0.9", "1"]
    assert every.rows[0][3] == "control"
    assert (every.rows[1][6], every.rows[3][6]) == ("stable", "unstable")
    assert (
        f"so with a share of at least {ratios.rows[0][3]} fresh real rows; by mean_error, after 8 generations"
        in (answers(found)[0])
    )


def test_the_control_beside_itself_has_no_interval_and_no_answer(tmp_path):
    plan = swept(tmp_path, FRESH | REPLACE | CONTROL, more="control: true")
    _, every = threshold_tables(plan, tmp_path)
    assert (every.rows[0][4], every.rows[0][6:]) == ("1", ("undecided", "the yardstick itself"))


def test_the_strictest_criterion_is_the_one_that_no_ratio_keeps(tmp_path):
    zero = {"fresh-0": ("{name: fresh, synthetic_ratio: 0.0}", 1.0)}
    plan = swept(tmp_path, zero | FRESH | CONTROL, more="control: true")
    for name, (_, level) in (zero | FRESH | CONTROL).items():
        draw, spread = Seed(5, (name,)).numpy(), 1.0 if name == "control" else 0.1
        rows = {"mean_error": chains(draw, level), "variance": chains(draw, spread)}
        publish(tmp_path, plan, {name: dict.fromkeys(range(9), rows)})
    (told,) = answers(findings(tmp_path, plan))
    assert told == (
        "fresh: unstable at 0 already, the smallest ratio tried; by variance, the strictest of 2 criteria, "
        "after 8 generations"
    )


def test_a_sweep_that_stays_stable_says_so_by_a_bound(tmp_path):
    plan = swept(tmp_path, {name: (regime, 1.0) for name, (regime, _) in FRESH.items()})
    table, _ = threshold_tables(plan, tmp_path)
    assert table.rows[0][2:4] == ("> 0.9", "< 0.1")
    assert "stable up to 0.9, the largest ratio tried" in table.rows[0][-1]


def test_the_picture_shows_every_ratio_the_limit_and_the_interval(tmp_path):
    plan = swept(tmp_path, FRESH | BLEND | REPLACE | CONTROL, more="control: true")
    found = findings(tmp_path, plan)
    with styled():
        upper, lower = threshold_figure(plan, found).axes
    lines = {line.get_gid(): line for axes in (upper, lower) for line in axes.get_lines()}
    assert list(lines["limit"].get_ydata()) == [2.0, 2.0]
    assert list(lines["fresh.bar"].get_xdata()) == [found[0].threshold.low, found[0].threshold.high]
    assert lines["exact"].get_xdata()[0] == pytest.approx(found[1].exact)
    assert [text.get_text() for text in lower.get_yticklabels()] == ["fresh", "replayed"]
    (drawn,) = (box for box in upper.containers if box.get_label() == "fresh")
    assert list(drawn.lines[0].get_xdata()) == [0.0, 0.3, 0.6, 0.9, 1.0]


def test_long_names_of_groups_are_not_cut_and_no_label_lies_on_another(tmp_path):
    own = dict.fromkeys(FRESH, ", budget: 120, sampler: {variance_factor: 0.9}, family: {name: gaussian, ddof: 1}")
    plan = swept(tmp_path, FRESH | BLEND | REPLACE | CONTROL, more="control: true", own=own)
    with styled():
        figure = threshold_figure(plan, findings(tmp_path, plan))
        figure.draw_without_rendering()
        upper, lower = figure.axes
        names = [text.get_window_extent() for text in lower.get_yticklabels()]
        ticks = [text.get_window_extent() for text in upper.get_yticklabels(which="both") if text.get_text()]
        label = upper.yaxis.label.get_window_extent()
        above, title = figure.texts[-1].get_window_extent(), upper.title.get_window_extent()
    assert max(len(text.get_text()) for text in lower.get_yticklabels()) > 40
    assert min(box.x0 for box in (*names, label)) >= 0
    assert len(ticks) > 2
    assert not any(label.overlaps(tick) for tick in ticks)
    assert not names[0].overlaps(names[1])
    assert not above.overlaps(title)


# ----------------------------------------------------------------------------------------------------- the command


def test_the_command_prints_both_tables_and_draws_the_picture(tmp_path, dwindle, monkeypatch):
    swept(tmp_path, FRESH | REPLACE | CONTROL, more="control: true")
    monkeypatch.chdir(tmp_path)
    judged, own = [], thresholds.findings
    monkeypatch.setattr(thresholds, "findings", lambda *asked: judged.append(asked) or own(*asked))
    ended = dwindle("threshold", "asked", "--measure", "mean_error", "--limit", "3", "--window", "0.5")
    assert (ended.code, ended.err) == (0, "")
    assert "mean_error / control <= 3" in ended.out
    assert len(judged) == 1
    assert "each chain by its mean over generations 5 to 8, beside control" in ended.out
    assert (tmp_path / "plots" / "asked" / "threshold.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--measure", "mean_eror"), "did you mean mean_error?"),
        (("--limit", "2"), "name the measure that it is a limit of"),
        (("--measure", "mean_error", "--limit", "0.5"), "expected a number above 1"),
        (("--window", "0"), "above 0 and at most 1"),
        (("elsewhere",), "no sweep 'elsewhere'"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, dwindle, monkeypatch, arguments, told):
    swept(tmp_path, FRESH)
    monkeypatch.chdir(tmp_path)
    ended = dwindle("threshold", *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "plots").exists()


def test_a_sweep_without_a_ratio_axis_is_told_which_key_to_vary(tmp_path, dwindle, monkeypatch):
    swept(tmp_path, REPLACE | {"accumulate": ("accumulate", 1.5), "one": FRESH["fresh-90"]}, more="seed: 1")
    monkeypatch.chdir(tmp_path)
    assert dwindle("threshold").code == 0  # one ratio and pure replacement are two
    lonely = tmp_path / "lonely"
    with pytest.raises(BadInput, match=r"vary regime\.synthetic_ratio.*fresh-50"):
        findings(lonely, swept(lonely, {"accumulate": ("accumulate", 1.5), "one": FRESH["fresh-90"]}))


def test_a_sweep_that_has_not_grown_is_told_so(tmp_path):
    plan = swept(tmp_path, FRESH, generations=1)
    with pytest.raises(BadInput, match="not evaluated beyond generation 0 at two ratios"):
        findings(tmp_path, plan, Asked("mean_error"))
