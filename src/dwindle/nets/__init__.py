"""Parts of small networks in torch, on processor or GPU: the networks of all chains stacked into one batched model."""

from __future__ import annotations

import os

__all__: list[str] = []

# Intel's products read it once, before a process takes the first one. Without it a product's bits may depend on where
# in memory its factors begin, and so on the other chains of a batch (oneMKL documentation, conditional numerical
# reproducibility).
os.environ.setdefault("MKL_CBWR", "AUTO")
