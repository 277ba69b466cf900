"""Where networks are computed: on the processor, or on the GPU that whoever starts the process asks for.

The variable DWINDLE_DEVICE says which. Unset or `cpu`: the processor. `cuda`: the first GPU that CUDA shows to the
process (CUDA_VISIBLE_DEVICES), and nothing else; the further ones are for families that can train on several
(`dwindle.nets.language.together`). `cuda,cpu`: that GPU or, where there is none, the processor.

A device changes how numbers are rounded and no draw: random numbers are drawn on the processor from `dwindle.seeds` and
moved, and fitted weights come back to the processor, so that any machine can load and sample them. The same GPU, driver
and torch are meant to give the same bytes each time: torch refuses algorithms without a fixed order of additions, and
products keep all 24 bits of a factor (no TF32). Another GPU, or the processor, gives other ones, and the difference
grows with each step of a fit.

Source: PyTorch 2.13 documentation, notes on reproducibility and on TensorFloat-32; NVIDIA cuBLAS documentation, section
    2.1.4 (the workspace that makes results repeat).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dwindle.errors import BadInput, NotReachable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["VARIABLE", "asked", "device", "running_sums"]

VARIABLE = "DWINDLE_DEVICE"

_CHOICES = ("cpu", "cuda", "cuda,cpu")
_WORKSPACES = (":4096:8", ":16:8")  # of cuBLAS; with any other, its results may differ from call to call
_GRAINS = 2.0**40  # to 1; of 2**17 shares, each rounded to grains, the sum errs less than one float32 does


def asked() -> str:
    """Return what DWINDLE_DEVICE asks for, `cpu`, `cuda` or `cuda,cpu`, without loading torch.

    Raises:
        BadInput: if it is anything else.
    """
    value = os.environ.get(VARIABLE) or "cpu"
    if value not in _CHOICES:
        hint = "; CUDA_VISIBLE_DEVICES chooses among GPUs" if value.startswith("cuda:") else ""
        raise BadInput(f"{VARIABLE} is '{value}'; it must be one of {' | '.join(_CHOICES)}, or unset{hint}")
    return value


def device() -> torch.device:
    """Return the device that networks are computed on.

    Raises:
        BadInput: if DWINDLE_DEVICE names no device.
        NotReachable: if a GPU is asked for, none is visible and the processor was not allowed instead.
    """
    import torch

    choice = asked()
    if choice == "cpu" or (choice == "cuda,cpu" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        shown = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise NotReachable(
            f"a GPU was asked for and none is visible (CUDA_VISIBLE_DEVICES={shown}, torch {torch.__version__}); "
            "engine.cpu_fallback=true lets it run on the CPU"
        )
    # torch reads it with the first product on the GPU.
    if os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in _WORKSPACES:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = _WORKSPACES[0]
    return torch.device("cuda", 0)


def running_sums(shares: Tensor) -> Tensor:
    """Return the sums of shares, each within [0, 1], up to each place of the last dimension; the same bits each time.

    CUDA sums floating numbers in whatever order its blocks finish, and torch may refuse to; whole numbers have the same
    sum in any order, so there shares are counted in grains of 2**-40.
    """
    return _counted(shares) if shares.is_cuda else shares.cumsum(dim=-1)


def _counted(shares: Tensor) -> Tensor:
    grains = (shares.double() * _GRAINS).round().long().cumsum(dim=-1)
    return (grains.double() / _GRAINS).to(shares.dtype)
