"""How numbers and measures are spelled for people: intervals, headings, the question that a measure answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from dwindle import contracts
from dwindle.contracts import Measure, Source
from dwindle.data.columns import Column

__all__ = ["UNDEFINED", "heading", "question", "quoted", "real_value", "spelled_cell"]

UNDEFINED = "\N{EN DASH}"

_QUESTIONS: Mapping[str, str] = {
    "frechet": "How far from the real rows?",
    "sliced_wasserstein": "How far must the samples move?",
    "precision": "Do samples look real?",
    "recall": "How much of reality is still reached?",
    "density": "Do samples crowd together?",
    "coverage": "Is every real neighbourhood still visited?",
    "tail_mass": "Are the tails still there?",
    "mean": "Where is the mean?",
    "mean_error": "How far has the mean drifted?",
    "variance": "How wide is the spread?",
    "second_moment": "Does the spread lose what drifts?",
    "wasserstein": "How far must the mass move?",
    "variance_ratio": "Is the spread still there?",
    "log_variance": "How fast does the variance die?",
    "correlation_error": "Do the columns still belong together?",
    "parameter_error": "How far are the coefficients off?",
    "accuracy": "Are the labels still right?",
    "risk": "How surprising are the real rows?",
    "perplexity": "How surprising is real text?",
    "vocabulary_used": "How many words are still used?",
    "distinct_2": "Do word pairs repeat?",
    "perplexity_rare": "How surprising are rare real words?",
    "tail_coverage": "Are rare real words still likely?",
    "generated_perplexity": "Would generation 0 have said it?",
    "self_perplexity": "How sure is it of its own text?",
    "self_bleu": "Do its texts repeat each other?",
    "divergence_frontier": "Could it pass for real text?",
    "next_token_gini": "How few words may come next?",
    "hallucinations": "How much is made up?",
    "column_distance": "Are the columns still distributed alike?",
    "correlation_distance": "Do the columns still belong together?",
    "downstream_accuracy": "Do they teach what real rows teach?",
    "smallest_share": "Is the smallest group still there?",
    "groups_alive": "Which groups are still there?",
    "record_distance": "Are they real rows in disguise?",
    "memorisation_ratio": "Do samples sit on training rows?",
    "encoder_deviation": "How wide are they to the first encoder?",
    "frechet_features": "How far from real pictures, as a network sees them?",
    "precision_features": "Do samples look real to a network?",
    "recall_features": "How much of reality does a network still find?",
    "class_entropy_ratio": "Are all classes still drawn?",
    "sharpness": "Are pictures as sharp as real ones?",
    "two_sample_auc": "Can a classifier tell them from real rows?",
    "vendi": "How many different rows are there?",
    "fact_recall_rare": "Does it still know rare facts?",
    "probe_agreement": "Does it still answer alike?",
    "repeated_tokens": "Does it say the same word twice?",
    "modes_covered": "How many modes are left?",
    "on_mode": "Do samples lie on a mode?",
    "within_mode_variance": "Are the modes still as wide?",
    "missing_mass": "How much can never be drawn again?",
    "absent": "How many symbols are lost?",
    "latent_deviation": "Is the latent spread still there?",
    "heterozygosity": "Do two draws still differ?",
    "support": "How many symbols are left?",
    "entropy": "How evenly are the symbols used?",
}

_ARROWS = {"lower": "↓", "higher": "↑"}


def spelled_cell(column: Column, value: float) -> str:
    """Return a value of a table: a level by its name, and a number, or what is no level, as it stands."""
    known = column.categorical and value in range(len(column.levels))
    return column.levels[int(value)] if known else f"{value:.4g}"


def question(name: str, measure: Measure) -> str:
    """Return the question that a measure answers; one that dwindle does not know tells what it is about."""
    return _QUESTIONS.get(name) or measure.about[:1].upper() + measure.about[1:]


def heading(name: str, measure: Measure, real: float | None = None) -> str:
    """Return a measure's name, which way is better, and its unit: `frechet ↓ [fraction of real variance]`.

    Args:
        name: the measure's name.
        measure: what it means.
        real: its value on real rows, if known.
    """
    anchored = "≈ real" if real is None else f"≈ {real:.3g}"
    return f"{name} {_ARROWS.get(measure.better, anchored)} [{measure.unit.replace('^2', '²')}]"


def real_value(source: Source, name: str, measure: Measure) -> float | None:
    """Return what a measure would be on the real distribution, where that is good and known; else None."""
    if measure.better != "as_anchor":
        return None
    if measure.unit.startswith("ratio"):
        return 1.0
    return _true_values(source).get(name)


def _true_values(source: Source) -> dict[str, float]:
    """Return the measures whose real value follows from the definition, or from what the source knows of itself."""
    known = {"log_variance": 0.0}
    if isinstance(source, contracts.Moments):
        known["mean"] = float(source.mean().mean())
        known["second_moment"] = known["variance"] = float(np.diagonal(source.covariance(), axis1=1, axis2=2).mean())
    if isinstance(source, contracts.Probabilities):
        shares = source.probabilities()[0]
        present = shares[shares > 0]
        known["heterozygosity"] = 1.0 - float(present @ present)
        known["support"] = float(present.size)
        known["entropy"] = float(-(present * np.log(present)).sum())
    return known


def quoted(mean: float, low: float = math.nan, high: float = math.nan, *, interval: bool = True) -> str:
    """Spell a number down to the first digit of its interval's half-width: `0.129 ±0.004`, `0.9 [0.6, 1.9]`.

    A dash stands for a number that is undefined. The half-width stands for an interval that is symmetric to the printed
    digits; other ones are written out.

    Args:
        mean: the number.
        low: lower end of its interval, nan if it has none.
        high: upper end.
        interval: False leaves the interval out; it still says how many digits to print.
    """
    if not math.isfinite(mean):
        return UNDEFINED
    margin = (high - low) / 2
    if not math.isfinite(margin) or margin == 0:
        return f"{mean:.3g}" + (" ±0" if interval and margin == 0 else "")
    last = math.floor(math.log10(float(f"{margin:.0e}")))  # 0.0096 is 0.01 when one digit is left
    spell = _spelling(mean, margin, last)
    if not interval:
        return spell(mean)
    symmetric = abs((high - mean) - (mean - low)) < 10.0**last
    return f"{spell(mean)} ±{spell(margin)}" if symmetric else f"{spell(mean)} [{spell(low)}, {spell(high)}]"


def _spelling(mean: float, margin: float, last: int) -> Callable[[float], str]:
    """Print numbers down to the decimal place `last`, in powers of ten where zeros would fill the page."""
    if 1e-3 <= max(abs(mean), margin) < 1e6:
        return lambda value: f"{value:z.{max(0, -last)}f}"
    digits = max(1, math.floor(math.log10(abs(mean) or margin)) - last + 1)
    return lambda value: f"{value:.{digits}g}"
