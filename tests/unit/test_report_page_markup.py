"""What pages are written with: escaping by default, and figures whose text and colours are the page's."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwindle.report.canvas import INK
from dwindle.report.page.markup import breakable, joined, listed, raw, tag, text
from dwindle.report.page.picture import HEADLINE, drawing, inlined


class Shown(HTMLParser):
    """What a reader sees of some HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.tags = "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.seen += data


def shown(markup):
    parser = Shown()
    parser.feed(markup)
    parser.close()
    return parser


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"])))
def test_any_text_is_seen_as_it_is_and_opens_no_tag(words):
    found = shown(tag("p", words, title=words))
    assert found.seen == words
    assert found.tags == [("p", [("title", words)])]


def test_characters_that_no_document_may_hold_are_replaced():
    assert text("a\x00b\x1bc\ud800") == "a\ufffdb\ufffdc\ufffd"


def test_attributes_are_spelled_as_html_has_them():
    assert tag("td", class_="a b", aria_label="x", data_order=None, hidden=True, colspan=2, title=False) == (
        '<td class="a b" aria-label="x" hidden colspan="2"></td>'
    )
    assert tag("meta", name="viewport", content="width") == '<meta name="viewport" content="width">'


def test_parts_may_be_nested_and_only_markup_is_left_alone():
    assert joined(["a<", [raw("<br>"), None, 3], tag("b", "&")]) == "a&lt;<br>3<b>&amp;</b>"


def test_a_name_may_break_after_its_joints():
    assert breakable("a_b-<c>") == "a_<wbr>b-<wbr>&lt;c&gt;"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        ("abcdefgh", "a, b, c, d, e and 3 more"),
    ],
)
def test_lists_are_told_in_prose(words, told):
    assert listed(words) == told


@pytest.fixture(scope="module")
def picture():
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=(3, 2))
        figure.text(0, 1, "for the PNG", gid=HEADLINE)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#123456", marker="o", gid="line")
        axes.set_title("a < b & <script>", color=INK)
        return inlined(figure, "here", "what it shows", {"#123456": ("c0", "#abcdef")}, tips={"line": "<x> & y"})


def test_text_of_a_picture_stays_text_and_is_escaped(picture):
    assert "a &lt; b &amp; &lt;script&gt;</text>" in picture
    assert "<title>&lt;x&gt; &amp; y</title>" in picture
    assert "DejaVu" not in picture


def test_colours_of_a_picture_are_those_of_the_page(picture):
    assert "var(--c0)" in picture
    assert "#123456" not in picture
    assert "currentColor" in picture


def test_a_picture_says_what_it_shows_and_leaves_the_headline_to_the_page(picture):
    assert 'role="img" aria-label="what it shows"' in picture
    assert "for the PNG" not in picture


def test_identifiers_of_a_picture_begin_with_its_name_and_all_are_referred_to(picture):
    known = re.findall(r' id="([^"]+)"', picture)
    assert known
    assert all(name.startswith("here-") for name in known)
    assert set(known) == {*re.findall(r'href="#([^"]+)"', picture), *re.findall(r"url\(#([^)]+)\)", picture)}
