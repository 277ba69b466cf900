"""The question that a sweep asks, and the answer in short."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from dwindle.profile import DEFINITIONS, Passage
from dwindle.report.page.arrangement import spelled, titled
from dwindle.report.page.markup import Markup, Part, listed, tag
from dwindle.report.page.material import Material
from dwindle.report.page.tables import ANSWERS, text_table
from dwindle.report.panels import Panel
from dwindle.report.profiles import phase_label
from dwindle.report.series import Series
from dwindle.report.text_table import TextTable
from dwindle.report.wording import quoted

__all__ = ["answer", "question", "verdict_counts"]

_FEW, _SHOWN = 5, 3


def question(material: Material) -> Markup:
    """Return the question: a preset's claim with its paper, else what differs between the lineages."""
    preset = material.sweep.preset
    if preset is None:
        return tag("p", asked(material), class_="lead")
    claim = tag("p", "Does this hold here: ", tag("q", preset.claim), "?", class_="lead")
    differs = f" It differs from the paper: {preset.differs}." if preset.differs else ""
    return tag("div", claim, tag("p", f"A published result: {preset.paper}.{differs}"))


def asked(material: Material) -> str:
    """Return the question that the recipes put, in one sentence."""
    arrangement = material.arrangement
    count = len(material.plan.recipes)
    if count == 1:
        return f"How does one lineage fare over {material.last} generations?"
    varied = [_varied(material, key) for key in arrangement.varied]
    told = f" that vary in {listed(varied)}" if varied else " that do not differ"
    return f"How do {count} lineages differ{told}?"


def _varied(material: Material, key: str) -> str:
    """Return a setting with its range, or its values where they are few or no numbers."""
    found = {
        material.arrangement.setting(name, key)
        for name in material.plan.recipes
        if name not in material.arrangement.controls
    }
    values = sorted((value for value in found if value is not None), key=lambda value: (isinstance(value, str), value))
    if len(values) > _FEW and not any(isinstance(value, str) for value in values):
        return f"{titled(key)} ({spelled(values[0])} to {spelled(values[-1])})"
    return f"{titled(key)} ({listed(map(spelled, values), most=_FEW)})"


def answer(material: Material, checks: Sequence[TextTable] = ()) -> Markup:
    """Return the answer in short: sentences, then how many lineages each definition counts as collapsed.

    Args:
        material: the sweep.
        checks: tables that say whether a published result was reproduced.
    """
    told = tag("ul", [tag("li", sentence) for sentence in _sentences(material)], class_="answers")
    return tag("div", [text_table(check) for check in checks], told, _counted(material))


def _sentences(material: Material) -> Iterator[Part]:
    chains = sorted({material.plan.recipe(name).chains for name in material.plan.recipes})
    names = list(material.plan.recipes)
    whole = [name for name in names if material.evaluated[name] == material.planned(name)]
    grown = "" if len(whole) == len(names) else f"; {len(whole)} of them have grown as far as planned"
    spans = f"{len(names)} lineages, {_lengths(material)} generations, {listed(map(str, chains))} chains each{grown}."
    yield spans if len(names) > 1 else spans.replace("1 lineages", "1 lineage")
    if not material.profiles:
        yield "Nothing is evaluated beyond generation 0, so there is no verdict yet."
        return
    labels = Counter(phase_label(profile) for profile in material.profiles.values())
    words = {"none": "in no phase of collapse", "early": "in early collapse", "late": "in late collapse"}
    parts = [
        f"{labels[label]} {word}"
        for label, word in {**words, "unknown": "in a phase that nothing measured tells"}.items()
        if labels[label]
    ]
    yield f"By {material.by_then}: {listed(parts)}."
    yield from _passages(material)
    yield from _ends(material)


def _lengths(material: Material) -> str:
    lasts = [last for last in material.evaluated.values() if last >= 0]
    return f"{min(lasts)} to {max(lasts)}" if min(lasts) < max(lasts) else f"{max(lasts)}"


def _ends(material: Material) -> Iterator[Part]:
    """Yield where the first main measures ended: the best lineage and the worst one."""
    told = [sentence for panel in material.panels if (sentence := _best_and_worst(material, panel))]
    if told:
        yield f"At the end: {'; '.join(told[:_SHOWN])}."


def _best_and_worst(material: Material, panel: Panel) -> str:
    judged = {
        name: one for name, one in panel.series.items() if math.isfinite(one.mean[-1]) and name in material.profiles
    }
    if len(judged) < 2 or panel.measure.better == "as_anchor":
        return ""
    order = sorted(judged, key=lambda name: float(judged[name].mean[-1]), reverse=panel.measure.better == "higher")
    best, worst = (f"{_last(judged[name])} ({name})" for name in (order[0], order[-1]))
    return f"{panel.name} between {best} and {worst}"


def _last(series: Series) -> str:
    return quoted(float(series.mean[-1]), float(series.low[-1]), float(series.high[-1]))


def _passages(material: Material) -> Iterator[Part]:
    """Yield who left the band first, and who stayed within it."""
    band = "the control's band" if material.arrangement.controls else "the band of generation 0 (there is no control)"
    firsts = {name: first for name, profile in material.profiles.items() if (first := _first(profile.passages))}
    if firsts:
        soonest = min(_rank(found) for _, found in firsts.values())
        leaders = [name for name, (_, found) in firsts.items() if _rank(found) == soonest]
        name = leaders[0]
        measure, found = firsts[name]
        watched = sum(len(profile.passages) for profile in material.profiles.values())
        also = f", and so did {listed(leaders[1:], most=4)}" if len(leaders) > 1 else ""
        yield (
            tag("strong", name),
            f" left {band} first, to the bad side: {measure} at generation {found.generation:g}{_chains(found)}{also}. "
            f"Of {watched} measures watched, one in twenty of those that do not drift leaves by chance.",
        )
    stayed = [name for name in material.profiles if name not in firsts]
    if stayed:
        yield (tag("strong", listed(stayed)), f" stayed inside {band}, or left it to the good side only.")
    elif firsts:
        yield f"No lineage stayed inside {band} in every measure."


def _first(passages: object) -> tuple[str, Passage] | None:
    """Return the first harmful passage with its measure, or None if there is none."""
    assert isinstance(passages, dict)
    harmful = [(name, found) for name, found in passages.items() if found.harmful and math.isfinite(found.generation)]
    return min(harmful, key=lambda item: _rank(item[1]), default=None)


def _rank(found: Passage) -> tuple[float, float]:
    return found.generation, found.median if math.isfinite(found.median) else math.inf


def _chains(found: Passage) -> str:
    """Return the median over chains with its interval, in brackets."""
    if math.isnan(found.median) or math.isnan(found.low):
        return ""
    median, low, high = ("never" if math.isinf(end) else f"{end:g}" for end in (found.median, found.low, found.high))
    return f" (median of its chains {median}, 95 % interval {low} to {high})"


def verdict_counts(material: Material) -> dict[str, Counter[str]]:
    """Return, for each definition, how many lineages have each answer."""
    return {
        definition: Counter(str(profile.verdicts[place].verdict) for profile in material.profiles.values())
        for place, definition in enumerate(DEFINITIONS)
    }


def _counted(material: Material) -> Markup | None:
    if not material.profiles:
        return None
    caption = tag("caption", tag("span", "How many lineages have collapsed, by each of eight published definitions"))
    rows = [
        tag(
            "tr",
            tag("th", definition, scope="row"),
            [tag("td", _share(counts[answer]), class_=f"count {answer}") for answer in ANSWERS],
            tag("td", _bar(counts)),
        )
        for definition, counts in verdict_counts(material).items()
    ]
    heads = [
        tag(
            "th",
            tag("span", ANSWERS[word], class_="mark", aria_hidden="true"),
            tag("span", word, class_="word"),
            scope="col",
            class_="count",
        )
        for word in ANSWERS
    ]
    head = tag("thead", tag("tr", tag("th", "definition", scope="col"), heads, tag("td", class_="bars")))
    return tag(
        "div",
        tag("table", caption, head, tag("tbody", rows), class_="counts"),
        class_="wide",
        role="region",
        aria_label="Verdicts, counted",
        tabindex=0,
    )


def _share(count: int) -> str:
    return str(count) if count else "·"


def _bar(counts: Counter[str]) -> Markup:
    """Return counts as a bar; the numbers beside it say the same."""
    parts = [tag("span", class_=answer, style=f"flex-grow:{counts[answer]}") for answer in ANSWERS if counts[answer]]
    return tag("div", parts, class_="share", aria_hidden="true")
