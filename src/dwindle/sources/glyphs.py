"""Characters rendered from the fonts that matplotlib ships: an endless source of pictures with a long tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import REAL, Array, FloatArray, IntArray, Kind, Provenance, Rows, Seed, Within
from dwindle.data.pictures import digest_of_files
from dwindle.data.streams import OfLaw

__all__ = ["Glyphs"]

_MASTER = 64  # pixels along each side of the large picture that small ones are taken from
_HEIGHT, _BASELINE = 48, 50  # of its letters, and where they stand, pixels from above
_BLOCK = 1024  # pictures that are made at once

_LICENCES = {
    "DejaVu": "Bitstream Vera licence and public domain (DejaVu)",
    "STIX": "SIL OFL 1.1 (STIX)",
    "cm": "BaKoMa Fonts Licence (Computer Modern)",
}


@dataclass(frozen=True)
class Glyphs(OfLaw):
    """Characters in several faces and sizes, each a little off the middle; frequent ones and rare ones; no end.

    The character of rank k comes with probability proportional to k^-exponent, its face and size are equally likely,
    and its place is uniform within `shift` of the middle. A row is the ink of each pixel in 0..1, row by row. Rows
    with labels fall into two groups: the rarer half of the characters, and the others.

    Source: our own; frequencies by Zipf's law as in Dohmatob et al. 2024, A tale of tails, arXiv 2402.07043.

    Args:
        side: pixels along each side.
        characters: the characters, the most frequent one first; the default has English letters by frequency.
        exponent: how fast the frequency falls with the rank; 0 makes all equally likely.
        faces: fonts by the names of their files, such as DejaVuSans-Bold; each must have all the characters.
        sizes: heights of the line as fractions of the picture, 0.1 .. 1.25.
        shift: farthest distance from the middle in each direction; no two rows agree.
        held_out: number of held-out rows.
        labels: whether rows carry their character.
    """

    kind: ClassVar[Kind] = "vectors"

    side: Annotated[int, Within(low=8, high=32, unit="pixels")] = 16
    characters: str = "etaoinshrdlcumwfgypbvkjxqz"
    exponent: Annotated[float, Within(low=0.0, high=100.0)] = 1.0
    faces: tuple[str, ...] = ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral")
    sizes: tuple[Annotated[float, Within(low=0.1, high=1.25, unit="fraction of side")], ...] = (0.85, 1.0, 1.15)
    shift: Annotated[float, Within(low=0.01, high=8.0, unit="pixels")] = 1.0
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000
    labels: bool = False

    def __post_init__(self) -> None:
        """Look for the faces and their characters.

        Raises:
            ValueError: if characters, faces or sizes are too few or not all different, a face is not there, or it
                does not have a character or only a blank one.
        """
        listed = (("characters", self.characters, 2), ("faces", self.faces, 1), ("sizes", self.sizes, 1))
        for name, values, fewest in listed:
            if len(values) < fewest or len(set(values)) < len(values):
                raise ValueError(f"{name} are {values!r}; expected {fewest} or more, all of them different")
        _masters(self.faces, self.characters)

    def shares(self) -> FloatArray:
        """Return the probability of each character, (K,)."""
        weights = np.arange(1, len(self.characters) + 1, dtype=np.float64) ** -self.exponent
        return np.asarray(weights / weights.sum())

    def pixels(self) -> tuple[int, int, int]:
        """Return height, width and colours."""
        return self.side, self.side, 1

    def images(self, values: Array, *, seed: Seed) -> FloatArray:
        """Return (n, side^2) rows of this source or of a model of it as ink, (n, side, side)."""
        return np.asarray(values, dtype=np.float64).reshape(-1, self.side, self.side)

    def label_names(self) -> tuple[str, ...]:
        """Return the characters where rows carry theirs."""
        return tuple(self.characters) if self.labels else ()

    def group_names(self) -> tuple[str, ...]:
        """Return the groups, the more frequent characters first; none where rows carry no label."""
        return ("frequent", "rare") if self.labels else ()

    def groups(self, rows: Rows) -> IntArray:
        """Return whether each row's character is of the rarer half, (c, n); -1 where it has no label."""
        labels = rows.filled_labels() if self.labels else np.full(rows.values.shape[:2], -1)
        return np.where(labels < 0, -1, labels >= (len(self.characters) + 1) // 2).astype(np.int64)

    def card(self) -> Mapping[str, str]:
        """Return the package, the licences of the fonts, the digest of their files in turn, and what renders them."""
        return _card(self.faces)

    @classmethod
    def smallest(cls) -> Self:
        """Return small pictures of three characters in one face."""
        return cls(side=8, characters="oxi", faces=("DejaVuSans",), held_out=50, labels=True)

    def _rows(self, count: int, chains: int, first: int, seed: Seed) -> Rows:
        shape = (chains, count)
        reach = np.cumsum(self.shares())
        drawn = seed.at("characters").numpy().random(shape) * reach[-1]
        labels = np.searchsorted(reach, drawn, side="right").astype(np.int64)
        faces = seed.at("faces").numpy().integers(0, len(self.faces), shape)
        sizes = np.array(self.sizes)[seed.at("sizes").numpy().integers(0, len(self.sizes), shape)]
        shifts = seed.at("shifts").numpy().uniform(-self.shift, self.shift, (*shape, 2))
        numbers = (faces * len(self.characters) + labels).ravel()
        values = self._drawn(numbers, sizes.ravel(), shifts.reshape(-1, 2)).reshape(*shape, -1)
        provenance = Provenance.of(REAL, chains, count, first=first)
        return Rows(values, None, provenance, labels if self.labels else None)

    def _drawn(self, numbers: IntArray, sizes: FloatArray, shifts: FloatArray) -> FloatArray:
        """Return pictures, (n, side^2), of the faces' characters by number, in these sizes, so far off the middle."""
        masters = _masters(self.faces, self.characters).reshape(-1, _MASTER, _MASTER)
        values = np.empty((len(numbers), self.side**2))
        for start in range(0, len(values), _BLOCK):
            part = slice(start, start + _BLOCK)
            made = _resampled(masters[numbers[part]], sizes[part], shifts[part], self.side)
            values[part] = made.reshape(len(made), -1)
        return values


def _resampled(masters: FloatArray, sizes: FloatArray, shifts: FloatArray, side: int) -> FloatArray:
    """Return (n, side, side) pictures of (n, 64, 64) ones: the mean ink under each pixel, exactly."""
    down, across = (_shares(sizes, shifts[:, axis], side) for axis in range(2))
    return np.asarray(np.clip(down @ masters @ across.transpose(0, 2, 1), 0.0, 1.0))


def _shares(sizes: FloatArray, shifts: FloatArray, side: int) -> FloatArray:
    """Return how much of each small pixel lies over each large one along an axis, (n, side, 64)."""
    wide = (_MASTER / (side * sizes))[:, None]  # a small pixel, in large ones
    edges = _MASTER / 2 + (np.arange(side + 1) - side / 2 - shifts[:, None]) * wide
    covered = np.clip(edges[:, :, None] - np.arange(_MASTER), 0.0, 1.0)
    return np.asarray(np.diff(covered, axis=1) / wide[..., None])


def _folder() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@lru_cache(maxsize=8)
def _masters(faces: tuple[str, ...], characters: str) -> FloatArray:
    """Return the large picture of each face's characters, (faces, K, 64, 64), ink 0..1."""
    there = {path.stem: path for path in _folder().glob("*.ttf")}
    unknown = [face for face in faces if face not in there]
    if unknown:
        raise ValueError(f"matplotlib ships no face {unknown[0]!r}; expected one of {', '.join(sorted(there))}")
    return np.stack([_face(there[face], characters) for face in faces])


def _face(path: Path, characters: str) -> FloatArray:
    from matplotlib.ft2font import FT2Font
    from PIL import Image, ImageDraw, ImageFont

    known = FT2Font(str(path)).get_charmap()
    font = ImageFont.truetype(path, _HEIGHT, layout_engine=ImageFont.Layout.BASIC)  # the same with libraqm or without
    pictures = []
    for character in characters:
        image = Image.new("L", (_MASTER, _MASTER))
        if ord(character) in known:
            left, _, right, _ = font.getbbox(character, anchor="ls")
            place = (_MASTER / 2 - (left + right) / 2, _BASELINE)
            ImageDraw.Draw(image).text(place, character, fill=255, font=font, anchor="ls")
        if not image.getbbox():
            raise ValueError(f"face {path.stem} has no character {character!r}, or a blank one")
        pictures.append(np.asarray(image, dtype=np.float64) / 255.0)
    return np.stack(pictures)


@lru_cache(maxsize=8)
def _card(faces: tuple[str, ...]) -> Mapping[str, str]:
    from PIL import features

    licences = {start: text for start, text in _LICENCES.items() if any(face.startswith(start) for face in faces)}
    renderer = f"Pillow {version('pillow')}, FreeType {features.version('freetype2')}"
    return {
        "package": "matplotlib",
        "version": version("matplotlib"),
        "licence": "; ".join(licences.values()),
        "sha256": digest_of_files(_folder() / f"{face}.ttf" for face in faces),
        "renderer": renderer,
    }
