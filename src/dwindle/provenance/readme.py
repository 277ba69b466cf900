"""A dataset card: Markdown with a header in the style of Hugging Face's cards."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dwindle.components import name_of
from dwindle.config.recipe import Recipe, described
from dwindle.plan import Plan
from dwindle.provenance.answer import Answer
from dwindle.provenance.datasets import Dataset
from dwindle.provenance.statements import Statements, alarms, biases

__all__ = ["card_text"]

_HUB = {
    "BSD-3-Clause": "bsd-3-clause",
    "CC0-1.0": "cc0-1.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC BY-SA 3.0": "cc-by-sa-3.0",
    "MIT": "mit",
    "Apache-2.0": "apache-2.0",
}
"""Names that Hugging Face has for licences; another one is `other`, with its name beside it."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card_text(plan: Plan, dataset: Dataset, told: Statements, answer: Answer) -> str:
    """Return the card of a dataset.

    Args:
        plan: the workspace's plan.
        dataset: the dataset.
        told: what there is to say of it.
        answer: its files and how to get it back.
    """
    recipe = plan.recipe(dataset.lineage)
    parts = [
        *_header(dataset, told, recipe),
        f"# {told.name}",
        told.what,
        *_composition(dataset),
        *_making(dataset, told, recipe),
        *_curation(dataset, told),
        *_source(told),
        "## Use",
        _bullets(told.uses),
        "## Known limits",
        _bullets([*told.limitations, *told.biases]),
        *_getting(dataset, answer),
    ]
    return "\n\n".join(parts) + "\n"


def _header(dataset: Dataset, told: Statements, recipe: Recipe) -> Iterator[str]:
    licence = told.card.get("licence", "")
    other = {"license": "other", "license_name": licence} if licence else {"license": "unknown"}
    size = next((name for most, name in _SIZES if dataset.rows < most), "n>1M")
    tags = ["dwindle", "model-collapse", *(["synthetic"] if dataset.synthetic else [])]
    fields: dict[str, Any] = {
        "pretty_name": told.name,
        **({"license": _HUB[licence]} if licence in _HUB else other),
        "size_categories": [size],
        "tags": [*tags, name_of(recipe.family), name_of(recipe.regime_of(dataset.generation)), recipe.source.kind],
        "synthetic_ratio": round(dataset.synthetic / max(1, dataset.rows), 6),
    }
    lines = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
    yield f"---\n{lines}\n---"


def _composition(dataset: Dataset) -> Iterator[str]:
    yield "## Composition"
    rows = [
        (_words(dataset, origin), f"{dataset.depths.get(origin, 0)}", f"{count}", f"{count / max(1, dataset.rows):.1%}")
        for origin, count in dataset.origins.items()
    ]
    yield _table(("rows", "synthetic ancestors, at most", "count", "share"), rows)


def _words(dataset: Dataset, origin: str) -> str:
    made, depth = f"synthetic, made for generation {origin}", dataset.depths.get(origin, 0)
    if depth and not origin.isdigit():
        which = "the anchor" if origin == "real" else "fresh rows"
        return f"{which}: published rows, at most {depth} synthetic ancestors"
    return made if origin.isdigit() else {"real": "real: the anchor"}.get(origin, "real: fresh rows")


def _making(dataset: Dataset, told: Statements, recipe: Recipe) -> Iterator[str]:
    yield "## How it was made"
    yield told.collection
    if told.synthesis:
        yield told.synthesis
    settings = described(recipe.regime_of(dataset.generation))
    regime = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "name")
    yield _bullets(
        [
            f"regime: {settings['name']}{f' ({regime})' if regime else ''}",
            f"family: {name_of(recipe.family_of(dataset.generation))}, trained on these rows",
            f"sampler: {', '.join(f'{key} {value}' for key, value in recipe.honoured.items()) or 'plain'}",
            f"curators: {', '.join(map(name_of, recipe.curators)) or 'none'}",
            f"recipe: {dataset.manifest.recipe}",
        ]
    )


def _curation(dataset: Dataset, told: Statements) -> Iterator[str]:
    yield "## Curation"
    yield _bullets(told.curation) if told.curation else "Nobody judged these rows."
    dropped = [(reason, f"{count}") for reason, count in dataset.dropped.items() if count]
    if dropped:
        yield _table(("dropped for", "rows"), dropped)
    entries: Sequence[Mapping[str, Any]] = dataset.facts.get("curation", ())
    measured = [(e["curator"], name, text) for e in entries for name, text in biases(e).items()]
    if measured:
        yield _table(("curator", "bias", "mean over chains, 95 % interval"), measured)
    if found := alarms(dataset):
        yield "Alarms:"
        yield _bullets(found)


def _source(told: Statements) -> Iterator[str]:
    yield "## Source and access"
    card = told.card
    rows = [("source", told.source), ("package", " ".join(filter(None, (card.get("package"), card.get("version")))))]
    rows += [
        ("made of", card.get("made_of", "")),
        ("licence", told.licence),
        ("sha256 of its data", card.get("sha256", "")),
    ]
    rows += [("openness", told.openness), ("access and fees", told.access)]
    yield _table(("", ""), [(name, value) for name, value in rows if value])


def _getting(dataset: Dataset, answer: Answer) -> Iterator[str]:
    yield "## Verify it and get it"
    files = [(part.file, part.use, f"{part.size}", f"`{part.sha256}`") for part in answer.parts]
    yield _table(("file", "use", "bytes", "sha256"), files)
    commands = [
        "dwindle verify",
        f"dwindle provenance {shlex.quote(dataset.lineage)} --generation {dataset.generation}",
    ]
    yield "\n".join(["```shell", *commands, *answer.commands, "```"])
    digest = f"Digest of the dataset: `{answer.digest}`."
    yield f"{digest} In DVC and MLflow: `{answer.recorded}`." if answer.recorded else f"{digest} Not recorded in DVC."


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
