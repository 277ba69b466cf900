"""The shipped presets can be grown and decided, and a preset that could not be is refused before anything is grown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.profile import DEFINITIONS
from flows.presets import PRESETS, preset_names, set_apart, workspace
from tests.unit.given_texts import given_folder

FILES = sorted(PRESETS.glob("*.yaml"), key=lambda path: path.stem)
GIVEN = {
    "nature-opt125m": ("source.path=given/wikitext", "source.variant=''"),
    "mad-images-mnist": ("source.folder=given/mnist",),
}
SWEEP = """\
sweep: own
generations: 1
budget: 20
source: gaussian
family: gaussian
metrics: [moments]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
preset:
  paper: Author 2024, section 2
  claim: |
    over two
    lines
  differs: ""
  checks: [%s]
"""
CHECK = "{claim: c, measure: variance, statistic: mean, lineages: [replace], expected: 1}"


@pytest.fixture(scope="module", autouse=True)
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have stand-ins for the model and the texts that no repository may hold."""
    root = tmp_path_factory.mktemp("given")
    given_folder(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield


@cache
def shipped(path: Path):
    return load_sweep(path, [*GIVEN.get(path.stem, ()), "budget=60"] if set_apart(path.stem) else ())


def test_presets_that_want_a_gpu_or_data_say_so_where_nothing_else_of_them_is_read():
    apart = {path.stem: shipped(path) for path in FILES if set_apart(path.stem)}
    assert {name for name, sweep in apart.items() if sweep.preset.gpu} == {"nature-opt125m", "tinystories-gpt2-9m"}
    assert {name for name, sweep in apart.items() if sweep.preset.data} == {"mad-images-mnist"}
    assert all(sweep.preset.data or sweep.engine.gpus == 1 for sweep in apart.values())
    assert not any(shipped(path).preset.gpu or shipped(path).preset.data for path in FILES if path.stem not in apart)


def own(folder, *checks):
    (folder / "params.yaml").write_text(SWEEP % ", ".join(checks))
    return load_sweep(folder / "params.yaml")


def test_there_are_presets():
    assert len(FILES) >= 19
    assert preset_names() == tuple(path.stem for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_preset_is_named_as_its_file_and_says_what_it_reproduces(path):
    sweep = shipped(path)
    assert sweep.name == path.stem
    assert sweep.preset is not None
    assert sweep.preset.paper
    assert sweep.preset.claim
    assert sweep.preset.checks
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_its_checks_are_about_is_measured_in_every_lineage_they_name(path):
    sweep = shipped(path)
    for check in sweep.preset.checks:
        assert check.claim
        if check.statistic == "verdict":
            assert check.measure in DEFINITIONS
            continue
        for name in (*check.lineages, *([check.against] if check.against else [])) or sweep.lineages:
            lineage = sweep.lineages[name]
            measured = {measure for metric in lineage.recipe.metrics for measure in metric.measures}
            assert check.measure in measured
            assert max(check.generation or 0, check.since) <= lineage.generations


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_setting_that_a_check_goes_over_is_a_number_that_differs_between_its_lineages(path):
    sweep = shipped(path)
    for check in sweep.preset.checks:
        if check.over is not None:
            settings = [setting(sweep.lineages[name].recipe, check.over) for name in check.lineages]
            assert all(type(value) in (int, float) for value in settings)
            assert len(set(settings)) == len(settings)


def setting(recipe, key):
    found = recipe.settings
    for part in key.split("."):
        found = found[part]
    return found


# ------------------------------------------------------------------------------------------- sections that are wrong


def test_a_preset_section_is_read_with_its_texts_on_one_line(tmp_path):
    preset = own(tmp_path, CHECK).preset
    assert (preset.paper, preset.claim, preset.differs) == ("Author 2024, section 2", "over two lines", "")
    assert [check.expected for check in preset.checks] == [1.0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"measure: variance, ": ""}, "preset.checks.0.measure: missing; expected text"),
        ({"statistic: mean": "statistic: man"}, "statistic = 'man': expected mean or geometric_mean or "),
        ({"[replace]": "[replac]"}, "lineages = 'replac': the sweep has no such lineage; it has replace, accumulate"),
        ({"[replace]": "replace"}, "lineages = 'replace': expected a list of text"),
        ({"expected: 1": "expected: one"}, "expected = 'one': expected float"),
        ({"expected: 1": "expectd: 1"}, "expectd = 1: unknown key; did you mean expected?"),
        ({", expected: 1": ""}, "statistic = 'mean': expected `expected`, `low` or `high`: anything would do"),
        ({"[replace]": "[]"}, "statistic = 'mean': expected one lineage"),
        ({"[replace]": "[replace, accumulate]"}, "statistic = 'mean': expected one lineage"),
        ({"mean": "verdict"}, "statistic = 'verdict': expected `answer`: yes, no or undecided"),
        ({"mean": "verdict", "expected: 1": "answer: maybe"}, "expected `answer`: yes, no or undecided"),
        ({"mean": "order"}, "statistic = 'order': expected two lineages or more"),
        ({"mean": "argmin", "[replace]": "[replace, accumulate]"}, "expected `over`, the setting that differs"),
        (
            {"mean": "crossing", "[replace]": "[replace, accumulate]", "claim: c": "claim: c, over: budget"},
            "statistic = 'crossing': expected `level`, which is crossed",
        ),
    ],
)
def test_a_check_that_nothing_could_decide_is_refused(tmp_path, change, says):
    check = CHECK
    for old, new in change.items():
        assert check.count(old) == 1
        check = check.replace(old, new)
    with pytest.raises(BadInput) as caught:
        own(tmp_path, check)
    (message,) = caught.value.problems
    assert "preset.checks.0" in message
    assert says in message


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("preset: 3", "preset = 3: expected paper, claim, differs and a list of checks"),
        ("preset: {paper: p}", "expected paper, claim, differs and a list of checks"),
        ("preset: {checks: [3]}", "preset.checks.0 = 3: expected a mapping that describes a check"),
        ("preset: {paper: p, checks: []}", "expected paper, claim, differs and a list of checks, one at least"),
        (f"preset: {{checks: [{CHECK}], papr: p}}", "preset.papr = 'p': unknown key; a preset has paper, "),
    ],
)
def test_a_section_that_is_no_preset_is_refused(tmp_path, section, says):
    (tmp_path / "params.yaml").write_text(SWEEP.partition("preset:")[0] + section)
    with pytest.raises(BadInput) as caught:
        load_sweep(tmp_path / "params.yaml")
    (message,) = caught.value.problems
    assert says in message


# ------------------------------------------------------------------------------------------- workspaces


def test_a_preset_gets_a_workspace_of_its_own_that_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    path = workspace("linreg-pi2over6")
    assert path == Path("reproduced/linreg-pi2over6/params.yaml")
    assert sorted(file.name for file in path.parent.iterdir()) == ["dvc.yaml", "params.yaml"]
    assert (path.parent / "dvc.yaml").read_text() == "stages: {}\n"
    assert path.read_text().startswith((PRESETS / "linreg-pi2over6.yaml").read_text())
    sweep = load_sweep(path)
    assert sweep.lineages == shipped(PRESETS / "linreg-pi2over6.yaml").lineages
    assert sweep.tracking.uri == "sqlite:///../../mlflow.db"
    before = path.stat().st_mtime_ns
    assert workspace("linreg-pi2over6") == path
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["linreg-pi2over7", "", "../params", "linreg-pi2over6.yaml"])
def test_an_unknown_preset_is_refused_with_the_nearest_and_nothing_is_made(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=f"^no preset '{name}'; .*linreg-pi2over6"):
        workspace(name)
    assert not list(tmp_path.iterdir())
