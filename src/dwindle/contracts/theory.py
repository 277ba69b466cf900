"""What a closed form may ask, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dwindle.data.rows import FloatArray

if TYPE_CHECKING:
    from dwindle.samplers import Sampler

__all__ = ["Conditions", "Curve"]


class Conditions(Protocol):
    """What a closed form may ask of a recipe."""

    @property
    def family(self) -> Any: ...
    @property
    def source(self) -> Any: ...
    @property
    def regime(self) -> Any: ...
    @property
    def sampler(self) -> Sampler: ...
    @property
    def curators(self) -> tuple[Any, ...]: ...
    @property
    def budget(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Curve:
    """What theory expects of one measure, by generation.

    Args:
        mean: (g,) expected value over chains at generations 0 .. g-1.
        deviation: (g,) standard deviation over chains, where known.
        source: paper and equation.
    """

    mean: FloatArray
    source: str
    deviation: FloatArray | None = None
