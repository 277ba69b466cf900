"""What there is to say of a generation's dataset, in sentences: the card and the Croissant file say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwindle.components import name_of
from dwindle.config.recipe import Recipe
from dwindle.data.published import LAW
from dwindle.plan import Plan
from dwindle.provenance.ancestry import RealRows, real_rows
from dwindle.provenance.datasets import Dataset
from dwindle.provenance.tree import by_origin
from dwindle.report.curation import quoted_bias

__all__ = ["Statements", "alarms", "biases", "statements"]


@dataclass(frozen=True)
class Statements:
    """Sentences about a dataset.

    Args:
        name: its name.
        what: what it is.
        collection: where its real rows come from.
        synthesis: how its synthetic rows were made; empty where it has none.
        curation: what each curator did, in their order.
        biases: what is known of its biases.
        limitations: what it must not be taken for.
        uses: what it is for.
        source: the source's name.
        card: package, version, licence and SHA-256 of what its rows were taken from; empty for a law.
        licence: of the source's rows.
        openness: who else can have the source's rows.
        access: what access to them takes: installation, files, fees.
    """

    name: str
    what: str
    collection: str
    synthesis: str
    curation: tuple[str, ...]
    biases: tuple[str, ...]
    limitations: tuple[str, ...]
    uses: tuple[str, ...]
    source: str
    card: Mapping[str, str]
    licence: str
    openness: str
    access: str


def statements(root: Path, plan: Plan, dataset: Dataset) -> Statements:
    """Return what there is to say of a dataset.

    Raises:
        DataDamaged: if the anchor is not here.
    """
    real, recipe = real_rows(root, plan, dataset.lineage), plan.recipe(dataset.lineage)
    licence, openness, access = _terms(real.card)
    return Statements(
        f"{plan.sweep}-{dataset.lineage}-g{dataset.generation:03d}",
        _what(plan, dataset),
        _collection(dataset, real),
        _synthesis(dataset, recipe),
        tuple(_curation(dataset, recipe)),
        tuple(_biases(dataset)),
        tuple(_limitations(dataset, ended=recipe.source.capacity is not None)),
        tuple(_uses(dataset)),
        real.source,
        real.card,
        licence,
        openness,
        access,
    )


def _what(plan: Plan, dataset: Dataset) -> str:
    share = dataset.synthetic / max(1, dataset.rows)
    return (
        f"What trained generation {dataset.generation} of lineage {dataset.lineage} of the sweep {plan.sweep}: "
        f"{dataset.rows} rows in {dataset.chains} independent chains, {share:.1%} of them synthetic. A lineage is a "
        "series of models, each trained on rows that the ones before it made; it was grown to measure what is lost."
    )


def _collection(dataset: Dataset, real: RealRows) -> str:
    """Return where the rows of the source come from; published ones are synthetic themselves and not called real."""
    kept = {origin: dataset.origins.get(origin, 0) for origin in ("real", "fresh")}
    told = f"{kept['real']} rows of the anchor, which is rows {real.first}..{real.last} of each chain's stream"
    fresh = f", and {kept['fresh']} fresh rows further down the stream" if kept["fresh"] else ""
    if not any(kept.values()):
        told = f"No {_sort(real)} row; the lineage began with rows {real.first}..{real.last} of each chain's stream"
    made = f", published rows with at most {real.depth} synthetic ancestors" if real.depth else ""
    before = f" Before: {real.card['made_of']}." if real.card.get("made_of") else ""
    return f"{told}{fresh}, of source {real.source}{made}.{before} Held-out rows of the source are in no training set."


def _sort(real: RealRows) -> str:
    return "published" if real.depth else "real"


def _synthesis(dataset: Dataset, recipe: Recipe) -> str:
    if not dataset.synthetic:
        return ""
    if not dataset.sampled:
        told = f"{dataset.published} rows that were published before: sampled from models of another lineage"
        return f"{told}. No row has more than {max(dataset.rounds)} synthetic ancestors."
    made = {origin: count for origin, count in dataset.origins.items() if origin.isdigit()}
    newest = ""
    if dataset.producer is not None:
        producer = dataset.producer
        newest = (
            f" The newest are of the model of generation {producer.generation} ({producer.folder}, {producer.digest})."
        )
    sampler = ", ".join(f"{key} {value}" for key, value in recipe.honoured.items()) or "plain"
    return (
        f"{by_origin(made)}: sampled from the models of the generations before, {_families(dataset, recipe)}, "
        f"sampler {sampler}.{newest} No row has more than {max(dataset.rounds)} synthetic ancestors."
    )


def _families(dataset: Dataset, recipe: Recipe) -> str:
    names = dict.fromkeys(name_of(recipe.family_of(t)) for t in (0, max(0, dataset.generation - 1)))
    return f"{'families' if len(names) > 1 else 'family'} {' and '.join(names)}"


def _curation(dataset: Dataset, recipe: Recipe) -> Iterator[str]:
    """Yield a sentence a curator; of what was curated before curators reported one by one, what was dropped in all."""
    for entry in dataset.facts.get("curation", ()):
        dropped = _counted(entry.get("dropped", {}))
        repaired = "".join(f"; {count} repaired: {kind}" for kind, count in entry.get("repaired", {}).items())
        added = f"; {entry['added']} added" if entry.get("added") else ""
        counts = f"{entry.get('shown', 0)} rows shown, {entry.get('kept', 0)} kept; dropped: {dropped}"
        again = f", rows sampled again, turn {entry['again']}" if entry.get("again") else ""
        yield f"{entry['curator']}{again}: {counts}{repaired}{added}"
    if "curation" not in dataset.facts and dataset.generation and recipe.curators:
        dropped = _counted(dataset.dropped)
        yield f"{', '.join(map(name_of, recipe.curators))}: dropped: {dropped}"


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count) or "none"


def biases(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the bias of a curator as text, by measure; without what is undefined."""
    known = {name: found for name, found in entry.get("bias", {}).items() if found.get("mean") is not None}
    return {name: quoted_bias(found) for name, found in known.items()}


def alarms(dataset: Dataset) -> list[str]:
    """Return what was alarming about the dataset's curators, a line each."""
    return [
        f"{entry['curator']}: {text}" for entry in dataset.facts.get("curation", ()) for text in entry.get("alarms", ())
    ]


def _biases(dataset: Dataset) -> Iterator[str]:
    for entry in dataset.facts.get("curation", ()):
        if told := biases(entry):
            yield f"{entry['curator']} changed: " + ", ".join(f"{name} {text}" for name, text in told.items())
    yield from (f"alarm, {text}" for text in alarms(dataset))
    if dataset.synthetic:
        yield "Synthetic rows carry the errors of the models that made them; rare rows are lost first."


def _limitations(dataset: Dataset, *, ended: bool) -> Iterator[str]:
    if dataset.synthetic:
        yield "Not a sample of the source: generations of models stand between, and each one adds its own error."
    yield "Chains are independent replicates of one experiment; rows of several chains are not one larger sample."
    if ended:
        yield "Chains of a source with an end are permutations of the same rows, so that chains share real rows."
    yield "Values stand in NumPy files beside the tables of provenance, line by line; Croissant describes the tables."


def _uses(dataset: Dataset) -> Iterator[str]:
    yield "Research on model collapse: what a model loses when it is trained on rows of models."
    stage = str(dataset.facts.get("stage", "")).replace("_", "-")
    yield f"Training stage: {stage}" if stage else "Training stage: not stated"
    yield f"Purpose of the synthetic rows: {dataset.purpose or 'none stated'}"


def _terms(card: Mapping[str, str]) -> tuple[str, str, str]:
    """Return licence, openness and access of a source's rows, as far as its card tells."""
    if not card:
        licence = "none: the rows are drawn from a law and copied from nobody"
        return licence, "open: whoever has the recipe draws the same rows", "free of charge, with dwindle"
    law = "none: the real rows behind them were drawn from a law" if card.get("made_of") == LAW else ""
    licence = card.get("licence") or law or "not known: nobody stated one"
    if "made_of" in card:
        folders = "the published folders"
        return licence, f"open to whoever has {folders}", f"with {folders}; dwindle asks no fee and knows of none"
    package = " ".join(filter(None, (card.get("package"), card.get("version"))))
    if not package:
        return licence, "not known: files of the user's", "whoever has the files; fees are not known"
    openness = f"open to whoever has {package}" if card.get("licence") else f"as {package} is"
    return licence, openness, f"with {package}; dwindle asks no fee and knows of none"
