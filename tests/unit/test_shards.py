"""Shards give back the rows that were put in, always as the same bytes, and no damage or pickle gets past them."""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwindle.contracts import FRESH, REAL
from dwindle.data.manifest import MANIFEST, read_manifest, verify
from dwindle.data.rows import Provenance, Rows
from dwindle.data.shards import link_shard, read_shard, shard_files, write_shard
from dwindle.data.workspace import publish_folder
from dwindle.errors import DataDamaged
from dwindle.seeds import Seed


def draws(*shape, name="values"):
    return Seed(5).at("shards", name).numpy().standard_normal(shape)


def told(chains, count, *, first=0):
    """Provenance in which no two rows are alike."""
    source = np.arange(chains * count, dtype=np.int64).reshape(chains, count)[:, ::-1].copy()
    return Provenance.of(3, chains, count, first=first, source=source)


def dense(chains=3, count=40, width=2):
    return Rows(draws(chains, count, width), None, told(chains, count))


def ragged():
    """Chains of 40, 23, 0 and 1 rows, with gaps; the weights are not all one."""
    rows = Rows(draws(4, 40, 3), np.abs(draws(4, 40, name="weights")) + 0.1, told(4, 40))
    rows.weights[1, 5:22] = 0.0
    rows.weights[2] = 0.0
    rows.weights[3, :39] = 0.0
    return rows


def symbols():
    return Rows(np.arange(60, dtype=np.int64).reshape(2, 30) % 7, None, told(2, 30, first=100))


def lost_last_chain():
    rows = Rows(draws(3, 6, 2), np.ones((3, 6)), told(3, 6))
    rows.weights[2] = 0.0
    return rows


def nothing_left():
    return Rows(draws(3, 6, 2), np.zeros((3, 6)), told(3, 6))


MADE = {
    "dense": dense,
    "one row": lambda: dense(1, 1, 1),
    "no rows": lambda: dense(3, 0, 2),
    "images": lambda: Rows(draws(2, 5, 4, 4).astype(np.float32), None, told(2, 5)),
    "bytes": lambda: Rows((draws(2, 9, 3) * 40).astype(np.int8), None, told(2, 9)),
    "odd numbers": lambda: Rows(np.array([[[-0.0], [np.nan], [np.inf], [5e-324]]]), None, told(1, 4)),
    "fresh": lambda: Rows(draws(2, 3, 1), None, Provenance.of(FRESH, 2, 3)),
    "weighted": lambda: Rows(draws(2, 8, 2), np.abs(draws(2, 8, name="weights")) + 0.1, told(2, 8)),
    "weighted symbols": lambda: Rows(symbols().values, np.full((2, 30), 0.5), told(2, 30)),
    "ragged": ragged,
    "lost last chain": lost_last_chain,
    "nothing left": nothing_left,
    "symbols": symbols,
}


def same_rows(first, second):
    """Hold two sets of rows to the same rows, weights and provenance, chain by chain; places of weight 0 are none."""
    assert (first.chains, first.counts.tolist()) == (second.chains, second.counts.tolist())
    assert first.values.dtype == second.values.dtype
    for chain in range(first.chains):
        one, other = (rows.filled_weights()[chain] > 0 for rows in (first, second))
        assert first.values[chain, one].tobytes() == second.values[chain, other].tobytes()
        assert np.array_equal(first.filled_weights()[chain, one], second.filled_weights()[chain, other])
        for part in ("origin", "row", "source"):
            ours, theirs = getattr(first.provenance, part), getattr(second.provenance, part)
            assert ours[chain, one].tolist() == theirs[chain, other].tolist()


def written(folder, rows, name="real"):
    folder.mkdir(exist_ok=True)
    write_shard(folder, name, rows)
    return [(folder / file).read_bytes() for file in shard_files(name)]


def published(folder):
    """Publish a folder with two shards, as the draw stage does."""

    def write(out):
        write_shard(out, "real", dense())
        write_shard(out, "ragged", ragged())
        return {"shards": ["real"], "rows": {"real": 120}, "share": 0.1}

    return publish_folder(folder, write, stage="draw", key="k", inputs={}, recipe="r", environment={"threads": "1"})


# ------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("name", MADE)
def test_rows_come_back_as_they_were(tmp_path, name):
    rows = MADE[name]()
    written(tmp_path, rows)
    same_rows(rows, read_shard(tmp_path, "real"))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.0, 0.25, 1.0]), min_size=4, max_size=4), min_size=1, max_size=5))
def test_any_gaps_come_back_as_they_were(tmp_path_factory, weights):
    folder = tmp_path_factory.getbasetemp() / "gaps"
    rows = Rows(draws(len(weights), 4, 2), np.array(weights), told(len(weights), 4))
    written(folder, rows)
    same_rows(rows, read_shard(folder, "real"))


def test_dense_rows_come_back_without_weights(tmp_path):
    written(tmp_path, dense())
    assert read_shard(tmp_path, "real").weights is None


def test_rows_that_were_read_are_written_as_the_same_bytes(tmp_path):
    for name, make in MADE.items():
        first = written(tmp_path / "a", make())
        assert written(tmp_path / "b", read_shard(tmp_path / "a", "real")) == first, name


@pytest.mark.parametrize("name", MADE)
def test_the_same_rows_give_the_same_bytes(tmp_path, name):
    first = written(tmp_path / "a", MADE[name]())
    assert written(tmp_path / "b", MADE[name]()) == first


def test_the_layout_in_memory_does_not_matter(tmp_path):
    rows = dense()
    turned = Rows(np.asfortranarray(rows.values), None, rows.provenance)
    sliced = Rows(np.repeat(rows.values, 2, axis=1)[:, ::2], None, rows.provenance)
    assert written(tmp_path / "a", rows) == written(tmp_path / "b", turned) == written(tmp_path / "c", sliced)


def test_any_tool_reads_a_shard(tmp_path):
    rows = ragged()
    written(tmp_path, rows)
    table = pq.read_table(tmp_path / "real.parquet")
    assert table.column_names == ["chain", "origin", "row", "source", "weight"]
    assert table.column("chain").to_pylist() == [0] * 40 + [1] * 23 + [3]
    assert np.load(tmp_path / "real.npy").shape == (64, 3)


def test_rows_without_provenance_are_not_stored(tmp_path):
    with pytest.raises(ValueError, match="only with their provenance"):
        write_shard(tmp_path, "real", Rows(draws(1, 2, 1)))
    assert list(tmp_path.iterdir()) == []


def test_a_linked_shard_is_the_same_bytes_on_disk_once(tmp_path):
    first = written(tmp_path / "a", dense())
    (tmp_path / "b").mkdir()
    link_shard(tmp_path / "a", "real", tmp_path / "b")
    assert [(tmp_path / "b" / file).read_bytes() for file in shard_files("real")] == first
    assert (tmp_path / "a" / "real.npy").samefile(tmp_path / "b" / "real.npy")


def test_a_shard_is_copied_where_it_cannot_be_linked(tmp_path):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    elsewhere = memory / tmp_path.name
    try:
        first = written(elsewhere, dense())
        link_shard(elsewhere, "real", tmp_path)
    finally:
        shutil.rmtree(elsewhere)
    assert [(tmp_path / file).read_bytes() for file in shard_files("real")] == first


# ------------------------------------------------------------------------------------------- damage


def places(size, count, name):
    return Seed(9).at("damage", name).numpy().choice(size, size=min(size, count), replace=False).tolist()


def found_out(folder):
    """Say whether reading a published folder from scratch finds it damaged, in words that name the folder."""
    told = ""
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            return True
        verify(folder, manifest, afresh=True)
    except DataDamaged as error:
        told = str(error)
    assert not told or str(folder) in told
    return bool(told)


def test_an_unharmed_folder_is_not_found_damaged(tmp_path):
    published(tmp_path / "real")
    assert not found_out(tmp_path / "real")


@pytest.mark.parametrize("name", ["real.npy", "real.parquet", "ragged.npy", "ragged.parquet", MANIFEST])
def test_one_flipped_bit_anywhere_is_found(tmp_path, name):
    folder = tmp_path / "real"
    published(folder)
    whole = (folder / name).read_bytes()
    for place in places(8 * len(whole), 80, name):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        (folder / name).write_bytes(damaged)
        assert found_out(folder), (name, place)
    (folder / name).write_bytes(whole)
    assert not found_out(folder)


@pytest.mark.parametrize("name", ["real.npy", "real.parquet", MANIFEST])
def test_a_file_cut_short_or_grown_is_found(tmp_path, name):
    folder = tmp_path / "real"
    published(folder)
    whole = (folder / name).read_bytes()
    for size in [0, 1, len(whole) - 2, *places(len(whole) - 2, 20, name)]:
        (folder / name).write_bytes(whole[:size])
        assert found_out(folder), size
    (folder / name).write_bytes(whole + b"\0")
    assert found_out(folder)
    (folder / name).unlink()
    assert found_out(folder)


def test_a_file_swapped_for_another_of_the_same_size_is_found(tmp_path):
    folder = tmp_path / "real"
    published(folder)
    other = dense()
    write_shard(folder, "real", Rows(other.values + 1, None, other.provenance))
    assert found_out(folder)


def test_a_file_too_many_is_found(tmp_path):
    folder = tmp_path / "real"
    published(folder)
    (folder / "extra.npy").write_bytes(b"")
    assert found_out(folder)


def test_a_damaged_shard_is_read_as_rows_or_refused_in_words(tmp_path):
    """Without the manifest, whatever a flip, a cut or noise makes of the files."""
    files = dict(zip(shard_files("real"), written(tmp_path, ragged()), strict=True))
    refused = 0
    for name, whole in files.items():
        for place in places(8 * len(whole), 150, f"bare {name}"):
            damaged = bytearray(whole)
            damaged[place // 8] ^= 1 << place % 8
            refused += _is_refused(tmp_path, name, bytes(damaged))
        for size in places(len(whole), 20, f"cut {name}"):
            assert _is_refused(tmp_path, name, whole[:size])
        assert _is_refused(tmp_path, name, b"noise" * 100)
        (tmp_path / name).unlink()
        with pytest.raises(DataDamaged, match="cannot be read as a shard"):
            read_shard(tmp_path, "real")
        (tmp_path / name).write_bytes(whole)
    assert refused > 100


def _is_refused(folder, name, raw):
    (folder / name).write_bytes(raw)
    told = ""
    try:
        read_shard(folder, "real")
    except DataDamaged as error:
        told = str(error)
    assert not told or f"{folder}/real: cannot be read as a shard: " in told
    return bool(told)


@pytest.mark.parametrize(
    ("columns", "chains", "says"),
    [
        ({"chain": [0, 0, 1]}, "2", "4 rows of values, but 3 lines about them"),
        ({"chain": [0, 1, 0, 1]}, "2", "not in the order of chains 0..1"),
        ({"chain": [0, 0, 1, 2]}, "2", "not in the order of chains 0..1"),
        ({"chain": [-1, 0, 0, 1]}, "2", "not in the order of chains 0..1"),
        ({"chain": [0, 0, 1, 1]}, "many", "real.parquet does not say how many chains there are"),
        ({"chain": [0, 0, 1, 1]}, "-2", "real.parquet does not say how many chains there are"),
        ({"chain": []}, "0", "4 rows of values, but 0 lines about them"),
        ({"chain": [0, 0, 1, 1], "origin": None}, "2", "real.parquet has no column origin"),
        ({"chain": None}, "2", "real.parquet has no column chain"),
    ],
)
def test_a_table_that_is_no_shards_is_refused(tmp_path, columns, chains, says):
    np.save(tmp_path / "real.npy", draws(4, 2))
    count = 4 if columns["chain"] is None else len(columns["chain"])
    table = {"chain": [0] * count, "origin": [REAL] * count, "row": [0] * count, "source": [0] * count} | columns
    arrays = {key: pa.array(np.array(column, dtype=np.int64)) for key, column in table.items() if column is not None}
    pq.write_table(pa.table(arrays).replace_schema_metadata({"chains": chains}), tmp_path / "real.parquet")
    with pytest.raises(DataDamaged, match=says):
        read_shard(tmp_path, "real")


# ------------------------------------------------------------------------------------------- pickles


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def object_array(canary):
    stream = io.BytesIO()
    np.save(stream, np.array([Canary(canary)] * 4, dtype=object), allow_pickle=True)
    return stream.getvalue()


def archive(canary):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("chain.npy", object_array(canary))
    return stream.getvalue()


PICKLES = {"object array": object_array, "pickle": lambda canary: pickle.dumps(Canary(canary)), "archive": archive}


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("file", shard_files("real"))
def test_no_pickle_is_ever_loaded(tmp_path, kind, file):
    canary = tmp_path / "canary"
    folder = tmp_path / "shard"
    written(folder, dense(1, 4, 1))
    (folder / file).write_bytes(PICKLES[kind](canary))
    with pytest.raises(DataDamaged, match="cannot be read as a shard"):
        read_shard(folder, "real")
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path):
    pickle.loads(PICKLES["pickle"](tmp_path / "canary")).close()
    assert (tmp_path / "canary").exists()


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path):
    written(tmp_path, dense())
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50, 2)})
    (tmp_path / "real.npy").write_bytes(stream.getvalue())
    with pytest.raises(DataDamaged, match="cannot be read as a shard"):
        read_shard(tmp_path, "real")
