"""What each generation of a lineage was trained on, as a table: rows by origin, producer, purpose, rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dwindle.provenance.datasets import Dataset
from dwindle.report.text_table import TextTable

__all__ = ["composition_table", "plain_composition", "shares"]

_COLUMNS = (
    "generation",
    "rows a chain",
    "real",
    "fresh",
    "newest",
    "earlier",
    "producer of the newest",
    "purpose",
    "rounds",
    "dropped",
    "dataset",
)


def composition_table(found: Sequence[Dataset], planned: int) -> TextTable:
    """Return the table of a lineage.

    Args:
        found: its datasets, generation by generation.
        planned: number of the last generation that the plan asks for.
    """
    lineage = found[0].lineage
    notes = [
        "rows a chain, a mean where chains differ; newest: made by the generation before, earlier: by older ones",
        "rounds: most synthetic ancestors of a row; dropped: rows of all chains that curators dropped",
    ]
    if found[-1].generation < planned:
        notes.append(f"generations {found[-1].generation + 1} to {planned} are not grown yet")
    columns: tuple[str, ...] = _COLUMNS
    if any(dataset.published for dataset in found):
        columns = tuple({"real": "published", "fresh": "fresh published"}.get(name, name) for name in _COLUMNS)
        deepest = max(max(dataset.depths.get(origin, 0) for origin in ("real", "fresh")) for dataset in found)
        notes.append(f"published: rows of the source, which are themselves synthetic: at most {deepest} ancestors")
    rows = tuple(_line(dataset) for dataset in found)
    return TextTable("provenance", f"{lineage}: what trained each generation", columns, rows, tuple(notes))


def _line(dataset: Dataset) -> tuple[str, ...]:
    origins = dataset.origins
    newest = origins.get(f"{dataset.generation}", 0)
    drawn = (origins.get("real", 0), origins.get("fresh", 0))
    counts = (dataset.rows, *drawn, newest, dataset.sampled - newest)
    return (
        f"{dataset.generation}",
        *(f"{count / dataset.chains:g}" for count in counts),
        dataset.producer.short if dataset.producer is not None else "-",
        dataset.purpose or "-",
        f"{max(dataset.rounds, default=0)}",
        f"{sum(dataset.dropped.values())}",
        dataset.manifest.digest[:12],
    )


def shares(dataset: Dataset) -> Mapping[str, float]:
    """Return which share of a dataset's rows is of each origin."""
    return {origin: count / dataset.rows for origin, count in dataset.origins.items()} if dataset.rows else {}


def plain_composition(found: Sequence[Dataset]) -> list[dict[str, Any]]:
    """Return the same as plain data, with counts over all chains and whole digests."""
    return [
        {
            "generation": dataset.generation,
            "folder": dataset.folder,
            "digest": dataset.manifest.digest,
            "chains": dataset.chains,
            "rows": dataset.rows,
            "origins": dict(dataset.origins_told),
            "synthetic": dataset.synthetic,
            "producer": None if dataset.producer is None else vars(dataset.producer),
            "purpose": dataset.purpose,
            "rounds": {f"{depth}": count for depth, count in dataset.rounds.items()},
            "dropped": dict(dataset.dropped),
        }
        for dataset in found
    ]
