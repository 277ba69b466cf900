"""Fidelity in words: tables of columns, of correlations and of the commonest symbols, and one line a lineage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dwindle.judging.associations import Associations
from dwindle.judging.columns import VERDICTS, ColumnFidelity
from dwindle.judging.contrasts import Contrast
from dwindle.judging.fidelity import Fidelity
from dwindle.report.text_table import TextTable
from dwindle.report.wording import UNDEFINED, quoted

__all__ = ["answer", "fidelity_tables", "summary_table"]

_SHIFT = {"numbers": "mean shift [real deviations]", "levels": "shift", "tokens": "surprisal [nats a token]"}
_SPREAD = {"numbers": "variance ratio", "levels": "heterozygosity ratio", "tokens": "heterozygosity ratio"}
_DISTANCE = {"numbers": "KS distance", "levels": "total variation", "tokens": "total variation"}
_VERDICTS = "verdicts: Holm over all tests of a lineage at 5 %; scattered: chains are off, each its own way"
_HOW = f"intervals: chains and held-out rows both vary (Welch); in brackets: the distance of real rows; {_VERDICTS}"


def fidelity_tables(found: Fidelity) -> list[TextTable]:
    """Return the tables of a generation: columns, and correlations or symbols."""
    whose = f"{found.lineage}, generation {found.generation}"
    rows = "curated rows" if found.curated else "anchor rows" if not found.generation else "synthetic rows"
    about = f"{found.chains} chains of {found.rows:,.0f} {rows} beside {found.held_out:,} held-out rows"
    wide = f"{found.width} columns by their components" if found.worst else "columns"
    notes = (_HOW, answer(found), *_reasons([*found.columns, *found.worst]), *found.notes)
    first = _columns("fidelity", f"{whose}, {wide}: {about}", found.columns, () if found.worst else notes)
    tables = [first]
    if found.worst:
        title = f"{whose}, the {len(found.worst)} columns that differ most, of {found.width}"
        tables.append(_columns("fidelity-worst", title, found.worst, notes))
    tables += [_tops(whose, one) for one in found.columns if one.tops]
    return tables + ([_correlations(whose, found.associations)] if found.associations is not None else [])


def answer(found: Fidelity) -> str:
    """Return in one line what is true to real rows and what is not."""
    columns = (*found.columns, *found.worst)
    told = [f"{found.count(word)} {word}" for word in VERDICTS]
    known = [part for part in told if not part.startswith("0 ")]
    what = "components and worst columns" if found.worst else "columns" if len(columns) > 1 else "column"
    line = f"of {len(columns)} {what}: {', '.join(known) or 'undefined'}"
    joined = found.associations
    return line + (f"; {joined.differing} of {joined.pairs} correlations differ" if joined and joined.pairs else "")


def summary_table(found: Sequence[Fidelity]) -> TextTable:
    """Return a line a lineage."""
    columns = ("lineage", "generation", *VERDICTS, "correlations off")
    rows = tuple(
        (
            one.lineage,
            f"{one.generation}",
            *(f"{one.count(word)} of {len(one.columns) + len(one.worst)}" for word in VERDICTS),
            _differing(one.associations),
        )
        for one in found
    )
    return TextTable(
        "fidelity", "fidelity of the newest rows: columns beside the held-out ones", columns, rows, (_HOW,)
    )


def _differing(joined: Associations | None) -> str:
    return UNDEFINED if joined is None or not joined.pairs else f"{joined.differing} of {joined.pairs}"


def _columns(name: str, title: str, shown: Sequence[ColumnFidelity], notes: Sequence[str]) -> TextTable:
    holds = [one.holds for one in shown]
    lead = "numbers" if "numbers" in holds else holds[0]
    distance = " or ".join(dict.fromkeys(_DISTANCE[hold] for hold in holds))
    spread = " or ".join(dict.fromkeys(_SPREAD[hold] for hold in holds))
    heads = ("column", _SHIFT[lead], "z", spread, "z", f"{distance} (real)", "chains that differ", "verdict")
    rows = tuple(tuple(_cells(one)) for one in shown)
    return TextTable(name, title, heads, rows, tuple(notes))


def _cells(one: ColumnFidelity) -> Iterator[str]:
    yield one.name
    yield _interval(one.shift)
    yield _score(one.shift)
    yield _interval(one.spread, logarithm=True)
    yield _score(one.spread)
    real = "" if math.isnan(one.as_real) else f" ({one.as_real:.2g})"
    yield quoted(one.distance.mean, one.distance.low, one.distance.high) + real
    yield UNDEFINED if math.isnan(one.rejecting) else f"{one.rejecting:.0%}"
    yield one.verdict


def _interval(one: Contrast, *, logarithm: bool = False) -> str:
    ends = (one.value, one.low, one.high)
    return quoted(*(math.exp(end) if logarithm else end for end in ends))


def _score(one: Contrast) -> str:
    return f"{one.z:+.1f}" if math.isfinite(one.z) else UNDEFINED


def _reasons(shown: Sequence[ColumnFidelity]) -> Iterator[str]:
    """Yield each reason with the columns that it explains."""
    told: dict[str, list[str]] = {}
    for one in shown:
        for reason in filter(None, one.reason.split("; ")):
            told.setdefault(reason, []).append(one.name)
    for reason, names in told.items():
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        yield f"{UNDEFINED} {', '.join(names[:6])}{more}: {reason}"


def _tops(whose: str, one: ColumnFidelity) -> TextTable:
    rows = tuple(
        (
            top.name,
            f"{top.real:.3g}",
            quoted(1 + top.ratio.value, 1 + top.ratio.low, 1 + top.ratio.high),
            _score(top.ratio),
            _chance(top.adjusted),
        )
        for top in one.tops
    )
    columns = (one.name, "real share", "share over the real one", "z", "p after Holm")
    return TextTable("fidelity-tops", f"{whose}, the commonest {one.name} of the held-out rows", columns, rows)


def _correlations(whose: str, found: Associations) -> TextTable:
    rows = tuple(
        (
            " and ".join(one.names),
            f"{one.real:.2f}",
            f"{one.synthetic:.2f}",
            _score(one.contrast),
            _chance(one.adjusted),
        )
        for one in found.worst
    )
    columns = ("columns", "real", "synthetic", "z", "p after Holm")
    if not rows:
        return TextTable("fidelity-correlations", f"{whose}, correlations", columns, (), (found.reason,))
    largest, average = found.largest, found.average
    of_real = [UNDEFINED if math.isnan(one) else f"{one:.2g}" for one in found.as_real]
    notes = [
        f"largest absolute difference {quoted(largest.mean, largest.low, largest.high)} (real rows: {of_real[0]}), "
        f"mean {quoted(average.mean, average.low, average.high)} (real rows: {of_real[1]})",
        f"equal correlation matrices: p = {_chance(found.p)} (Fisher's z of {found.pairs} pairs, Holm); "
        f"{found.differing} pairs differ",
    ]
    notes += [found.reason] if found.reason else []
    return TextTable("fidelity-correlations", f"{whose}, correlations that differ most", columns, rows, tuple(notes))


def _chance(p: float) -> str:
    return UNDEFINED if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
