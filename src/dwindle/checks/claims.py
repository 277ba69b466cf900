"""What a check is: a function named after a claim, which says what was expected and what was found instead."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TypeVar

import numpy as np

from dwindle.contracts import Array, Rows

__all__ = ["Check", "CheckFailed", "claim", "expect", "global_random_state_kept", "rows_kept", "same"]

T = TypeVar("T")
Check = Callable[[T], None]
"""Takes a component; returns if its claim holds and raises `CheckFailed` if not."""


class CheckFailed(AssertionError):
    """A component breaks a contract; the message starts with the name of the check."""


class _Unmet(Exception):
    """An expectation that does not hold; `claim` gives it the name of its check."""


def claim(check: Check[T]) -> Check[T]:
    """Make a function a check: whatever goes wrong inside is a broken claim of that name."""

    @wraps(check)
    def named(component: T) -> None:
        place = f"{check.__name__}: {type(component).__name__}"
        try:
            check(component)
        except _Unmet as unmet:
            raise CheckFailed(f"{place}: {unmet}") from None
        except Exception as error:
            raise CheckFailed(f"{place}: expected no exception, got {type(error).__name__}: {error}") from error

    return named


def expect(holds: object, expected: str, got: object) -> None:
    """Break the claim unless it holds.

    Args:
        holds: whether it does.
        expected: what should have been.
        got: what was found instead.

    Raises:
        Exception: for `claim` to turn into `CheckFailed`.
    """
    if not holds:
        raise _Unmet(f"expected {expected}, got {got}")


def same(first: Array, second: Array) -> bool:
    """Say whether two arrays are equal in shape and value, nan equal to nan."""
    return first.shape == second.shape and bool(np.all((first == second) | ((first != first) & (second != second))))


@contextmanager
def rows_kept(**named: Rows) -> Iterator[None]:
    """Expect that what runs inside leaves the arrays of the named rows as they were."""
    before = {name: _arrays(rows) for name, rows in named.items()}
    copies = {name: [array.copy() for array in arrays] for name, arrays in before.items()}
    yield
    for name, rows in named.items():
        kept = all(map(same, copies[name], before[name])) and all(map(same, copies[name], _arrays(rows)))
        expect(kept, f"the {name} rows untouched", "other values in their arrays")


def _arrays(rows: Rows) -> list[Array]:
    parts = [rows.values, rows.weights, rows.labels]
    if rows.provenance is not None:
        parts += [rows.provenance.origin, rows.provenance.row, rows.provenance.source]
    return [part for part in parts if part is not None]


@contextmanager
def global_random_state_kept() -> Iterator[None]:
    """Expect that what runs inside draws nothing from the global generators of python, numpy and torch.

    torch is watched once it is loaded: run a component once before it is watched.
    """
    _move_random_states()
    before = _random_states()
    yield
    after = _random_states()
    moved = [library for library, state in before.items() if state != after[library]]
    expect(not moved, "the global random states untouched", f"a draw from that of {', '.join(moved)}")


def _move_random_states() -> None:
    """Draw once from each: a component that seeds them would else put them back where it left them."""
    random.random()
    np.random.random_sample()  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].rand(1)


def _random_states() -> Mapping[str, object]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002  (watched here, not drawn from)
    generator = (legacy["state"]["key"].tobytes(), legacy["state"]["pos"], legacy["has_gauss"], legacy["gauss"])
    states: dict[str, object] = {"python": random.getstate(), "numpy": generator}
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.random.get_rng_state().numpy().tobytes()
    return states
