"""What every generation answers to the same few prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from dwindle.contracts import Array, Evidence, Kind, Measure, Measurement, Model, Rows, Source, Within
from dwindle.samplers import Sampler

__all__ = ["ProbePrompts"]


@dataclass(frozen=True)
class ProbePrompts:
    """Answers to a few held-out blocks, beside generation 0's answers, and how many of their tokens are the same.

    A family that can search answers with the likeliest tokens, unless draws are asked for; another one with draws, from
    the same seed in every generation; one that takes no prompts gives unprompted samples from the same seed. The
    answers of the first chain are kept as text. Agreement compares token by token: it falls to that of unrelated text
    as soon as an answer has taken another turn, and between draws it is low from the start.

    Args:
        prompts: how many held-out blocks, spread evenly over them; all of them where there are fewer.
        answer: the `likeliest` tokens, which a small model soon repeats for ever, or `drawn` ones.

    Source: Shumailov et al. 2024, table 1 (answers of successive generations to one prompt).
    """

    prompts: Annotated[int, Within(low=1, high=1000, unit="blocks")] = 4
    answer: Literal["likeliest", "drawn"] = "likeliest"

    needs_reference: ClassVar[bool] = True
    kinds: ClassVar[frozenset[Kind]] = frozenset({"sequences"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "probe_agreement": Measure("higher", "fraction", "share of answered tokens that are those of generation 0"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; without a model of generation 0 there are answers and no agreement."""
        last, prompted = evidence.held_out.count - 1, "prompts" in evidence.knobs
        asked = evidence.held_out.values[:, np.unique(np.linspace(0, last, self.prompts).round().astype(np.int64))]
        sampler = Sampler(beams=1) if "beams" in evidence.knobs and self.answer == "likeliest" else Sampler()
        answers = _answers(evidence.model, asked, evidence, sampler)
        told = _texts(evidence.source, asked[0]) if prompted else [""] * asked.shape[1]
        pairs = zip(told, _texts(evidence.source, answers[0]), strict=True)
        detail = {"texts": [{"prompt": prompt, "answer": answer} for prompt, answer in pairs]}
        if evidence.reference is None:
            nan = np.full(len(answers), np.nan)
            return {"probe_agreement": Measurement(nan, "there is no model of generation 0", detail)}
        agreed = answers == _answers(evidence.reference, asked, evidence, sampler)
        return {"probe_agreement": Measurement(agreed.mean(axis=(1, 2)), "", detail)}

    @classmethod
    def smallest(cls) -> Self:
        """Return settings for the contract tests."""
        return cls(prompts=2)


def _answers(model: Model, asked: Array, evidence: Evidence, sampler: Sampler) -> Array:
    """Return an answer of every chain to each prompt, (c, p, L)."""
    chains, count = evidence.samples.chains, asked.shape[1]
    prompts = Rows(np.repeat(asked, chains, axis=0)) if "prompts" in evidence.knobs else None
    return model.sample(count, sampler=sampler, seed=evidence.seed.at("probes"), prompts=prompts).values


def _texts(source: Source, rows: Array) -> list[str]:
    """Return rows, (p, L), as text; as token numbers where the source spells none."""
    spell = getattr(source, "text", None)
    return list(spell(rows)) if callable(spell) else [" ".join(map(str, row)) for row in rows.tolist()]
