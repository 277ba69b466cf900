"""A lineage that a gate has rolled back goes on on another machine, which knows of it by the exchange alone."""

from __future__ import annotations

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.errors import RolledBack
from dwindle.growth import grow_elsewhere, grow_sweep
from dwindle.plan import unroll, write_plan
from dwindle.transport import with_branch

PARAMS = """\
sweep: gated
generations: 3
seed: 3
chains: 2
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 20}
family: gaussian
sampler: {variance_factor: 0.5}
metrics: [moments]
lineages:
  back:
    regime: replace
    gates: [{measure: variance_ratio, below: 0.35, action: roll_back, to: 1, regime: fresh}]
"""


def test_a_machine_that_shares_no_folder_finds_the_branch_that_it_is_given(new_project, tmp_path):
    there, here = new_project(PARAMS).root, new_project(PARAMS).root
    remote = f"{tmp_path}/remote"
    sweep = load_sweep(there / "params.yaml", [f"engine.exchange={remote}"])
    with pytest.raises(RolledBack, match="back to generation 1"):
        grow_sweep(sweep, "back", tracking=False, shown=False)
    known = load_sweep(here / "params.yaml", [f"engine.exchange={remote}"])
    assert list(known.lineages) == ["back"]
    assert with_branch(known, "back") is known
    found = with_branch(known, "back-from-1")
    assert list(found.lineages) == ["back", "back-from-1"]
    write_plan(unroll(found), here)
    assert grow_elsewhere(here, "back-from-1", exchange=remote) == 4
    files = [path.name for path in (there / "data/back/001/train").iterdir() if path.suffix == ".npy"]
    for name in files:
        own, other = (root / f"data/{of}/001/train/{name}" for root, of in ((here, "back-from-1"), (there, "back")))
        assert own.read_bytes() == other.read_bytes()
