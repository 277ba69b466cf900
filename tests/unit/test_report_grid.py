"""Pictures of the rows: which rows are shown, and how."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from matplotlib.image import imread

from dwindle.report.clouds import clouds_figure, flattened
from dwindle.report.grid import draw_grid, ladder, sheets_of, some_rows
from dwindle.report.images import images_figure, mosaic
from dwindle.report.large import draw_large
from dwindle.seeds import Seed
from dwindle.stages.job import read_rows, told
from dwindle.stages.lift import load_model
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import made_sweep, planned

PARAMS = """\
sweep: pictured
generations: 3
chains: 2
budget: 40
source: {source}
family: {family}
metrics: [risk]
lineages:
  replace: {{regime: replace}}
  accumulate: {{regime: accumulate, generations: 1}}
"""

DIGITS = "{name: digits, space: pixels, labels: true}"
VAE = "{name: vae, latent: 2, hidden: 8, steps: 60, batch: 20, learning_rate: 0.02}"


def grown(root, *, source, family="gaussian"):
    plan = planned(root, PARAMS.format(source=source, family=family))
    for name in plan.stage_names():
        if not name.startswith(("evaluate", "compare")):
            run_stage(root, name, plan=plan)
    return plan


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (0, [0]),
        (1, [0, 1]),
        (7, [0, 1, 2, 3, 4, 5, 6, 7]),
        (8, [0, 1, 2, 5, 8]),
        (10, [0, 1, 2, 5, 10]),
        (100, [0, 1, 2, 5, 10, 20, 50, 100]),
    ],
)
def test_few_generations_are_all_shown_and_many_grow_like_1_2_5_up_to_the_last(last, shown):
    assert ladder(last) == shown


@pytest.mark.parametrize("last", [101, 1000, 99_999])
def test_never_more_than_eight_generations_are_shown_the_first_and_last_always(last):
    shown = ladder(last)
    assert len(set(shown)) == 8
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (0, last)


def test_rows_shown_are_rows_of_the_first_chain_without_repetition(tmp_path):
    plan = grown(tmp_path, source="{name: gaussian, dimensions: 2}")
    sheets = sheets_of(tmp_path, plan, ["replace", "accumulate"], count=12)
    assert [list(sheet.rows) for sheet in sheets] == [[0, 1, 2, 3], [0, 1]]
    for generation, shown in sheets[0].rows.items():
        there = read_rows(tmp_path / plan.chain[f"replace-g{generation:03d}"]["rows"]).values[0]
        found = [int(np.flatnonzero((there == row).all(axis=1))[0]) for row in shown]
        assert len(set(found)) == 12


def test_images_of_the_anchor_are_images_of_the_source(tmp_path):
    plan = grown(tmp_path, source="{name: digits, dimensions: 64}")
    sheet = sheets_of(tmp_path, plan, ["replace"], count=12)[0]
    drawn = sheet.recipe.source.images(sheet.rows[0], seed=Seed(sheet.recipe.seed).at("real"))
    np.testing.assert_allclose(drawn, np.round(drawn), atol=1e-9)  # whole grey levels: real pixels came back
    assert drawn.max() == pytest.approx(16, abs=1e-9)
    path = draw_grid(tmp_path, plan)
    assert path == tmp_path / "plots" / "pictured" / "samples.png"
    first = path.read_bytes()
    height, width = imread(path).shape[:2]
    assert width > height > 200
    path.unlink()
    assert draw_grid(tmp_path, plan).read_bytes() == first


def test_a_mosaic_puts_each_image_at_its_generation_and_column():
    images = np.arange(1.0, 25.0).reshape(6, 2, 2)
    sheet = mosaic({0: images[:3], 5: images[3:5]}, [0, 2, 5], 3)
    assert sheet.shape == (3 * 2 + 2 * 2, 3 * 2 + 2)
    np.testing.assert_array_equal(sheet[:2, 3:5], images[1])
    np.testing.assert_array_equal(sheet[8:10, 0:2], images[3])
    assert np.isnan(sheet[4:6]).all()
    assert np.isnan(sheet[8:10, 6:8]).all()


def test_colours_stay_beside_each_other_and_in_range(tmp_path):
    plan = made_sweep(tmp_path, {})
    bright = np.full((2, 4, 4, 3), [0.2, 1.5, -0.5])
    assert mosaic({0: bright}, [0], 2).shape == (4, 9, 3)
    figure = images_figure(plan, {"replace": {0: bright}, "accumulate": {0: np.zeros((2, 8, 8))}})
    colour, grey = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_array_equal(colour[0, [0, 4]], [[0.2, 1.0, 0.0], [1.0, 1.0, 1.0]])  # a picture, a gap
    assert grey.shape == (8, 17)


def test_where_latents_can_be_fixed_each_model_is_shown_the_same_ones(tmp_path):
    plan = grown(tmp_path, source=DIGITS, family=VAE)
    replace, accumulate = sheets_of(tmp_path, plan, ["replace", "accumulate"], count=12, models=True)
    assert ([*replace.rows], [*replace.made], [*accumulate.made]) == ([0], [0, 1, 2, 3], [0, 1])
    np.testing.assert_array_equal(replace.made[0], accumulate.made[0])  # lineages start from the same model
    family, how = told(replace.recipe.family, replace.recipe.source), replace.recipe.sampler
    models = [load_model(family, tmp_path / f"models/replace/00{t}") for t in (0, 2)]
    drawn = [model.sample(12, sampler=how, seed=Seed(replace.recipe.seed).at("grid")) for model in models]
    order = np.argsort(drawn[0].filled_labels()[0], kind="stable")
    np.testing.assert_array_equal(replace.made[2], drawn[1].values[0, order])
    first = draw_grid(tmp_path, plan).read_bytes()
    shutil.rmtree(tmp_path / "models/replace/001")
    (replace,) = sheets_of(tmp_path, plan, ["replace"], count=12, models=True)
    assert ([*replace.rows], replace.made) == ([0, 1, 2, 3], {})
    assert draw_grid(tmp_path, plan).read_bytes() != first
    shutil.rmtree(tmp_path / "models/accumulate/001")  # the last one: as if it were still to come
    (accumulate,) = sheets_of(tmp_path, plan, ["accumulate"], count=12, models=True)
    assert [*accumulate.made] == [0]


def test_the_sheet_says_what_it_shows(tmp_path):
    plan = made_sweep(tmp_path, {})
    images = {name: {-1: np.ones((2, 8, 8)), 0: np.ones((2, 8, 8))} for name in ("replace", "accumulate")}
    figure = images_figure(plan, images, latents={"replace"})
    about = " ".join(figure.texts[1].get_text().split())
    assert "one set of latents and what each generation's model makes of them" in about
    assert "*: random rows that each generation's parent made" in about
    assert [axes.get_title() for axes in figure.axes] == ["replace", "accumulate *"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["real", "0"]
    assert "*" not in images_figure(plan, images, latents=[*images]).texts[1].get_text()


def test_a_large_sheet_shows_rows_by_class_and_is_made_once(tmp_path):
    plan = grown(tmp_path, source=DIGITS, family="gaussian")
    folder = draw_large(tmp_path, plan)
    sheets = sorted(path.name for path in folder.iterdir())
    assert sheets == [*(f"accumulate-00{t}.png" for t in range(2)), *(f"replace-00{t}.png" for t in range(4))]
    anchor = some_rows(plan.recipe("replace"), tmp_path / "data/replace/000/real", 0, 100)
    assert (np.diff(anchor.labels[0]) >= 0).all()
    shown = imread(folder / "replace-000.png")
    times = shown.shape[1] // 89  # ten pictures of eight pixels and nine gaps
    np.testing.assert_allclose(shown[::times, ::times][10:18, 9:17], 1 - anchor.values[0, 11].reshape(8, 8), atol=0.01)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "gone-000.png").write_bytes(b"")
    (folder / "replace-002.png").write_bytes(b"")
    shutil.rmtree(tmp_path / "data/replace/001/synthetic")
    draw_large(tmp_path, plan)
    after = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {path.name for path in {*before} - {*after}} == {"replace-001.png"}
    assert {path.name for path in after if after[path] != before.get(path)} == {"replace-002.png"}


def test_rows_that_are_no_pictures_have_no_large_sheets(tmp_path):
    assert draw_large(tmp_path, grown(tmp_path, source="gaussian")) is None
    assert not (tmp_path / "plots").exists()


def test_all_lineages_share_one_grey_scale(tmp_path):
    plan = made_sweep(tmp_path, {})
    real, wild = np.random.default_rng(0).random((2, 12, 8, 8)) * [[[[1.0]]], [[[9.0]]]]
    figure = images_figure(plan, {"replace": {0: real, 1: wild}, "accumulate": {0: real, 1: real}})
    first, second = ([axes for axes in figure.axes if axes.get_gid() == name] for name in ("replace", "accumulate"))
    assert first[0].images[0].get_clim() == second[0].images[0].get_clim()
    assert first[0].images[0].get_clim()[1] <= real.max()
    assert [tick.get_text() for tick in first[0].get_yticklabels()] == ["real", "1"]


def test_one_column_is_drawn_as_shares_that_sum_to_one(tmp_path):
    plan = grown(tmp_path, source="gaussian")
    sheets = sheets_of(tmp_path, plan, ["replace", "accumulate"], count=400)
    figure = clouds_figure(plan, {sheet.lineage: sheet.rows for sheet in sheets})
    assert [axes.get_gid() for axes in figure.axes][:2] == ["replace.0", "replace.1"]
    bars = figure.axes[1].patches
    assert sum(bar.get_height() for bar in bars if hasattr(bar, "get_height")) == pytest.approx(1.0)
    assert draw_grid(tmp_path, plan).stat().st_size > 5_000


def test_two_columns_are_drawn_as_points_on_the_axes_of_the_real_rows(tmp_path):
    plan = made_sweep(tmp_path, {})
    real = np.array([[0.0, 0.0], [1.0, 2.0]])
    figure = clouds_figure(plan, {"replace": {0: real, 1: np.array([[0.5, 0.5], [99.0, 1.0]])}})
    anchor, drawn = (points.get_offsets() for points in figure.axes[1].collections)
    np.testing.assert_array_equal(anchor, real)
    np.testing.assert_allclose(drawn, [[0.5, 0.5], [1.25, 1.0]])
    assert figure.axes[1].get_ylim() == (-0.5, 2.5)


def test_wide_rows_are_seen_along_the_widest_directions_of_the_real_ones():
    draws = np.random.default_rng(3)
    real = draws.normal(size=(200, 5)) * [0.1, 5.0, 0.1, 0.1, 2.0]
    flat = flattened({0: real, 1: real * [1.0, 0.0, 1.0, 1.0, 1.0]})
    assert flat[0].shape == (200, 2)
    assert flat[0].std(axis=0) == pytest.approx([real[:, 1].std(), real[:, 4].std()], rel=0.05)
    assert flat[1][:, 0].std() < 0.1 * flat[0][:, 0].std()


@pytest.mark.parametrize(
    ("source", "family"),
    [("{name: zipf, symbols: 9}", "{name: categorical, symbols: 9}"), ("linear", "linear_regression")],
)
def test_symbols_and_pairs_have_no_picture(tmp_path, source, family):
    plan = grown(tmp_path, source=source, family=family)
    assert draw_grid(tmp_path, plan) is None


def test_a_lineage_that_samples_nothing_shows_the_rows_that_trained_it(tmp_path):
    plan = planned(tmp_path, PARAMS.format(source="gaussian", family="gaussian") + "control: true\n")
    for name in plan.stage_names():
        if not name.startswith(("evaluate", "compare")):
            run_stage(tmp_path, name, plan=plan)
    (sheet,) = sheets_of(tmp_path, plan, ["control"], count=400)
    trained = read_rows(tmp_path / "data/control/002/train").chain(0).values[0]
    np.testing.assert_array_equal(np.sort(sheet.rows[2], axis=0), np.sort(trained, axis=0))


def test_without_rows_there_is_no_picture(tmp_path):
    assert draw_grid(tmp_path, made_sweep(tmp_path, {})) is None
    assert not (tmp_path / "plots").exists()
