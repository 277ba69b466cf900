"""How a model is sampled: the bias that the papers call lambda, an axis of its own beside the regime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from dwindle.contracts import Within

__all__ = ["Sampler"]


@dataclass(frozen=True)
class Sampler:
    """Settings of the sampler. A family refuses the ones that it cannot honour.

    Args:
        temperature: T in p^(1/T): below 1 likely symbols gain, above 1 rare ones do. Discrete families.
        variance_factor: lambda in N(m, lambda S): the spread of what is sampled over the spread of what was fitted.
            Source: Alemohammad et al. 2023 (MAD), section 2, sampling bias.
        top_p: sample from the likeliest part of the law, the part that holds this share of its mass: nucleus sampling
            of symbols and tokens, the densest region of a Gaussian. Source: Holtzman et al. 2020; the truncation of
            Alemohammad et al. 2023.
        flip: share of the sampled labels that are turned into another one; families of labelled pairs.
            Source: the generator's error p of Feng et al. 2025, section 4.
        prompts: what a model that answers prompts is asked: `none`, or the `anchor` rows in their order, so that the
            same inputs come back in every generation.
        oversample: rows to sample for each row that the regime asks for, so that curators have a choice.
    """

    temperature: Annotated[float, Within(low=1e-6, high=1e3)] = 1.0
    variance_factor: Annotated[float, Within(low=0.0, high=1e3, unit="fraction")] = 1.0
    top_p: Annotated[float, Within(low=1e-6, high=1.0, unit="fraction of mass")] = 1.0
    flip: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.0
    prompts: Literal["none", "anchor"] = "none"
    oversample: Annotated[float, Within(low=1.0, high=1e3, unit="rows per row")] = 1.0
