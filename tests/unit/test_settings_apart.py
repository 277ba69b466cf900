"""Lineages that differ in a setting of a curator or a metric are told apart like any others."""

from __future__ import annotations

from dwindle.comparing import comparison, settings_of
from dwindle.config.differences import differences, flat

AXES = """\
axes:
  cut: {curators: {half: [{name: top_fraction, fraction: 0.5}], most: [{name: top_fraction, fraction: 0.9}]}}
  seed: {seed: [0, 1]}
"""


def test_settings_of_several_components_are_settings_too():
    twice = [{"name": "quota", "share": 0.5}, {"name": "keep_all"}, {"name": "quota", "share": 0.9}]
    assert flat({"curators": twice, "metrics": [{"name": "prdc", "neighbours": 5}]}) == {
        "curators": "quota,keep_all,quota",
        "curators.quota.share": "0.5,0.9",
        "metrics": "prdc",
        "metrics.prdc.neighbours": 5,
    }


def test_lineages_whose_curators_differ_in_a_number_differ(loaded):
    recipes = {name: one.recipe.settings for name, one in loaded(AXES).lineages.items()}
    found = {name: own["curators.top_fraction.fraction"] for name, own in differences(recipes).items()}
    assert found == {"half-seed0": 0.5, "half-seed1": 0.5, "most-seed0": 0.9, "most-seed1": 0.9}


def test_bands_over_seeds_do_not_mix_what_curators_keep(loaded):
    sweep = loaded(AXES)
    assert settings_of(sweep) == {
        "half-seed0": "half",
        "half-seed1": "half",
        "most-seed0": "most",
        "most-seed1": "most",
    }
    assert "curators.top_fraction.fraction" in comparison(sweep, []).parameters
