"""Curate: curators judge the new rows, then the regime says what trains the generation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.contracts import FRESH, REAL
from dwindle.data.rows import IntArray, Provenance, Rows
from dwindle.data.shards import link_shard, read_shard, write_shard
from dwindle.errors import Refused, Starved
from dwindle.stages.job import Job, Part, compressed, facts_of, read_rows
from dwindle.stages.lift import sample_model
from dwindle.stages.reach import chosen_parts, fresh_parts, plan_of, with_room, within_reach
from dwindle.stages.verdicts import Bench, Verdicts, kept_earlier

__all__ = ["run"]

_ORIGINS = {REAL: "real", FRESH: "fresh"}


def run(job: Job, out: Path) -> Mapping[str, Any]:
    """Write the generation's dataset, and in its facts the report of its curators.

    Raises:
        Starved: if too few rows are left in a chain.
        Refused: if the policy does not allow the rows.
    """
    if job.generation == 0:
        rows = read_rows(job.inputs["rows"])
        _hold_to_policy(job, rows)
        link_shard(job.inputs["rows"], "real", out)
        return _facts(job, rows, ["real"]) | {"pool": ["real"]}
    verdicts = _judged(job)
    if verdicts.added:
        verdicts.parts[0] = with_room(verdicts.parts[0], verdicts.added, _asked(job), job.seed.at("room"))
    parts = [*within_reach(job), *verdicts.parts]
    plan = plan_of(job, parts)
    chosen = [*chosen_parts(parts, plan, job.seed), *verdicts.added]
    rows = Rows.join([part.rows for part in chosen])
    _hold_to_rules(job, rows, verdicts)
    placed: dict[str, Part] = {}
    facts = _facts(job, rows, [_put(part, out, placed) for part in chosen], plan.keep)
    facts["pool"] = [_put(part, out, placed) for part in parts if part.origin in plan.keep]
    if job.recipe.remembers:
        facts["seen"] = _put_seen(job, verdicts.parts[0], out, placed)
    if job.recipe.keeps_rejected(job.generation):
        facts["rejected"] = {reason: _put_rejected(reason, rows, out) for reason, rows in verdicts.rejected.items()}
    return facts | {"dropped": verdicts.dropped, "judged": verdicts.facts, "curation": verdicts.report}


def _hold_to_rules(job: Job, rows: Rows, verdicts: Verdicts) -> None:
    least = job.recipe.curation.least
    if int(rows.counts.min()) < least:
        gone = ", ".join(f"{count} {reason}" for reason, count in verdicts.dropped.items() if count)
        told = f"; dropped: {gone}" if gone else ""
        raise Starved(f"starved: {rows.counts.min()} rows are left in a chain, {least} are needed{told}")
    _hold_to_policy(job, rows)


def _hold_to_policy(job: Job, rows: Rows) -> None:
    """Refuse rows that the policy does not let train, those of generation 0 too: a source may give synthetic ones."""
    stage = job.recipe.training_stage(job.generation)
    objection = job.recipe.policy.objection(_rounds(job, rows), stage)
    if objection:
        raise Refused(f"refused: of what would train generation {job.generation}, {objection}")


def _facts(job: Job, rows: Rows, shards: list[str], keep: Sequence[int] = ()) -> dict[str, Any]:
    """Return what a manifest tells of a dataset's rows, and how deep those are that it keeps for later ones."""
    by_origin = _by_origin(rows)
    total = sum(by_origin.values())
    depths, rounds = _depths(job), _rounds(job, rows)
    origins = sorted({REAL, *by_origin, *(origin for origin in keep if origin in depths)})
    return {
        "shards": shards,
        "pool": [],
        "chains": rows.chains,
        "content": job.recipe.content,
        "rows": {"total": total, "origin": {_ORIGINS.get(o, f"{o}"): count for o, count in by_origin.items()}},
        "synthetic_ratio": (total - rounds.get(0, 0)) / total if total else 0.0,
        "depths": {_ORIGINS.get(origin, f"{origin}"): depths[origin] for origin in origins},
        "rounds": {str(depth): count for depth, count in sorted(rounds.items())},
        "purpose": job.recipe.purpose,
        "stage": job.recipe.training_stage(job.generation),
        "dropped": {},
        "judged": {},
        "curation": [],
    }


def _by_origin(rows: Rows) -> dict[int, int]:
    assert rows.provenance is not None
    present = rows.filled_weights() > 0
    origins, counts = np.unique(rows.provenance.origin[present], return_counts=True)
    return dict(zip(origins.tolist(), counts.tolist(), strict=True))


def _depths(job: Job) -> dict[int, int]:
    """Return how many synthetic ancestors a row of each origin has at most: 0 for real rows."""
    real = int(facts_of(job.inputs["real"]).get("depth", 0))
    depths = {REAL: real, FRESH: real}
    if "pool" in job.inputs:
        known = facts_of(job.inputs["pool"])["depths"]
        depths |= {int(origin): depth for origin, depth in known.items() if origin.isdigit()}
    if job.generation:
        depths[job.generation] = int(facts_of(job.inputs["rows"])["depth"])
    return depths


def _rounds(job: Job, rows: Rows) -> dict[int, int]:
    """Return how many rows have how many synthetic ancestors."""
    depths, rounds = _depths(job), dict[int, int]()
    for origin, count in _by_origin(rows).items():
        rounds[depths[origin]] = rounds.get(depths[origin], 0) + count
    return rounds


def _asked(job: Job) -> int:
    """Return how many synthetic rows a chain the regime asks for."""
    return job.recipe.regime.asks(job.generation, budget=job.recipe.budget).get(job.generation, 0)


def _judged(job: Job) -> Verdicts:
    """Return what the curators decide about the new rows, those among them that were sampled again."""
    bench = Bench(job, kept_earlier(job))
    verdicts = bench.judge([_synthetic(job), *fresh_parts(job)], job.seed.at("curator"))
    wanted = _asked(job)
    sampled = first = facts_of(job.inputs["rows"])["rows"]["synthetic"]
    for turn in range(1, job.recipe.curation.regenerate + 1):
        kept = verdicts.parts[0].rows
        missing = wanted - kept.counts - _counted(verdicts.added)
        if not sampled or missing.max() <= 0:
            break
        again = _sampled_again(job, bench, int(missing.max()), first, turn)
        first += again.rows.count
        more = bench.judge([again], job.seed.at("curator", "again", turn), kept)
        _join(verdicts, more, missing, turn)
    return verdicts


def _sampled_again(job: Job, bench: Bench, missing: int, first: int, turn: int) -> Part:
    """Sample rows for those that were rejected, numbered after the ones that were generated before."""
    recipe, count = job.recipe, round(missing * job.recipe.sampler.oversample)
    rows = sample_model(bench.maker, job, count, sampler=recipe.sampler, seed=job.seed.at("again", turn))
    known = Provenance.of(job.generation, rows.chains, count, first=first)
    return Part(f"synthetic-{job.generation:03d}", job.generation, replace(rows, provenance=known))


def _join(verdicts: Verdicts, more: Verdicts, missing: IntArray, turn: int) -> None:
    """Add what a turn of sampling again has left: of each chain no more rows than it misses."""
    rows = more.parts[0].rows
    weights = rows.filled_weights()
    enough = np.cumsum(weights > 0, axis=1) > np.maximum(missing - _counted(more.added), 0)[:, None]
    cut = compressed(replace(rows, weights=np.where(enough, 0.0, weights)))
    own = verdicts.parts[0]
    verdicts.parts[0] = Part(own.name, own.origin, compressed(Rows.join([own.rows, cut])))
    verdicts.added += [replace(part, name=f"{part.name}-{turn}") for part in more.added]
    verdicts.report += [line | {"again": turn, "alarms": []} for line in more.report]  # so few alarm by chance
    for reason, rejected in more.rejected.items():
        verdicts.rejected.setdefault(reason, []).extend(rejected)


def _counted(parts: Sequence[Part]) -> IntArray | int:
    """Return the rows of each chain of all parts, (c,); 0 where there are none."""
    return sum(part.rows.counts for part in parts)


def _synthetic(job: Job) -> Part:
    """Return the synthetic rows as they were generated."""
    folder = job.inputs["rows"]
    (name,) = facts_of(folder)["shards"]
    return Part(name, job.generation, read_shard(folder, name), folder)


def _put_seen(job: Job, kept: Part, out: Path, placed: dict[str, Part]) -> list[str]:
    """Put what this generation keeps of its synthetic rows, and what earlier ones kept, where the next one looks."""
    folder = job.inputs.get("pool")
    names = [] if folder is None else facts_of(folder).get("seen", [])
    earlier = [Part(name, 1, read_shard(folder, name), folder) for name in names] if folder is not None else []
    return [_put(part, out, placed) for part in (*earlier, kept) if part.rows.count]


def _put_rejected(reason: str, rows: Sequence[Rows], out: Path) -> str:
    """Write the rows that were dropped for a reason; they stand beside the dataset and never train."""
    name = "rejected-" + re.sub(r"[^a-z0-9]+", "-", reason.lower()).strip("-")[:40]
    while (out / f"{name}.npy").exists():  # another reason that is spelled alike
        name += "-"
    write_shard(out, name, Rows.join(rows))
    return name


def _put(part: Part, out: Path, placed: dict[str, Part]) -> str:
    """Put a part into the dataset: linked where it stands unchanged, else written; return the shard's name.

    Rows of an earlier dataset may go by the name that other rows have here; the later ones get a longer one.
    """
    name = part.name
    while name in placed and not _is_same(placed[name], part):
        name += "-"
    if name not in placed:
        placed[name] = part
        if part.folder is None or name != part.name:
            write_shard(out, name, part.rows)
        else:
            link_shard(part.folder, name, out)
    return name


def _is_same(one: Part, other: Part) -> bool:
    return one is other or (one.folder is not None and (one.folder, one.name) == (other.folder, other.name))
