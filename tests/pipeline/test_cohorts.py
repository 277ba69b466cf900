"""Lineages that share a batch leave the bytes that each leaves alone, and one that ends early ends alone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.contracts import Rows
from dwindle.errors import DataDamaged
from dwindle.families.recurrent_lm import RecurrentLm
from dwindle.growth import grow_sweep
from dwindle.plan import read_plan
from dwindle.stages.cohorts import divided, run_stages
from dwindle.stages.runner import Outcome

PARAMS = """\
sweep: together
generations: 2
chains: 2
budget: 40
source: {name: grammar, held_out: 30}
family: {name: recurrent_lm, symbols: 160, hidden: 8, embedding: 4, steps: 40, batch: 10, learning_rate: 0.03}
metrics: [perplexity]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
  cool: {regime: replace, sampler: {temperature: 0.7}}
  short: {regime: {name: blend, synthetic_ratio: 0.5}, generations: 1}
  other: {regime: replace, seed: 5, chains: 1}
"""


def grown(root: Path, *overrides: str) -> Path:
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS)
    sweep = load_sweep(root / "params.yaml", ("engine.workers=1", *overrides))
    grow_sweep(sweep, tracking=False, versioning=False, shown=False)
    return root


def files(root: Path) -> dict[str, str]:
    places = (path for area in ("data", "models", "metrics") for path in sorted((root / area).rglob("*")))
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in places if p.is_file()}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown(tmp_path_factory.mktemp("cohorts") / "together")


def test_a_lineage_leaves_the_same_bytes_alone_and_in_a_cohort(together: Path, tmp_path: Path):
    alone = grown(tmp_path / "alone", "engine.cohort=1")
    assert files(together) == files(alone) != {}


def test_the_chains_of_all_lineages_are_fitted_at_once(together: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = shutil.copytree(together, tmp_path / "copy")
    plan, fitted, fit = read_plan(root), [], RecurrentLm.fit
    for lineage in plan.recipes:
        shutil.rmtree(root / "models" / lineage / "001")

    def noted(self: RecurrentLm, rows: Rows, **options) -> object:
        fitted.append(rows.chains)
        return fit(self, rows, **options)

    monkeypatch.setattr(RecurrentLm, "fit", noted)
    found = run_stages(root, [f"train@{lineage}-g001" for lineage in plan.recipes], plan=plan)
    assert all(isinstance(one, Outcome) and one.ran for one in found)
    assert fitted == [9]
    assert files(root) == files(together)


def test_a_lineage_whose_rows_are_gone_does_not_hold_the_others(together: Path, tmp_path: Path):
    root = shutil.copytree(together, tmp_path / "copy")
    plan = read_plan(root)
    for lineage in plan.recipes:
        shutil.rmtree(root / "models" / lineage / "001")
    shutil.rmtree(root / "data" / "cool" / "001" / "train")
    found = run_stages(root, [f"train@{lineage}-g001" for lineage in plan.recipes], plan=plan)
    assert [type(one) for one in found] == [Outcome, Outcome, DataDamaged, Outcome, Outcome]


def test_a_lineage_that_cannot_be_fitted_ends_and_the_others_are_fitted(
    together: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = shutil.copytree(together, tmp_path / "copy")
    plan, fit = read_plan(root), RecurrentLm.fit
    for lineage in plan.recipes:
        shutil.rmtree(root / "models" / lineage / "001")

    def refusing(self: RecurrentLm, rows: Rows, **options) -> object:
        if rows.count > 60:  # the accumulating lineage's, alone or among others
            raise ValueError("the language model of chain 0 has learnt nothing")
        return fit(self, rows, **options)

    monkeypatch.setattr(RecurrentLm, "fit", refusing)
    found = run_stages(root, [f"train@{lineage}-g001" for lineage in plan.recipes], plan=plan)
    assert [isinstance(one, Outcome) for one in found] == [True, False, True, True, True]
    assert "RecurrentLm cannot fit generation 1" in str(found[1])


def test_cohorts_are_as_many_as_workers_and_no_wider_than_asked(together: Path):
    recipes = {name: lineage.recipe for name, lineage in load_sweep(together / "params.yaml").lineages.items()}
    assert divided(recipes, most=32, places=1) == [("replace", "accumulate", "cool", "short", "other")]
    assert divided(recipes, most=32, places=2) == [("replace", "cool", "other"), ("accumulate", "short")]
    assert [len(cohort) for cohort in divided(recipes, most=4, places=1)] == [2, 2]  # the fifth is left to itself
    assert divided(recipes, most=1, places=1) == []
    assert divided(recipes, most=32, places=8) == []
