"""The seams of dwindle: what a family, a model, a curator, a metric, a source and a regime must be able to do.

A component is a frozen dataclass. Its fields are its settings: their annotations are the schema, their defaults the
defaults of params.yaml, their values part of the recipe digest. The file it lives in gives it its name.
"""

from __future__ import annotations

from dwindle.contracts.described import (
    Descended,
    Documented,
    Grouped,
    Labelled,
    Pictured,
    Placed,
    Readable,
    Tabular,
    classes_of,
    content_of,
    pixels_of,
)
from dwindle.contracts.metrics import Evidence, Measure, Measurement, Metric
from dwindle.contracts.models import (
    Coefficients,
    Cohort,
    Encoding,
    Exacting,
    Facts,
    Factual,
    Family,
    Informed,
    Kind,
    KnownLaw,
    Model,
    Modes,
    Moments,
    NextTokens,
    Probabilities,
    Scorable,
    TokenScorable,
    Verifiable,
    knowing,
)
from dwindle.contracts.ranges import Within
from dwindle.contracts.regimes import Regime, Take, TrainingPlan
from dwindle.contracts.rows import Curated, Curator, Need, Needing, Source
from dwindle.contracts.theory import Conditions, Curve
from dwindle.data.columns import Column
from dwindle.data.rows import FRESH, REAL, Array, FloatArray, IntArray, Origin, Provenance, Rows
from dwindle.seeds import Seed

__all__ = [
    "FRESH",
    "REAL",
    "Array",
    "Coefficients",
    "Cohort",
    "Column",
    "Conditions",
    "Curated",
    "Curator",
    "Curve",
    "Descended",
    "Documented",
    "Encoding",
    "Evidence",
    "Exacting",
    "Facts",
    "Factual",
    "Family",
    "FloatArray",
    "Grouped",
    "Informed",
    "IntArray",
    "Kind",
    "KnownLaw",
    "Labelled",
    "Measure",
    "Measurement",
    "Metric",
    "Model",
    "Modes",
    "Moments",
    "Need",
    "Needing",
    "NextTokens",
    "Origin",
    "Pictured",
    "Placed",
    "Probabilities",
    "Provenance",
    "Readable",
    "Regime",
    "Rows",
    "Scorable",
    "Seed",
    "Source",
    "Tabular",
    "Take",
    "TokenScorable",
    "TrainingPlan",
    "Verifiable",
    "Within",
    "classes_of",
    "content_of",
    "knowing",
    "pixels_of",
]
