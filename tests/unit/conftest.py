"""What several unit tests ask for: the command line in this process, and a grid that is read."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from dwindle.cli import main
from dwindle.config.sweep import load_sweep
from tests.unit.gridded_sweep import PARAMS


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def dwindle(monkeypatch, capsys):
    """Run the command as the shell would, in this process; anything but a clean exit is a defect."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dwindle", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ended(ended.value.code or 0, told.out, told.err)

    return run


@pytest.fixture
def loaded(tmp_path):
    def load(more, *overrides):
        (tmp_path / "params.yaml").write_text(PARAMS + more)
        return load_sweep(tmp_path / "params.yaml", overrides)

    return load
