"""Reads a report's page as a reader does: tables by their caption, headings, links and identifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "col", "img", "input", "link", "meta", "wbr"}


@dataclass
class Table:
    """A table: the texts of its heading and body cells, what they are sorted by, and their explanations."""

    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)
    orders: list[list[str | None]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """Return the texts below a heading."""
        return [row[self.place(name)] for row in self.rows]

    def ordered(self, name: str) -> list[str | None]:
        """Return what the cells below a heading are sorted by."""
        return [row[self.place(name)] for row in self.orders]

    def place(self, name: str) -> int:
        """Return which column has this heading, or else the first one whose heading begins so."""
        if name in self.heads:
            return self.heads.index(name)
        return next(place for place, head in enumerate(self.heads) if head.startswith(name))


class Reader(HTMLParser):
    """Takes a page apart; a tag that is not closed, or closed twice, is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, Table] = {}
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self._table: Table | None = None
        self._text: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, self._open

    @property
    def identifiers(self) -> list[str]:
        return [str(found["id"]) for _, found in self.attributes if "id" in found]

    def links(self, name: str) -> list[str]:
        """Return the values of an attribute, such as href."""
        return [str(found[name]) for _, found in self.attributes if name in found]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.attributes.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._table = Table()
        if tag == "tr" and self._table is not None:
            self._cells, self._orders = [], []
        if tag in ("td", "th", "caption", "h1", "h2", "h3", "script"):
            self._text = []
            self._order = attributes.get("data-order")

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_data(self, data):
        self._text.append(data)

    def handle_endtag(self, tag):
        assert self._open, tag
        assert self._open.pop() == tag
        text = "".join(self._text)
        if tag in ("h1", "h2", "h3"):
            self.headings.append((int(tag[1]), text))
        if tag == "script":
            self.scripts.append(text)
        if self._table is None:
            return
        if tag == "caption":
            self._table.caption = text
        if tag in ("td", "th"):
            self._cells.append(text)
            self._orders.append(self._order)
        if tag == "tr" and "thead" in self._open:
            self._table.heads = self._cells
        if tag == "tr" and "tbody" in self._open:
            self._table.rows.append(self._cells)
            self._table.orders.append(self._orders)
        if tag == "table":
            self.tables[self._table.caption] = self._table
            self._table = None
