"""What can go wrong, by exit code. Each message is for the person who ran the command; none needs a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BadInput",
    "DataDamaged",
    "DwindleError",
    "Ended",
    "NotReachable",
    "Refused",
    "Rejected",
    "RolledBack",
    "StageFailed",
    "Starved",
    "Stopped",
    "Undecided",
    "nearest",
]


class DwindleError(Exception):
    """An error with a message for the user and an exit code for the shell."""

    exit_code = 1


class BadInput(DwindleError):
    """The configuration or the command line is wrong. Nothing was written.

    Args:
        problems: every problem found, one line each.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NotReachable(DwindleError):
    """Something outside dwindle is missing, held by another process or out of reach."""

    exit_code = 3


class DataDamaged(DwindleError):
    """A file is not what its manifest says."""

    exit_code = 4


class StageFailed(DwindleError):
    """A stage could not do its work for a scientific reason: no rows left, a fit that is impossible."""

    exit_code = 5


class Ended(StageFailed):
    """A lineage ends before its last generation, and that is a result, not a breakdown."""

    outcome = "ended"


class Starved(Ended):
    """The curators left a lineage without rows to train on."""

    outcome = "starved"


class Refused(Ended):
    """The policy does not allow the rows that would train a generation."""

    outcome = "refused"


class Stopped(Ended):
    """A gate ends a lineage: a measure is beyond its bound, or a curator's bias is alarming."""

    outcome = "stopped"


class RolledBack(Ended):
    """A gate ends a lineage, and another one goes on from one of its earlier generations."""

    outcome = "rolled_back"


class Rejected(Ended):
    """Reviewers do not let a dataset train its generation."""

    outcome = "rejected"


class Undecided(Ended):
    """A dataset waits for its reviewers: the lineage ends here until they have decided and it is grown again."""

    exit_code = 3
    outcome = "undecided"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the known name nearest to a word, or the known names if none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(names)}" if names else ""
