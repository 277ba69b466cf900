"""The frame that a network sees rows in: centred, and divided by their deviation."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import FloatArray, Rows

__all__ = ["Scaling", "framed"]

Scaling = Literal["whole", "each"]


def framed(rows: Rows, scaling: Scaling) -> tuple[Tensor, dict[str, Tensor]]:
    """Return rows in their frame, and the frame, which a chain has from its own rows alone.

    Args:
        rows: the training rows, (c, n, d); their weights count.
        scaling: `whole` divides all dimensions by one number, the root of their mean variance, and keeps the shape of
            the cloud; `each` gives every dimension a variance of 1.

    Returns:
        (c, n, d) values in single precision, 0 where a chain has no row and where nothing varies; and `centre` and
        `scale`, (c, 1, d) in double precision, the scale 0 where nothing varies.
    """
    chains, count, dimensions = rows.values.shape
    values = np.zeros((chains, count, dimensions), dtype=np.float32)
    frame = {name: np.empty((chains, 1, dimensions)) for name in ("centre", "scale")}
    present = rows.filled_weights() > 0
    for chain in range(chains):
        own = rows.chain(chain)
        frame["centre"][chain], frame["scale"][chain], values[chain, present[chain]] = _alone(
            own.values[0], own.filled_weights()[0], scaling
        )
    return torch.from_numpy(values), {name: torch.from_numpy(part) for name, part in frame.items()}


def _alone(values: FloatArray, weights: FloatArray, scaling: Scaling) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return centre and scale, (1, d), and the (n, d) rows in their frame."""
    shares = weights[:, None] / weights.sum()
    # Differences to one of the rows: rows that all agree must have a variance of exactly 0.
    shifted = values - values[:1]
    offset = (shares * shifted).sum(axis=0, keepdims=True)
    centred = shifted - offset
    variances = (shares * centred * centred).sum(axis=0, keepdims=True)
    if scaling == "whole":
        variances = np.full_like(variances, variances.mean())
    scale = np.sqrt(variances)
    return values[:1] + offset, scale, centred * np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
