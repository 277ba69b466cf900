"""HTML written by small functions that escape everything but what they wrote themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Markup", "Part", "breakable", "joined", "listed", "raw", "tag", "text"]

_VOID = frozenset({"br", "col", "img", "input", "link", "meta", "wbr"})
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already; any other text is escaped where it is put into a tag."""

    __slots__ = ()


Part = Markup | str | int | Iterable["Part"] | None
"""What a tag may hold; None is nothing."""


def raw(written: str) -> Markup:
    """Return text as HTML. Only for what dwindle wrote itself: styles, scripts and pictures without foreign text."""
    return Markup(written)


def text(part: str) -> Markup:
    """Return any text as HTML: escaped, and without characters that no HTML document may hold."""
    return Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", part), quote=True))


def joined(part: Part) -> Markup:
    """Return parts as HTML, one after another."""
    if part is None:
        return Markup("")
    if isinstance(part, Markup):
        return part
    if isinstance(part, str | int):
        return text(str(part))
    return Markup("".join(map(joined, part)))


def tag(name: str, /, *parts: Part, **attributes: str | int | bool | None) -> Markup:
    """Return an element.

    Args:
        name: the element's name.
        parts: what it holds; texts are escaped.
        attributes: `class_` is written class, `aria_label` aria-label; True is an attribute without a value, None and
            False are none.
    """
    spelled = "".join(
        f" {_spelled(key)}" if value is True else f' {_spelled(key)}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{spelled}>")
    return Markup(f"<{name}{spelled}>{joined(parts)}</{name}>")


def _spelled(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def breakable(name: str) -> Markup:
    """Return a name that may be broken after each `-`, `_` and comma where it does not fit a narrow column."""
    return Markup(re.sub("([-_,])", r"\1<wbr>", text(name)))


def listed(words: Iterable[str], *, most: int = 6, last: str = "and") -> str:
    """Return words as a list in prose: `a, b and c`; more than `most` end in how many more there are."""
    shown = list(words)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1} more"]
    return f" {last} ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)
