"""Stacked parameters: one matrix whose row c holds every weight of chain c, and its cuts into layers.

A chain's row is touched by nothing but that chain's loss, so that one step of an optimiser is one step of each chain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import Seed

__all__ = [
    "Block",
    "Stacked",
    "affine",
    "apart",
    "bias",
    "cut",
    "initial",
    "joined",
    "load",
    "moved",
    "save",
    "together",
    "weight",
]

_FILE = "weights.safetensors"

M = TypeVar("M", bound=Any)


@dataclass(frozen=True)
class Block:
    """A matrix of weights, the same in size for every chain.

    Args:
        rows: its inputs.
        columns: its outputs.
        bound: initial weights are uniform between -bound and bound.
    """

    rows: int
    columns: int
    bound: float


def weight(rows: int, columns: int) -> Block:
    """Return a dense layer's matrix, initially within 1 / sqrt(inputs)."""
    return Block(rows, columns, 1.0 / math.sqrt(rows))


def bias(columns: int) -> Block:
    """Return a dense layer's bias, initially 0."""
    return Block(1, columns, 0.0)


def initial(blocks: Mapping[str, Block], chains: int, seed: Seed) -> Tensor:
    """Return initial weights of every chain, (c, P); those of a chain do not depend on how many chains there are."""
    bounds = np.concatenate([np.full(block.rows * block.columns, block.bound) for block in blocks.values()])
    draws = [seed.at("chain", chain).numpy().uniform(-1.0, 1.0, bounds.size) * bounds for chain in range(chains)]
    return torch.from_numpy(np.asarray(draws, dtype=np.float32))


def cut(flat: Tensor, blocks: Mapping[str, Block]) -> dict[str, Tensor]:
    """Return the matrices of every chain, each (c, rows, columns), as views of (c, P)."""
    parts = torch.split(flat, [block.rows * block.columns for block in blocks.values()], dim=1)
    shapes = ((len(flat), block.rows, block.columns) for block in blocks.values())
    return {name: part.view(shape) for name, part, shape in zip(blocks, parts, shapes, strict=True)}


def joined(parts: Mapping[str, Tensor], blocks: Mapping[str, Block]) -> Tensor:
    """Return a copy of matrices as one row a chain, (c, P): what `cut` took apart.

    Raises:
        ValueError: if the matrices are not those of the blocks.
    """
    for name, block in blocks.items():
        if name not in parts or parts[name].shape[1:] != (block.rows, block.columns):
            raise ValueError(f"the parent's network has other layers: {name} is not {block.rows} x {block.columns}")
    return torch.cat([parts[name].flatten(1) for name in blocks], dim=1)


def together(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the matrices of several models as those of one, the chains of the first model first."""
    return {name: torch.cat([member[name] for member in members]) for name in members[0]}


def apart(parts: Mapping[str, Tensor], chains: Sequence[int]) -> list[dict[str, Tensor]]:
    """Return the matrices of a model as those of several, of so many chains each."""
    split = {name: torch.split(part, list(chains)) for name, part in parts.items()}
    return [{name: split[name][place].clone() for name in split} for place in range(len(chains))]


class Stacked(Generic[M]):
    """A family whose models hold the matrices of all chains in `weights`, be they of one lineage or of several."""

    def together(self, models: Sequence[M]) -> M:
        """Return several models as one, the chains of the first one first."""
        return replace(models[0], weights=together([model.weights for model in models]))

    def apart(self, model: M, chains: Sequence[int]) -> list[M]:
        """Return a model as several, of so many chains each."""
        return [replace(model, weights=weights) for weights in apart(model.weights, chains)]


def moved(parts: Mapping[str, Tensor], place: torch.device) -> dict[str, Tensor]:
    """Return matrices on a device; those that are there already are not copied."""
    return {name: part.to(place) for name, part in parts.items()}


def affine(values: Tensor, parts: Mapping[str, Tensor], layer: str) -> Tensor:
    """Return x W + b of every chain, (c, n, outputs), for values (c, n, inputs)."""
    shift, matrix = parts[f"{layer}.bias"], parts[f"{layer}.weight"]
    lonely = 1 in (values.shape[1], *matrix.shape[1:]) or torch.get_num_threads() > 1
    if len(matrix) == 1 and not matrix.is_cuda and lonely:
        # Threads share out a lone matrix, whereas they take those of a stack one by one; and a lone row or column is
        # multiplied by other means. Both are rounded otherwise, so a chain that is alone is computed as two.
        shift, values, matrix = (torch.cat([part, part]) for part in (shift, values, matrix))
        return torch.baddbmm(shift, values, matrix)[:1]
    return torch.baddbmm(shift, values, matrix)


def save(parts: Mapping[str, Tensor], folder: Path) -> None:
    """Write weights.safetensors; the same weights give the same bytes, whatever device they are on."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(part.cpu().numpy()) for name, part in parts.items()}, folder / _FILE)


def load(folder: Path) -> dict[str, Tensor]:
    """Read what `save` wrote, into the processor's memory."""
    from safetensors.numpy import load_file

    return {name: torch.from_numpy(part) for name, part in load_file(folder / _FILE).items()}
