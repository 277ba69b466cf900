"""A frozen feature net: a tiny network that learns once what the real rows of generation 0 look like, and never again.

Distances between raw rows say little of pictures, and a net that is fetched from elsewhere would have to be trusted.
This one is trained where it is used, on the anchor rows of all chains, at the address of the metrics' seed, so that
every generation and every lineage of the same rows is seen through the same eyes. It is computed on the processor with
one thread: the same machine gives the same bits in every process, and its digest says which net a number belongs to.

Source: Heusel et al. 2017, section 4 (distances between features of a frozen classifier); Alemohammad et al. 2023,
    section 3 (a small classifier of the data's own where the pictures are digits).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dwindle.contracts import Array, Evidence, FloatArray, IntArray, Rows, classes_of, pixels_of
from dwindle.data.kept import kept
from dwindle.nets import convolutions, stacks, training
from dwindle.seeds import Seed

__all__ = ["FeatureNet", "feature_net"]

_STEPS, _BATCH, _RATE = 400, 64, 3e-3
_HIDDEN, _FEATURES, _LATENT, _CHANNELS = 64, 32, 16, 8
_SMALLEST_SIDE = 4  # pixels; pictures are halved until they are no larger than twice that
_MOST_ROWS, _MOST_NUMBERS = 4096, 1 << 24  # that the net is trained on
_BLOCK = 1 << 22  # numbers that are looked at at once
_FARTHEST = 1e4  # deviations; what lies beyond would overflow single precision

Weights = Mapping[str, Tensor]
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class FeatureNet:
    """A trained feature net.

    Args:
        weights: its matrices, (1, rows, columns), and the frames of rows and features: `centre` (1, 1, d), `scale`
            (1, 1, 1), `features.centre` (1, 1, k) and `features.scale` (1, 1, 1).
        pixels: height, width and colours of a row that is a picture; None for other rows.
        labels: the number of classes that it tells apart; 0 for an autoencoder.
    """

    weights: Weights
    pixels: Shape | None
    labels: int

    @cached_property
    def sha256(self) -> str:
        """The digest of its weights, 64 hex digits."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            part = self.weights[name].contiguous().numpy()
            digest.update(f"{name} {part.shape} {part.dtype}\n".encode())
            digest.update(part.tobytes())
        return digest.hexdigest()

    @property
    def detail(self) -> Mapping[str, Mapping[str, str]]:
        """What a measurement says of the net that it was taken with."""
        return {"features": {"sha256": self.sha256}}

    def features(self, values: Array) -> FloatArray:
        """Return the features of finite rows (c, n, d), (c, n, k), of mean 0 and mean variance 1 in the anchor.

        Those of a chain do not depend on the others.
        """
        raw = self._told(values, lambda seen: _features(seen, self.weights, self.pixels))
        centre, scale = self.weights["features.centre"].numpy(), self.weights["features.scale"].item()
        return np.asarray((raw - centre) / scale, dtype=np.float64)

    def classes(self, values: Array) -> IntArray:
        """Return the likeliest class of each finite row of (c, n, d), (c, n).

        Raises:
            ValueError: if the net tells no classes apart.
        """
        if not self.labels:
            raise ValueError("an autoencoder knows no classes")

        def likeliest(seen: Tensor) -> Tensor:
            return _answers(seen, self.weights, self.pixels, self.labels).argmax(dim=2)

        return np.asarray(self._told(values, likeliest), dtype=np.int64)

    def _told(self, values: Array, look: Callable[[Tensor], Tensor]) -> Array:
        """Return what `look` makes of every row, chain by chain and in blocks."""
        step = max(1, _BLOCK // values.shape[2])
        with _one_thread(), training.deterministic(), torch.no_grad():
            chains = [
                torch.cat(
                    [look(_scaled(chain[first : first + step], self.weights)) for first in range(0, len(chain), step)],
                    1,
                )
                for chain in values
            ]
        return torch.cat(chains).numpy()


def feature_net(evidence: Evidence) -> FeatureNet:
    """Return the net of the evidence's anchor: trained at the first call of a process, kept for the next ones.

    It is a classifier where the anchor's rows carry the source's classes, convolutional where they are pictures, else
    an autoencoder of rows.
    """
    source, anchor = evidence.source, evidence.anchor
    names = classes_of(source)
    pixels = pixels_of(source)
    values, labels = _pooled(anchor)
    seed = evidence.seed.at("features")
    if labels is None or len(names) < 2:
        return _trained(values, _Lesson((), 0, None, seed))
    return _trained(values, _Lesson(tuple(labels.tolist()), len(names), pixels, seed))


@dataclass(frozen=True)
class _Lesson:
    """What a net is trained on beside the rows; a tuple of their classes, empty for none."""

    labels: tuple[int, ...]
    classes: int
    pixels: Shape | None
    seed: Seed


def _pooled(anchor: Rows) -> tuple[Array, IntArray | None]:
    """Return rows of all chains, (n, d), spread evenly over them, and their classes, (n,), if all have one."""
    present, labels = anchor.filled_weights().ravel() > 0, anchor.filled_labels().ravel()
    known = present & (labels >= 0)
    chosen = np.flatnonzero(known if known.any() else present)
    most = max(1, min(_MOST_ROWS, _MOST_NUMBERS // anchor.values.shape[2]))
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(np.int64)]
    return anchor.values.reshape(-1, anchor.values.shape[2])[chosen], labels[chosen] if known.any() else None


@kept
def _trained(rows: Array, lesson: _Lesson) -> FeatureNet:
    frame = _frame(rows)
    values, blocks = _scaled(rows, frame), _blocks(rows.shape[1], lesson.pixels, lesson.classes)
    places = training.batches(Rows(rows[None]), steps=_STEPS, batch=_BATCH, seed=lesson.seed.at("batches"))
    flat = stacks.initial(blocks, 1, lesson.seed.at("initial"))
    with _one_thread(), training.deterministic():
        training.descend(flat, _loss(lesson, values, places[0], blocks), steps=_STEPS, learning_rate=_RATE)
    plain = {"features.centre": torch.zeros(1, 1, 1), "features.scale": torch.ones(1, 1, 1)}
    net = FeatureNet({**stacks.cut(flat, blocks), **frame, **plain}, lesson.pixels, lesson.classes)
    seen = _frame(net.features(rows[None])[0])
    return replace(net, weights={**net.weights, **{f"features.{name}": part for name, part in seen.items()}})


def _frame(values: Array) -> dict[str, Tensor]:
    """Return the centre and the deviation of (n, d) rows; 1 where they do not vary."""
    centre = np.asarray(values.mean(axis=0), dtype=np.float64)
    scale = float(np.sqrt(np.mean((values - centre) ** 2))) or 1.0
    return {
        "centre": torch.from_numpy(centre[None, None]),
        "scale": torch.full((1, 1, 1), scale, dtype=torch.float64),
    }


def _scaled(rows: Array, frame: Weights) -> Tensor:
    """Return (n, d) rows in the net's frame, (1, n, d), in single precision."""
    scaled = (np.asarray(rows, dtype=np.float64) - frame["centre"][0].numpy()) / frame["scale"].item()
    return torch.from_numpy(np.clip(scaled, -_FARTHEST, _FARTHEST).astype(np.float32)[None])


def _loss(
    lesson: _Lesson, values: Tensor, places: IntArray, blocks: Mapping[str, stacks.Block]
) -> Callable[[Tensor, int], Tensor]:
    """Return the loss of a step: the mean cross-entropy of the classes, nats, or the mean squared residual."""
    labels = torch.tensor(lesson.labels)

    def loss(leaf: Tensor, step: int) -> Tensor:
        chosen = torch.from_numpy(places[step])
        seen, weights = values[:, chosen], stacks.cut(leaf, blocks)
        answers = _answers(seen, weights, lesson.pixels, lesson.classes)
        if not lesson.classes:
            return (answers - seen).square().mean()
        return functional.cross_entropy(answers[0], labels[chosen])

    return loss


def _blocks(width: int, pixels: Shape | None, classes: int) -> Mapping[str, stacks.Block]:
    """Return the layers: as many convolutions as the picture can be halved, then dense ones."""
    blocks: dict[str, stacks.Block] = {}
    if pixels is not None:
        high, wide, inputs = pixels
        for layer, outputs in enumerate(_channels(pixels)):
            blocks[f"convolution.{layer}.weight"] = convolutions.kernel(inputs, outputs)
            blocks[f"convolution.{layer}.bias"] = stacks.bias(outputs)
            high, wide, inputs = -(-high // 2), -(-wide // 2), outputs
        width = high * wide * inputs
    middle = _FEATURES if classes else min(width, _LATENT)
    seen = {"features": (width, middle)} if pixels else {"hidden": (width, _HIDDEN), "features": (_HIDDEN, middle)}
    said = {"answers": (middle, classes)} if classes else {"back": (middle, _HIDDEN), "answers": (_HIDDEN, width)}
    for name, (inputs, outputs) in {**seen, **said}.items():
        blocks[f"{name}.weight"], blocks[f"{name}.bias"] = stacks.weight(inputs, outputs), stacks.bias(outputs)
    return blocks


def _channels(pixels: Shape) -> Iterator[int]:
    """Return the channels after each halving of a picture, at least one of them."""
    side, channels = min(pixels[:2]), _CHANNELS
    yield channels
    while (side := -(-side // 2)) > 2 * _SMALLEST_SIDE:
        channels *= 2
        yield channels


def _features(seen: Tensor, weights: Weights, pixels: Shape | None) -> Tensor:
    """Return the features of scaled rows, (1, n, d) to (1, n, k)."""
    if pixels is None:
        hidden = torch.relu(stacks.affine(seen, weights, "hidden"))
    else:
        pictures = seen.view(1, -1, *pixels).permute(0, 1, 4, 2, 3)
        for layer, _ in enumerate(_channels(pixels)):
            pictures = torch.relu(convolutions.convolved(pictures, weights, f"convolution.{layer}", stride=2))
        hidden = pictures.flatten(2)
    return stacks.affine(hidden, weights, "features")


def _answers(seen: Tensor, weights: Weights, pixels: Shape | None, classes: int) -> Tensor:
    """Return the logits of the classes, or the rows that an autoencoder makes of its features."""
    features = _features(seen, weights, pixels)
    hidden = torch.relu(features if classes else stacks.affine(features, weights, "back"))
    return stacks.affine(hidden, weights, "answers")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: the order of its sums would depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
