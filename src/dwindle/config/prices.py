"""Prices: what an hour, a token and a byte cost. They change no digest, because nothing that is grown reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from dwindle.config.schema import Problems, build, schema
from dwindle.contracts import Within

__all__ = ["Prices", "prices_from"]

Price = Annotated[float, Within(low=0.0, high=1e9)]


@dataclass(frozen=True)
class Prices:
    """What things cost; what has no price is counted and not paid for.

    Args:
        cpu_hour: an hour of one processor; a stage takes as many as its recipe has threads.
        gpu_hour: an hour of one device, where a stage ran on one.
        human_hour: an hour of a reviewer.
        million_tokens: a million tokens that a model wrote.
        gigabyte_month: a gigabyte of data and models, kept for a month.
        currency: what the prices are in.
    """

    cpu_hour: Price | None = None
    gpu_hour: Price | None = None
    human_hour: Price | None = None
    million_tokens: Price | None = None
    gigabyte_month: Price | None = None
    currency: str = ""

    @property
    def known(self) -> bool:
        """Whether anything has a price."""
        return any(getattr(self, key) is not None for key in schema(Prices) if key != "currency")


def prices_from(data: Mapping[str, Any], problems: Problems) -> Prices | None:
    """Return the prices, or note what is wrong and return None."""
    given = {} if data.get("prices") is None else data["prices"]
    if isinstance(given, Mapping):
        return build(Prices, given, ("prices",), problems)
    problems.add(("prices",), given, f"expected a mapping of {', '.join(schema(Prices))}")
    return None
