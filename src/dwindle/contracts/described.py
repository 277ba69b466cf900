"""What a source may say of its rows: pictures, columns of a table, classes, groups, and where they were taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from dwindle.data.columns import Column
from dwindle.data.rows import Array, FloatArray, IntArray, Rows
from dwindle.seeds import Seed

__all__ = [
    "Descended",
    "Documented",
    "Grouped",
    "Labelled",
    "Pictured",
    "Placed",
    "Readable",
    "Tabular",
    "classes_of",
    "content_of",
    "pixels_of",
]


@runtime_checkable
class Tabular(Protocol):
    """A source of tables."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns, in the order of a row's values; at most one target and one group."""
        ...


@runtime_checkable
class Pictured(Protocol):
    """A source of vectors that are pictures, or coordinates of pictures."""

    def pixels(self) -> tuple[int, int, int] | None:
        """Return height, width and colours (1 or 3) where a row's values are the pixels, row by row; else None."""
        ...

    def images(self, values: Array, *, seed: Seed) -> FloatArray:
        """Return (n, d) rows as pictures, (n, h, w) or (n, h, w, 3); `seed` is any seed of the sweep."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """A source whose rows may carry a class."""

    def label_names(self) -> tuple[str, ...]:
        """Return the name of each class, in the order of `Rows.labels`; empty where the rows carry none."""
        ...


@runtime_checkable
class Grouped(Protocol):
    """A source whose rows belong to subgroups, by what a row says itself: real ones and sampled ones alike."""

    def group_names(self) -> tuple[str, ...]:
        """Return the name of each subgroup."""
        ...

    def groups(self, rows: Rows) -> IntArray:
        """Return the subgroup of each row, (c, n), -1 where it has none."""
        ...


@runtime_checkable
class Readable(Protocol):
    """A source of sequences whose tokens spell text."""

    def text(self, values: Array) -> list[str]:
        """Return (n, L) tokens, of this source or of a model of it, as text."""
        ...


@runtime_checkable
class Placed(Readable, Protocol):
    """A source of sequences that knows where in the text each token stands."""

    def places(self, values: Array) -> list[tuple[str, IntArray]]:
        """Return (n, L) tokens as text, and where in it each token begins and ends, (L, 2).

        Raises:
            ValueError: if the tokens do not stand one after another in the text; said of no rows, too.
        """
        ...

    def token(self, text: str) -> int | None:
        """Return the token that is spelled like this, alone; None where there is none."""
        ...


@runtime_checkable
class Documented(Protocol):
    """A source that takes its rows from a package or a file; every source with an end is one."""

    def card(self) -> Mapping[str, str]:
        """Return `package`, `version`, `licence` and `sha256` of what the rows are taken from, empty if not known.

        It goes into the manifest of the real rows, so it holds no path and no clock.
        """
        ...


@runtime_checkable
class Descended(Protocol):
    """A source whose rows may be synthetic: it knows how many synthetic ancestors they have, and what they are for."""

    def depth(self) -> int:
        """Return the most synthetic ancestors of any of its rows; 0 if all are real."""
        ...

    def purpose(self) -> str:
        """Return what its rows were made for; empty for nothing in particular."""
        ...


def pixels_of(source: Any) -> tuple[int, int, int] | None:
    """Return height, width and colours where a source's rows are pixels, else None."""
    return source.pixels() if isinstance(source, Pictured) else None


def classes_of(source: Any) -> tuple[str, ...]:
    """Return the names of the classes that a source's rows may carry."""
    return source.label_names() if isinstance(source, Labelled) else ()


def content_of(source: Any) -> dict[str, Any]:
    """Return what a row of a source is, for the manifests of its rows and of all that descend from them.

    It holds the kind and, where there are any, the size of the alphabet, the columns and the names of the classes.
    """
    content: dict[str, Any] = {"kind": source.kind}
    if source.kind in ("symbols", "sequences") and isinstance(symbols := getattr(source, "symbols", None), int):
        content["symbols"] = symbols
    if source.kind == "tables" and isinstance(source, Tabular):
        content["columns"] = [{**asdict(column), "levels": list(column.levels)} for column in source.columns()]
    return content | ({"classes": list(names)} if (names := classes_of(source)) else {})
