"""What all pictures share: style, colour and marker of each lineage, and bytes that depend on the data alone."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FAINT",
    "INK",
    "QUIET",
    "colours",
    "darker",
    "keep",
    "markers",
    "plain_ticks",
    "plots_folder",
    "save",
    "styled",
]

INK, QUIET, FAINT = "#222222", "#6b6b6b", "#dddddd"

# Okabe and Ito 2008, colour universal design; in this order neighbours also differ for colour-blind eyes.
_COLOURS = ("#D55E00", "#0072B2", "#56B4E9", "#E69F00", "#009E73", "#4D4D4D", "#CC79A7", "#332288")
_MARKERS = "os^Dv<>P"

_STYLE: Mapping[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.formatter.useoffset": False,
    "grid.color": "#eeeeee",
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in dwindle's style, whatever matplotlibrc says."""
    from matplotlib import style

    with style.context(["default", dict(_STYLE)]):
        yield


def colours(lineages: Sequence[str]) -> dict[str, str]:
    """Return the colour of each lineage, by its place; more than eight share out a perceptually even scale.

    Source: Okabe and Ito 2008 (colours that colour-blind people tell apart).
    """
    if len(lineages) <= len(_COLOURS):
        return dict(zip(lineages, _COLOURS, strict=False))
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    scale = colormaps["viridis"]
    return {name: to_hex(scale(0.92 * place / (len(lineages) - 1))) for place, name in enumerate(lineages)}


def markers(lineages: Sequence[str]) -> dict[str, str]:
    """Return the marker of each lineage, by its place: a second cue beside colour."""
    return {name: _MARKERS[place % len(_MARKERS)] for place, name in enumerate(lineages)}


def darker(colour: str) -> str:
    """Return a darker shade of a colour: theory on top of what was measured."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (0.55 * part for part in to_rgb(colour))
    return to_hex((red, green, blue))


def plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers: 1, 2 and 5 of each decade where there are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = math.log10(high / low) if low > 0 else 9.0
    subs = (1.0, 2.0, 5.0) if decades < 2.2 else (1.0, 3.0) if decades < 3.5 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plots_folder(root: Path, sweep: str) -> Path:
    """Return the folder of a sweep's pictures."""
    return root / "plots" / sweep


def save(figure: Figure, path: Path, *, dpi: int = 144) -> Path:
    """Write a figure as PNG without a clock or a version in it; a file that already holds these bytes is left alone.

    Args:
        figure: what to write; call this within `styled`.
        path: where it shall stand.
        dpi: dots an inch.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return keep(path, stream.getvalue())


def keep(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; one that already holds these bytes is left alone."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        working = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        working.write_bytes(content)
        working.replace(path)
    return path
