"""What a stage ran on: recorded in every manifest, never part of a stage key."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib import metadata

__all__ = ["fingerprint"]

_PACKAGES = ("dwindle", "numpy", "scipy", "scikit-learn", "pyarrow", "torch")


@cache
def fingerprint(threads: int) -> dict[str, str]:
    """Return versions, machine, processor capability and threads: bits can differ where any of these does."""
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        **versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "capability": _capability(),
        "threads": str(threads),
    }


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
