"""Pieces of words: one text has one tokenizer, which loses nothing, and one that is given is taken as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pydoc_data.topics import topics

import numpy as np
import pytest

from dwindle.contracts import Seed
from dwindle.data import pieces
from dwindle.data.tokens import Reading
from dwindle.sources.text_files import TextFiles

TEXT = "\n".join(topics[name] for name in sorted(topics))[:60_000]
STRANGE = "\N{REPLACEMENT CHARACTER}"

DIGEST = """
import hashlib
from dwindle.data import pieces
from tests.unit.test_pieces import TEXT
tokenizer = pieces.learned(TEXT, 1000)
print(hashlib.sha256(tokenizer.to_str().encode() + pieces.encoded(tokenizer, TEXT).tobytes()).hexdigest())
"""

MEMORY = """
from resource import RUSAGE_SELF, getrusage
from dwindle.data import pieces
from tests.unit.test_pieces import TEXT
tokenizer = pieces.learned(TEXT, 400)
before = getrusage(RUSAGE_SELF).ru_maxrss
pieces.encoded(tokenizer, TEXT * 60)
pieces.learned(TEXT * 60, 400)
print((getrusage(RUSAGE_SELF).ru_maxrss - before) / 1000)
"""


def test_the_same_text_and_settings_give_the_same_pieces_in_every_process():
    digests = set()
    for hashes, threads in (("1", "false"), ("2", "true")):
        environment = {**os.environ, "PYTHONHASHSEED": hashes, "TOKENIZERS_PARALLELISM": threads}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], capture_output=True, text=True, env=environment, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@pytest.mark.parametrize("at_once", [1, 50, 7000])
def test_a_text_that_is_read_in_parts_has_the_pieces_of_the_whole(monkeypatch, at_once):
    text = "a\x1cb \x1c c\x85 d\u3000e 's  'll\n\n\n x\t\ty\u200az\r\n 12 3 ?? e\u0301 \n" * 40 + TEXT[:9000]
    whole = pieces.learned(text, 500)
    pieces.learned.cache_clear()
    monkeypatch.setattr(pieces, "_AT_ONCE", at_once)
    assert pieces.learned(text, 500).to_str() == whole.to_str()
    expected = whole.encode(text, add_special_tokens=False).ids
    assert pieces.encoded(whole, text).tolist() == expected
    whole.add_special_tokens([" c"])  # may stand across any two parts
    assert pieces.encoded(whole, text).tolist() == whole.encode(text, add_special_tokens=False).ids != expected


def test_reading_a_long_text_takes_little_more_memory_than_a_short_one():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 300  # of 3.6 million characters; 140 bytes each would be 504


def test_pieces_are_learned_once_in_a_process():
    assert pieces.learned(TEXT, 400) is pieces.learned(TEXT + "", 400)
    assert pieces.learned(TEXT, 400) is not pieces.learned(TEXT, 401)


def test_the_first_256_pieces_are_the_bytes_and_the_next_is_the_most_frequent_pair():
    tokenizer = pieces.learned("abab abab abab cd", 257)
    spellings = pieces.spellings(tokenizer)
    assert all(len(spelling) == 1 for spelling in spellings[:256])
    assert len(set(spellings[:256])) == 256
    assert spellings[256:] == ("ab",)
    assert len(pieces.spellings(pieces.learned("ab", 10_000))) == 257  # there is but one pair


def test_every_text_comes_back_from_its_pieces_also_what_was_never_seen():
    tokenizer = pieces.learned("plain words, and no more", 300)
    for text in (TEXT[:5000], "naïve Ελληνικά 漢字 \N{SNOWMAN}\t\r\n  <s> </s> <unk>", " "):
        numbers = pieces.encoded(tokenizer, text)
        assert pieces.spelled(tokenizer, numbers.tolist()) == text


def test_half_a_character_and_a_number_without_a_piece_are_shown_as_unknown():
    tokenizer = pieces.learned("words", 300)
    first, second, *_ = pieces.encoded(tokenizer, "\N{LATIN SMALL LETTER E WITH ACUTE}").tolist()
    (letter,) = pieces.encoded(tokenizer, "w").tolist()
    assert pieces.spelled(tokenizer, [letter, first, letter, second]) == f"w{STRANGE}w{STRANGE}"
    assert pieces.spelled(tokenizer, [letter, 9999, letter]) == f"w{STRANGE}w"


def reading(**settings):
    return Reading(**{"unit": "pieces", "symbols": 300, "length": 10, **settings})


def test_pieces_are_learned_from_the_training_text_only():
    corpora = [reading().parts(TEXT[:20_000], held_out) for held_out in (TEXT[20_000:30_000], "other text " * 99)]
    assert corpora[0].tokens == corpora[1].tokens
    np.testing.assert_array_equal(corpora[0].training, corpora[1].training)
    changed = [reading().one(TEXT[:20_000] + end, 20) for end in ("q" * 300, "zx" * 150)]
    assert changed[0].tokens == changed[1].tokens


def test_parts_that_fill_no_block_are_refused():
    with pytest.raises(ValueError, match=r"the held-out text has \d pieces; a block takes 10"):
        reading().parts(TEXT, "few")
    with pytest.raises(ValueError, match=r"the text has \d pieces; a block takes 10"):
        reading().one("few", 1)
    with pytest.raises(ValueError, match="held_out 300 is too large: pieces are learned from the text before"):
        reading().one(TEXT[:8_000], 300)


@pytest.fixture
def given(tmp_path):
    """A folder with a tokenizer, and the tokenizer."""
    tokenizer = pieces.learned(TEXT, 500)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path, tokenizer


def test_a_given_tokenizer_is_taken_as_it_is(given):
    folder, tokenizer = given
    corpus = reading(symbols=500, tokenizer=str(folder)).parts("other text " * 50, "and another one " * 50)
    assert corpus.tokens == pieces.spellings(tokenizer)
    expected = pieces.encoded(tokenizer, "other text " * 50)
    np.testing.assert_array_equal(corpus.training.reshape(-1), expected[: corpus.training.size])
    with pytest.raises(ValueError, match=r"symbols 499 are too few: tokenizer .* has 500; expected >= 500"):
        reading(symbols=499, tokenizer=str(folder)).parts(TEXT, TEXT)


def test_a_given_tokenizer_neither_cuts_off_nor_pads_nor_frames_the_text(given):
    folder, tokenizer = given
    from tokenizers import Tokenizer, processors

    framing = Tokenizer.from_file(str(folder / "tokenizer.json"))
    framing.add_special_tokens(["<s>"])
    framing.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 500)])
    framing.enable_truncation(7)
    framing.enable_padding(length=3000)
    framing.save(str(folder / "tokenizer.json"))
    found = pieces.given(str(folder))
    assert pieces.size(found) == 501
    np.testing.assert_array_equal(pieces.encoded(found, TEXT[:3000]), pieces.encoded(tokenizer, TEXT[:3000]))


def test_vocabulary_and_merges_make_the_same_tokenizer(given, tmp_path):
    folder, tokenizer = given
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    apart = tmp_path / "apart"
    apart.mkdir()
    (apart / "vocab.json").write_text(json.dumps(model["vocab"]))
    (apart / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))
    found = pieces.given(str(apart))
    np.testing.assert_array_equal(pieces.encoded(found, TEXT), pieces.encoded(tokenizer, TEXT))
    assert pieces.spelled(found, pieces.encoded(found, "naïve text").tolist()) == "naïve text"


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no tokenizer\.json, nor vocab\.json and merges\.txt instead"):
        pieces.given(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer: "):
        pieces.given(str(tmp_path))


def test_a_source_of_pieces_reads_its_blocks_and_a_models_back(given, tmp_path):
    folder, tokenizer = given
    (tmp_path / "text.txt").write_text(TEXT)
    source = TextFiles(
        path=str(tmp_path / "text.txt"), unit="pieces", symbols=600, length=16, held_out=9, tokenizer=str(folder)
    )
    rows = source.draw(source.capacity, first=0, chains=1, seed=Seed(1))
    blocks = rows.values[0][np.argsort(rows.provenance.source[0])]
    assert TEXT.startswith(source.text(blocks.reshape(1, -1))[0])
    assert source.text(np.array([[599, *pieces.encoded(tokenizer, "a")]])) == [f"{STRANGE}a"]
