"""Costs as tables: what was spent, line by line, with the sum last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dwindle.config.prices import Prices
from dwindle.judging.costs import Cost, in_all
from dwindle.plan import STAGES
from dwindle.report.page.cost import sized
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED

__all__ = ["cost_table", "generations_table"]

_NO_PRICE = "n/a"
_ALL = "all"
_PRICED = ("cpu_hour", "gpu_hour", "human_hour", "million_tokens", "gigabyte_month")


def cost_table(found: Sequence[Cost], prices: Prices) -> TextTable:
    """Return a line a lineage, the real rows first and the sum last."""
    names = list(dict.fromkeys(one.lineage for one in found))
    sums = [in_all([one for one in found if one.lineage == name], name) for name in names]
    lines = [*sums, in_all(sums, _ALL)] if len(sums) > 1 else sums
    heads, rows = _told(("lineage", *_heads(prices)), [(one.lineage, *_cells(one)) for one in lines])
    title = "cost: seconds of compute, rows, disk and money"
    return TextTable("cost", title, heads, rows, tuple(_notes(found, prices)))


def generations_table(found: Sequence[Cost], prices: Prices) -> TextTable:
    """Return a line a generation, the real rows first and the sum last."""
    lines = [*found, in_all(found, _ALL)]
    cells = [(f"{one.generation}" if one.generation >= 0 else one.lineage, *_cells(one)) for one in lines]
    heads, rows = _told(("generation", *_heads(prices)), cells)
    title = f"cost of {found[-1].lineage} by generation"
    return TextTable("cost-generations", title, heads, rows, tuple(_notes(found, prices)))


def _told(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return heads and rows without the columns in which nothing was spent by anybody."""
    kept = [place for place in range(len(heads)) if {row[place] for row in rows} - {"0", UNDEFINED}]
    return tuple(heads[place] for place in kept), tuple(tuple(row[place] for place in kept) for row in rows)


def _heads(prices: Prices) -> Iterator[str]:
    yield from (f"{stage} [s]" for stage in STAGES)
    yield from ("in all [s]", "device [s]", "rows made", "rows trained", "tokens made", "tokens trained")
    yield from ("people [min]", "disk", f"money{f' [{prices.currency}]' if prices.currency else ''}")


def _cells(one: Cost) -> Iterator[str]:
    for stage in STAGES:
        yield _spent(one.seconds.get(stage, math.nan))
    yield _spent(math.fsum(one.seconds.values()) if one.seconds else math.nan)
    yield _spent(one.device_seconds)
    yield from (f"{one.generated:,}", f"{one.trained:,}", _count(one.generated_tokens), _count(one.trained_tokens))
    yield f"{one.minutes:,.3g}"
    yield sized(one.size)
    yield _paid(one)


def _spent(seconds: float) -> str:
    if math.isnan(seconds):
        return UNDEFINED
    return f"{seconds:,.0f}" if seconds >= 99.5 else f"{seconds:.2g}"


def _count(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:,.0f}"


def _paid(one: Cost) -> str:
    """Spell money; `≥` where a part that has a price is not known."""
    if not one.money:
        return _NO_PRICE
    known = math.fsum(part for part in one.money.values() if math.isfinite(part))
    whole = one.complete and all(map(math.isfinite, one.money.values()))
    return f"{known:,.4g}" if whole else f"≥ {known:,.4g}"


def _notes(found: Sequence[Cost], prices: Prices) -> Iterator[str]:
    total = in_all(found, _ALL)
    if total.money:
        parts = ", ".join(f"{part} {value:,.3g}" for part, value in total.money.items())
        yield f"money: {parts}; processors by seconds times threads, storage for one month"
    unpriced = [key for key in _PRICED if getattr(prices, key) is None]
    if unpriced:
        yield f"no price in params.yaml: {', '.join(f'prices.{key}' for key in unpriced)}"
    late = [f"{one.lineage} {one.generation}" for one in found if not one.complete]
    if late:
        more = f" and {len(late) - 8} more" if len(late) > 8 else ""
        yield f"not timed here, at least in part: {', '.join(late[:8])}{more}; sums are without them"
    yield "seconds are those of the last time that a stage ran; a file that is shared counts once, for the first"
