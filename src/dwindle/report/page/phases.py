"""The phase diagram: where in ratio and size lineages collapse, by symbol and by colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwindle.profile import DEFINITIONS
from dwindle.report.canvas import QUIET
from dwindle.report.page.arrangement import Axis, Strand, spelled
from dwindle.report.page.material import Material
from dwindle.report.page.palette import PAPER, PHASES
from dwindle.report.page.picture import Picture, drawing, headline, inlined, printed
from dwindle.report.profiles import phase_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Diagram", "diagrams", "phase_pictures"]

_STEP, _LEFT, _TOP, _BOTTOM, _OVER, _GAP, _KEY = 0.42, 0.85, 0.34, 0.46, 0.24, 0.42, 0.26
_COLUMNS = 3
_LETTER = 0.075

_PHASES = tuple(PHASES)
_RISK = {"no": "none", "undecided": "early", "yes": "late", "undefined": "unknown"}
_SYMBOLS: Mapping[str, Mapping[str, Any]] = {
    "none": {"marker": "o", "fillstyle": "none", "markersize": 9},
    "early": {"marker": "o", "fillstyle": "bottom", "markersize": 9, "markerfacecoloralt": PAPER},
    "late": {"marker": "s", "markersize": 9},
    "unknown": {"marker": "x", "markersize": 6},
}


@dataclass(frozen=True)
class Diagram:
    """A question, asked at every point of ratio and size.

    Args:
        name: of its file.
        title: the question.
        about: how to read it.
        words: what each symbol means, by the name of the symbol.
        of: the symbol of each strand, by its label.
        told: what was found of each strand, in words.
    """

    name: str
    title: str
    about: str
    words: Mapping[str, str]
    of: Mapping[str, str]
    told: Mapping[str, str]


def diagrams(material: Material) -> tuple[Diagram, ...]:
    """Return the questions: which phase was reached, and whether the risk has doubled."""
    phases = {name: phase_label(profile) for name, profile in material.profiles.items()}
    risks = {name: _RISK[profile.verdicts[0].verdict] for name, profile in material.profiles.items()}
    words = {"none": "no collapse", "early": "early: the tails go", "late": "late: the bulk goes"}
    phase = _diagram(
        material,
        ("phase", "Which phase of collapse?", f"The phase reached by {material.by_then}."),
        {**words, "unknown": "unknown: no measure of the tails"},
        phases,
    )
    answers = {symbol: answer for answer, symbol in _RISK.items()}
    risk = _diagram(
        material,
        ("phase-risk", "Has the risk doubled?", f"Verdict on “{DEFINITIONS[0]}” at {material.by_then}."),
        answers,
        risks,
    )
    return tuple(one for one in (phase, risk) if one.of and set(one.of.values()) != {"unknown"})


def _diagram(
    material: Material, names: tuple[str, str, str], words: Mapping[str, str], found: Mapping[str, str]
) -> Diagram:
    of, told = {}, {}
    for strand in material.arrangement.strands:
        known = [found[name] for name in strand.lineages if name in found]
        if known and strand.first not in material.arrangement.controls:
            counts = Counter(known)
            of[strand.label] = max(counts, key=lambda symbol: (counts[symbol], _PHASES.index(symbol)))
            many = f" ({counts[of[strand.label]]} of {len(known)} seeds)" if len(known) > 1 else ""
            told[strand.label] = f"{strand.label}: {words[of[strand.label]]}{many}"
    used = {symbol: word for symbol, word in words.items() if symbol in of.values()}
    return Diagram(*names, used, of, told)


def phase_pictures(material: Material) -> tuple[Picture, ...]:
    """Draw the phase diagrams; none where neither ratio nor budget varies."""
    if material.arrangement.ratio is None and material.arrangement.budget is None:
        return ()
    return tuple(_picture(material, diagram) for diagram in diagrams(material))


def _picture(material: Material, diagram: Diagram) -> Picture:
    with drawing():
        figure, tips = _figure(material, diagram)
        path = printed(figure, material.folder / f"{diagram.name}.png")
        counts = Counter(diagram.of.values())
        told = ", ".join(f"{diagram.words[symbol]} {count}" for symbol, count in counts.items())
        label = f"{diagram.title} {told}."
        svg = inlined(figure, diagram.name, label, material.colours, crop=(_TOP, 0.0), tips=tips)
    return Picture(diagram.name, diagram.title, diagram.about, svg, path, 72 * float(figure.get_size_inches()[0]))


@dataclass(frozen=True)
class _Plot:
    """One plot: points at places of a lattice."""

    title: str
    rows: tuple[str, ...]
    points: tuple[tuple[Strand, int, int], ...]


def _plots(material: Material, across: Axis, up: Axis | None) -> list[_Plot]:
    """Return a plot a facet with the size upwards, or one plot with a line a facet where no size varies."""
    arrangement = material.arrangement
    keys = (across.key, up.key) if up is not None else (across.key,)
    facets = [
        (facet.title, [strand for strand in arrangement.inside(facet) if strand.first in across.of])
        for facet in arrangement.facets(*keys)
        if facet.lineages[0] not in arrangement.controls
    ]
    facets = [(title, inside) for title, inside in facets if inside]
    columns = {value: place for place, value in enumerate(across.values)}
    if up is None:
        rows = tuple(title for title, _ in facets)
        points = [(s, columns[across.of[s.first]], row) for row, (_, inside) in enumerate(facets) for s in inside]
        return [_Plot("", rows, tuple(points))]
    lines = {value: place for place, value in enumerate(up.values)}
    names = tuple(spelled(value) for value in up.values)
    return [
        _Plot(title, names, tuple((s, columns[across.of[s.first]], lines[up.of[s.first]]) for s in inside))
        for title, inside in facets
    ]


def _figure(material: Material, diagram: Diagram) -> tuple[Figure, dict[str, str]]:
    from matplotlib.figure import Figure

    arrangement = material.arrangement
    across = arrangement.ratio or arrangement.budget
    assert across is not None
    up = arrangement.budget if arrangement.ratio is not None else None
    plots = _plots(material, across, up)
    columns = min(_COLUMNS, len(plots))
    lines = -(-len(plots) // columns)
    left = _LEFT if up is not None else 0.35 + _LETTER * max(map(len, plots[0].rows))
    wide, tall = (_STEP * (count + 0.4) for count in (len(across.values), len(plots[0].rows)))
    width = max(columns * (left + wide) + 0.2, 4.2)
    size = (width, _TOP + lines * (_OVER + tall) + (lines - 1) * _GAP + _BOTTOM + _KEY)
    figure = Figure(figsize=size)
    headline(figure, diagram.title)
    tips: dict[str, str] = {}
    for place, plot in enumerate(plots):
        column, line = place % columns, place // columns
        bottom = size[1] - _TOP - (line + 1) * (_OVER + tall) - line * _GAP
        box = (left + column * (left + wide), bottom, wide, tall)
        axes = figure.add_axes(tuple(part / size[index % 2] for index, part in enumerate(box)))  # type: ignore[arg-type]
        tips |= _draw(axes, diagram, plot, place)
        _dress(axes, plot, across, up)
    _draw_key(figure, diagram)
    return figure, tips


def _draw(axes: Axes, diagram: Diagram, plot: _Plot, place: int) -> dict[str, str]:
    tips = {}
    for number, (strand, x, y) in enumerate(plot.points):
        symbol = diagram.of.get(strand.label)
        if symbol is not None:
            gid = f"point-{place}-{number}"
            axes.plot([x], [y], linestyle="", gid=gid, **_symbol(symbol))
            tips[gid] = diagram.told[strand.label]
    return tips


def _symbol(symbol: str) -> dict[str, Any]:
    return {"color": PHASES[symbol][0], "markeredgewidth": 1.7, **_SYMBOLS[symbol]}


def _dress(axes: Axes, plot: _Plot, across: Axis, up: Axis | None) -> None:
    axes.set(xlim=(-0.7, len(across.values) - 0.3), ylim=(-0.7, len(plot.rows) - 0.3))
    axes.set_xticks(range(len(across.values)), [spelled(value) for value in across.values])
    axes.set_yticks(range(len(plot.rows)), plot.rows)
    axes.tick_params(labelsize=8.5, length=0)
    axes.set_xlabel(across.title, size=9, labelpad=2)
    if up is not None:
        axes.set_ylabel(up.title, size=9)
    if plot.title:
        axes.set_title(plot.title, size=9.5, pad=4)


def _draw_key(figure: Figure, diagram: Diagram) -> None:
    from matplotlib.lines import Line2D

    shown: Sequence[str] = [symbol for symbol in _PHASES if symbol in diagram.words]
    lines = [Line2D([], [], linestyle="", **_symbol(symbol)) for symbol in shown]
    words = [diagram.words[symbol] for symbol in shown]
    style: Any = {"loc": "lower left", "ncols": 4, "fontsize": 8.5, "frameon": False, "handletextpad": 0.2}
    figure.legend(lines, words, labelcolor=QUIET, columnspacing=1.0, **style)
