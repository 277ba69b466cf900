from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.metrics.modes import Modes
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.grid_of_gaussians import GridOfGaussians

SEED = Seed(7, ("modes",))
GRID = GridOfGaussians(side=2, spacing=10.0, deviation=1.0)
NAMES = ("modes_covered", "on_mode", "within_mode_variance")


def modes(samples, source=GRID, least=1, held_out=None):
    held_out = source.draw_held_out(seed=SEED) if held_out is None else Rows(held_out)
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=held_out, source=source)
    return Modes(least).measure(found)


def numbers(found, chain=0):
    return [found[name].values[chain] for name in NAMES]


def drawn(source=GRID, count=1000, chains=3, name="samples"):
    return source.draw(count, first=0, chains=chains, seed=SEED.at(name)).values


def test_five_samples_give_what_a_pencil_gives():
    # Centres at -5 and 5 in each dimension, radius 3: two samples on the first mode, one on the last, two on none.
    samples = np.array([[[-5.0, -5.0], [-5.0, -4.0], [5.0, 5.0], [0.0, 0.0], [5.0, 8.1]]])
    held_out = np.array([[[-5.0, -5.0], [-5.0, -3.0], [5.0, 5.0]]])
    # Pooled variance: (2 * 0.5^2) / (1 degree of freedom * 2 dimensions) over (2 * 1^2) / 2.
    assert numbers(modes(samples, held_out=held_out)) == pytest.approx([2, 3 / 5, 0.25])


def test_blocks_of_chains_give_what_loops_give():
    source = GridOfGaussians(side=5, spacing=6.0, deviation=1.0)
    samples = 1.2 * drawn(source, count=300, chains=200)
    found, real = modes(samples, source), modes(samples[:1], source, held_out=samples[:1])
    assert numbers(real)[2] == pytest.approx(1.0)
    unit = source.draw_held_out(seed=SEED).values[0]
    for chain in (0, 77, 199):
        covered, on, variance = looped(samples[chain], source)
        expected = [covered, on, variance / looped(unit, source)[2]]
        assert numbers(found, chain) == pytest.approx(expected, rel=1e-12)


def looped(rows, source):
    """Return modes covered, share on a mode and pooled variance by plain loops."""
    members = {}
    for row in rows:
        distances = [np.hypot(*(row - centre)) for centre in source.modes()]
        if min(distances) <= source.mode_radius():
            members.setdefault(int(np.argmin(distances)), []).append(row)
    squares = sum(((np.array(some) - np.mean(some, axis=0)) ** 2).sum() for some in members.values())
    held = sum(map(len, members.values()))
    return len(members), held / len(rows), squares / (2 * (held - len(members)))


def test_real_rows_cover_every_mode_stay_on_them_and_vary_as_real_rows_do():
    covered, on, variance = (
        np.array(column) for column in zip(*(numbers(modes(drawn()), c) for c in range(3)), strict=True)
    )
    assert (covered == 4).all()
    np.testing.assert_allclose(on, 1 - np.exp(-4.5), atol=4 * np.sqrt(0.011 / 1000))
    np.testing.assert_allclose(variance, 1.0, atol=4 * np.sqrt(2 / 2000))


def test_a_lost_mode_costs_coverage_and_nothing_else():
    samples = drawn(chains=1)
    left = samples[:, (samples[0] > 0).any(axis=1)][:, :600]
    covered, on, variance = numbers(modes(left))
    assert covered == 3
    assert on > 0.97
    assert variance == pytest.approx(1.0, abs=0.15)


def test_modes_that_collapse_onto_points_off_their_centres_have_the_variance_of_the_points():
    centres = np.repeat(GRID.modes() + np.array([0.7, -0.4]), 50, axis=0)
    noise = SEED.at("noise").numpy().standard_normal((1, 200, 2))
    whole, tiny = (modes(centres + scale * noise) for scale in (0.1, 1e-9))
    assert numbers(tiny)[:2] == [4, 1.0]
    assert numbers(tiny)[2] / numbers(whole)[2] == pytest.approx(1e-16, rel=1e-5)


def test_a_broad_component_costs_the_share_on_modes():
    samples = SEED.at("broad").numpy().uniform(-10, 10, (1, 20_000, 2))
    share = 4 * np.pi * 9 / 400
    assert numbers(modes(samples))[1] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 20_000))


def test_a_mode_needs_as_many_samples_as_asked_for():
    samples = np.concatenate([np.tile(GRID.modes()[:1], (5, 1)), np.tile(GRID.modes()[1:2], (4, 1))])[None]
    assert [numbers(modes(samples, least=least))[0] for least in (1, 4, 5, 6)] == [2, 2, 1, 0]


def test_a_source_that_knows_no_modes_leaves_all_undefined():
    found = modes(drawn(), Gaussian(dimensions=2))
    for name in NAMES:
        assert np.isnan(found[name].values).all()
        assert found[name].reason == "the source knows of no modes"


def test_without_two_samples_on_a_mode_there_is_no_variance_and_coverage_is_a_number():
    found = modes(np.stack([GRID.modes(), GRID.modes() + 5.0]))
    assert found["modes_covered"].values.tolist() == [4, 0]
    assert found["on_mode"].values.tolist() == [1, 0]
    assert np.isnan(found["within_mode_variance"].values).all()
    assert found["within_mode_variance"].reason == "no mode holds two samples"


def test_held_out_rows_without_variance_leave_the_ratio_undefined():
    found = modes(drawn(), held_out=np.repeat(GRID.modes(), 3, axis=0)[None])
    assert found["within_mode_variance"].reason == "the held-out rows do not vary within modes"
    assert numbers(found)[0] == 4


def test_nan_in_one_chain_costs_only_that_chain():
    samples = drawn()
    samples[0, 0] = np.nan
    found = modes(samples)
    assert all(np.isnan(found[name].values).tolist() == [True, False, False] for name in NAMES)
    assert all("nan" in found[name].reason for name in NAMES)
    assert numbers(found, 1) == numbers(modes(drawn()), 1)
