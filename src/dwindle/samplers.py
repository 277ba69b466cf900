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
        top_k: sample from this many likeliest tokens; 0: from all. Source: Fan et al. 2018, section 5.1.
        min_p: sample from the tokens at least this fraction as likely as the likeliest one; 0: from all.
            Source: Nguyen et al. 2025, section 3.
        beams: 0: draw each token at random. 1: take the likeliest token. k: of each prompt, the likeliest sequence that
            a search with k beams finds. A search draws nothing, so it goes with no setting that shapes a draw.
        repetition_penalty: logits of tokens that stand in the sequence already are divided by it where positive and
            multiplied where negative; 1: off. Source: Keskar et al. 2019, section 4.1.
        watermark: mark that is woven into the text: `none`, `kgw` (Kirchenbauer et al. 2023: a hash of the token before
            favours a quarter of the tokens) or `synthid` (Dathathri et al. 2024: tournaments).
        watermark_share: share of the rows that carry the mark, as if so many of several producers marked theirs.
        prompts: what a model that answers prompts is asked: `none`, the `anchor` rows in their order, so that the same
            inputs come back in every generation, or the `previous` generation's training rows in theirs.
        oversample: rows to sample for each row that the regime asks for, so that curators have a choice.
    """

    temperature: Annotated[float, Within(low=1e-6, high=1e3)] = 1.0
    variance_factor: Annotated[float, Within(low=0.0, high=1e3, unit="fraction")] = 1.0
    top_p: Annotated[float, Within(low=1e-6, high=1.0, unit="fraction of mass")] = 1.0
    flip: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.0
    top_k: Annotated[int, Within(low=0, unit="tokens")] = 0
    min_p: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 0.0
    beams: Annotated[int, Within(low=0, high=64, unit="beams")] = 0
    repetition_penalty: Annotated[float, Within(low=1e-3, high=1e3)] = 1.0
    watermark: Literal["none", "kgw", "synthid"] = "none"
    watermark_share: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 1.0
    prompts: Literal["none", "anchor", "previous"] = "none"
    oversample: Annotated[float, Within(low=1.0, high=1e3, unit="rows per row")] = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that would change nothing.

        Raises:
            ValueError: if a search is given settings of a draw, a share of rows a mark that is not there, or a mark
                one token to choose from.
        """
        shaping = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
        idle = [name for name, plain in shaping.items() if self.beams and getattr(self, name) != plain]
        if idle:
            raise ValueError(
                f"beams {self.beams} searches and draws nothing, so {', '.join(idle)} would change nothing"
            )
        if self.watermark == "none" and self.watermark_share != 1.0:
            raise ValueError(
                f"watermark_share {self.watermark_share} of rows are to carry a mark and watermark is none"
            )
        single = {"top_k": 1, "min_p": 1.0}
        lone = [f"{name} {value}" for name, value in single.items() if getattr(self, name) == value]
        if self.watermark != "none" and lone:
            raise ValueError(
                f"{lone[0]} leaves one token to choose from, so watermark {self.watermark} would change nothing; "
                "beams 1 takes the likeliest of the marked ones"
            )
