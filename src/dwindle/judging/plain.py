"""What was found as plain data for `--json`: null where a number is undefined, its reason beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["plain"]


def plain(found: Any) -> Any:
    """Return dataclasses, arrays and mappings as plain JSON data."""
    if is_dataclass(found) and not isinstance(found, type):
        return {field.name: plain(getattr(found, field.name)) for field in fields(found)}
    if isinstance(found, Mapping):
        return {str(key): plain(value) for key, value in found.items()}
    if isinstance(found, tuple | list):
        return [plain(value) for value in found]
    if isinstance(found, np.ndarray | np.generic):
        return plain(found.tolist())
    return None if isinstance(found, float) and not math.isfinite(found) else found
