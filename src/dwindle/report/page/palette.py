"""The page's colours: each by a name, for paper and for the dark, so that pictures follow the reader's setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dwindle.report.canvas import INK, QUIET, darker, markers
from dwindle.report.page.arrangement import Arrangement, Axis, Strand

__all__ = ["BAND", "GRID", "ORIGINS", "PAPER", "PHASES", "THEORY", "Look", "Looks", "looks_of", "named", "stylesheet"]

PAPER, GRID, BAND, THEORY = "#fffffe", "#e6e8ea", "#d9dde1", "#3b3f45"

_FIXED = {
    INK: ("ink", "#e8eaed"),
    QUIET: ("quiet", "#a9b1bb"),
    PAPER: ("paper", "#15181d"),
    GRID: ("grid", "#2b3038"),
    BAND: ("band", "#343a43"),
    THEORY: ("theory", "#d3d7dc"),
}

# After Okabe and Ito 2008, each hue darkened or lightened until it has a contrast of 3 to 1 with its ground.
_LIGHT = ("#c84e00", "#0068a8", "#2e8fc7", "#a06a00", "#00805c", "#5c6066", "#b0528e", "#4a37a8")
_DARK = ("#ff8f52", "#5aaef0", "#9fd8ff", "#f0b94e", "#3fd0a2", "#c3c8ce", "#e59bca", "#aa9dff")

# From blue to orange, the ends that colour-blind eyes tell apart, and darkest between: every step has its contrast.
_FIRST_TO_LAST = ("#2f93cc", "#1f5fae", "#4a2f94", "#8f2a8f", "#c43a63", "#d95f1e")
_IN_THE_DARK = ("#86ccf7", "#5f9ff0", "#9a8bff", "#d084e2", "#ff8ca6", "#ffb36b")

PHASES: Mapping[str, tuple[str, str]] = {
    "none": ("#0b6aa6", "#69bdf5"),
    "early": ("#9a6a00", "#f2bd55"),
    "late": ("#bb3a00", "#ff8c57"),
    "unknown": ("#6a7077", "#9aa2ab"),
}
"""The colour of each phase, for paper and for the dark; from no collapse to the latest one, then what is not known."""

ORIGINS: Mapping[str, tuple[str, str]] = {
    "real": ("#0a6cab", "#4da3e0"),
    "fresh": ("#0a8762", "#35b98f"),
    "synthetic": ("#d98e2b", "#c98a3a"),
}
"""The colour of rows of each origin, for paper and for the dark."""


@dataclass(frozen=True)
class Look:
    """How a strand is drawn.

    Args:
        colour: on paper.
        marker: matplotlib's name of it.
        value: its value on the axis that colours stand for; None where a colour is a name.
    """

    colour: str
    marker: str
    value: float | None = None


@dataclass(frozen=True)
class Looks:
    """How all strands are drawn.

    Args:
        of: by the strand's label.
        axis: what colours stand for; None where each strand has its own.
        scale: the colour of each value of the axis.
    """

    of: Mapping[str, Look]
    axis: Axis | None
    scale: Mapping[float, str]


def looks_of(arrangement: Arrangement) -> Looks:
    """Return a colour and a marker a strand: a name's where they are few, else those of the axis that orders them."""
    strands = arrangement.strands
    shapes = markers([strand.label for strand in strands])
    axis = arrangement.ordering
    if len(strands) <= len(_LIGHT) or axis is None:
        scale = _LIGHT if len(strands) <= len(_LIGHT) else _sequence(len(strands), _FIRST_TO_LAST)
        chosen = dict(zip((strand.label for strand in strands), scale, strict=False))
        return Looks(
            {strand.label: Look(_own(arrangement, strand, chosen), shapes[strand.label]) for strand in strands},
            None,
            {},
        )
    scale_of = dict(zip(axis.values, _sequence(len(axis.values), _FIRST_TO_LAST), strict=True))
    of = {strand.label: _on_axis(strand, axis, scale_of) for strand in strands}
    return Looks(of, axis, scale_of)


def _own(arrangement: Arrangement, strand: Strand, chosen: Mapping[str, str]) -> str:
    return INK if strand.first in arrangement.controls else chosen[strand.label]


def _on_axis(strand: Strand, axis: Axis, scale: Mapping[float, str]) -> Look:
    value = axis.of.get(strand.first)
    return Look(INK, "D") if value is None else Look(scale[value], "o", value)


def _sequence(count: int, stops: Sequence[str]) -> Sequence[str]:
    """Return colours of even steps between stops."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    scale = LinearSegmentedColormap.from_list("steps", list(stops))
    return [to_hex(scale(place / max(1, count - 1))) for place in range(count)]


def named(looks: Looks) -> dict[str, tuple[str, str]]:
    """Return, for each colour that a picture may use on paper, its name on the page and what it is in the dark."""
    found = dict(_FIXED)
    pairs = [*zip(_LIGHT, _DARK, strict=True), *PHASES.values(), *ORIGINS.values()]
    found |= {light: (f"c{place}", dark) for place, (light, dark) in enumerate(pairs)}
    scale = list(dict.fromkeys([*looks.scale.values(), *(look.colour for look in looks.of.values())]))
    own = [colour for colour in scale if colour not in found]
    found |= {
        light: (f"s{place}", dark)
        for place, (light, dark) in enumerate(zip(own, _sequence(len(own), _IN_THE_DARK), strict=True))
    }
    theory = {darker(colour): (f"t{place}", _lighter(found[colour][1])) for place, colour in enumerate(scale)}
    return theory | found


def _lighter(colour: str) -> str:
    """Return a lighter shade of a colour: theory on top of what was measured, in the dark."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (0.5 + 0.5 * part for part in to_rgb(colour))
    return to_hex((red, green, blue))


def stylesheet(names: Mapping[str, tuple[str, str]]) -> str:
    """Return the declarations of all colours: on paper, and in the dark on a screen."""
    light = "".join(f"--{name}:{colour};" for colour, (name, _) in names.items())
    dark = "".join(f"--{name}:{colour};" for name, colour in names.values())
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
