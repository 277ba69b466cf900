"""Shards: the files that rows live in.

A shard is two files of one name: `<name>.npy` holds the values, one row after another, chain by chain; `<name>.parquet`
holds one line a row: chain, origin, row, source, weight where rows are weighted and label where they are labelled, and
in its metadata the number of chains, because a chain may have lost all its rows. Any tool reads both, neither can run
code, and the same rows always give the same bytes.
"""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dwindle.data.rows import Array, IntArray, Provenance, Rows
from dwindle.errors import DataDamaged

__all__ = ["link_shard", "read_shard", "shard_files", "write_shard"]


def shard_files(name: str) -> tuple[str, str]:
    """Return the two file names of a shard."""
    return f"{name}.npy", f"{name}.parquet"


def write_shard(folder: Path, name: str, rows: Rows) -> None:
    """Write rows with their provenance.

    Args:
        folder: an existing folder.
        name: the shard's name.
        rows: rows with provenance; places of weight 0 are not written.

    Raises:
        ValueError: if the rows carry no provenance.
    """
    if rows.provenance is None:
        raise ValueError(f"shard {name}: rows are stored only with their provenance")
    chain: IntArray = np.broadcast_to(np.arange(rows.chains)[:, None], (rows.chains, rows.count))
    known = rows.provenance
    table: dict[str, Array] = {"chain": chain, "origin": known.origin, "row": known.row, "source": known.source}
    if rows.labels is not None:
        table["label"] = rows.labels
    if rows.weights is None:
        columns = {key: column.reshape(-1) for key, column in table.items()}
        _write_values(folder / f"{name}.npy", rows.values.reshape(-1, *rows.values.shape[2:]))
    else:
        present = rows.weights > 0
        columns = {key: column[present] for key, column in table.items()} | {"weight": rows.weights[present]}
        _write_values(folder / f"{name}.npy", rows.values[present])
    _write_table(folder / f"{name}.parquet", columns, rows.chains)


def _write_values(path: Path, values: Array) -> None:
    with path.open("wb") as file:
        np.save(file, np.ascontiguousarray(values), allow_pickle=False)


_TYPES = {
    "chain": np.int32,
    "origin": np.int32,
    "row": np.int64,
    "source": np.int64,
    "weight": np.float64,
    "label": np.int32,
}


def _write_table(path: Path, columns: dict[str, Array], chains: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {key: pa.array(np.ascontiguousarray(column, dtype=_TYPES[key])) for key, column in columns.items()}
    table = pa.table(arrays).replace_schema_metadata({"chains": str(chains)})
    # Without page checksums most single-bit flips are read back silently.
    pq.write_table(table, path, compression="zstd", write_page_checksum=True, use_dictionary=["origin"])


def read_shard(folder: Path, name: str) -> Rows:
    """Read rows with their provenance; chains of unequal length are padded with places of weight 0.

    Raises:
        DataDamaged: if a file is not a shard's, or the two files do not belong together.
    """
    values_path, table_path = (folder / file for file in shard_files(name))
    try:
        state = tuple(
            (known.st_ino, known.st_size, known.st_mtime_ns) for known in map(os.stat, (values_path, table_path))
        )
        return _remembered(state) or _remember(state, _read_files(values_path, table_path))
    except Exception as error:  # the readers raise a dozen kinds, whatever a damaged file makes of them
        raise DataDamaged(f"{folder / name}: cannot be read as a shard: {error}") from error


_State = tuple[tuple[int, int, int], ...]
_REMEMBERED = 1 << 28  # bytes
_shards: OrderedDict[_State, Rows] = OrderedDict()
"""Shards read last. An accumulating lineage links the same files into every generation and reads them three times."""


def _remembered(state: _State) -> Rows | None:
    if state in _shards:
        _shards.move_to_end(state)
    return _shards.get(state)


def _remember(state: _State, rows: Rows) -> Rows:
    """Keep rows for the next reader, the ones read longest ago make room; nobody may write into them."""
    assert rows.provenance is not None
    known = rows.provenance
    for array in (
        rows.values,
        known.origin,
        known.row,
        known.source,
        *([] if rows.weights is None else [rows.weights]),
        *([] if rows.labels is None else [rows.labels]),
    ):
        array.setflags(write=False)
    _shards[state] = rows
    while len(_shards) > 1 and sum(_bytes(held) for held in _shards.values()) > _REMEMBERED:
        _shards.popitem(last=False)
    return rows


def _bytes(rows: Rows) -> int:
    return rows.values.nbytes + 3 * 8 * rows.chains * rows.count


def _read_files(values_path: Path, table_path: Path) -> Rows:
    values = _read_values(values_path)
    columns, chains = _read_table(table_path)
    if len(columns["chain"]) != len(values):
        raise ValueError(f"{len(values)} rows of values, but {len(columns['chain'])} lines about them")
    return _by_chain(values, columns, chains)


def _read_values(path: Path) -> Array:
    # np.load would also open archives and hand out their names.
    with path.open("rb") as file:
        values: Array = np.lib.format.read_array(file, allow_pickle=False)
    return values


def _read_table(path: Path) -> tuple[dict[str, Array], int]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    if lacking := sorted({"chain", "origin", "row", "source"} - set(table.column_names)):
        raise ValueError(f"{path.name} has no column {', '.join(lacking)}")
    chains = (table.schema.metadata or {}).get(b"chains", b"")
    if not chains.isdigit():
        raise ValueError(f"{path.name} does not say how many chains there are")
    return {key: table.column(key).to_numpy() for key in table.column_names}, int(chains)


def _by_chain(values: Array, columns: dict[str, Array], chains: int) -> Rows:
    chain = columns["chain"]
    if len(chain) and (chain[0] < 0 or chain[-1] >= chains or (np.diff(chain) < 0).any()):
        raise ValueError(f"its rows are not in the order of chains 0..{chains - 1}")
    counts = np.bincount(chain, minlength=chains)
    longest = int(counts.max())
    names = ("origin", "row", "source")
    if (counts == longest).all():
        shape = (chains, longest)
        known = Provenance(*(columns[key].astype(np.int64, copy=False).reshape(shape) for key in names))
        weights = columns["weight"].reshape(shape) if "weight" in columns else None
        labels = columns["label"].astype(np.int64).reshape(shape) if "label" in columns else None
        return Rows(values.reshape(chains, longest, *values.shape[1:]), weights, known, labels)
    return _padded(values, columns, counts)


def _padded(values: Array, columns: dict[str, Array], counts: Array) -> Rows:
    place = np.arange(counts.max())[None, :] < counts[:, None]
    padded = np.zeros((*place.shape, *values.shape[1:]), dtype=values.dtype)
    padded[place] = values
    weights = np.zeros(place.shape)
    weights[place] = columns.get("weight", 1.0)
    fields = {}
    for key in {"origin", "row", "source", "label"} & set(columns):
        fields[key] = np.full(place.shape, -1, dtype=np.int64)
        fields[key][place] = columns[key]
    labels = fields.pop("label", None)
    return Rows(padded, weights, Provenance(**fields), labels)


def link_shard(source: Path, name: str, target: Path) -> None:
    """Give a folder a shard that stands in another one: the same bytes, on disk once where the file system can."""
    link_files((source / file for file in shard_files(name)), target)


def link_files(files: Iterable[Path], target: Path) -> None:
    """Hard-link files into a folder, or copy them where links are impossible."""
    for file in files:
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copyfile(file, target / file.name)
