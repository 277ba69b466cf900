"""How to grow the same sweep again: commands, params file, digests, versions, and the data behind the page."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping

from dwindle.config.finding import PARAMS, REPRODUCED
from dwindle.config.sweep import Sweep
from dwindle.plan import PLAN, Plan
from dwindle.report.page.files import FILES
from dwindle.report.page.markup import Markup, breakable, listed, raw, tag
from dwindle.report.page.material import Material
from dwindle.report.page.tables import Cell, Column, table

__all__ = ["again", "data_files"]

_MACHINE = ("engine", "tracking")
"""Settings of the machine that grows: they change no byte, and may hold an address that is nobody else's business."""

_EMBEDDED = 2_000_000
"""Bytes of a table that the page may carry itself."""


def again(material: Material, params: str) -> Markup:
    """Return how to grow the sweep again.

    Args:
        material: the sweep.
        params: the text of its params file.
    """
    name = material.sweep.params.name
    return tag(
        "div",
        tag("h3", "Command"),
        _listing("\n".join(_commands(material.sweep)), "Commands"),
        _changed(material.sweep, material.plan),
        tag("details", tag("summary", name), _listing(params, name)),
        tag("h3", "Recipes"),
        tag("p", "A recipe is everything that determines a lineage but its name and how far it is grown."),
        _recipes(material),
        tag("h3", "Environment"),
        *_environments(material),
    )


def _listing(words: str, label: str) -> Markup:
    """Return lines as they are, in a region that scrolls by itself."""
    return tag("pre", tag("code", words), tabindex=0, role="region", aria_label=label)


def _commands(sweep: Sweep) -> list[str]:
    """Return the commands that grow the sweep and write this page, with what was laid over its file."""
    laid = [word for word in sweep.overrides if word.partition("=")[0].partition(".")[0] not in _MACHINE]
    if sweep.preset is not None and sweep.root.parent.name == REPRODUCED:
        preset = sweep.root.name
        return _spelled(["python -m flows.sweep", f"preset={preset}", *laid], ["dwindle report", preset, *laid])
    own = [] if sweep.params.name == PARAMS else [sweep.params.name]
    return _spelled(["dwindle run", *(["-p", *own] if own else []), *laid], ["dwindle report", *own, *laid])


def _spelled(*commands: list[str]) -> list[str]:
    return [" ".join([first, *map(shlex.quote, words)]) for first, *words in commands]


def _changed(sweep: Sweep, plan: Plan) -> Markup | None:
    """Say so if what was grown is not what the params file says, with what this report knows was laid over it."""
    recipes = {name: lineage.recipe.settings for name, lineage in sweep.lineages.items()}
    lengths = {name: lineage.generations for name, lineage in sweep.lineages.items()}
    grown = {name: len(plan.generations(name)) - 1 for name in plan.recipes}
    if recipes == dict(plan.recipes) and lengths == grown:
        return None
    return tag(
        "p",
        f"{sweep.params.name} does not say what was grown: it was changed since, or keys were set on the command line ",
        f"that this report was not given. {PLAN} in the project's folder has the recipes of this page.",
        class_="warning",
    )


def _recipes(material: Material) -> Markup:
    columns = [Column("lineage"), Column("seed", numeric=True), Column("chains", numeric=True), Column("digest")]
    rows = []
    for name in material.plan.recipes:
        recipe = material.plan.recipe(name)
        digest = Cell(tag("code", recipe.digest), recipe.digest)
        counts = [Cell(f"{count}", float(count)) for count in (recipe.seed, recipe.chains)]
        rows.append([Cell(breakable(name), name), *counts, digest])
    return table("Recipe digests", columns, rows)


def _environments(material: Material) -> list[Markup]:
    """Return the versions that the datasets and models were made with: one list, or several where they differ."""
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for (name, generation, _), manifest in material.manifests.items():
        found.setdefault(tuple(sorted(manifest.environment.items())), []).append(f"{name} at {generation}")
    if not found:
        return [tag("p", "No dataset or model is here: their manifests would tell.")]
    many = len(found) > 1
    told = []
    for environment, where in found.items():
        if many:
            told.append(tag("p", f"{len(where)} datasets and models, such as {listed(dict.fromkeys(where), most=3)}:"))
        terms = [(tag("dt", key), tag("dd", value)) for key, value in environment]
        told.append(tag("dl", [tag("div", term) for term in terms], class_="versions"))
    return told


def data_files(texts: Mapping[str, str]) -> Markup:
    """Return links to the CSVs, and the table of all measures as a part of the page itself.

    Args:
        texts: the text of each file, by its name.
    """
    links = [tag("li", tag("a", name, href=name), f": {FILES[name]}") for name in texts]
    whole = texts["measures.csv"].encode()
    carried = None
    if len(whole) <= _EMBEDDED:
        source = f"data:text/csv;charset=utf-8;base64,{base64.b64encode(whole).decode()}"
        link = tag("a", "measures.csv", href=raw(source), download="measures.csv")
        carried = tag("p", "The page itself carries ", link, ", for when it travels alone.")
    return tag("div", tag("p", "Beside this page:"), tag("ul", links), carried)
