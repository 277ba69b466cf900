"""How a model is sampled: the bias that the papers call lambda, an axis of its own beside the regime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dwindle.contracts import Within

__all__ = ["Sampler"]


@dataclass(frozen=True)
class Sampler:
    """Settings of the sampler. A family refuses the ones that it cannot honour.

    Args:
        temperature: T in p^(1/T): below 1 likely symbols gain, above 1 rare ones do. Discrete families.
        variance_factor: lambda in N(m, lambda S): the spread of what is sampled over the spread of what was fitted.
            Source: Alemohammad et al. 2023 (MAD), section 2, sampling bias.
        oversample: rows to sample for each row that the regime asks for, so that curators have a choice.
    """

    temperature: Annotated[float, Within(low=1e-6, high=1e3)] = 1.0
    variance_factor: Annotated[float, Within(low=0.0, high=1e3, unit="fraction")] = 1.0
    oversample: Annotated[float, Within(low=1.0, high=1e3, unit="rows per row")] = 1.0
