"""The perfect generator shows no drift through the whole pipeline: what drifts in a lineage is its family's doing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dwindle.config.sweep import load_sweep
from dwindle.growth import grow_sweep
from dwindle.plan import read_plan
from dwindle.report.series import gather

PARAMS = """
sweep: oracle
generations: 12
chains: 60
budget: 200
source: {name: gaussian, held_out: 400}
family: oracle
metrics: [moments, tail_mass]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    root = tmp_path_factory.mktemp("oracle")
    (root / "params.yaml").write_text(PARAMS)
    grow_sweep(load_sweep(root / "params.yaml"), tracking=False, versioning=False, shown=False)
    return gather(root, read_plan(root))


@pytest.mark.parametrize("lineage", ["replace", "accumulate"])
@pytest.mark.parametrize("measure", ["mean", "variance", "mean_error", "tail_mass"])
def test_no_measure_of_a_perfect_generator_has_a_slope(gathered, lineage, measure):
    chains = gathered[measure][lineage].chains
    times = np.arange(len(chains)) - (len(chains) - 1) / 2
    slopes = times @ chains / (times @ times)
    assert abs(slopes.mean()) < 4 * slopes.std(ddof=1) / math.sqrt(len(slopes))


@pytest.mark.parametrize(("measure", "true"), [("mean", 0.0), ("variance", 1.0)])
def test_its_moments_are_the_true_ones_in_every_generation(gathered, measure, true):
    chains = gathered[measure]["replace"].chains
    errors = chains.std(axis=1, ddof=1) / math.sqrt(chains.shape[1])
    assert (np.abs(chains.mean(axis=1) - true) < 4 * errors).all()
