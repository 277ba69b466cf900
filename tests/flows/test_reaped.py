"""Whose server it is: an embedded one ends with its flow, one of one's own is left alone."""

from __future__ import annotations

import signal

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.command import reaped


def watches(child: psutil.Process) -> bool:
    try:
        return "flows.reaper" in child.cmdline()
    except psutil.Error:  # it has just ended, or nobody has asked for its exit code yet
        return False


@pytest.mark.parametrize(("url", "watched"), [("http://127.0.0.1:4200/api", False), (None, True)])
def test_only_an_embedded_server_is_watched_also_if_a_profile_names_ones_own(monkeypatch, url, watched):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    before = signal.getsignal(signal.SIGINT)
    with temporary_settings(updates={PREFECT_API_URL: url}), reaped():
        watchers = [child for child in psutil.Process().children() if watches(child)]
        assert bool(watchers) == watched
        assert (signal.getsignal(signal.SIGINT) is not before) == watched
    for watcher in watchers:  # it would live as long as this process
        watcher.kill()
