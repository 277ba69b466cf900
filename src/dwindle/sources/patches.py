"""Patches of the two photographs that scikit-learn ships: a finite source of real images in colour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import as_file, files
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Kind, Within
from dwindle.data.pictures import Album, OfPictures, digest_of_files
from dwindle.data.streams import refuse_too_many

__all__ = ["Patches"]

_PHOTOGRAPHS = ("china", "flower")
_HEIGHT, _WIDTH = 427, 640


@dataclass(frozen=True)
class Patches(OfPictures):
    """Square patches of two photographs of 427 x 640 pixels, a temple and a flower; no two of them overlap.

    A row is the pixels in 0..1, row by row, colours last. The held-out patches are chosen by the root seed alone and
    belong to no stream; the stream of each chain is a permutation of the others. A row's provenance holds the number of
    its patch: those of the temple come first, each photograph row by row.

    Source: china.jpg and flower.jpg as scikit-learn ships them.

    Args:
        side: pixels along each side of a patch.
        stride: pixels from one patch to the next, at least `side`, so that no pixel of a held-out patch trains.
        colours: 1 for grey levels, 3 for colour.
        held_out: number of held-out patches.
        labels: whether rows carry their photograph.
    """

    kind: ClassVar[Kind] = "vectors"

    side: Annotated[int, Within(low=1, high=200, unit="pixels")] = 8
    stride: Annotated[int, Within(low=1, high=_HEIGHT, unit="pixels")] = 8
    colours: Literal[1, 3] = 3
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000
    labels: bool = False

    def __post_init__(self) -> None:
        """Refuse what leaves no clean patches.

        Raises:
            ValueError: if patches would overlap, or held_out leaves nothing to train on.
        """
        if self.stride < self.side:
            raise ValueError(f"patches of side {self.side} overlap at stride {self.stride}; expected >= {self.side}")
        down, across = ((length - self.side) // self.stride + 1 for length in (_HEIGHT, _WIDTH))
        refuse_too_many(self.held_out, len(_PHOTOGRAPHS) * down * across, "patches")

    @classmethod
    def smallest(cls) -> Self:
        """Return a few small grey patches."""
        return cls(side=4, stride=40, colours=1, held_out=50, labels=True)

    def _album(self) -> Album:
        return _read(self.side, self.stride, self.colours)


@lru_cache(maxsize=4)
def _read(side: int, stride: int, colours: int) -> Album:
    from PIL import Image

    cut, digest = [], ""
    folder = files("sklearn.datasets") / "images"
    with as_file(folder / "china.jpg") as china, as_file(folder / "flower.jpg") as flower:
        digest = digest_of_files([china, flower])
        for path in (china, flower):
            with Image.open(path) as image:
                cut.append(_cut(np.asarray(image.convert("L" if colours == 1 else "RGB")), side, stride, colours))
    card = {
        "package": "scikit-learn",
        "version": version("scikit-learn"),
        "licence": "CC BY 2.0 (danielbuechele, vultilion)",
        "sha256": digest,
    }
    classes = np.repeat(np.arange(len(cut)), [len(part) for part in cut])
    return Album(np.concatenate(cut), classes.astype(np.int64), _PHOTOGRAPHS, card)


def _cut(photograph: Array, side: int, stride: int, colours: int) -> Array:
    """Return the patches of a photograph, (n, side, side, colours), row by row."""
    wide = photograph.reshape(*photograph.shape[:2], colours)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (side, side), axis=(0, 1))[::stride, ::stride]
    return np.ascontiguousarray(windows.transpose(0, 1, 3, 4, 2)).reshape(-1, side, side, colours)
