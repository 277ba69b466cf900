"""Which params file a word on the command line means, and one line for each mistake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dwindle.cli import main
from dwindle.config.finding import find_sweep
from dwindle.errors import BadInput

PARAMS = "sweep: mine\nlineages: {replace: {regime: replace}}\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "presets").mkdir()
    for name in ("golden-ratio", "mad-bias"):
        (tmp_path / "presets" / f"{name}.yaml").write_text(PARAMS)
    (tmp_path / "reproduced" / "mad-bias").mkdir(parents=True)
    (tmp_path / "reproduced" / "mad-bias" / "params.yaml").write_text(PARAMS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "params.yaml").write_text(PARAMS)
    (tmp_path / "other" / "big.yaml").write_text(PARAMS)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("", "params.yaml"),
        ("mine", "params.yaml"),
        ("params.yaml", "params.yaml"),
        (".", "params.yaml"),
        ("other", "other/params.yaml"),
        ("other/big.yaml", "other/big.yaml"),
        ("mad-bias", "reproduced/mad-bias/params.yaml"),
    ],
)
def test_a_file_a_folder_a_preset_and_a_name_are_found(here, word, path):
    assert find_sweep(word) == Path(path)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("mad-bais", "no sweep 'mad-bais'; did you mean mad-bias?"),
        ("min", "no sweep 'min'; did you mean mine?"),
        (
            "golden-ratio",
            "preset 'golden-ratio' is not grown here; `python -m flows.sweep preset=golden-ratio` grows it",
        ),
        ("elsewhere/params.yaml", "elsewhere/params.yaml: missing"),
        ("presets", "presets/params.yaml: missing"),
        ("a/b", "a/b/params.yaml: missing"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest_name(here, word, told):
    with pytest.raises(BadInput) as error:
        find_sweep(word)
    assert str(error.value).startswith(told)


def test_nothing_here_and_nothing_named_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"params\.yaml: missing; name a sweep"):
        find_sweep()


def test_the_command_exits_with_2_and_no_traceback(here, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dwindle", "report", "mad-bais"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: no sweep 'mad-bais'; did you mean mad-bias?\n"
