"""What a stage ran on: recorded in every manifest, never part of a stage key."""

from __future__ import annotations

import hashlib
import platform
import re
from functools import cache
from importlib import metadata
from pathlib import Path

from dwindle.nets.device import asked, device

__all__ = ["fingerprint"]

_PACKAGES = ("dwindle", "numpy", "scipy", "scikit-learn", "pyarrow", "torch", "transformers", "accelerate")
_DRIVER = Path("/proc/driver/nvidia/version")


def fingerprint(threads: int, family: object = None) -> dict[str, str]:
    """Return versions, machine, processor capability and threads: bits can differ where any of these does.

    A family that computes on the device of `dwindle.nets.device` says so by `on_device`. Where such a device is asked
    for, what was found stands here too; without one nothing more is said, and torch is not loaded.

    Args:
        threads: threads of the numerical libraries.
        family: the family that the stage fits, samples or scores; None for a stage that needs none.

    Raises:
        BadInput: if the device that is asked for is none.
        NotReachable: if a GPU is asked for, none is visible and the processor was not allowed instead.
    """
    on_device = getattr(family, "on_device", False) and asked() != "cpu"
    return _processor(threads) | (_device() if on_device else {})


@cache
def _processor(threads: int) -> dict[str, str]:
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        **versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "capability": _capability(),
        "threads": str(threads),
    }


def _device() -> dict[str, str]:
    """Return `cpu`, or the GPU's name, the versions of CUDA and driver, and how many GPUs if it is more than one."""
    import torch

    place = device()
    if place.type == "cpu":
        return {"device": "cpu"}
    name = torch.cuda.get_device_name(place)
    found = {"device": name, "cuda": str(torch.version.cuda), "driver": _driver_version()}
    several = torch.cuda.device_count()
    return found | ({"devices": str(several)} if several > 1 else {})


def _driver_version() -> str:
    """Return the version of NVIDIA's kernel driver, or `unknown` where the kernel does not tell."""
    try:
        found = re.search(r"\d+\.\d+(\.\d+)*", _DRIVER.read_text())
    except OSError:
        return "unknown"
    return found.group() if found else "unknown"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _capability() -> str:
    """Return a digest of the instruction sets that numpy uses here."""
    from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found,unused-ignore]

    used = ",".join(sorted(name for name, present in features.items() if present))
    return hashlib.sha256(used.encode()).hexdigest()[:12]
