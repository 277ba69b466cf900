"""Memory that does not suffice: said in words, with what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dwindle.errors import StageFailed

__all__ = ["SIGNS", "enough_memory"]

SIGNS = ("not enough memory", "DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""Words of which torch uses one where memory does not suffice."""


@contextmanager
def enough_memory(work: str, hint: str) -> Iterator[None]:
    """Turn what torch raises for want of memory into one sentence.

    Args:
        work: what was being done, with its size.
        hint: what would need less.

    Raises:
        StageFailed: in its place.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = str(error)
        if not isinstance(error, MemoryError) and not any(sign in told for sign in SIGNS):
            raise
        first = told.splitlines()[0][:200] if told else "no more is known"
        raise StageFailed(f"out of memory while {work}; {hint} ({first})") from error
