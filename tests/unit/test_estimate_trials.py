"""What an estimate says where nothing can be measured, and where there is nothing to be measured."""

from __future__ import annotations

import inspect

from dwindle.curators import keep_all
from dwindle.estimate import estimate_table
from tests.unit.test_estimate import PARAMS, planned, told


def test_a_trial_that_a_component_breaks_is_told_like_one_that_starves(tmp_path, monkeypatch):
    broken = inspect.getsource(keep_all).replace(
        "return Curated(", "raise RuntimeError('out of order')\n        Curated("
    )
    (tmp_path / "broken_curator.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    table = estimate_table(*planned(tmp_path / "sweep", PARAMS, 'curators=["broken_curator:KeepAll"]'), trial=True)
    (note,) = [note for note in table.notes if "ended early" in note]
    assert note.endswith(" ended early: RuntimeError: out of order")
    assert told(table)["all"]["time to go"] == "unknown"


def test_what_costs_nothing_is_judged_by_nobody(tmp_path):
    table = estimate_table(*planned(tmp_path, PARAMS, "generations=0"))
    assert not [note for note in table.notes if "of another size" in note]
