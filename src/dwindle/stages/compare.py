"""Compare: the metrics of all lineages in one table, a line a generation, for plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["run"]


def run(evaluations: Iterable[tuple[str, int, Mapping[str, Any]]]) -> str:
    """Return a CSV text: lineage, generation, and mean, low and high of each measure over chains.

    Args:
        evaluations: lineage, generation and the measures of that generation.
    """
    lines = list(evaluations)
    measures = sorted({name for _, _, measured in lines for name in measured})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["lineage", "generation", *(column for name in measures for column in _columns(name))])
    for lineage, generation, measured in lines:
        row = [measured.get(name, {}).get(part) for name in measures for part in ("mean", "low", "high")]
        writer.writerow([lineage, generation, *("" if value is None else repr(value) for value in row)])
    return stream.getvalue()


def _columns(name: str) -> tuple[str, str, str]:
    return name, f"{name}.low", f"{name}.high"
