"""The sources of text: tokens are numbered by the training text, and every block can be found and read again."""

from __future__ import annotations

import os
from pydoc_data.topics import topics

import numpy as np
import pytest

from dwindle.checks import check_source
from dwindle.config.building import recipe_from
from dwindle.config.reading import Document
from dwindle.config.schema import Problems
from dwindle.contracts import Seed
from dwindle.sources.pydoc_topics import PydocTopics
from dwindle.sources.text_files import TextFiles

SEED = Seed(5, ("lineage", "draw"))
TRAIN = "a b a c\n\nb a <unk> d\na b c a\n"  # a 5, <eos> 4, b 3, c 2, <unk> and d 1
TEST = "a e <unk> d\nb\n"


@pytest.fixture
def files(tmp_path):
    """Return a function that makes a source of the two small files."""
    (tmp_path / "train.txt").write_text(TRAIN)
    (tmp_path / "test.txt").write_text(TEST)
    paths = {"train": str(tmp_path / "train.txt"), "test": str(tmp_path / "test.txt")}
    return lambda **settings: TextFiles(**{**paths, "symbols": 5, "length": 2, **settings})


def in_order(source):
    """Return the training blocks in the order of their numbers, and one stream's rows in its own."""
    rows = source.draw(source.capacity, first=0, chains=1, seed=SEED)
    return rows.values[0][np.argsort(rows.provenance.source[0])]


def test_tokens_are_numbered_by_their_frequency_in_the_training_text(files):
    # a 0, <eos> 1, b 2, c 3; everything else 4.
    assert in_order(files()).reshape(-1).tolist() == [0, 2, 0, 3, 1, 1, 2, 0, 4, 4, 1, 0, 2, 3, 0, 1]
    assert files().draw_held_out(seed=SEED).values[0].tolist() == [[0, 4], [4, 4], [1, 2]]


def test_blocks_come_back_as_text(files):
    source = files(length=4)
    assert source.text(in_order(source)) == ["a b a c", "<eos> <eos> b a", "<unk> <unk> <eos> a", "b c a <eos>"]
    characters = files(unit="characters", symbols=100, length=7)
    assert characters.text(in_order(characters)) == [TRAIN[i : i + 7] for i in range(0, 28, 7)]
    assert characters.text(np.array([[99, 0]])) == ["\N{REPLACEMENT CHARACTER} "]


def test_tokens_of_equal_frequency_are_numbered_by_their_spelling(tmp_path, files):
    (tmp_path / "train.txt").write_text("z y x w")
    (tmp_path / "test.txt").write_text("w x y z")
    assert in_order(files(symbols=9, length=5)).tolist() == [[4, 3, 2, 1, 0]]


def test_what_is_left_over_makes_no_block(files):
    assert files(length=3).capacity == 5
    assert files(length=7).draw_held_out(seed=SEED).count == 1


def test_held_out_blocks_are_numbered_on_from_the_training_blocks(files):
    assert files().draw_held_out(seed=SEED).provenance.source.tolist() == [[8, 9, 10]]


@pytest.mark.parametrize("setting", ["train", "test"])
def test_a_missing_file_is_refused_by_name(files, setting):
    with pytest.raises(ValueError, match=r"cannot read the text file .*nowhere\.txt: No such file"):
        files(**{setting: "nowhere.txt"})


def test_files_that_cannot_serve_are_refused(files, tmp_path):
    with pytest.raises(ValueError, match="cannot read the text file"):
        files(train=str(tmp_path))
    with pytest.raises(ValueError, match="the same file"):
        files(test=str(tmp_path / "." / "train.txt"))
    with pytest.raises(ValueError, match="the held-out text has 7 words; a block takes 8"):
        files(length=8)
    (tmp_path / "test.txt").write_bytes(b"a\xff")
    with pytest.raises(ValueError, match=r"test\.txt is not UTF-8: invalid start byte at byte 1"):
        files()


def test_the_last_blocks_of_a_single_file_are_held_out(files, tmp_path):
    source = files(train="", test="", path=str(tmp_path / "train.txt"), held_out=3)
    assert source.capacity == 5
    # a 4, b 2, c 2 and <eos> 2 in the first five blocks; of equal ones <eos> comes first.
    assert in_order(source).tolist() == [[0, 2], [0, 3], [1, 1], [2, 0], [4, 4]]
    held_out = source.draw_held_out(seed=SEED)
    assert held_out.values[0].tolist() == [[1, 0], [2, 3], [0, 1]]
    assert held_out.provenance.source.tolist() == [[5, 6, 7]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no file is given"),
        ({"train": "a.txt"}, "only train given"),
        ({"test": "a.txt"}, "only test given"),
        ({"path": "a.txt", "test": "a.txt"}, "path is given beside train or test"),
        ({"path": "a.txt", "train": "a.txt", "test": "b.txt"}, "path is given beside train or test"),
    ],
)
def test_files_are_one_or_two(given, told):
    with pytest.raises(ValueError, match=f"^{told}; expected either path, or train and test$"):
        TextFiles(**given)


def test_two_files_take_no_number_of_held_out_blocks(files):
    with pytest.raises(ValueError, match="test is held out as a whole, so held_out 3 would change nothing"):
        files(held_out=3)


def test_a_single_file_must_leave_blocks_to_train_on(files, tmp_path):
    single = {"train": "", "test": "", "path": str(tmp_path / "train.txt")}
    with pytest.raises(ValueError, match="held_out 8 leaves none of the 8 blocks of 2 tokens"):
        files(**single, held_out=8)
    with pytest.raises(ValueError, match="the text has 16 words; a block takes 17"):
        files(**single, length=17)
    (tmp_path / "empty.txt").write_text("\n \n")
    for empty in ({**single, "path": str(tmp_path / "empty.txt")}, {"test": str(tmp_path / "empty.txt")}):
        with pytest.raises(ValueError, match=r"the text file .*empty\.txt is empty"):
            files(**empty)


def test_paths_start_at_the_working_directory(files, tmp_path, monkeypatch):
    files()
    monkeypatch.chdir(tmp_path)
    source = TextFiles("train.txt", "test.txt", symbols=5, length=2)
    np.testing.assert_array_equal(in_order(source), in_order(files()))


def test_a_file_that_has_changed_is_read_again(files, tmp_path):
    before = files().capacity
    (tmp_path / "train.txt").write_text(TRAIN * 2)
    os.utime(tmp_path / "train.txt", (0, 0))
    assert files().capacity == 2 * before


def test_text_files_keep_the_contract(files):
    check_source(files(length=1))


PIECES = PydocTopics(unit="pieces", symbols=600, length=40, held_out=300)


@pytest.mark.parametrize(
    "source", [PydocTopics(), PydocTopics(unit="characters", symbols=90, length=100), PIECES], ids=repr
)
def test_pydoc_topics_keep_the_contract(source):
    check_source(source)


def test_pydoc_topics_are_the_topics_in_order():
    text = "\n".join(topics[name] for name in sorted(topics))
    source = PydocTopics(unit="characters", symbols=200, length=100, held_out=50)
    held_out = source.draw_held_out(seed=SEED).values[0]
    blocks = [text[i : i + 100] for i in range(0, len(text) - 99, 100)]
    assert source.text(in_order(source)) == blocks[:-50]
    # A character that only the held-out part has is unknown.
    assert sum(a == b for a, b in zip(source.text(held_out), blocks[-50:], strict=True)) >= 48


def test_pieces_are_the_text_whole_and_learned_before_the_held_out_blocks():
    text = "\n".join(topics[name] for name in sorted(topics))
    values = np.concatenate([in_order(PIECES), PIECES.draw_held_out(seed=SEED).values[0]])
    (read,) = PIECES.text(values.reshape(1, -1))
    assert text.startswith(read)
    assert len(text) - len(read) < 200
    assert values.max() == 599


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_only_pieces_take_a_tokenizer_and_need_room_for_the_bytes(unit):
    with pytest.raises(ValueError, match=f"a tokenizer is given, and unit is {unit}; expected unit pieces"):
        PydocTopics(unit=unit, tokenizer="folder")
    with pytest.raises(ValueError, match=r"symbols 256 are too few for unit pieces.*expected >= 257"):
        PydocTopics(unit="pieces", symbols=256)


def test_words_of_pydoc_topics_stand_in_the_text_and_most_are_known():
    source = PydocTopics()
    known = {word for text in topics.values() for word in text.split()} | {"<unk>"}
    assert {word for text in source.text(in_order(source)) for word in text.split()} <= known
    held_out = source.draw_held_out(seed=SEED).values
    assert held_out.shape == (1, 400, 32)
    assert (held_out < source.symbols - 1).mean() > 0.7


def test_each_chain_has_a_permutation_of_its_own_and_no_seed_changes_what_is_held_out():
    source = PydocTopics()
    rows = [source.draw(source.capacity, first=0, chains=2, seed=Seed(root)).provenance.source for root in (1, 2)]
    streams = [*rows[0].tolist(), *rows[1].tolist()]
    assert len({tuple(stream) for stream in streams}) == 4
    assert all(sorted(stream) == list(range(source.capacity)) for stream in streams)
    held_out = [source.draw_held_out(seed=Seed(root)).values for root in (1, 2)]
    np.testing.assert_array_equal(*held_out)


def test_a_part_of_a_stream_is_the_same_however_it_is_drawn():
    whole = PydocTopics().draw(300, first=0, chains=2, seed=SEED)
    part = PydocTopics().draw(100, first=200, chains=2, seed=SEED)
    np.testing.assert_array_equal(part.values, whole.values[:, 200:])
    np.testing.assert_array_equal(part.provenance.row, whole.provenance.row[:, 200:])


def test_a_source_that_holds_everything_out_is_refused():
    with pytest.raises(ValueError, match=r"held_out 3000 leaves none of the \d+ blocks of 32 tokens"):
        PydocTopics(held_out=3000)


@pytest.mark.parametrize(("symbols", "agrees"), [(2000, True), (1999, False)])
def test_an_ngram_must_know_all_symbols_of_its_source(tmp_path, symbols, agrees):
    data = {"seed": 1, "chains": 2, "budget": 10, "threads": 1, "restart": "cold", "regime": "replace"}
    data |= {"source": {"name": "pydoc_topics"}, "family": {"name": "ngram", "symbols": symbols}}
    problems = Problems(Document(tmp_path / "params.yaml", {}, {}))
    recipe = recipe_from(data, (), problems)
    assert (recipe is not None) == agrees
    assert agrees or "fewer symbols than the 2000 of source pydoc_topics" in problems[0]
