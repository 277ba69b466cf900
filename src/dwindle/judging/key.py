"""The key of a picture with a path a lineage: in a column of its own beside the axes, where it hides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["beside_key", "draw_key"]

_WIDTH, _LEFT, _TOP, _BOTTOM = 5.3, 0.85, 0.85, 0.6  # inches
_LETTER, _MARK, _LEAST = 0.075, 0.55, 0.9  # inches
_LETTERS, _LINES, _COLUMNS = 26, 22, 4


def beside_key(names: Sequence[str], height: float) -> tuple[Figure, Axes]:
    """Return a figure with axes that leave room for the key at their right.

    Args:
        names: what the key will hold.
        height: of the figure, inches.
    """
    from matplotlib.figure import Figure

    longest = max((len(_short(name)) for name in names), default=0)
    key = max(_LEAST, _columns(names) * (_MARK + _LETTER * longest)) if _columns(names) else 0.2
    width = _LEFT + _WIDTH + key
    figure = Figure(figsize=(width, height))
    place = (_LEFT / width, _BOTTOM / height, _WIDTH / width, (height - _TOP - _BOTTOM) / height)
    return figure, figure.add_axes(place)


def draw_key(axes: Axes, names: Sequence[str]) -> None:
    """Draw the key at the right of the axes; more lineages than it has room for have none.

    Args:
        axes: axes of `beside_key`, where each path has its lineage's name as label.
        names: the lineages.
    """
    columns = _columns(names)
    if columns:
        handles, labels = axes.get_legend_handles_labels()
        told = [_short(label) for label in labels]
        look = {"frameon": False, "fontsize": 7.5, "borderaxespad": 0.0, "handlelength": 1.6, "columnspacing": 1.0}
        axes.legend(handles, told, loc="upper left", bbox_to_anchor=(1.02, 1.0), ncols=columns, **look)


def _columns(names: Sequence[str]) -> int:
    needed = math.ceil(len(names) / _LINES)
    return needed if needed <= _COLUMNS else 0


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
