"""`dwindle simulate` and `dwindle profile`: what they print, and one line for each mistake."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dwindle.seeds import Seed
from dwindle.sufficient import simulate
from tests.unit.made_sweep import around, planned, publish

PARAMS = """\
sweep: shown
generations: 8
chains: 4
budget: 50
source: {name: gaussian, dimensions: 2}
family: gaussian
metrics: [moments, frechet]
control: true
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""
MADE = {
    "control": {t: {"frechet": around(0.1, 0.01)} for t in range(9)},
    "replace": {t: {"frechet": around(0.1 * (t + 1), 0.01)} for t in range(9)},
    "accumulate": {t: {"frechet": around(0.1, 0.01)} for t in range(9)},
}


@pytest.fixture
def grown(tmp_path, monkeypatch):
    """A sweep whose evaluations are made up, which is also the working directory."""
    publish(tmp_path, planned(tmp_path, PARAMS), MADE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cells(text):
    """Return the lines of a printed table as lists of cells, the heading first."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return [line for line in lines if line[0] == "generation" or line[0].isdigit()]


# ------------------------------------------------------------------------------------------- simulate


def test_it_prints_the_mean_over_chains_at_generations_that_grow_like_1_2_5(dwindle):
    ended = dwindle("simulate", "gaussian", "chains=2000", "generations=10", "rows=20", "seed=3")
    assert (ended.code, ended.err) == (0, "")
    assert "gaussian, replace, 20 rows, 2,000 chains, no rows drawn: mean ±95 %" in ended.out
    heading, *lines = cells(ended.out)
    path = simulate("gaussian", regime="replace", rows=20, generations=10, chains=2000, seed=Seed(3))
    assert heading == ["generation", *path.mean]
    assert [line[0] for line in lines] == ["0", "1", "2", "5", "10"]
    for line in lines:
        for name, cell in zip(path.mean, line[1:], strict=True):
            mean, half = (float(part) for part in cell.split(" ±"))
            assert half == pytest.approx(1.96 * path.standard_error[name][int(line[0])], rel=0.5)
            assert mean == pytest.approx(path.mean[name][int(line[0])], abs=half)


def test_the_same_command_prints_the_same_and_another_seed_other_numbers(dwindle):
    first, again, other = (dwindle("simulate", "categorical", "chains=500", f"seed={s}").out for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["linear_regression", "regime=accumulate", "dimensions=4", "noise=0.5"], {"parameter_error"}),
        (["categorical", "symbols=5"], {"heterozygosity", "support"}),
        (["categorical", "shares=[1, 2, 3]"], {"heterozygosity", "support"}),
        (["gaussian", "ddof=1", "dimensions=3"], {"variance", "mean_error"}),
    ],
)
def test_each_family_takes_its_own_settings(dwindle, arguments, names):
    ended = dwindle("simulate", *arguments, "chains=300", "generations=3")
    assert ended.code == 0
    heading, *lines = cells(ended.out)
    assert names <= set(heading)
    assert [line[0] for line in lines] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gausian"], "family = gausian: not known by sufficient statistics; did you mean gaussian?"),
        (["gaussian", "regime=replac"], "regime = replac: not known to this mode; did you mean replace?"),
        (["gaussian", "rows"], "rows: expected key=value; keys are regime, rows, generations, chains, seed and"),
        (["gaussian", "rows=x"], "rows = x: expected a whole number >= 1"),
        (["gaussian", "rows=1"], "rows = 1: expected a whole number >= 2"),
        (["gaussian", "chains=0"], "chains = 0: expected a whole number >= 1"),
        (["gaussian", "chains=true"], "chains = True: expected a whole number >= 1"),
        (["gaussian", "generations=-1"], "generations = -1: expected a whole number >= 0"),
        (["gaussian", "generations=2.5"], "generations = 2.5: expected a whole number >= 0"),
        (["gaussian", "seed=x"], "seed = x: expected a whole number >= 0"),
        (["gaussian", "seed=-1"], "seed = -1: expected a whole number >= 0"),
        (["gaussian", "dimension=3"], "dimension = 3: unknown key; did you mean dimensions?"),
        (["gaussian", "rows=[1"], "a bracket is not closed"),
        (["linear_regression", "dimensions=50", "rows=20"], "rows = 20: expected a whole number >= 50"),
        (["linear_regression", "noise=.nan"], "noise = nan: expected a number >= 0.0"),
        (["categorical", "shares=[a]", "chains=3"], "shares: expected numbers >= 0 with a finite sum"),
        (["categorical", "shares=[[1], 2]", "chains=3"], "shares: expected numbers >= 0 with a finite sum"),
        (["categorical", "shares=3", "chains=3"], "shares: expected numbers >= 0 with a finite sum"),
    ],
)
def test_a_mistake_in_a_simulation_is_one_line_and_exit_code_2(dwindle, arguments, says):
    ended = dwindle("simulate", *arguments)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    assert says in line


# ------------------------------------------------------------------------------------------- profile


def test_the_profile_tells_verdicts_passages_phase_and_the_early_warning(dwindle, grown):
    ended = dwindle("profile")
    assert (ended.code, ended.err) == (0, "")
    for name in ("replace", "accumulate"):
        assert f"collapse profile of {name}\n" in ended.out
    assert "collapse profile of control" not in ended.out
    assert ended.out.count("catastrophic increase of population risk") == 2
    assert "first passage of frechet: generation 1, above, harmful" in ended.out
    assert "early warning: when each measure leaves its control band, judged by generations 0 to 5" in ended.out
    assert ended.out.count("phase: ") == 2


def test_one_lineage_may_be_named_and_the_warning_sees_as_far_as_it_is_told(dwindle, grown):
    ended = dwindle("profile", "accumulate", "--upto", "3", "--params", str(grown / "params.yaml"))
    assert ended.code == 0
    assert "collapse profile of replace" not in ended.out
    assert "judged by generations 0 to 3" in ended.out


def test_a_warning_sees_no_generation_that_is_not_there(dwindle, grown):
    far, last = (dwindle("profile", "accumulate", "--upto", upto).out.splitlines() for upto in ("99", "8"))
    assert [line for line in far if "judged by" not in line] == [line for line in last if "judged by" not in line]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replac"], "no lineage 'replac'; did you mean replace?"),
        (["control"], "control: it is what the others are judged by, and has no profile itself"),
        (["--params", "elsewhere.yaml"], "elsewhere.yaml"),
    ],
)
def test_a_mistake_in_a_profile_is_one_line_and_exit_code_2(dwindle, grown, arguments, says):
    ended = dwindle("profile", *arguments)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert says in line


@pytest.mark.parametrize("upto", ["-1", "x", ""])
def test_a_generation_is_a_whole_number_from_0_on(dwindle, grown, upto):
    ended = dwindle("profile", "--upto", upto)
    assert ended.code == 2
    assert "--upto" in ended.err
    assert "Traceback" not in ended.err


def test_a_sweep_that_is_not_grown_has_no_profile(dwindle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    assert "plan.json: missing" in dwindle("profile").err
    planned(tmp_path, PARAMS)
    ended = dwindle("profile", "replace")
    assert ended.err == "error: replace: nothing is evaluated beyond generation 0; grow it first\n"
    assert ended.code == 2


def test_what_a_simulation_says_of_a_gaussian_is_what_is_known(dwindle):
    """E of the variance after k fits is (1 - 1/n)^k; Alemohammad et al. 2023, Shumailov et al. 2024."""
    _, *lines = cells(dwindle("simulate", "gaussian", "chains=20000", "rows=10", "generations=5").out)
    for line in lines:
        mean, half = (float(part) for part in line[1].split(" ±"))
        assert abs(mean - 0.9 ** (int(line[0]) + 1)) < 2.5 * half
    assert not np.isnan(mean)
