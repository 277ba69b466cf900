"""Train in phases: a model is fitted to the rows of one phase after another, from where the last one ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dwindle.contracts import Family, Grouped, Model, classes_of
from dwindle.data.rows import Rows
from dwindle.phases import Phase, parts
from dwindle.seeds import Seed
from dwindle.stages.lift import fit_model

__all__ = ["class_names", "continues", "fit_in_phases", "with_classes"]


def continues(family: Family) -> bool:
    """Say whether a family's fit begins where a parent's model ended, so that phases add to each other."""
    return bool(getattr(family, "continues", False))


def class_names(source: Any) -> tuple[str, ...]:
    """Return the classes by which a source's rows can be parted: their labels, else its groups."""
    return classes_of(source) or (source.group_names() if isinstance(source, Grouped) else ())


def with_classes(rows: Rows, source: Any) -> Rows:
    """Return rows with a label each, as far as their source knows: what a model has sampled often carries none.

    Args:
        rows: the training rows.
        source: its groups are the labels of rows without one, where groups and labels are the same classes.
    """
    known = rows.filled_labels()
    if not isinstance(source, Grouped) or source.group_names() != class_names(source) or not (known < 0).any():
        return rows
    return replace(rows, labels=np.where(known < 0, source.groups(rows), known))


def fit_in_phases(
    family: Family,
    rows: Rows,
    phases: Sequence[Phase],
    label_names: Sequence[str],
    *,
    seed: Seed,
    parent: Model | None = None,
) -> Model:
    """Fit all chains, phase after phase.

    Args:
        family: whose fit begins where its parent ended.
        rows: the training rows, with labels.
        phases: what is fitted after what, and how much of it again.
        label_names: the classes, in the order of the labels.
        seed: address of every draw.
        parent: where the first phase begins, in a recipe that restarts `warm`.

    Raises:
        ValueError: if each fit of the family would forget the last one, or the phases do not part the rows.
    """
    if not continues(family):
        raise ValueError(f"{type(family).__name__} starts anew in every fit, so only the last phase would count")
    model = parent
    for number, part in enumerate(parts(rows, phases, label_names, seed=seed)):
        model = fit_model(family, part, seed=seed.at("phase", number), parent=model)
    if model is None:
        raise ValueError("there are no phases")
    return model
