"""Which GPUs this machine has, found out without torch: a launcher must not open what its workers shall have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["devices_here"]

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")
_GPU = re.compile(r"^GPU (\d+):")
_PART = re.compile(r"^\s+MIG .*UUID: (MIG-[^)\s]+)")


def devices_here(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them.

    What CUDA_VISIBLE_DEVICES already grants (a batch system sets it) is all there is. Otherwise `nvidia-smi` is asked,
    then the driver's folder, then NVIDIA_VISIBLE_DEVICES, which container runtimes set. A GPU that is divided (MIG)
    stands for its parts.
    """
    if _VISIBLE in environment:
        return _listed(environment[_VISIBLE])
    return _answered() or _driven() or _listed(environment.get("NVIDIA_VISIBLE_DEVICES", ""))


def _listed(value: str) -> tuple[str, ...]:
    """Split a list of devices; CUDA takes none from the first one on that it does not know, such as -1."""
    names = []
    for name in (part.strip() for part in value.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break
        names.append(name)
    return tuple(dict.fromkeys(names))


def _answered() -> tuple[str, ...]:
    """Return what `nvidia-smi` knows; nothing where it is not installed or reaches no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parsed(done.stdout) if done.returncode == 0 else ()


def parsed(text: str) -> tuple[str, ...]:
    """Return the devices of `nvidia-smi -L`: the index of a whole GPU, the UUIDs of the parts of a divided one."""
    devices: list[str] = []
    whole = ""
    for line in text.splitlines():
        if found := _GPU.match(line):
            whole = found[1]
            devices.append(whole)
        elif found := _PART.match(line):
            if devices and devices[-1] == whole:
                devices.pop()
            devices.append(found[1])
    return tuple(devices)


def _driven() -> tuple[str, ...]:
    """Return one index for each GPU that the driver shows; CUDA counts them from 0."""
    return tuple(str(index) for index, _ in enumerate(_DRIVER.iterdir())) if _DRIVER.is_dir() else ()
