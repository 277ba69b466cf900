"""The curators that read text: each rule drops what it names, and real text passes all of them."""

from __future__ import annotations

import string

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.curators.personal_data import PersonalData
from dwindle.curators.text_quality import TextQuality
from dwindle.data.personal import LABELS, found
from dwindle.sources.grammar import Grammar
from dwindle.sources.pydoc_topics import PydocTopics
from dwindle.sources.text_files import TextFiles
from dwindle.sources.zipf import Zipf

REAL = "it was a bright cold day in april, and the clocks were striking thirteen. nobody looked up at the sky."
GERMAN = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, und keiner weiß so recht warum."
LENGTH = 120
OFF = dict.fromkeys(("shortest", "shortest_word", "longest_word", "most_symbols", "repeated_lines", "top_ngram"), 0) | {
    "repeated_ngrams": 0,
    "language": 0,
}

PERSONAL = {
    "url": ("https://bob:secret@example.com", "ftp://u:p4ss@192.0.2.1"),
    "email": ("jane.doe@example.com", "a+b_c@mail.example.co.uk", "x@sub-domain.example.org"),
    "iban": ("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "AT61 1904 3002 3457 3201"),
    "card": ("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"),
    "ssn": ("219-09-9999", "078-05-1120"),
    "ip": ("192.0.2.146", "2001:db8::8a2e:370:7334", "fe80::1"),
    "phone": ("+44 20 7946 0958", "+12025550143", "(212) 555-0187", "212-555-0187", "020 7946 0958", "01 23 45 67 89"),
}
NEAR_MISSES = (
    "Python 3.11.4 and v1.2.3.4, version 10.2.0.1",
    "on 2024-01-15, 01-02-2024, 01.02.2024 and 12/31/1999 at 12:30:45",
    "12345678901234 9007199254740993 1000000007 0123456789012345678901234567890",
    "4111 1111 1111 1112 or DE89370400440532013001",
    "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, ISBN 978-3-16-148410-0",
    "127.0.0.1, 0.0.0.0, 256.1.1.1, 1.2.3, 1.2.3.4.5",
    "a[::2], a[1::2], std::abs, dead::beef, ::1, 00:1a:2b:3c:4d:5e",
    "@property, a @ b, user@localhost, see x@y",
    "https://example.com:8080/@user and http://example.com/a:b@c",
    "1 + 2 3 4 5 6 7 8 9, 3.14159265358979, pages 100-200, 2,147,483,647",
    "0x1F600, AB12 CDEF GHIJ KLMN, 555-0187",
)


@pytest.fixture(scope="module")
def spelling(tmp_path_factory):
    """Return a source of characters: all of ASCII, and what the German line has beside."""
    file = tmp_path_factory.mktemp("texts") / "text.txt"
    file.write_text((string.printable + REAL + GERMAN + "|~^") * 20)
    return TextFiles(path=str(file), unit="characters", symbols=300, length=LENGTH, held_out=1)


@pytest.fixture
def rows(spelling):
    """Return a function that makes one chain of texts, padded with blanks."""
    return lambda *texts: Rows(np.array([[[spelling.token(c) for c in text.ljust(LENGTH)] for text in texts]]))


def dropped(curator, source, new, anchor):
    curated = curator.given(source).curate(new, anchor=anchor, seed=Seed(0))
    return {reason: count for reason, count in curated.dropped.items() if count}


@pytest.mark.parametrize(
    ("settings", "text", "reason"),
    [
        ({"shortest": 3}, "two words", "fewer than 3 words"),
        ({"shortest": 30, "counted": "characters"}, "two words", "fewer than 30 characters"),
        ({"longest": 19}, REAL, "more than 19 words"),
        ({"shortest_word": 3.0}, "so it is to be or no . . .", "words too short"),
        ({"longest_word": 10.0}, "incomprehensibilities notwithstanding", "words too long"),
        ({"most_symbols": 0.2}, "if (a && b) { x[i] = *p; } // |~^| ## {}{}{}{}{}{}{}{}{}{}{}", "too many symbols"),
        ({"repeated_lines": 0.3}, "one line\nanother line\none line\none line", "repeated lines"),
        ({"top_ngram": 0.4}, "the end the end the end of it all", "one n-gram too often"),
        ({"repeated_ngrams": 0.3}, "all that is solid melts away all that is solid melts", "repeated n-grams"),
    ],
)
def test_each_rule_drops_what_breaks_it_and_can_be_switched_off(spelling, rows, settings, text, reason):
    new = rows(text, "a sentence of a few words, none of which is here twice")
    assert dropped(TextQuality(**{**OFF, **settings}), spelling, new, new) == {reason: 1}
    assert dropped(TextQuality(**OFF), spelling, new, new) == {}


def test_a_row_goes_for_the_first_rule_that_it_breaks(spelling, rows):
    new = rows("", "? ? ? ?")
    curated = TextQuality(language=0).given(spelling).curate(new, anchor=new, seed=Seed(0))
    assert curated.why["fewer than 1 words"].tolist() == [[True, False]]
    assert curated.why["words too short"].tolist() == [[False, True]]


@pytest.mark.parametrize(
    "source", [PydocTopics(held_out=100), PydocTopics(unit="pieces", symbols=500, length=64, held_out=100), Grammar()]
)
def test_the_defaults_leave_most_of_real_text(source):
    anchor, new = (source.draw(700, first=first, chains=1, seed=Seed(1)) for first in (0, 700))
    assert sum(dropped(TextQuality(), source, new, anchor).values()) <= 0.06 * new.count


def test_the_language_is_that_of_the_anchor(spelling, rows):
    words = np.array(REAL.split())
    generator = np.random.default_rng(2)
    english, more = ([" ".join(generator.permutation(words)) for _ in range(count)] for count in (200, 50))
    german = [" ".join(generator.permutation(GERMAN.split())) for _ in range(50)]
    reason = "not in the language of the anchor"
    judged = TextQuality(**{**OFF, "language": 0.98}).given(spelling)
    curated = judged.curate(rows(*more, *german), anchor=rows(*english), seed=Seed(0))
    assert curated.kept[0, :50].sum() >= 45
    assert curated.why[reason][0, 50:].all()
    assert judged.curate(rows(*german), anchor=rows(*german), seed=Seed(0)).kept.sum() >= 45


def test_an_anchor_of_one_row_has_no_language(spelling, rows):
    anchor = Rows(rows(REAL, REAL).values, np.array([[1.0, 0.0]]))
    assert dropped(TextQuality(**{**OFF, "language": 0.5}), spelling, rows(GERMAN), anchor) == {}


def test_of_rows_like_the_anchors_as_many_go_as_the_share_says():
    source = Grammar(exponent=0.5)
    anchor, new = (source.draw(2000, first=first, chains=2, seed=Seed(4)) for first in (0, 2000))
    curated = TextQuality(**{**OFF, "language": 0.9}).given(source).curate(new, anchor=anchor, seed=Seed(0))
    assert np.allclose(curated.kept.mean(axis=1), 0.9, atol=0.04)


def test_limits_that_no_row_can_keep_are_refused():
    with pytest.raises(ValueError, match="longest 5 is below shortest 9"):
        TextQuality(shortest=9, longest=5)
    with pytest.raises(ValueError, match="longest_word 2 is below shortest_word 3"):
        TextQuality(longest_word=2.0)


@pytest.mark.parametrize("curator", [TextQuality(), PersonalData()])
def test_a_source_without_text_is_refused(curator):
    with pytest.raises(ValueError, match="Zipf cannot spell its rows"):
        curator.given(Zipf())
    with pytest.raises(ValueError, match="given no source"):
        curator.curate(Rows(np.zeros((1, 1, 1), int)), anchor=Rows(np.zeros((1, 1, 1), int)), seed=Seed(0))


@pytest.mark.parametrize("curator", [TextQuality(language=0), PersonalData(), PersonalData(action="mask")])
def test_places_without_a_row_are_not_read(spelling, rows, curator):
    new = rows("", REAL, "write to jane.doe@example.com", "? ?")
    new = Rows(new.values, np.array([[0.0, 2.0, 0.0, 0.0]]))
    new.values[0, 3] = -1
    curated = curator.given(spelling).curate(new, anchor=new, seed=Seed(0))
    assert curated.kept.tolist() == [[False, True, False, False]]
    assert curated.weights is new.weights
    assert not any(curated.dropped.values())


@pytest.mark.parametrize("kind", PERSONAL)
def test_every_example_of_a_kind_is_found_whole_in_a_sentence(kind):
    for example in PERSONAL[kind]:
        for text in (example, f"it is {example}, and so on.", f"({example})", f"it is {example}."):
            assert [(m.kind, text[m.start : m.end].rstrip(",).")) for m in found(text, LABELS)] == [(kind, example)]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_near_misses_stay(text):
    assert [text[m.start : m.end] for m in found(text, LABELS)] == []


def test_few_long_whole_numbers_pass_for_personal_data():
    generator = np.random.default_rng(0)
    lengths = generator.integers(5, 20, size=3000)
    numbers = ["".join(map(str, [generator.integers(1, 10), *generator.integers(10, size=n - 1)])) for n in lengths]
    assert sum(bool(found(number, LABELS)) for number in numbers) < 0.02 * len(numbers)


def test_time_is_linear_in_adversarial_text():
    """A pattern that backtracks would take a square of 40 000 steps, or worse: minutes, and the timeout."""
    for bit in ("a@", "a@a.", "a.", "1 ", "1111 ", "01 ", "+1 ", "AB12 ", ":", "1:", "a://a:", "(2", "212-", "1."):
        for text in (bit * 20_000, bit * 20_000 + "!"):
            found(text[:40_000], LABELS)


def test_text_of_a_reference_holds_no_personal_data():
    source = PydocTopics(held_out=100)
    new = source.draw(1500, first=0, chains=1, seed=Seed(0))
    assert dropped(PersonalData(), source, new, new) == {}


def test_a_row_with_several_kinds_is_dropped_once_and_all_are_counted(spelling, rows):
    new = rows("mail jane.doe@example.com or call +44 20 7946 0958 or +44 20 7946 0959", REAL)
    curated = PersonalData().given(spelling).curate(new, anchor=new, seed=Seed(0))
    assert curated.kept.tolist() == [[False, True]]
    assert {reason for reason, count in curated.dropped.items() if count} == {"personal data: e-mail address"}
    facts = {name: fact.values.tolist() for name, fact in curated.facts.items()}
    assert facts["personal_data.found"] == [3.0]
    assert (facts["personal_data.email"], facts["personal_data.phone"], facts["personal_data.card"]) == ([1], [2], [0])


def test_only_the_kinds_that_are_named_are_looked_for(spelling, rows):
    new = rows("mail jane.doe@example.com", "call +44 20 7946 0958")
    assert dropped(PersonalData(kinds_of_data=("phone",)), spelling, new, new) == {"personal data: phone number": 1}


@pytest.mark.parametrize("unit", ["characters", "words", "pieces"])
def test_masked_rows_hold_no_personal_data_and_are_otherwise_as_they_were(tmp_path, unit):
    line = "x caf\N{LATIN SMALL LETTER E WITH ACUTE} write jane.doe@example.com or 192.0.2.146 soon\n"
    (tmp_path / "text.txt").write_text(line * 60)
    source = TextFiles(path=str(tmp_path / "text.txt"), unit=unit, symbols=300, length=14, held_out=2)
    new = source.draw(20, first=0, chains=2, seed=Seed(0))
    curated = PersonalData(action="mask").given(source).curate(new, anchor=new, seed=Seed(0))
    touched = np.any(list(curated.repaired.values()), axis=0)
    assert touched.any()
    assert curated.kept.all()
    assert np.array_equal(curated.values[~touched], new.values[~touched])
    assert not any(found(text, LABELS) for text in source.text(curated.values[touched]))
    for before, after in zip(new.values[touched], curated.values[touched], strict=True):
        assert (after[before != after] == source.token("x")).all()
        assert (before != after).any()


def test_a_mask_covers_the_match_and_nothing_beside(spelling, rows):
    new = rows("mail jane.doe@example.com today", REAL)
    curated = PersonalData(action="mask").given(spelling).curate(new, anchor=new, seed=Seed(0))
    told = [text.rstrip() for text in spelling.text(curated.values[0])]
    assert told == ["mail xxxxxxxxxxxxxxxxxxxx today", REAL]
    assert curated.repaired["personal data: e-mail address"].tolist() == [[True, False]]


def test_a_row_goes_in_which_something_is_found_after_it_was_masked(spelling, rows):
    new = rows("jane@example.com@example.org", "jane@example.com")
    curated = PersonalData(action="mask", mask="a").given(spelling).curate(new, anchor=new, seed=Seed(0))
    assert curated.kept.tolist() == [[False, True]]
    assert curated.repaired["personal data: e-mail address"].tolist() == [[False, True]]
    assert curated.dropped["personal data: e-mail address"] == 1


def test_a_mask_must_be_a_token_of_a_source_that_has_places(spelling):
    with pytest.raises(ValueError, match="mask 'xx' is no single token of TextFiles"):
        PersonalData(action="mask", mask="xx").given(spelling)
    with pytest.raises(ValueError, match="Grammar cannot tell where in the text its tokens stand"):
        PersonalData(action="mask").given(Grammar())
    with pytest.raises(ValueError, match="rows with personal data are dropped, so mask '#' would change nothing"):
        PersonalData(mask="#")
    with pytest.raises(ValueError, match="kinds_of_data names nothing"):
        PersonalData(kinds_of_data=())
    with pytest.raises(ValueError, match="email, email"):
        PersonalData(kinds_of_data=("email", "email"))


def test_unknown_words_can_be_the_mask():
    source = PydocTopics(held_out=100)
    assert PersonalData(action="mask", mask="<unk>").given(source).source.token("<unk>") == source.symbols - 1
