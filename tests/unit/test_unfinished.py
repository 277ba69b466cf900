"""What a killed stage had done is found by the next one, whole or not at all, and never under other inputs."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from dwindle.data.unfinished import FOLDER, keeping, progress_of, shelf, tell
from dwindle.seeds import Seed

SEED = Seed(3, ("train",))


def put(text: str):
    return lambda folder: (folder / "weights").write_text(text)


def killed(root: Path, key: str, text: str) -> None:
    """Keep something and die before the end."""
    with suppress(KeyboardInterrupt), keeping(root, "train@a-g001", key):
        shelf(SEED).keep("state", put(text))
        raise KeyboardInterrupt


def found(root: Path, key: str, seed: Seed = SEED) -> str | None:
    text = None
    with suppress(KeyboardInterrupt), keeping(root, "train@a-g001", key):
        kept = shelf(seed).read("state")
        text = None if kept is None else (kept / "weights").read_text()
        raise KeyboardInterrupt
    return text


def test_what_was_kept_is_found_under_the_same_key(tmp_path: Path):
    killed(tmp_path, "k1", "step 5")
    assert found(tmp_path, "k1") == "step 5"


def test_other_inputs_find_nothing_and_clear_it_away(tmp_path: Path):
    killed(tmp_path, "k1", "step 5")
    assert found(tmp_path, "k2") is None
    assert found(tmp_path, "k1") is None


def test_other_draws_have_a_shelf_of_their_own(tmp_path: Path):
    killed(tmp_path, "k1", "chain 0")
    assert found(tmp_path, "k1", SEED.at(1)) is None


def test_two_works_that_draw_from_one_seed_have_a_shelf_each(tmp_path: Path):
    for _ in range(2):
        with suppress(KeyboardInterrupt), keeping(tmp_path, "evaluate@a-g001", "k1"):
            first, second = shelf(SEED), shelf(SEED)
            if first.read("state") is None:
                first.keep("state", put("model"))
                assert second.read("state") is None
                second.keep("state", put("reference"))
            else:
                told = [(place.folder / "state" / "weights").read_text() for place in (first, second)]
                assert told == ["model", "reference"]
            raise KeyboardInterrupt


def test_the_newest_state_takes_the_place_of_the_one_before(tmp_path: Path):
    killed(tmp_path, "k1", "step 5")
    killed(tmp_path, "k1", "step 9")
    assert found(tmp_path, "k1") == "step 9"


def test_a_damaged_state_is_none(tmp_path: Path):
    killed(tmp_path, "k1", "step 5")
    (weights,) = (tmp_path / FOLDER).rglob("weights")
    weights.write_text("step 6")
    assert found(tmp_path, "k1") is None


def test_a_state_without_one_of_its_files_is_none(tmp_path: Path):
    killed(tmp_path, "k1", "step 5")
    (weights,) = (tmp_path / FOLDER).rglob("weights")
    weights.unlink()
    assert found(tmp_path, "k1") is None


def test_a_stage_that_ends_well_leaves_nothing(tmp_path: Path):
    with keeping(tmp_path, "train@a-g001", "k1"):
        shelf(SEED).keep("state", put("step 5"))
        tell(5, 10, "tokens", 1.0)
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_where_no_stage_runs_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    shelf(SEED).keep("state", put("step 5"))
    tell(5, 10, "tokens", 1.0)
    assert shelf(SEED).read("state") is None
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_to_whoever_asks(tmp_path: Path):
    with keeping(tmp_path, "train@a-g001", "k1"):
        time.sleep(0.6)
        tell(500, 2000, "tokens", 2.0)
        told = progress_of(tmp_path, "train@a-g001")
    assert told is not None
    assert (told["done"], told["total"], told["unit"], told["rate"]) == (500, 2000, "tokens", 250.0)
    assert progress_of(tmp_path, "train@a-g001") is None
