"""MNIST's handwritten digits from IDX files in a folder: a finite source of real images."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import tempfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Annotated, ClassVar, Literal, Self, cast

import numpy as np

from dwindle.contracts import Array, Kind, Within
from dwindle.data.pictures import Album, FileState, OfPictures, state_of
from dwindle.data.streams import refuse_too_many

__all__ = ["Mnist"]

Part = Literal["train", "t10k"]

_SIDE, _BYTES = 28, 0x08  # IDX's code for unsigned bytes
_LARGEST = 10_000_000  # pictures
_PUBLISHED = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": "train",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": "t10k",
}
"""SHA-256 of MNIST's images, uncompressed; other data sets have the same form and file names."""


@dataclass(frozen=True)
class Mnist(OfPictures):
    """Handwritten digits, 28 x 28 pixels, from the IDX files of MNIST or of a data set in its form.

    The folder has `<part>-images-idx3-ubyte` and `<part>-labels-idx1-ubyte`, as they are or with `.gz`. A row is the
    grey levels of the ink in 0..1. The held-out images are chosen by the root seed alone and belong to no stream; the
    stream of each chain is a permutation of the others. A row's provenance holds the number of its image in the file.
    The recipe holds the name of the folder, not what is in it.

    Source: LeCun, Bottou, Bengio and Haffner 1998; the form of IDX files as the data set's page gives it.

    Args:
        folder: the folder, from the working directory.
        part: which images, of the training set or of the 10,000 test images.
        side: pixels along each side; 14 and 7 are means of 4 and 16 pixels, rounded to 256 levels.
        held_out: number of held-out images of that part.
        labels: whether rows carry their digit.
    """

    kind: ClassVar[Kind] = "vectors"
    of_light: ClassVar[bool] = False

    folder: str
    part: Part = "train"
    side: Literal[28, 14, 7] = 28
    held_out: Annotated[int, Within(low=1, unit="rows")] = 1000
    labels: bool = False

    def __post_init__(self) -> None:
        """Read the files.

        Raises:
            ValueError: if one is missing or damaged, or held_out leaves nothing to train on.
        """
        refuse_too_many(self.held_out, len(self._album().levels), f"images of part {self.part}")

    @classmethod
    def smallest(cls) -> Self:
        """Return a few made-up images, in a folder that goes when the process ends."""
        return cls(folder=_few_images().name, part="t10k", side=7, held_out=10, labels=True)

    def _album(self) -> Album:
        paths = [_found(Path(self.folder).expanduser().absolute(), self.part, name) for name in ("images", "labels")]
        return _read(state_of(paths[0]), state_of(paths[1]), self.side)


def _found(folder: Path, part: Part, name: str) -> Path:
    """Return a part's file of images or labels.

    Raises:
        ValueError: if there is none.
    """
    if not folder.is_dir():
        raise ValueError(f"folder {folder} does not exist")
    dimensions = 3 if name == "images" else 1
    plain = [f"{part}-{name}{mark}idx{dimensions}-ubyte" for mark in "-."]
    for file in (*plain, *(f"{file}.gz" for file in plain)):
        if (folder / file).is_file():
            return folder / file
    raise ValueError(f"folder {folder} has no {plain[0]} and no {plain[0]}.gz")


@lru_cache(maxsize=4)
def _read(images: FileState, labels: FileState, side: int) -> Album:
    """Return the pictures of two files."""
    levels, digest = _idx(images[0], (_SIDE, _SIDE))
    classes, digest_of_labels = _idx(labels[0], ())
    if len(levels) != len(classes):
        raise ValueError(f"{images[0]} has {len(levels)} images, {labels[0].name} has {len(classes)} labels")
    if side < _SIDE:
        block = _SIDE // side
        levels = levels.reshape(-1, side, block, side, block).mean(axis=(2, 4)).round().astype(np.uint8)
    published = _PUBLISHED.get(digest)
    card = {
        "package": "MNIST" if published else "IDX files",
        "version": published or "",
        "licence": "CC BY-SA 3.0" if published else "",
        "sha256": digest,
        "sha256_of_labels": digest_of_labels,
    }
    names = tuple(str(number) for number in range(max(10, int(classes.max()) + 1)))
    return Album(levels[..., None], classes.astype(np.int64), names, card)


def _idx(path: Path, shape: tuple[int, ...]) -> tuple[Array, str]:
    """Return what an IDX file of bytes holds, (n, *shape), and the SHA-256 of the uncompressed file.

    Raises:
        ValueError: if it is no such file.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head, content = _parts(cast("IO[bytes]", file), shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise ValueError(f"{path} is no IDX file that can be read: {error}") from error
    found = np.frombuffer(content, dtype=np.uint8).reshape(-1, *shape)
    return found, hashlib.sha256(head + content).hexdigest()


def _parts(file: IO[bytes], shape: tuple[int, ...]) -> tuple[bytes, bytes]:
    """Return the head of an IDX file and the bytes after it, no more of them than it says."""
    head = file.read(4 * (len(shape) + 2))
    mark, count, *sides = struct.unpack(f">{len(shape) + 2}I", head)
    if mark != (_BYTES << 8 | len(shape) + 1) or tuple(sides) != shape or not 0 < count <= _LARGEST:
        wanted = " x ".join(map(str, ("n", *shape)))
        raise ValueError(f"expected {wanted} bytes, its head is {head.hex(' ', 4)}")
    size = count * math.prod(shape)
    content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{size} bytes were announced, it has {'more' if len(content) > size else len(content)}")
    return head, content


@lru_cache(maxsize=1)
def _few_images() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="dwindle-mnist-")
    count = 60
    places = np.arange(count)[:, None, None] * 37 + np.arange(_SIDE)[:, None] * 5 + np.arange(_SIDE) * 11
    images, classes = (places % 256).astype(np.uint8), (np.arange(count) % 10).astype(np.uint8)
    for name, content in (("images", images), ("labels", classes)):
        head = struct.pack(f">{content.ndim + 1}I", _BYTES << 8 | content.ndim, *content.shape)
        file = Path(folder.name) / f"t10k-{name}-idx{content.ndim}-ubyte"
        file.write_bytes(head + content.tobytes())
    return folder
