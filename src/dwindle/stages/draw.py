"""Draw: the anchor that every generation may see, and the held-out rows that none ever trains on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwindle.contracts import Descended, Documented
from dwindle.data.rows import Rows
from dwindle.data.shards import write_shard
from dwindle.errors import StageFailed
from dwindle.stages.job import Job

__all__ = ["run"]


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write anchor and held-out rows.

    Raises:
        StageFailed: if a held-out row is also an anchor row.
    """
    recipe = job.recipe
    held_out = recipe.source.draw_held_out(seed=job.seed)
    anchor = recipe.source.draw(recipe.budget, first=0, chains=recipe.chains, seed=job.seed)
    _refuse_overlap(held_out, anchor)
    card: dict[str, Any] = {"source": dict(recipe.source.card())} if isinstance(recipe.source, Documented) else {}
    if isinstance(recipe.source, Descended):
        card |= {"depth": recipe.source.depth(), "purpose": recipe.source.purpose()}
    write_shard(out, "held_out", held_out)
    write_shard(out, "real", anchor)
    return {
        "shards": ["real"],
        "held_out": ["held_out"],
        "rows": {"real": recipe.budget, "held_out": held_out.count},
        "chains": recipe.chains,
        "content": recipe.content,
        **card,
    }


def _refuse_overlap(held_out: Rows, anchor: Rows) -> None:
    """See to it that no row of a finite source is on both sides."""
    assert held_out.provenance is not None
    assert anchor.provenance is not None
    frozen = {row for row in held_out.provenance.source.ravel().tolist() if row >= 0}
    if frozen.intersection(anchor.provenance.source.ravel().tolist()):
        raise StageFailed("the source gave the same row as anchor and as held-out")
