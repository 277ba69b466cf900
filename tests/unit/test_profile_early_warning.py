"""A forecast of the first passage holds what then happens, and says so where it cannot see that far."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dwindle.profile import Band, Trajectory, control_band, forecast, passage
from dwindle.seeds import Seed

SEED = Seed(11, ("profile", "early warning"))


def trajectory(chains, scale="linear"):
    return Trajectory(np.arange(len(chains)), chains, "as_anchor", scale)


def grown(name, curve, *, chains=10, noise=0.05, walk=0.0):
    """Return a lineage along a curve and its band."""
    draw = SEED.at(name).numpy()
    shape = (len(curve), chains)
    steps = walk * draw.standard_normal(shape)
    lineage = trajectory(1.0 + curve[:, None] + np.cumsum(steps, axis=0) + noise * draw.standard_normal(shape))
    control = trajectory(1.0 + math.hypot(noise, walk) * draw.standard_normal((20, chains)))
    return lineage, control_band(lineage, control, seed=SEED.at(name, "band"))


TIMES = np.arange(61.0)


def test_the_interval_holds_the_passage_at_least_as_often_as_it_says():
    held, trials = 0, 0
    for place in range(40):
        lineage, band = grown(f"walk {place}", 0.003 * TIMES, walk=0.01)
        truth = passage(lineage, band).generation
        if truth >= 5:
            said = forecast(lineage, band, upto=4, horizon=60, seed=SEED.at(place))
            trials += 1
            held += said.low <= truth <= said.high
    assert trials > 25
    # Generations are whole: the closed interval holds more than it says, and four standard errors less are too few.
    assert held > 0.8 * trials - 4 * math.sqrt(trials * 0.16)


def test_a_straight_line_is_followed_to_where_it_crosses():
    lineage, band = grown("line", 0.002 * TIMES, noise=0.01, chains=40)
    distant = Band(band.centre, 0.05, band.chain_reach, "linear")
    crossing = (distant.ends[1] - 1.0) / 0.002
    said = forecast(lineage, distant, upto=12, horizon=60, seed=SEED)
    assert said.low <= crossing <= said.high
    assert said.high - said.low < 20
    assert said.generation == pytest.approx(crossing, abs=5)


def test_what_comes_after_is_not_looked_at():
    lineage, band = grown("blind", 0.003 * TIMES)
    changed = lineage.chains.copy()
    changed[6:] = 99.0
    first, second = (forecast(one, band, upto=5, horizon=60, seed=SEED) for one in (lineage, trajectory(changed)))
    assert first == second


def test_a_lineage_that_stays_is_said_to_stay():
    lineage, band = grown("still", 0.0 * TIMES, chains=30)
    said = forecast(lineage, band, upto=40, horizon=60, seed=SEED)
    assert math.isinf(said.high)
    assert said.beyond > 0.5
    assert "after generation 60" in said.reason


def test_chains_that_never_move_never_leave():
    lineage = trajectory(np.tile(np.linspace(0.9, 1.1, 6), (8, 1)))
    band = control_band(lineage, None, seed=SEED)
    said = forecast(lineage, band, upto=7, horizon=50, seed=SEED)
    assert (said.generation, said.low, said.reason) == (math.inf, math.inf, "not before generation 50")


def test_the_more_is_seen_the_narrower_the_interval():
    lineage, band = grown("narrowing", 0.0015 * TIMES, chains=20)
    early, later = (forecast(lineage, band, upto=upto, horizon=200, seed=SEED) for upto in (4, 12))
    assert later.high - later.low < early.high - early.low


def test_a_lineage_that_has_left_is_told_so():
    lineage, band = grown("gone", 0.5 * TIMES)
    said = forecast(lineage, band, upto=9, horizon=60, seed=SEED)
    assert said.low == said.generation == said.high == passage(lineage, band).generation
    assert "already" in said.reason


def test_logarithms_are_drifted_where_the_scale_says_so():
    draw = SEED.at("log").numpy()
    steps = draw.standard_normal((61, 200)) * 0.02 - 0.002
    lineage = trajectory(np.exp(np.cumsum(steps, axis=0)), "log")
    control = trajectory(np.exp(0.3 * draw.standard_normal((20, 200))), "log")
    band = control_band(lineage, control, seed=SEED)
    said = forecast(lineage, band, upto=10, horizon=60, seed=SEED)
    assert said.low <= passage(lineage, band).generation <= said.high


@pytest.mark.parametrize(("upto", "chains", "why"), [(2, 6, "takes 4"), (9, 2, "fewer than 3 chains")])
def test_too_little_is_undefined_with_the_reason(upto, chains, why):
    lineage, band = grown("little", 0.01 * TIMES, chains=chains)
    said = forecast(lineage, band, upto=upto, horizon=60, seed=SEED)
    assert math.isnan(said.generation)
    assert why in said.reason
    assert json.loads(json.dumps(said.as_dict(), allow_nan=False))["generation"] is None


def test_a_horizon_that_is_past_is_refused():
    lineage, band = grown("past", 0.01 * TIMES)
    with pytest.raises(ValueError, match="horizon 5"):
        forecast(lineage, band, upto=5, horizon=5, seed=SEED)


def test_the_same_seed_says_the_same():
    lineage, band = grown("twice", 0.003 * TIMES)
    said = [forecast(lineage, band, upto=6, horizon=60, seed=SEED.at(name)) for name in ("a", "a", "b")]
    assert said[0] == said[1] != said[2]
