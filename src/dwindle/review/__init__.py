"""Human review: what people were shown of a dataset, what they decided, and whether its generation may train.

A review is a document in `reviews/<lineage>/<generation>.json`, about one payload digest of a dataset. Whoever asks,
answers or waits for an answer does so through this document: a flow run, the command line, a stage.
"""

from __future__ import annotations

from dwindle.review.agreement import Agreement, agreement
from dwindle.review.case import Case, Decision, Shown
from dwindle.review.cases import again, case_path, decided, demand, find_case, has_trained, opened, postponed
from dwindle.review.sample import values_of

__all__ = [
    "Agreement",
    "Case",
    "Decision",
    "Shown",
    "again",
    "agreement",
    "case_path",
    "decided",
    "demand",
    "find_case",
    "has_trained",
    "opened",
    "postponed",
    "values_of",
]
