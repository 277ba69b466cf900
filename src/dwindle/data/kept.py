"""Answers that are asked for again and again with the same rows: what the real rows of a lineage have in common."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Concatenate, Generic, ParamSpec, TypeVar

import numpy as np

from dwindle.data.rows import Array

__all__ = ["Kept", "kept"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 4  # answers


class Kept(Generic[P, T]):
    """A function of an array, and perhaps of hashable settings, that knows its last few answers.

    They are found by the digest of the array, which itself is not kept: every stage reads its rows from a file anew.

    Args:
        function: takes the array first; gives the same answer each time, which nobody changes.
    """

    def __init__(self, function: Callable[Concatenate[Array, P], T]) -> None:
        self._function = function
        self._answers: OrderedDict[Hashable, T] = OrderedDict()

    def __call__(self, values: Array, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the answer, computed if it is not known."""
        content = hashlib.sha256(np.ascontiguousarray(values).data).digest()
        key = (content, values.shape, values.dtype.str, args, tuple(sorted(kwargs.items())))
        if key not in self._answers:
            self._answers[key] = self._function(values, *args, **kwargs)
        self._answers.move_to_end(key)
        while len(self._answers) > _MOST:
            self._answers.popitem(last=False)
        return self._answers[key]

    def forget(self) -> None:
        """Forget all answers."""
        self._answers.clear()


def kept(function: Callable[Concatenate[Array, P], T]) -> Kept[P, T]:
    """Let a function know its last few answers, as a decorator."""
    return Kept(function)
