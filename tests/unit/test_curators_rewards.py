"""Curators that judge by a reward, a given one or one that people's rankings teach: what stays, and bad files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dwindle.config.schema import settings_of
from dwindle.contracts import Rows, Seed
from dwindle.curators.learned_reward import LearnedReward
from dwindle.curators.reward_threshold import RewardThreshold
from dwindle.data.pictures import state_of
from dwindle.data.rankings import preferred, read_rankings
from dwindle.errors import BadInput, StageFailed
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.linear import Linear
from dwindle.sources.moons import Moons
from dwindle.sources.taxonomy import Taxonomy
from tests.unit.made_sweep import planned
from tests.unit.test_curate_stage import PARAMS, grown

SEED = Seed(8, ("rewards",))


def curate(curator, rows):
    return curator.curate(rows, anchor=rows, seed=SEED)


def written(folder, lines, name="rankings.jsonl"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return str(path)


def compared(rewards, values, generator):
    """Return comparisons of random pairs, which Bradley and Terry's model of these rewards makes."""
    lines = []
    for one, other in generator.integers(len(values), size=(4000, 2)):
        wins = generator.random() < 1 / (1 + np.exp(rewards[other] - rewards[one]))
        better, worse = (one, other) if wins else (other, one)
        lines.append({"better": values[better].tolist(), "worse": values[worse].tolist()})
    return lines


@pytest.fixture(scope="module")
def taste(tmp_path_factory):
    """Return a file of comparisons by the reward 2 x - y^2."""
    generator = SEED.at("taste").numpy()
    values = generator.standard_normal((300, 2))
    lines = compared(2 * values[:, 0] - values[:, 1] ** 2, values, generator)
    return written(tmp_path_factory.mktemp("taste"), lines)


@pytest.fixture(scope="module")
def points():
    return Rows(SEED.at("points").numpy().standard_normal((2, 500, 2)))


def test_a_threshold_keeps_the_rows_above_it_and_no_row_that_is_nan():
    rows = Rows(np.array([[0.0, 1.0, 2.5, np.nan], [3.0, -1.9, -2.0, 0.0]])[..., None])
    rows = Rows(rows.values, np.array([[1.0] * 4, [1.0, 2.0, 1.0, 0.0]]))
    curated = curate(RewardThreshold(), rows)
    assert curated.kept.tolist() == [[True, True, False, False], [False, True, False, False]]
    assert curated.dropped == {"a reward of -2 or less": 4}
    above = curate(RewardThreshold(reward="coordinate", threshold=1.0), rows)
    assert above.kept.tolist() == [[False, False, True, False], [True, False, False, False]]


def test_a_threshold_that_no_nearness_exceeds_is_refused():
    with pytest.raises(ValueError, match="a nearness is at most 0"):
        RewardThreshold(threshold=0.0)
    assert RewardThreshold(threshold=0.0, reward="coordinate").threshold == 0.0


def test_the_reward_behind_comparisons_is_found_again(taste, points):
    found = LearnedReward(taste, ridge=1e-3)._rewards(points.values)
    x, y = points.values[..., 0].ravel(), points.values[..., 1].ravel()
    design = np.column_stack([x, y, x * x, y * y, np.ones_like(x)])
    slopes, *_ = np.linalg.lstsq(design, found.ravel(), rcond=None)
    np.testing.assert_allclose(slopes[:4], [2, 0, 0, -1], atol=0.2)


@pytest.mark.parametrize(
    ("settings", "reason", "share"),
    [
        ({"fraction": 0.2}, "not among the best 0.2 of the rows", 0.2),
        ({"action": "threshold", "threshold": 1.0}, "a reward of 1 or less", None),
        ({"action": "best_of", "k": 5}, "not the best of 5", 0.2),
    ],
)
def test_each_action_keeps_rows_of_a_higher_reward(taste, points, settings, reason, share):
    curator = LearnedReward(taste, **settings)
    curated, rewards = curate(curator, points), curator._rewards(points.values)
    assert rewards[curated.kept].mean() > rewards[~curated.kept].mean() + 1
    assert curated.dropped[reason] == (~curated.kept).sum()
    assert share is None or curated.kept.mean() == share


def test_a_ranking_of_three_weighs_as_much_as_one_comparison(tmp_path):
    rows = np.array([[0.0], [1.0], [2.0], [4.0], [0.5]])
    path = written(tmp_path, [{"ranking": rows[:3].tolist()}, {"better": [4.0], "worse": [0.5]}])
    found = preferred(read_rankings(state_of(Path(path))), rows[None], ridge=0.5)
    seen = found.lens.seen(rows)
    gaps = seen[[0, 0, 1, 3]] - seen[[1, 2, 2, 4]]
    shares = np.array([1 / 6, 1 / 6, 1 / 6, 1 / 2]) / (1 + np.exp(gaps @ found.slopes))
    np.testing.assert_allclose(shares @ gaps, 0.5 / 2 * found.slopes, atol=1e-9)  # the loss has no slope there
    assert np.abs(found.slopes).max() > 0.1


def test_tokens_that_people_like_are_rewarded_whatever_the_length_of_the_row(tmp_path):
    generator = SEED.at("tokens").numpy()
    blocks = generator.integers(0, 6, (200, 12))
    liked = [(block[: 6 + place % 7], (block == 3).mean()) for place, block in enumerate(blocks)]
    pairs = [sorted(liked[at : at + 2], key=lambda pair: -(pair[0] == 3).mean()) for at in range(0, 200, 2)]
    path = written(tmp_path, [{"better": b[0].tolist(), "worse": w[0].tolist()} for b, w in pairs])
    rows = Rows(generator.integers(0, 6, (1, 300, 20)))
    kept = curate(LearnedReward(path, fraction=0.25), rows).kept[0]
    shares = (rows.values[0] == 3).mean(axis=1)
    assert shares[kept].mean() > shares[~kept].mean() + 0.08


def test_attributes_are_a_weighted_sum_of_regressions(tmp_path, points):
    values = SEED.at("marked").numpy().standard_normal((200, 2))
    lines = [{"values": [x, y], "scores": {"help": 3 + x, "length": 2 - 4 * y}} for x, y in values]
    path = written(tmp_path, lines)
    curator = LearnedReward(path, ridge=1e-6, attributes=("help", "length"), weights=(1.0, -0.5))
    x, y = points.values[..., 0], points.values[..., 1]
    np.testing.assert_allclose(curator._rewards(points.values), 3 + x - 0.5 * (2 - 4 * y), atol=1e-5)
    with pytest.raises(ValueError, match="have no scores of wit; they have: help, length"):
        LearnedReward(path, attributes=("wit",), weights=(1.0,))
    with pytest.raises(ValueError, match="2 attributes have 1 weights"):
        LearnedReward(path, attributes=("help", "length"), weights=(1.0,))
    with pytest.raises(ValueError, match="rank no rows; name the attributes"):
        LearnedReward(path)


def test_the_file_is_part_of_the_settings_and_of_the_plan(tmp_path):
    text = """\
sweep: ranked
generations: 1
chains: 1
budget: 20
source: {{name: gaussian, dimensions: 2}}
family: gaussian
metrics: [moments]
curators: [{{name: learned_reward, rankings: {}}}]
lineages: {{replace: {{regime: replace}}}}
"""
    path = written(tmp_path / "files", [{"better": [1, 2], "worse": [0, 0]}])
    plan = planned(tmp_path / "one", text.format(path))
    (curator,) = plan.recipe("replace").curators
    assert settings_of(curator)["sha256"] == plan.recipes["replace"]["curators"][0]["sha256"] == curator.sha256
    written(tmp_path / "files", [{"better": [1, 2], "worse": [0, 5]}])
    with pytest.raises(ValueError, match="have changed: their SHA-256 is"):
        LearnedReward(path, sha256=curator.sha256)
    other = planned(tmp_path / "two", text.format(path))
    keys = [key for key, entry in plan.chain.items() if entry["generation"] == 1]
    assert [plan.chain[key]["curate"] != other.chain[key]["curate"] for key in keys] == [True]
    with pytest.raises(ValueError, match="plan anew, or put back the file"):
        curate(curator, Rows(np.zeros((1, 4, 2))))
    with pytest.raises(BadInput, match="plan anew, or put back the file"):
        replace(plan).recipe("replace")  # as another process reads it


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "have no lines; expected"),
        (["{"], "line 1: no JSON"),
        (["[" * 100_000], "line 1: no JSON"),
        ([{"better": [1]}], "line 1: expected"),
        ([{"ranking": [[1]]}], "line 1: expected"),
        ([{"better": [1], "worse": [2]}, 7], "line 2: expected"),
        ([{"better": [1], "worse": []}], "line 1: expected the values of a row"),
        ([{"better": [1], "worse": ["two"]}], "line 1: expected a number"),
        ([{"better": [1], "worse": [True]}], "line 1: expected a number"),
        (['{"better": [1], "worse": [NaN]}'], "line 1: expected a number"),
        ([{"better": [1], "worse": [10**400]}], "line 1: expected a number"),
        ([{"values": [1], "scores": {"help": None}}], "line 1: expected a number"),
    ],
)
def test_a_file_that_holds_no_rankings_is_refused_with_its_line(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        LearnedReward(written(tmp_path, lines))


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*none\.jsonl"):
        LearnedReward(str(tmp_path / "none.jsonl"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot read the rankings"):
        LearnedReward(str(tmp_path / "binary"))


def test_ranked_rows_of_another_width_or_kind_are_refused(taste):
    with pytest.raises(ValueError, match="the new rows have 3 values, a ranked row has 2"):
        curate(LearnedReward(taste), Rows(np.zeros((1, 4, 3))))
    with pytest.raises(ValueError, match="blocks of tokens, but the ranked rows hold other numbers"):
        curate(LearnedReward(taste), Rows(np.zeros((1, 4, 3), dtype=np.int64)))


def test_a_source_that_knows_its_width_refuses_rankings_of_another(taste):
    def told(source):
        return LearnedReward(taste).refuses(SimpleNamespace(source=source))

    assert told(Gaussian(dimensions=2)) == told(Linear(dimensions=1)) == told(Taxonomy()) == told(Moons()) == ""
    for source, width in ((Gaussian(dimensions=12), 12), (Linear(dimensions=2), 3), (Digits(space="pixels"), 64)):
        assert f"the source's rows have {width} values, a row of the rankings {taste} has 2" == told(source)


def test_what_is_noticed_of_the_rows_only_later_names_curator_and_generation(tmp_path):
    path = written(tmp_path, [{"better": [1, 2, 3], "worse": [0, 0, 0]}])
    lineage = f"{{regime: replace, curators: [{{name: learned_reward, rankings: {path}}}]}}"
    told = "^curator learned_reward cannot judge generation 1: the new rows have 2 values, a ranked row has 3$"
    with pytest.raises(StageFailed, match=told):
        grown(tmp_path, lineage, generations=1, text=PARAMS.replace("gaussian, dimensions: 2", "moons"))


def test_settings_of_another_action_are_refused(taste):
    with pytest.raises(ValueError, match="k 5 belongs to action best_of and changes nothing for action top"):
        LearnedReward(taste, k=5)
    with pytest.raises(ValueError, match=r"fraction 0\.1 belongs to action top"):
        LearnedReward(taste, action="threshold", fraction=0.1)
