"""Which lineages may be compared: those whose rows are of one kind and come from one source."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dwindle.errors import BadInput
from dwindle.plan import Plan

__all__ = ["one_corpus"]


def one_corpus(plan: Plan, lineages: Sequence[str]) -> None:
    """Refuse lineages whose numbers mean different things.

    Source: quality, scale and diversity are comparable within one type of corpus only, as the articles behind dwindle
    have it.

    Args:
        plan: the plan.
        lineages: the lineages to compare.

    Raises:
        BadInput: naming each kind of rows and source with its lineages.
    """
    found: dict[str, list[str]] = {}
    for name in lineages:
        kind, source = plan.recipe(name).source.kind, plan.recipes[name]["source"]
        settings = ", ".join(f"{key} {json.dumps(value)}" for key, value in source.items() if key != "name")
        found.setdefault(f"{kind} of {source['name']} ({settings})", []).append(name)
    if len(found) > 1:
        told = "; ".join(f"{corpus}: {', '.join(names)}" for corpus, names in found.items())
        raise BadInput(f"these are compared only within one kind of rows and one source; name lineages of one: {told}")
