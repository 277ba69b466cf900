"""The page of a report: its parts, and that its numbers are those of the evaluations and profiles."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput
from dwindle.report.page import write_report
from dwindle.report.profiles import phase_label, profiles
from dwindle.report.series import gather
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED, quoted
from tests.unit.made_sweep import around, made_sweep
from tests.unit.read_page import Reader

ANCHORS = [
    "question",
    "lineages",
    "verdicts",
    "curves",
    "heat",
    "phases",
    "passages",
    "samples",
    "provenance",
    "cost",
    "again",
]


def evaluations(lineages=("replace", "accumulate", "blend"), generations=5):
    return {
        name: {
            t: {
                "frechet": around(0.1 + 0.2 * t * (place == 0), 0.02),
                "variance_ratio": around(1.0 - 0.15 * t * (place == 0), 0.05),
                "tail_mass": around(1.0 - 0.1 * t * (place == 0), 0.05),
            }
            for t in range(generations)
        }
        for place, name in enumerate(lineages)
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    plan = made_sweep(root, evaluations())
    report = write_report(load_sweep(root / "params.yaml"), plan)
    return root, plan, report, Reader(report.html.read_text())


def test_the_page_stands_in_the_plots_of_its_sweep_with_pictures_and_tables_beside_it(written):
    root, _, report, _ = written
    assert report.html == root / "plots" / "made" / "report" / "index.html"
    beside = {path.name for path in (*report.pictures, *report.tables)} | {"index.html"}
    assert {path.name for path in report.html.parent.iterdir()} == beside
    assert {"curves-frechet.png", "heat-variance_ratio.png", "measures.csv", "verdicts.csv"} <= beside


def test_each_section_has_an_anchor_a_heading_and_a_sentence_in_this_order(written):
    *_, page = written
    sections = [found for tag, found in page.attributes if tag == "section"]
    assert [found["id"] for found in sections] == ANCHORS
    assert all(found["aria-labelledby"] in page.identifiers for found in sections)
    readings = [found for tag, found in page.attributes if tag == "p" and found.get("class") == "reading"]
    assert len(readings) == len(ANCHORS)
    assert [level for level, _ in page.headings].count(1) == 1
    levels = [level for level, _ in page.headings]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_every_link_within_the_page_leads_somewhere_and_no_name_is_given_twice(written):
    _, _, report, page = written
    known = page.identifiers
    assert len(known) == len(set(known))
    for link in page.links("href"):
        if link.startswith("#"):
            assert link[1:] in known
        elif not link.startswith("data:"):
            assert (report.html.parent / link).is_file()


def test_the_page_asks_for_nothing_from_anywhere(written):
    _, _, report, page = written
    links = [link for name in ("src", "href", "action", "data") for link in page.links(name)]
    assert not [link for link in links if not link.startswith(("#", "data:")) and ("//" in link or ":" in link)]
    text = report.html.read_text()
    assert "@import" not in text
    assert not re.search(r"url\((?!#|data:)", text)
    policy = next(found["content"] for _, found in page.attributes if found.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_the_final_measures_are_those_of_the_evaluations(written):
    root, plan, _, page = written
    table, gathered = page.tables["Lineages"], gather(root, plan)
    for measure in ("frechet", "variance_ratio", "tail_mass"):
        series = gathered[measure].values()
        ends = [tuple(float(part[-1]) for part in (one.mean, one.low, one.high)) for one in series]
        assert table.column(measure) == [quoted(*end) for end in ends]
        assert [float(order) for order in table.ordered(measure)] == pytest.approx([end[0] for end in ends], rel=1e-5)


def test_the_verdicts_are_those_of_the_profile_with_their_intervals(written):
    root, plan, _, page = written
    table = page.tables["Verdicts on the eight definitions of collapse"]
    found = profiles(root, plan)
    assert table.column("lineage") == list(found)
    assert table.column("phase") == [phase_label(profile) for profile in found.values()]
    for place, name in enumerate(found):
        for verdict in found[name].verdicts:
            if verdict.definition in table.heads:
                cell = table.column(verdict.definition)[place]
                assert verdict.verdict in cell
                told = f"{verdict.value:.3g} [{verdict.low:.3g}, {verdict.high:.3g}]"
                flat = verdict.low == verdict.value == verdict.high  # no width: the number says all
                assert math.isnan(verdict.value) or (told in cell) is not flat
    assert {"collapsing variance", "loss of tail data"} < set(table.heads)
    assert "entanglement of modes" not in table.heads  # nothing measured can tell: a note says why


def test_the_counts_of_verdicts_add_up_to_the_lineages(written):
    root, plan, _, page = written
    table = page.tables["How many lineages have collapsed, by each of eight published definitions"]
    counts = [[int(cell) if cell != "·" else 0 for cell in row[1:5]] for row in table.rows]
    assert [sum(row) for row in counts] == [len(profiles(root, plan))] * 8


def test_the_passages_are_those_of_the_profile(written):
    root, plan, _, page = written
    table = page.tables["First generation outside the band of generation 0"]
    for place, profile in enumerate(profiles(root, plan).values()):
        for measure, found in profile.passages.items():
            shown = "never" if math.isinf(found.generation) else f"{found.generation:g}"
            assert table.column(measure)[place].startswith(shown)


def test_the_question_says_what_differs(written):
    _, _, report, _ = written
    text = report.html.read_text()
    assert "How do 3 lineages differ that vary in regime (accumulate, blend and replace)?" in text
    assert "replace</strong> left the band of generation 0 (there is no control) first" in text


def test_a_sweep_that_varies_neither_ratio_nor_size_is_told_what_to_vary(written):
    _, _, report, _ = written
    assert "give lineages several values of regime.synthetic_ratio" in report.html.read_text()
    assert not [path for path in report.pictures if path.name.startswith("phase")]


def test_the_same_files_give_the_same_bytes(written, tmp_path):
    _, _, report, _ = written
    again = made_sweep(tmp_path, evaluations())
    other = write_report(load_sweep(tmp_path / "params.yaml"), again)
    for mine, theirs in zip(
        (report.html, *report.pictures, *report.tables), (other.html, *other.pictures, *other.tables), strict=True
    ):
        assert mine.name == theirs.name
        assert mine.read_bytes() == theirs.read_bytes(), mine.name


def test_a_partly_grown_sweep_is_reported_as_far_as_it_is_grown(tmp_path):
    made = evaluations(("replace",), generations=3)
    plan = made_sweep(tmp_path, made)
    report = write_report(load_sweep(tmp_path / "params.yaml"), plan)
    table = Reader(report.html.read_text()).tables["Lineages"]
    assert table.column("generations") == ["2 of 4", "none of 4", "none of 4"]
    assert table.column("frechet")[1:] == [UNDEFINED, UNDEFINED]


def test_nothing_evaluated_is_refused_with_what_to_do(tmp_path):
    plan = made_sweep(tmp_path, {})
    with pytest.raises(BadInput, match="nothing is evaluated yet; grow its lineages first"):
        write_report(load_sweep(tmp_path / "params.yaml"), plan)
    assert not (tmp_path / "plots").exists()


def test_one_generation_has_a_page_without_verdicts(tmp_path):
    plan = made_sweep(tmp_path, evaluations(generations=1))
    report = write_report(load_sweep(tmp_path / "params.yaml"), plan)
    assert "so there is no verdict yet" in report.html.read_text()
    assert "verdicts.csv" not in {path.name for path in report.tables}


def test_pictures_of_an_earlier_report_go_when_the_measure_does(tmp_path):
    plan = made_sweep(tmp_path, evaluations())
    sweep = load_sweep(tmp_path / "params.yaml")
    folder = write_report(sweep, plan).html.parent
    (folder / "curves-gone.png").write_bytes(b"old")
    (folder / "notes.txt").write_text("mine")
    write_report(sweep, plan)
    assert not (folder / "curves-gone.png").exists()
    assert (folder / "notes.txt").exists()


def test_tables_from_elsewhere_stand_after_the_phase_diagram_and_beside_the_answer(tmp_path):
    plan = made_sweep(tmp_path, evaluations())
    extra = TextTable("threshold", "largest stable ratio", ("family", "ratio"), (("gaussian", "0.9 <b>"),), ("a note",))
    check = TextTable("check", "was it reproduced", ("claim", "verdict"), (("it holds", "holds"),))
    report = write_report(load_sweep(tmp_path / "params.yaml"), plan, extra=[extra], checks=[check])
    text = report.html.read_text()
    assert Reader(text).tables["largest stable ratio"].rows == [["gaussian", "0.9 <b>"]]
    places = [text.index(f'id="{name}"') for name in ("question", "lineages", "phases", "passages")]
    assert places[0] < text.index("was it reproduced") < places[1]
    assert places[2] < text.index("largest stable ratio") < places[3]
