"""Check or serve what machines share.

Usage: python -m flows.shared check|serve [--file deploy/shared.env]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dwindle.errors import BadInput, nearest
from flows.guard import guarded
from flows.shared.settings import SETTINGS, read_settings, wrong_values

USAGE = "usage: python -m flows.shared check|serve [--file deploy/shared.env]"


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says.

    Raises:
        BadInput: if the command line or a setting is wrong.
        NotReachable: if a service is.
    """
    words = [word for word in arguments if word != "--debug"]
    file = _taken(words, "--file")
    if words not in (["check"], ["serve"]):
        raise BadInput(USAGE + (nearest(words[0], ("check", "serve")) if words else ""))
    settings = read_settings(file) if file else _from_environment()
    os.environ.update(settings)  # before anything that reads it is imported
    if words == ["check"]:
        from flows.shared.checks import check

        check(settings)
    else:
        from flows.shared.servers import serve

        serve(settings)


def _taken(words: list[str], option: str) -> Path | None:
    """Take an option and its value out of the command line."""
    for place, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name == option:
            given = [value] if sign else words[place + 1 : place + 2]
            if not given or not given[0]:
                raise BadInput(f"{option} names no file; {USAGE}")
            del words[place : place + (1 if sign else 2)]
            return Path(given[0])
    return None


def _from_environment() -> Mapping[str, str]:
    settings = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    if problems := wrong_values(settings):
        raise BadInput(*problems)
    return settings


if __name__ == "__main__":
    guarded(lambda: main(sys.argv[1:]))
