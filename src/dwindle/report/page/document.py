"""The page: its sections in order, each with an anchor and a sentence that says how to read it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from dwindle.report.page.markup import Markup, Part, raw, tag
from dwindle.report.page.palette import stylesheet
from dwindle.report.page.picture import Picture
from dwindle.report.page.tables import wide

__all__ = ["Section", "document", "figure", "figures"]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        anchor: where links lead.
        title: its heading.
        reading: one sentence that says how to read it.
        body: what stands in it.
    """

    anchor: str
    title: str
    reading: str
    body: Part


def figure(picture: Picture) -> Markup:
    """Return a picture with its title, how to read it, and a link to its PNG."""
    least = picture.width * (0.85 if picture.width < 330 else 1.0)
    style = f"--wide:{picture.width:.0f}px;--least:{least:.0f}px"
    link = tag("a", "PNG", href=picture.path.name, class_="png", aria_label=f"{picture.title} as PNG")
    caption = tag(
        "figcaption", tag("strong", picture.title), " ", tag("span", picture.about, class_="about"), " ", link
    )
    return tag("figure", caption, wide(picture.title, picture.svg), id=picture.name, style=style, class_="chart")


def figures(pictures: Iterable[Picture]) -> Markup:
    """Return pictures side by side as far as there is room."""
    shown = list(pictures)
    widest = max((picture.width for picture in shown), default=0.0)
    room = "" if widest < 330 else " half" if widest < 580 else " roomy"
    return tag("div", map(figure, shown), class_=f"charts{room}")


def document(
    title: str,
    sections: Sequence[Section],
    colours: dict[str, tuple[str, str]],
    *,
    kicker: str = "dwindle report",
    about: str = "a report on model collapse",
) -> str:
    """Return the whole page as text.

    Args:
        title: the sweep's name.
        sections: in order.
        colours: the page's names of the colours.
        kicker: what stands above the title.
        about: what the page is, after the title in the window's head.
    """
    style = stylesheet(colours) + _packaged("style.css")
    script = _packaged("script.js")
    links = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title}: {about}"),
        tag("style", raw(style)),
    )
    body = tag(
        "body",
        tag("a", "Skip to the report", href="#main", class_="skip"),
        tag("header", tag("p", kicker, class_="kicker"), tag("h1", title)),
        tag("nav", tag("ol", links), aria_label="Sections"),
        tag("main", map(_section, sections), id="main", tabindex=-1),
        tag("footer", tag("p", "Every interval is over chains, at 95 %. Written by dwindle; it fetches nothing.")),
        tag("script", raw(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _section(section: Section) -> Markup:
    name = f"{section.anchor}-title"
    link = tag("a", section.title, href=f"#{section.anchor}", class_="anchor")
    return tag(
        "section",
        tag("h2", link, id=name),
        tag("p", section.reading, class_="reading"),
        section.body,
        id=section.anchor,
        aria_labelledby=name,
    )


def _packaged(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Return what the page may load: nothing from anywhere, and no script but its own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = ("default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'")
    return "; ".join((*allowed, "base-uri 'none'", "form-action 'none'"))
