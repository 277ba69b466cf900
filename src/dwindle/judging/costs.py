"""What each generation cost: seconds, rows, tokens, device seconds, minutes of people, bytes, and money by prices.

Seconds are those of the machine that ran the stage last, noted beside the data; generation 0 counts for the lineage
that made it, and others take it over for nothing. Where a generation came from another
machine they are not known here; nobody's minutes are those that no reviewer wrote down.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.config.prices import Prices
from dwindle.data.manifest import Manifest, read_manifest
from dwindle.data.shards import shard_files
from dwindle.data.workspace import read_document
from dwindle.errors import DataDamaged
from dwindle.plan import STAGES, Plan
from dwindle.review import case_path
from dwindle.stages.seconds import stage_seconds
from dwindle.stages.steps import output

__all__ = ["SHARED", "Cost", "costs", "in_all", "money"]

SHARED = "real rows"
"""What stands in place of a lineage for what all lineages of a source share."""

_HOUR, _MILLION, _GIGABYTE = 3600.0, 1e6, 1e9


@dataclass(frozen=True)
class Cost:
    """What a generation, or several, took.

    Args:
        lineage: the lineage.
        generation: t; -1 for real rows and for sums.
        seconds: of each stage that was timed here.
        processor_seconds: seconds times the recipe's threads; nan if a stage was not timed.
        device_seconds: seconds of stages that ran on devices, times how many; nan likewise.
        generated: rows that models wrote, of all chains.
        trained: rows that trained, of all chains.
        generated_tokens: tokens of the rows that models wrote; nan where rows are no texts.
        trained_tokens: tokens of those that trained; likewise.
        minutes: minutes of reviewers.
        size: bytes of data, models and measures; a file that several generations share counts once, for the first.
        money: by the price list, by what is paid for; nan where that is not known. Empty without prices.
        complete: whether every stage was timed.
    """

    lineage: str
    generation: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    processor_seconds: float = 0.0
    device_seconds: float = 0.0
    generated: int = 0
    trained: int = 0
    generated_tokens: float = 0.0
    trained_tokens: float = 0.0
    minutes: float = 0.0
    size: int = 0
    money: Mapping[str, float] = field(default_factory=dict)
    complete: bool = True

    @property
    def price(self) -> float:
        """Money in all; nan without prices, or if a part is not known."""
        return math.fsum(self.money.values()) if self.money else math.nan


def costs(root: Path, plan: Plan, prices: Prices, lineages: Sequence[str]) -> list[Cost]:
    """Return what each generation cost that is there, and before them what the real rows did.

    Args:
        root: the workspace.
        plan: its plan.
        prices: the price list.
        lineages: which ones.
    """
    timed, seen = stage_seconds(root), set[tuple[int, int]]()
    found = list(_drawn(root, plan, lineages, timed, seen))
    for name in lineages:
        for generation, key in enumerate(plan.generations(name)):
            own = _generation(root, plan, name, generation, key, timed, seen)
            found += [own] if own is not None else []
    return [_priced(one, prices) for one in found]


def in_all(found: Sequence[Cost], lineage: str) -> Cost:
    """Return the sum of several costs; what is nan in one of them is left out, and the sum is not complete then."""
    stages = dict.fromkeys(stage for one in found for stage in one.seconds)
    parts = dict.fromkeys(part for one in found for part in one.money)
    sums = {
        key: math.fsum(value for one in found if math.isfinite(value := getattr(one, key)))
        for key in ("processor_seconds", "device_seconds", "minutes")
    }
    tokens = {
        key: _tokens_in_all([getattr(one, key) for one in found]) for key in ("generated_tokens", "trained_tokens")
    }
    paid = {
        part: math.fsum(value for one in found if math.isfinite(value := one.money.get(part, 0.0))) for part in parts
    }
    return Cost(
        lineage,
        -1,
        {stage: math.fsum(one.seconds.get(stage, 0.0) for one in found) for stage in stages},
        generated=sum(one.generated for one in found),
        trained=sum(one.trained for one in found),
        size=sum(one.size for one in found),
        money=paid,
        complete=all(one.complete for one in found),
        **sums,
        **tokens,
    )


def _tokens_in_all(counts: Sequence[float]) -> float:
    known = [count for count in counts if math.isfinite(count)]
    return math.fsum(known) if known else math.nan


def _drawn(
    root: Path, plan: Plan, lineages: Sequence[str], timed: Mapping[str, float], seen: set[tuple[int, int]]
) -> Iterator[Cost]:
    """Yield what drawing the real rows of the lineages took, each set once."""
    folders = {plan.chain[key]["real"] for name in lineages for key in plan.generations(name)}
    keys = [key for key, entry in plan.real.items() if entry["folder"] in folders]
    spent = {key: timed[f"draw@{key}"] for key in keys if f"draw@{key}" in timed}
    size = sum(_bytes(root / plan.real[key]["folder"], seen) for key in keys)
    if size or spent:
        whole, sizes = len(spent) == len(keys), math.fsum(spent.values())
        known = sizes if whole else math.nan
        tokens = math.nan
        yield Cost(SHARED, -1, {"draw": sizes}, known, 0.0, 0, 0, tokens, tokens, 0.0, size, {}, whole)


def _generation(
    root: Path,
    plan: Plan,
    name: str,
    generation: int,
    key: str,
    timed: Mapping[str, float],
    seen: set[tuple[int, int]],
) -> Cost | None:
    """Return the cost of a generation; None if nothing of it is here."""
    places = {stage: root / output(f"{stage}@{key}", plan) for stage in STAGES}
    manifests = {stage: _manifest(places[stage]) for stage in STAGES if stage != "evaluate"}
    spent = _spent(plan, key, timed)
    size = sum(_bytes(place, seen) for place in places.values())
    if not size and all(manifest is None for manifest in manifests.values()):
        return None
    recipe = plan.recipe(name)
    there = [stage for stage in STAGES if places[stage].exists()]
    whole = all(stage in spent for stage in there)
    devices = _devices(root, plan, key, manifests)
    generated = _made(manifests["generate"]) + _made_again(manifests["curate"])
    fitted = manifests["train"] is not None or places["evaluate"].exists()  # a refused dataset trained nothing
    trained = _total(manifests["curate"]) if fitted else 0
    texts = recipe.source.kind == "sequences"
    long = [_length(places[stage], manifests[stage]) if texts else math.nan for stage in ("generate", "curate")]
    known = math.fsum(spent.values()) * recipe.threads
    on_devices = math.fsum(spent.get(stage, 0.0) * count for stage, count in devices.items())
    return Cost(
        name,
        generation,
        spent,
        known if whole else math.nan,
        on_devices if whole or not devices else math.nan,
        generated,
        trained,
        generated * long[0],
        trained * long[1],
        _minutes(root, name, generation),
        size,
        {},
        whole,
    )


def _spent(plan: Plan, key: str, timed: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of each stage that was timed; none went into what was taken over from another lineage."""
    found = {}
    for stage in STAGES:
        if f"{stage}@{key}" in timed:
            found[stage] = timed[f"{stage}@{key}"]
        elif any(f"{stage}@{twin}" in timed for twin in plan.twins(key)):
            found[stage] = 0.0
    return found


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except DataDamaged:
        return None


def _made(manifest: Manifest | None) -> int:
    """Return the rows of all chains that a model wrote."""
    if manifest is None:
        return 0
    return int(manifest.facts["rows"].get("synthetic", 0)) * int(manifest.facts["chains"])


def _made_again(manifest: Manifest | None) -> int:
    """Return the rows that were sampled in place of rejected ones: what the first curator was shown at each turn."""
    shown: dict[int, int] = {}
    for line in [] if manifest is None else manifest.facts.get("curation", []):
        if line.get("again"):
            shown.setdefault(int(line["again"]), int(line.get("shown", 0)))
    return sum(shown.values())


def _total(manifest: Manifest | None) -> int:
    return 0 if manifest is None else int(manifest.facts["rows"]["total"])


def _length(folder: Path, manifest: Manifest | None) -> float:
    """Return the tokens of a row, by the shape of the first shard; nan if there is none."""
    names = [] if manifest is None else manifest.facts.get("shards", [])
    try:
        shape = np.load(folder / shard_files(names[0])[0], mmap_mode="r", allow_pickle=False).shape
        return float(shape[1])
    except (OSError, ValueError, IndexError):
        return math.nan


def _devices(root: Path, plan: Plan, key: str, manifests: Mapping[str, Manifest | None]) -> dict[str, int]:
    """Return on how many devices each stage ran, by what it wrote down; none ran on the processor alone."""
    found = {stage: manifest.environment for stage, manifest in manifests.items() if manifest is not None}
    document = read_document(root / output(f"evaluate@{key}", plan))
    found |= {} if document is None else {"evaluate": document["record"][0].get("environment", {})}
    on = {stage: own for stage, own in found.items() if own.get("device", "cpu") != "cpu"}
    return {stage: int(own.get("devices", "1")) for stage, own in on.items()}


def _minutes(root: Path, name: str, generation: int) -> float:
    """Return the minutes that reviewers wrote down, in earlier cases of the same generation too."""
    try:
        return math.fsum(_told(json.loads(case_path(root, name, generation).read_bytes())))
    except (OSError, ValueError, RecursionError):
        return 0.0


def _told(document: Any) -> Iterator[float]:
    if not isinstance(document, Mapping):
        return
    for one in _list(document.get("decisions")):
        minutes = one.get("minutes") if isinstance(one, Mapping) else None
        if isinstance(minutes, int | float) and not isinstance(minutes, bool) and math.isfinite(minutes):
            yield max(float(minutes), 0.0)
    for case in _list(document.get("earlier")):
        yield from _told(case)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _bytes(place: Path, seen: set[tuple[int, int]]) -> int:
    """Return the bytes of a file or a folder's files that were not counted yet."""
    total = 0
    for path in place.iterdir() if place.is_dir() else [place] if place.is_file() else []:
        status = path.lstat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_size
    return total


def _priced(one: Cost, prices: Prices) -> Cost:
    return replace(one, money=money(one, prices))


def money(one: Cost, prices: Prices) -> dict[str, float]:
    """Return what a cost comes to, by what is paid for; what has no price, or is no part of it, is left out.

    Storage is that of one month, and tokens are those that a model wrote.
    """
    tokens = 0.0 if math.isnan(one.generated_tokens) else one.generated_tokens
    asked = {
        "processors": (prices.cpu_hour, one.processor_seconds / _HOUR),
        "devices": (prices.gpu_hour, one.device_seconds / _HOUR),
        "people": (prices.human_hour, one.minutes / 60.0),
        "tokens": (prices.million_tokens, tokens / _MILLION),
        "storage": (prices.gigabyte_month, one.size / _GIGABYTE),
    }
    return {part: price * amount for part, (price, amount) in asked.items() if price is not None}
