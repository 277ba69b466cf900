"""A figure on the page: an SVG whose text is text and whose colours are the page's, and a PNG beside it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from dwindle.report.canvas import INK, save, styled
from dwindle.report.page.markup import Markup, raw
from dwindle.report.page.palette import GRID

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HEADLINE", "Picture", "drawing", "headline", "inlined", "printed"]

HEADLINE = "headline"
"""The gid of what the PNG needs and the page does not: the title is a heading there, and one key is for all charts."""

_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_HEX = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DRAWN = {"d", "x", "y", "width", "height", "transform", "points"}

Tips = Mapping[str, str]
"""What to say when the pointer rests on a part, by its gid."""


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Args:
        name: of its file, without ending, and of its place on the page.
        title: what it shows, in a few words.
        about: what is to be seen, for those who do not see it, and how to read it.
        svg: the drawing, ready to stand in the page.
        path: the PNG beside the page.
        width: points that it is wide when nothing forces it to be smaller.
    """

    name: str
    title: str
    about: str
    svg: Markup
    path: Path
    width: float


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the page's style: text stays text, and nothing in the file depends on the clock."""
    from matplotlib import rc_context

    with (
        styled(),
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "dwindle", "font.size": 9.0, "grid.color": GRID}),
    ):
        yield


def printed(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, 150 dots an inch."""
    return save(figure, path, dpi=150)


def headline(figure: Figure, words: str) -> None:
    """Write the title of a PNG."""
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 1 - 0.08 / height, words, va="top", size=11, weight="bold", gid=HEADLINE)


def inlined(
    figure: Figure,
    name: str,
    label: str,
    colours: Mapping[str, tuple[str, str]],
    *,
    crop: tuple[float, float] = (0.0, 0.0),
    tips: Tips | None = None,
) -> Markup:
    """Return a figure as an SVG element.

    Args:
        figure: what is drawn.
        name: its place on the page: identifiers within it begin with it.
        label: what it shows, for those who do not see it.
        colours: the page's names of the colours.
        crop: inches at the top and at the bottom that are left out, where the PNG has its title and its key.
        tips: what to say when the pointer rests on a part, by its gid.
    """
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(stream.getvalue())
    _plain_names(root)
    kept = _references(root)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get("id") == HEADLINE or child.tag in ("metadata", "style") or _is_ground(child):
                parent.remove(child)
    for element in root.iter():
        _tip(element, tips or {})
        _identify(element, name, kept)
        _colour(element, colours)
        _round(element)
    _drop_empty(root)
    top, bottom = (72 * inches for inches in crop)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    root.attrib.clear()
    root.attrib |= {"viewBox": f"0 {top:g} {width:g} {height - top - bottom:g}", "role": "img", "aria-label": label}
    return raw(ElementTree.tostring(root, encoding="unicode"))


def _plain_names(root: ElementTree.Element) -> None:
    """Take the namespaces away: within HTML they go without saying."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}


def _references(root: ElementTree.Element) -> set[str]:
    """Return the identifiers that something within refers to."""
    found = {element.get("href", "")[1:] for element in root.iter() if element.get("href", "").startswith("#")}
    return found | {
        match for element in root.iter() for value in element.attrib.values() for match in _REFERENCE.findall(value)
    }


def _is_ground(element: ElementTree.Element) -> bool:
    """Say whether a group is the invisible ground that matplotlib draws below a figure or its axes."""
    if not (element.get("id") or "").startswith("patch_") or len(element) != 1:
        return False
    return element[0].get("style") == "fill: none"


def _tip(element: ElementTree.Element, tips: Tips) -> None:
    told = tips.get(element.get("id", ""))
    if told is not None:
        title = ElementTree.Element("title")
        title.text = told
        element.insert(0, title)


def _identify(element: ElementTree.Element, name: str, kept: set[str]) -> None:
    """Keep the identifiers that are referred to, each with the picture's name before it."""
    own = element.attrib.pop("id", "")
    if own in kept:
        element.set("id", f"{name}-{own}")
    for key, value in element.attrib.items():
        if key == "href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
        elif "url(#" in value:
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))


def _colour(element: ElementTree.Element, colours: Mapping[str, tuple[str, str]]) -> None:
    style = element.get("style")
    if style is None:
        return
    style = style.replace("; font-family: 'DejaVu Sans'", "").replace("font-family: 'DejaVu Sans'; ", "")
    style = _HEX.sub(lambda found: _reference(found[0], colours), style)
    element.set("style", style.replace(": ", ":").replace("; ", ";"))


def _reference(colour: str, colours: Mapping[str, tuple[str, str]]) -> str:
    if colour == INK:
        return "currentColor"
    return f"var(--{colours[colour][0]})" if colour in colours else colour


def _round(element: ElementTree.Element) -> None:
    for key in _DRAWN & element.attrib.keys():
        element.set(key, " ".join(_NUMBER.sub(_rounded, element.attrib[key]).split()))
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    if element.text is not None and not element.text.strip():
        element.text = None
    element.tail = None if element.tail is not None and not element.tail.strip() else element.tail


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _drop_empty(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "g" and not len(child):
                parent.remove(child)
