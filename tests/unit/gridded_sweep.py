"""A small sweep, and axes that span grids."""

from __future__ import annotations

PARAMS = """\
sweep: grid
generations: 2
chains: 2
budget: 60
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian_mixture, components: 2, iterations: 5}
regime: blend
metrics: [moments]
"""
NAMED = "lineages:\n  replace: {regime: replace}\n  fresh: {regime: {name: fresh, synthetic_ratio: 0.9}}\n"
RATIO = "  ratio: {regime.synthetic_ratio: [0.0, 0.5, 0.9, 1.0]}\n"
ROWS = "  rows: {budget: {small: 50, large: 400}}\n"
BIAS = "  bias: {sampler.variance_factor: [1.0, 0.8], curators: [[keep_all], [deduplicate]]}\n"
LAW = "  law: {regime: {replace: replace, tenth: {name: fresh, synthetic_ratio: 0.9}}}\n"
SEED = "  seed: {seed: [0, 1, 2]}\n"
