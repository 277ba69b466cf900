"""PNG and JPEG files in a folder: a finite source of real images."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Kind, Within
from dwindle.data.pictures import Album, FileState, OfPictures, digest_of_files, state_of
from dwindle.data.streams import refuse_too_many

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageFolder"]

_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class ImageFolder(OfPictures):
    """Pictures in a folder, PNG or JPEG, cut to a square around their middle and brought to one size.

    They are taken in the order of their names, those in the folder itself and those in its subfolders, which are the
    classes. A row is the pixels in 0..1, row by row, colours last; what is transparent is white. The held-out pictures
    are chosen by the root seed alone and belong to no stream; the stream of each chain is a permutation of the others.
    A row's provenance holds the number of its file in that order. The recipe holds the name of the folder, not what is
    in it.

    Args:
        folder: the folder, from the working directory.
        side: pixels along each side.
        colours: 1 for grey levels, 3 for colour.
        held_out: number of held-out pictures.
        labels: whether rows carry their class; all files are then in subfolders.
    """

    kind: ClassVar[Kind] = "vectors"

    folder: str
    side: Annotated[int, Within(low=1, high=1024, unit="pixels")] = 16
    colours: Literal[1, 3] = 3
    held_out: Annotated[int, Within(low=1, unit="rows")] = 100
    labels: bool = False

    def __post_init__(self) -> None:
        """Read the files.

        Raises:
            ValueError: if there are none, one cannot be read or is a decompression bomb, held_out leaves nothing to
                train on, or labels are wanted of files in no subfolder.
        """
        album = self._album()
        refuse_too_many(self.held_out, len(album.levels), "pictures")
        if self.labels and album.classes.min() < 0:
            raise ValueError(f"labels are the subfolders of {self.folder}, and some pictures are in none")

    @classmethod
    def smallest(cls) -> Self:
        """Return a few made-up pictures, in a folder that goes when the process ends."""
        return cls(folder=_few_pictures().name, side=4, held_out=6, labels=True)

    def _album(self) -> Album:
        folder = Path(self.folder).expanduser().absolute()
        return _read(folder, tuple(map(state_of, _files(folder))), self.side, self.colours)


def _files(folder: Path) -> list[Path]:
    """Return the pictures of a folder and its subfolders, by name.

    Raises:
        ValueError: if there is no folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ValueError(f"folder {folder} does not exist")
    inside = [*folder.glob("*"), *folder.glob("*/*")]
    found = [path for path in inside if path.suffix.lower() in _SUFFIXES and path.is_file()]
    if not found:
        raise ValueError(f"folder {folder} and its subfolders have no {', '.join(_SUFFIXES)}")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


@lru_cache(maxsize=4)
def _read(folder: Path, states: tuple[FileState, ...], side: int, colours: int) -> Album:
    paths = [path for path, _, _ in states]
    levels = np.stack([_levels(path, side, colours) for path in paths])
    names = sorted({path.parent.name for path in paths if path.parent != folder})
    numbers = {name: number for number, name in enumerate(names)}
    classes = [-1 if path.parent == folder else numbers[path.parent.name] for path in paths]
    card = {"package": "", "version": "", "licence": "", "sha256": _digest(folder, paths)}
    return Album(levels, np.array(classes, dtype=np.int64), tuple(names), card)


def _digest(folder: Path, paths: Sequence[Path]) -> str:
    """Return the SHA-256 of what `sha256sum` lists of the files, by their names in the folder."""
    listed = "".join(f"{digest_of_files([path])}  {path.relative_to(folder).as_posix()}\n" for path in paths)
    return hashlib.sha256(listed.encode()).hexdigest()


def _levels(path: Path, side: int, colours: int) -> Array:
    """Return the levels of a picture, (side, side, colours).

    Raises:
        ValueError: if the file cannot be read, whatever is wrong with it.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as opened:
                image = _plain(ImageOps.exif_transpose(opened), "L" if colours == 1 else "RGB")
    except Exception as error:  # a damaged file raises whatever its decoder stumbles over
        raise ValueError(f"{path} is no picture that can be read: {error}") from error
    small = _middle(image).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.uint8).reshape(side, side, colours)


def _plain(image: Image, mode: str) -> Image:
    """Return a picture of 8 bits a colour, on white where it is transparent."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return image.convert(mode)


def _middle(image: Image) -> Image:
    """Return the largest square around the middle of a picture, alone: what is cut off does not shine through."""
    length = min(image.size)
    left, above = ((whole - length) // 2 for whole in image.size)
    return image.crop((left, above, left + length, above + length))


@lru_cache(maxsize=1)
def _few_pictures() -> tempfile.TemporaryDirectory[str]:
    from PIL import Image

    folder = tempfile.TemporaryDirectory(prefix="dwindle-pictures-")
    places = np.arange(6)[:, None, None] * 7 + np.arange(5)[:, None] * 31 + np.arange(3) * 90
    for number in range(30):
        own = Path(folder.name) / ("odd" if number % 2 else "even")
        own.mkdir(exist_ok=True)
        Image.fromarray(((places + 13 * number) % 256).astype(np.uint8)).save(own / f"{number:02d}.png")
    return folder
