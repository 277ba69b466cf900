"""WikiText: the same rows from tokens, plain text and parquet, from a folder and from the hub."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from dwindle.checks import check_source
from dwindle.contracts import Seed
from dwindle.errors import NotReachable
from dwindle.sources.wikitext import Wikitext
from tests.unit.hub_standing_in import REVISION, hub

SEED = Seed(5, ("lineage", "draw"))
TEXTS = {
    "train": " \n = Title = \n \n a <unk> b a \n",
    "valid": " \n = Other = \n \n b b \n",
    "test": " \n = Third = \n \n a c <unk> \n",
}
REAL_TEXT = Path(__file__).parents[3] / "shared" / "data" / "wikitext-2"


def written(folder, pattern):
    """Write the splits as published under a pattern of names."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, text in TEXTS.items():
        path = folder / pattern.format(split.replace("valid", "validation") if "-of-" in pattern else split)
        if path.suffix == ".parquet":  # as the hub has it: an empty line is an empty row
            rows = [line if line.strip() else "" for line in text.splitlines(keepends=True)]
            pq.write_table(pa.table({"text": rows}), path)
        else:
            path.write_text(text)
    return folder


def in_order(source):
    rows = source.draw(source.capacity, first=0, chains=1, seed=SEED)
    return rows.values[0][np.argsort(rows.provenance.source[0])]


def source_of(path, **settings):
    return Wikitext(str(path), **{"symbols": 8, "length": 3, **settings})


PATTERNS = ["wiki.{}.tokens", "wiki.{}.raw", "{}.txt", "{}.parquet", "{}-00000-of-00001.parquet"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_all_published_forms_give_the_same_rows(tmp_path, pattern):
    source = source_of(written(tmp_path, pattern))
    # Four <eos>, two = and two a, then Title and b; everything else 7.
    assert source.text(in_order(source)) == ["<eos> = Title", "= <eos> <eos>", "a <unk> b"]
    held_out = source.draw_held_out(seed=SEED)
    assert source.text(held_out.values[0]) == ["<eos> = <unk>", "= <eos> <eos>", "a <unk> <unk>"]
    assert held_out.provenance.source.tolist() == [[3, 4, 5]]


def test_splits_are_those_that_are_named(tmp_path):
    folder = written(tmp_path, "{}-00000-of-00001.parquet")
    source = source_of(folder, split="valid", held_out_split="train")
    assert source.text(in_order(source))[0] == "<eos> = Other"
    assert source.text(in_order(source))[2] == "b b <eos>"
    with pytest.raises(ValueError, match="split and held_out_split are both test; expected two of train, valid, test"):
        source_of(folder, split="test")


def test_a_folder_may_hold_the_variant_in_a_folder_of_its_name(tmp_path):
    written(tmp_path / "wikitext-103-v1", "wiki.{}.tokens")
    assert source_of(tmp_path, variant="wikitext-103-v1").capacity == 3
    with pytest.raises(ValueError, match=r"has no split train: expected wiki\.train\.tokens, "):
        source_of(tmp_path)


def test_splits_that_cannot_serve_are_refused(tmp_path):
    folder = written(tmp_path, "{}.txt")
    with pytest.raises(ValueError, match="the training text has 11 words; a block takes 12"):
        source_of(folder, length=12)
    (folder / "test.txt").write_text(" \n")
    with pytest.raises(ValueError, match=r"the text file .*test\.txt is empty"):
        source_of(folder)
    (folder / "test.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"test\.txt is not UTF-8"):
        source_of(folder)
    (folder / "test.txt").unlink()
    pq.write_table(pa.table({"words": ["a"]}), folder / "test.parquet")
    with pytest.raises(ValueError, match=r"test\.parquet has no column text"):
        source_of(folder)
    (folder / "test.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match=r"test\.parquet has no column text that can be read"):
        source_of(folder)


def test_the_hubs_data_set_is_the_published_text(tmp_path, monkeypatch):
    served, local = tmp_path / "Salesforce" / "wikitext", written(tmp_path / "local", "wiki.{}.tokens")
    written(served / "wikitext-2-raw-v1", "{}-00000-of-00001.parquet")
    with hub(tmp_path) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        url = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        source = source_of(f"Salesforce/wikitext@{REVISION}")
        assert not any("validation" in line for line in server.asked if "/resolve/" in line)
        np.testing.assert_array_equal(in_order(source), in_order(source_of(local)))
    assert source_of(f"Salesforce/wikitext@{REVISION}").capacity == 3  # from the cache
    with pytest.raises(NotReachable):
        source_of(f"Salesforce/wikitext@{REVISION}", split="valid")
    with pytest.raises(NotReachable):
        source_of(f"Salesforce/wikitext@{REVISION}", variant="")
    with pytest.raises(ValueError, match="no hub id with a pinned revision"):
        source_of("Salesforce/wikitext")


@pytest.mark.skipif(not REAL_TEXT.is_dir(), reason="WikiText-2 is not beside the project")
def test_wikitext_2_keeps_the_contract_and_has_the_words_it_is_known_for():
    source = Wikitext(str(REAL_TEXT), split="valid", symbols=20_000, length=64)
    # 213 886 words and 3 760 ends of lines.
    assert source.capacity == (213_886 + 3_760) // 64
    check_source(source)
    pieces = Wikitext(str(REAL_TEXT), split="valid", unit="pieces", symbols=2000)
    (text,) = pieces.text(in_order(pieces)[:500].reshape(1, -1))
    assert (REAL_TEXT / "valid.txt").read_text().startswith(text)
