"""Low-rank adaptation: the given weights stay, and what is trained is a product of two thin matrices beside them.

Source: Hu et al. 2022, LoRA: low-rank adaptation of large language models, section 4.1: W + (alpha / r) B A, A random
    and B zero at first, on the matrices of queries and values, section 7.1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dwindle.contracts import Seed
from dwindle.nets.language.shapes import Net

__all__ = ["adapt", "merge"]

_ADAPTED = ("q_proj", "v_proj", "c_attn", "query", "value", "query_key_value", "qkv_proj", "Wqkv")


class _Adapted(nn.Module):
    """A matrix and its change of low rank.

    Args:
        weight: the matrix; its change starts at 0.
        rank: of the change.
        scale: that the change is multiplied by.
        seed: address of the thin matrix that does not start at 0.
    """

    def __init__(self, weight: Tensor, rank: int, scale: float, seed: Seed) -> None:
        super().__init__()
        rows, columns = weight.shape
        drawn = seed.numpy().uniform(-1.0, 1.0, (rank, columns)) / math.sqrt(columns)
        self.thin = nn.Parameter(torch.from_numpy(drawn).to(weight))
        self.wide = nn.Parameter(weight.new_zeros(rows, rank))
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed matrix."""
        return weight + self.scale * (self.wide @ self.thin)


def adapt(net: Net, *, rank: int, alpha: float, seed: Seed) -> None:
    """Freeze a net, and let its attention be trained by changes of low rank.

    Args:
        net: the net, changed in place.
        rank: r of the changes.
        alpha: a change is multiplied by alpha / r.
        seed: address of the initial values.

    Raises:
        ValueError: if the architecture has no matrices of attention that are known here.
    """
    for part in net.parameters():
        part.requires_grad_(False)
    found = [(name, module) for name, module in net.named_modules() if name.rpartition(".")[2] in _ADAPTED]
    if not found:
        raise ValueError(
            f"lora_rank {rank}: the architecture {net.config.model_type} has none of {', '.join(_ADAPTED)}"
        )
    for name, module in found:
        parametrize.register_parametrization(
            module, "weight", _Adapted(module.weight, rank, alpha / rank, seed.at(name))
        )


def merge(net: Net) -> None:
    """Let the changed matrices take the place of the given ones; the net is a plain one again."""
    for module in list(net.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    for part in net.parameters():
        part.requires_grad_(True)
