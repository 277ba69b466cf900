"""The sweep's curves: what stands in each panel, and that the same data give the same bytes."""

from __future__ import annotations

import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

import dwindle.theory
from dwindle.errors import BadInput
from dwindle.expectations import _expected
from dwindle.report.canvas import colours, darker, markers, styled
from dwindle.report.curves import curves_figure, draw_curves
from dwindle.report.key import differences
from dwindle.report.panels import panels_of
from tests.unit.made_sweep import around, made_sweep, planned, publish


def fading(last=4, to=1e-4):
    """Return evaluations in which replace loses its variance, accumulate keeps it and blend was not grown."""
    spread = {
        "replace": np.geomspace(1.0, to, last + 1),
        "accumulate": np.full(last + 1, 0.98),
    }
    return {
        lineage: {
            t: {"recall": around(0.9 * value, 0.01), "variance_ratio": [0.9 * value, value, value, 1.1 * value]}
            for t, value in enumerate(values)
        }
        for lineage, values in spread.items()
    }


@pytest.fixture
def plan(tmp_path):
    return made_sweep(tmp_path, fading())


def figure_of(root, plan, measures=None):
    with styled():
        return curves_figure(plan, panels_of(root, plan, measures))


def panel(figure, name):
    (axes,) = [axes for axes in figure.axes if axes.get_gid() == name]
    return axes


def line(axes, gid):
    found = [line for line in axes.get_lines() if line.get_gid() == gid]
    return found[0] if found else None


def test_a_line_is_the_mean_over_chains_and_a_band_its_interval(tmp_path, plan):
    (recall, _) = panels_of(tmp_path, plan)
    axes = panel(figure_of(tmp_path, plan), "recall")
    series = recall.series["replace"]
    np.testing.assert_allclose(line(axes, "replace").get_xydata(), np.stack([series.generations, series.mean], axis=1))
    heights = np.concatenate([path.vertices[:, 1] for path in axes.collections[0].get_paths()])
    assert np.isclose(heights.min(), series.low.min())
    assert np.isclose(heights.max(), series.high.max())


def test_a_lineage_has_one_colour_and_marker_in_every_panel_by_its_place_in_params(tmp_path, plan):
    figure, lineages = figure_of(tmp_path, plan), list(plan.recipes)
    for name in ("recall", "variance_ratio"):
        for lineage in ("replace", "accumulate"):
            drawn = line(panel(figure, name), lineage)
            assert to_hex(drawn.get_color()).upper() == colours(lineages)[lineage].upper()
            assert drawn.get_marker() == markers(lineages)[lineage]


@pytest.mark.parametrize("count", [1, 5, 8, 9, 30])
def test_no_two_lineages_share_a_colour(count):
    names = [f"lineage-{place}" for place in range(count)]
    assert len(set(colours(names).values())) == count


def test_panels_ask_a_question_and_axes_have_units(tmp_path, plan):
    axes = panel(figure_of(tmp_path, plan), "variance_ratio")
    assert axes.get_title(loc="left").endswith("?")
    assert axes.get_ylabel() == "variance_ratio ≈ 1 [ratio]"
    assert axes.get_xlabel() == "generation"


def test_generations_are_whole_numbers(tmp_path):
    plan = made_sweep(tmp_path, fading(last=2), generations=2)
    axes = panel(figure_of(tmp_path, plan), "recall")
    ticks = axes.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


@pytest.mark.parametrize(("to", "scale"), [(1e-4, "log"), (0.5, "linear")])
def test_a_ratio_has_a_log_axis_when_it_spans_more_than_a_decade(tmp_path, to, scale):
    figure = figure_of(tmp_path, made_sweep(tmp_path, fading(to=to)))
    assert panel(figure, "variance_ratio").get_yscale() == scale
    assert panel(figure, "recall").get_yscale() == "linear"


def test_the_real_value_is_a_line_where_there_is_one(tmp_path, plan):
    figure = figure_of(tmp_path, plan)
    assert set(line(panel(figure, "variance_ratio"), "real").get_ydata()) == {1.0}
    assert line(panel(figure, "recall"), "real") is None


def test_the_key_names_every_lineage_and_what_sets_it_apart(tmp_path, plan):
    texts = [text.get_text() for text in panel(figure_of(tmp_path, plan), "key").texts]
    assert texts[0::2][:3] == ["replace", "accumulate", "blend"]
    told = differences(plan)
    assert told["blend"].endswith("synthetic_ratio\u00a00.5")
    assert "synthetic_ratio" not in told["replace"]
    assert "newest synthetic rows alone" in texts[1]


@pytest.mark.parametrize("count", [1, 5, 12, 40])
def test_the_key_stays_inside_the_picture_however_many_lineages_there_are(tmp_path, count):
    names = [f"lineage-{place}" for place in range(count)]
    lines = "".join(f"  {name}: {{regime: {'replace' if place else 'blend'}}}\n" for place, name in enumerate(names))
    head = "generations: 2\nbudget: 50\nsource: gaussian\nfamily: gaussian\nmetrics: [moments]\nlineages:\n"
    plan = planned(tmp_path, head + lines)
    publish(tmp_path, plan, {name: {t: {"variance": around(1.0, 0.1)} for t in range(3)} for name in names})
    with styled():
        figure = curves_figure(plan, panels_of(tmp_path, plan))
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in panel(figure, "key").texts]
    assert len(boxes) > count
    assert min(box.y0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    ordered = sorted((box for box in boxes if box.height), key=lambda box: -box.y1)
    assert all(upper.y0 > lower.y0 for upper, lower in pairwise(ordered))


def test_theory_is_a_dashed_line_of_the_lineages_shade_and_brings_panels_of_its_own(tmp_path):
    made = {
        "replace": {t: {"variance_ratio": [0.9, 1.0, 1.1, 1.0], "variance": around(1 - t / 50, 0.1)} for t in range(3)}
    }
    plan = made_sweep(tmp_path, made, family="gaussian")
    figure = figure_of(tmp_path, plan)
    drawn = line(panel(figure, "variance"), "replace.theory")
    np.testing.assert_allclose(drawn.get_ydata(), (1 - 1 / 50) ** np.arange(1, 6))
    assert drawn.is_dashed()
    assert drawn.get_color() == darker(colours(list(plan.recipes))["replace"])
    assert line(panel(figure, "variance_ratio"), "replace.theory") is None
    assert panel(figure, "variance").get_xlabel() == "generation; |z| to closed form ≤ 0.3 in 3"
    assert any("Shumailov" in text.get_text() for text in panel(figure, "key").texts)


def test_a_panel_without_any_value_says_why(tmp_path):
    plan = made_sweep(tmp_path, {"replace": {0: {"recall": ([np.nan] * 4, "symbols have no distances")}}})
    (text,) = [text for text in panel(figure_of(tmp_path, plan), "recall").texts if text.get_gid() == "undefined"]
    assert text.get_text() == "undefined: symbols have no distances"


def test_a_line_breaks_where_a_measure_is_undefined(tmp_path):
    made = {"replace": {t: {"recall": around(0.9, 0.1)} for t in (0, 2)}}
    made["replace"][1] = {"recall": ([np.nan] * 4, "too few rows")}
    axes = panel(figure_of(tmp_path, made_sweep(tmp_path, made)), "recall")
    assert np.isnan(line(axes, "replace").get_ydata()).tolist() == [False, True, False]


def test_a_line_that_ends_clear_of_the_others_bears_its_name(tmp_path, plan):
    named = {text.get_gid() for text in panel(figure_of(tmp_path, plan, ["recall"]), "recall").texts}
    assert "accumulate.label" in named
    close = {
        lineage: {t: {"recall": around(0.5 + 0.1 * t, 0.01)} for t in range(3)} for lineage in ("replace", "blend")
    }
    root = tmp_path / "close"
    assert not panel(figure_of(root, made_sweep(root, close)), "recall").texts


def test_only_the_measures_asked_for_are_drawn_in_that_order(tmp_path, plan):
    figure = figure_of(tmp_path, plan, ["variance_ratio", "recall"])
    assert [axes.get_gid() for axes in figure.axes][:3] == ["variance_ratio", "recall", "key"]
    with pytest.raises(BadInput, match="'spread' was not measured"):
        draw_curves(tmp_path, plan, measures=["spread"])


def test_the_same_data_give_the_same_bytes_whatever_matplotlibrc_says(tmp_path, plan):
    path = draw_curves(tmp_path, plan)
    assert path == tmp_path / "plots" / "made" / "curves.png"
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert len(first) > 20_000
    path.unlink()
    with mpl.rc_context({"font.size": 22, "axes.grid": False, "savefig.dpi": 30, "axes.facecolor": "black"}):
        assert draw_curves(tmp_path, plan).read_bytes() == first
        assert mpl.rcParams["font.size"] == 22


def test_a_picture_that_is_up_to_date_is_left_alone(tmp_path, plan):
    path = draw_curves(tmp_path, plan)
    before = path.stat()
    assert draw_curves(tmp_path, plan).stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    assert [file.name for file in path.parent.iterdir()] == ["curves.png"]


@pytest.fixture
def theories_asked_anew():
    """Forget what theory said of the same recipes before, and of theories that are there for one test alone."""
    _expected.cache_clear()
    yield
    _expected.cache_clear()


@pytest.mark.usefixtures("theories_asked_anew")
def test_theory_stays_out_of_a_panel_that_shows_geometric_means(tmp_path, plan, monkeypatch):
    (tmp_path / "aa_flat.py").write_text(
        "import numpy as np\n"
        "from dwindle.contracts import Curve\n"
        "def applies(conditions): return True\n"
        "def curves(conditions, generations):\n"
        "    return {name: Curve(np.full(generations + 1, 0.7), 'here') for name in ('recall', 'variance_ratio')}\n"
    )
    monkeypatch.setattr(dwindle.theory, "__path__", [str(tmp_path)])
    monkeypatch.setitem(sys.modules, "dwindle.theory.aa_flat", None)
    del sys.modules["dwindle.theory.aa_flat"]
    figure = figure_of(tmp_path, plan)
    assert set(line(panel(figure, "recall"), "replace.theory").get_ydata()) == {0.7}
    assert line(panel(figure, "variance_ratio"), "replace.theory") is None


def test_a_name_with_dollar_signs_is_shown_as_it_is_and_powers_of_ten_as_plain_numbers(tmp_path):
    from matplotlib.figure import Figure

    made = {"replace": {t: {"variance_ratio": around(10.0**-t, 0.1 * 10.0**-t)} for t in range(4)}}
    plan = made_sweep(tmp_path, made)
    with styled():
        figure = curves_figure(plan, panels_of(tmp_path, plan))
        assert not Figure().text(0, 0, "costs-$5-or-$6").get_parse_math()
        figure.draw_without_rendering()
        axes = panel(figure, "variance_ratio")
        ticks = [text.get_text() for text in axes.get_yticklabels(which="both")]
    assert axes.get_yscale() == "log"
    assert {"0.001", "0.1", "1"} <= set(ticks)
    assert not any("$" in tick for tick in ticks)
