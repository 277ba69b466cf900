"""The U-Net of diffusers, built from its configuration alone, with weights that are drawn and kept by dwindle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from dwindle.nets import stacks
from dwindle.nets.denoisers import Conditions, Weights
from dwindle.nets.unet import GROUPS, as_pictures, as_rows

__all__ = ["Unet2d"]


@dataclass(frozen=True)
class Unet2d:
    """The UNet2DModel of diffusers, chain by chain: three sizes, one residual block each, attention in the middle.

    Its parameters are rows of a stack like those of any other network here, all drawn from the seed: uniform within
    1 / sqrt(fan-in), biases 0, norms 1.

    Args:
        pixels: height, width and colours of a picture; sides that are no multiples of 4 are padded.
        channels: at full size; twice as many at the smaller ones.
        conditions: what it is told beside; its embeddings are those of diffusers.
    """

    pixels: tuple[int, int, int]
    channels: int
    conditions: Conditions

    @property
    def blocks(self) -> Mapping[str, stacks.Block]:
        """The parameters: the first axis of each as rows, the others as columns."""
        return {name: _block(part.shape) for name, part in self._net().named_parameters()}

    @property
    def widest(self) -> int:
        """Numbers that a row has in the widest layer."""
        return self.pixels[0] * self.pixels[1] * 3 * self.channels

    def __call__(self, weights: Weights, values: Tensor, levels: Tensor, classes: Tensor | None) -> Tensor:
        """Return the velocity of (c, n, d) values at the levels (c, n), of the classes (c, n)."""
        from torch.func import functional_call

        net = self._net()
        pictures, positions = as_pictures(values, self.pixels), levels * (1000.0 / self.conditions.levels)
        found = []
        for chain in range(len(values)):
            own = {name: _shaped(name, weights[name][chain], part.shape) for name, part in net.named_parameters()}
            told = None if classes is None else classes[chain]
            found.append(functional_call(net, own, (pictures[chain], positions[chain], told)).sample)
        return as_rows(torch.stack(found), self.pixels)

    def _net(self) -> Any:
        return _built(self.pixels, self.channels, self.conditions.classes)


@lru_cache(maxsize=4)
def _built(pixels: tuple[int, int, int], channels: int, classes: int) -> Any:
    """Return the network without weights."""
    from diffusers.models.attention_processor import AttnProcessor
    from diffusers.models.unets.unet_2d import UNet2DModel

    with torch.device("meta"):
        net = UNet2DModel(
            in_channels=pixels[2],
            out_channels=pixels[2],
            block_out_channels=(channels, 2 * channels, 2 * channels),
            down_block_types=("DownBlock2D",) * 3,
            up_block_types=("UpBlock2D",) * 3,
            layers_per_block=1,
            norm_num_groups=GROUPS,
            num_class_embeds=classes + 1 if classes else None,
        )
    # Attention written out: the fused kernels have no fixed order of additions on a GPU.
    net.mid_block.attentions[0].set_processor(AttnProcessor())
    return net


def _block(shape: torch.Size) -> stacks.Block:
    fan = math.prod(shape[1:])
    return stacks.Block(shape[0], fan, 1.0 / math.sqrt(fan) if len(shape) > 1 else 0.0)


def _shaped(name: str, part: Tensor, shape: torch.Size) -> Tensor:
    """Return a parameter in its own shape; norms are kept as what they differ from 1 by."""
    return part.view(shape) + 1.0 if len(shape) == 1 and name.endswith(".weight") else part.view(shape)
