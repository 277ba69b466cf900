"""The grid that README shows grows what README says."""

from __future__ import annotations

import re
from pathlib import Path

from dwindle.config.sweep import load_sweep

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_grid_of_the_readme_takes_the_place_of_the_lineages(tmp_path):
    [grid] = re.findall(r"```yaml\n((?:(?!```).)*?^axes:.*?)```", (REPOSITORY / "README.md").read_text(), re.M | re.S)
    params, replaced = re.subn(r"^lineages:.*\n(?: +.*\n)+", grid, (REPOSITORY / "params.yaml").read_text(), flags=re.M)
    assert replaced == 1
    (tmp_path / "params.yaml").write_text(params)
    sweep = load_sweep(tmp_path / "params.yaml")
    points = [point for point in sweep.lineages if point.startswith("ratio")]
    assert (points[0], points[-1]) == ("ratio0-small-seed0", "ratio1-large-seed2")
    assert len(points) == 4 * 2 * 3
    assert sum(name.startswith("control") for name in sweep.lineages) == 2 * 3
