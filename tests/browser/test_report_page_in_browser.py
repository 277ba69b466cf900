"""The page of a report in a real browser: widths, keyboard, contrast, colours of the reader's choice, and print."""

from __future__ import annotations

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.report.page import write_report
from dwindle.stages.runner import run_stage
from tests.browser.chromium import browser, found
from tests.unit.made_sweep import planned

pytestmark = pytest.mark.skipif(
    found() is None, reason="no Chromium on the path: chromium, chromium-browser or google-chrome"
)

PARAMS = """\
sweep: a-sweep-with-a-rather-long-name-that-has-no-blank-in-it
generations: 4
chains: 4
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 50}
family: gaussian
metrics: [moments, frechet, prdc, tail_mass]
control: true
lineages:
  a_lineage_whose_name_is_long_and_has_no_blank: {regime: replace}
  half: {regime: {name: mixture, real: fresh, synthetic_ratio: 0.5}}
  most: {regime: {name: mixture, real: fresh, synthetic_ratio: 0.9}}
  half-large: {budget: 80, regime: {name: mixture, real: fresh, synthetic_ratio: 0.5}}
  most-large: {budget: 80, regime: {name: mixture, real: fresh, synthetic_ratio: 0.9}}
"""

CONTRASTS = """
(() => {
  const plain = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const part = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = plain(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    const unseen = element.closest("script, title, .skip, .unseen") || style.display === "none";
    if (unseen || !walker.currentNode.data.trim()) continue;
    if (element.closest("svg") && plain(style.fill).join() === "255,255,255") continue;  // numbers on dark cells
    if (element.closest("svg") && plain(style.fill).join() === "17,17,17") continue;
    const ink = element.closest("svg") ? style.fill : style.color;
    const [one, two] = [light(plain(ink)), light(ground(element))].sort((a, b) => b - a);
    found.push([(one + 0.05) / (two + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 3);
})()
"""

STROKES = """
[...new Set([...document.querySelectorAll(".chart svg path, .key svg path")]
  .map((path) => getComputedStyle(path).stroke).filter((stroke) => stroke !== "none"))]
"""

OVERFLOWING = """
[...document.querySelectorAll("main *")]
  .filter((e) => !e.closest(".wide, pre") || e.matches(".wide, pre"))
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => e.tagName + "." + e.className)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("shown")
    plan = planned(root, PARAMS)
    for name in plan.stage_names():
        run_stage(root, name, plan=plan)
    return write_report(load_sweep(root / "params.yaml"), plan).html


@pytest.fixture(scope="module")
def tab():
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_nothing_is_wider_than_the_screen_but_what_scrolls_by_itself(tab, page, width):
    tab.open(page, width=width)
    assert tab.ask("document.documentElement.scrollWidth") <= width
    assert tab.ask(OVERFLOWING) == []


def test_what_scrolls_can_be_reached_by_the_keyboard_and_has_a_name(tab, page):
    tab.open(page, width=320)
    regions = tab.ask(
        "[...document.querySelectorAll('.wide, pre')].filter((e) => e.scrollWidth > e.clientWidth)"
        ".map((e) => [e.tabIndex, e.getAttribute('role'), (e.ariaLabel ?? '').length > 0])"
    )
    assert len(regions) > 5
    assert all(region == [0, "region", True] for region in regions)


def test_what_does_not_scroll_is_no_stop_for_the_keyboard(tab, page):
    tab.open(page, width=1280)
    still = tab.ask(
        "[...document.querySelectorAll('.wide, pre')]"
        ".filter((e) => e.checkVisibility() && e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight)"
        ".map((e) => e.tabIndex)"
    )
    assert len(still) > 5
    assert set(still) == {-1}


def test_what_is_behind_the_verdicts_is_unfolded_by_the_keyboard_and_on_paper(tab, page):
    tab.open(page)
    folded = "document.querySelector('#verdicts details')"
    assert tab.ask(f"{folded}.open") is False
    tab.ask(f"{folded}.querySelector('summary').focus()")
    tab.press("Enter")
    assert tab.ask(f"{folded}.open") is True
    behind = tab.ask(f"{folded}.innerText")
    assert all(words in behind for words in tab.ask("[...document.querySelectorAll('#verdicts td')].map(e => e.title)"))
    tab.open(page)
    tab.ask("dispatchEvent(new Event('beforeprint'))")
    assert tab.ask("[...document.querySelectorAll('details')].every((e) => e.open)")


def test_the_page_asks_for_nothing_but_itself(tab, page):
    tab.requests.clear()
    tab.open(page)
    assert [request for request in tab.requests if not request.startswith("data:")] == [page.as_uri()]


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_a_contrast_of_four_and_a_half_to_one(tab, page, dark):
    tab.open(page, dark=dark)
    worst = tab.ask(CONTRASTS)
    assert worst[0][0] >= 4.5, worst


def test_pictures_change_their_colours_with_the_page(tab, page):
    tab.open(page)
    light = set(tab.ask(STROKES))
    tab.open(page, dark=True)
    dark = set(tab.ask(STROKES))
    assert len(light) > 5
    assert not light & dark


def test_tab_leads_first_to_the_skip_link_then_through_the_sections(tab, page):
    tab.open(page)
    names = []
    for _ in range(5):
        tab.press("Tab")
        names.append(tab.ask("document.activeElement.textContent"))
        outline = tab.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", names[-1]
    assert names == ["Skip to the report", "Question and answer", "Lineages", "Verdicts", "Curves"]


def test_the_skip_link_leads_past_the_links(tab, page):
    tab.open(page)
    tab.press("Tab")
    tab.press("Enter")
    assert tab.ask("document.activeElement.id") == "main"


def test_a_table_is_sorted_by_the_heading_that_is_pressed_and_back_again(tab, page):
    tab.open(page)
    rows = "[...document.querySelectorAll('#lineages tbody tr')].map((row) => row.cells[0].dataset.order)"
    heads = "[...document.querySelectorAll('#lineages thead tr:last-child th')]"
    column = tab.ask(f"{heads}.findIndex((head) => head.textContent.startsWith('frechet'))")
    values = (
        f"[...document.querySelectorAll('#lineages tbody tr')].map((row) => Number(row.cells[{column}].dataset.order))"
    )
    before = tab.ask(rows)
    tab.ask(f"{heads}[{column}].querySelector('button').focus()")
    tab.press("Enter")
    up = tab.ask(values)
    assert up == sorted(up)
    assert tab.ask(f"{heads}[{column}].ariaSort") == "ascending"
    tab.press("Enter")
    assert tab.ask(values) == up[::-1]
    assert sorted(tab.ask(rows)) == sorted(before)


def test_every_picture_says_in_words_what_it_shows(tab, page):
    tab.open(page)
    told = tab.ask(
        "[...document.querySelectorAll('main svg:not([aria-hidden]), main img')]"
        ".map((e) => (e.getAttribute('aria-label') ?? e.alt).length)"
    )
    assert len(told) > 10
    assert min(told) > 20


def test_every_cell_of_a_table_belongs_to_a_heading_and_every_table_has_a_caption(tab, page):
    tab.open(page)
    assert tab.ask("[...document.querySelectorAll('table')].every((t) => t.caption?.textContent.length > 4)")
    assert tab.ask("[...document.querySelectorAll('th')].every((t) => t.hasAttribute('scope'))")


def test_in_print_nothing_is_cut_and_colours_are_light(tab, page, tmp_path):
    tab.open(page, width=720, dark=True)
    tab.send("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    try:
        assert tab.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert tab.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
        ends = "[...document.querySelectorAll('.chart svg, .sheet img')].map((e) => e.getBoundingClientRect().right)"
        assert max(tab.ask(ends)) <= tab.ask("innerWidth") + 1
    finally:
        tab.send("Emulation.setEmulatedMedia", media="", features=[])
    assert tab.pdf(tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
