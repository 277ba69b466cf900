"""The key beside a sweep's curves: each lineage with what sets it apart, and what lines and bands mean."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dwindle.components import about
from dwindle.plan import Plan
from dwindle.report.canvas import INK, QUIET, colours, markers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Sign", "differences", "draw_key"]

_ROOM = 22.0  # lines of small print
_WIDTH = 60  # characters of small print
_SIZE = 6.6  # points
_NAME, _GAP = 1.75, 0.8  # lines that a name and the gap below the names take
_TOP, _BOTTOM = 1.12, -0.21  # of the panel's height


@dataclass(frozen=True)
class Sign:
    """A line style and its meaning.

    Args:
        text: what it means.
        style: matplotlib's line style.
        band: whether a band lies behind the line.
        ring: whether it is a ring and no line.
    """

    text: str
    style: str = "-"
    band: bool = False
    ring: bool = False


def differences(plan: Plan) -> dict[str, str]:
    """Return, for each lineage, the settings in which it differs from another one, and what its regime does."""
    flat = {lineage: dict(_flat(settings)) for lineage, settings in plan.recipes.items()}
    keys = dict.fromkeys(key for settings in flat.values() for key in settings)
    varied = [key for key in keys if len({repr(settings.get(key)) for settings in flat.values()}) > 1]
    return {lineage: _described(plan, lineage, settings, varied) for lineage, settings in flat.items()}


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def _described(plan: Plan, lineage: str, settings: Mapping[str, Any], varied: list[str]) -> str:
    regime: Any = type(plan.recipe(lineage).regime)
    usual = {f"regime.{setting.name}": setting.default for setting in fields(regime)}
    own = [key for key in varied if key in settings and key != "regime.name" and not isinstance(settings[key], list)]
    own = [key for key in own if key == "regime.synthetic_ratio" or settings[key] != usual.get(key, object())]
    parts = [about(regime).rstrip(".")] if "regime.name" in varied else []
    return "; ".join([*parts, *(f"{key.removeprefix('regime.')}\u00a0{settings[key]}" for key in own)])


def draw_key(axes: Axes, plan: Plan, signs: list[Sign], *, columns: int = 1, top: float = _TOP) -> None:
    """Draw the key into an empty panel: lineages, and below them or beside them what lines and bands mean.

    Args:
        axes: the panel.
        plan: whose lineages are explained.
        signs: what else is explained.
        columns: how many panels wide it is; from two on, the signs stand in the last column.
        top: where it begins, of the panel's height; beside other panels it reaches up to their titles.
    """
    axes.set_axis_off()
    axes.set(xlim=(0, columns), ylim=(0, 1), gid="key")
    texts = {lineage: textwrap.wrap(text, _WIDTH) for lineage, text in differences(plan).items()}
    small = [textwrap.wrap(sign.text, _WIDTH) for sign in signs]
    beside = columns > 1
    places = max(1, columns - 1)
    share = -(-len(texts) // places)  # lineages of a column
    below = 0.0 if beside else _GAP + sum(map(len, small))
    if below + _tallest(texts, share) > _ROOM:
        texts = {lineage: [] for lineage in texts}
    lines = max(below + _tallest(texts, share), sum(map(len, small)) if beside else 0.0)
    step, size = (top - _BOTTOM) / max(lines, _ROOM), _SIZE * min(1.0, _ROOM / lines)
    height = _draw_lineages(axes, texts, share, step, size, top=top)
    _draw_signs(axes, signs, small, step, size, left=columns - 1.0 if beside else 0.0, top=top if beside else height)
    for artist in axes.get_children():
        artist.set_in_layout(False)  # the key uses the room beside it that other panels need for their labels
        artist.set_clip_on(False)


def _tallest(texts: Mapping[str, list[str]], share: int) -> float:
    """Return the lines of the tallest column of lineages, `share` of them in each."""
    tall = [_NAME + len(text) for text in texts.values()]
    return max((sum(tall[start : start + share]) for start in range(0, len(tall), share)), default=0.0)


def _draw_lineages(
    axes: Axes, texts: Mapping[str, list[str]], share: int, step: float, size: float, *, top: float
) -> float:
    """Draw lineages column by column; return the height at which the last column ends, less a gap."""
    look, height = (colours(list(texts)), markers(list(texts))), top
    for place, (lineage, text) in enumerate(texts.items()):
        left = float(place // share)
        height = top if place % share == 0 else height
        line = height - _NAME * step / 2
        _draw_sample(axes, left, line, look[0][lineage], look[1][lineage])
        _write(axes, left, line, lineage, size + 1.6, va="center", weight="bold", color=INK)
        _write(axes, left, height - _NAME * step, "\n".join(text), size, va="top")
        height -= step * (_NAME + len(text))
    return height - _GAP * step


def _draw_signs(
    axes: Axes, signs: list[Sign], texts: list[list[str]], step: float, size: float, *, left: float, top: float
) -> None:
    for sign, text in zip(signs, texts, strict=True):
        _draw_sign(axes, left, top - step / 2, sign)
        _write(axes, left, top, "\n".join(text), size, va="top")
        top -= step * len(text)


def _write(
    axes: Axes,
    left: float,
    height: float,
    text: str,
    size: float,
    *,
    va: str,
    color: str = QUIET,
    weight: str = "normal",
) -> None:
    axes.text(left + 0.11, height, text, va=va, color=color, weight=weight, size=size, linespacing=1.1)


def _draw_sample(axes: Axes, left: float, height: float, colour: str, marker: str) -> None:
    x = [left + 0.01, left + 0.045, left + 0.08]
    axes.plot(x, [height] * 3, color=colour, marker=marker, markevery=[1], markersize=4.5, linewidth=1.8)


def _draw_sign(axes: Axes, left: float, height: float, sign: Sign) -> None:
    ends = [left + 0.01, left + 0.08]
    if sign.ring:
        axes.plot([left + 0.045], [height], color="white", marker="o", markeredgecolor=QUIET, markersize=6.0)
        return
    if sign.band:
        axes.fill_between(ends, height - 0.025, height + 0.025, color=QUIET, alpha=0.25, linewidth=0)
    axes.plot(ends, [height] * 2, color=QUIET, linestyle=sign.style, linewidth=1.2)
