"""Checks of a family: how it fits, and what it makes of seeds, chains and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np

from dwindle.checks.claims import Check, claim, expect, global_random_state_kept, rows_kept, same
from dwindle.checks.examples import CHAINS, SEED, SYMBOLS, away, labelled, ready, rows_of, whole_numbers
from dwindle.checks.model import knowledge, model_checks, sampled, training_rows
from dwindle.checks.settings import settings_checks, smallest_checks
from dwindle.contracts import Array, Cohort, Family, Kind, Model, Rows
from dwindle.samplers import Sampler
from dwindle.seeds import SharedSeed

__all__ = ["check_family", "family_checks"]

_SEEDS = 5  # seeds that must agree before a fit counts as one that draws nothing


def family_checks() -> tuple[Check[Family], ...]:
    """Return every check of a family and of the models it fits."""
    return (
        *settings_checks(),
        *smallest_checks(),
        check_it_declares_kind_chains_and_knobs,
        check_same_seed_fits_the_same_model,
        check_fit_leaves_its_rows_alone,
        check_global_random_state_is_untouched,
        check_a_parent_is_accepted,
        check_rows_of_weight_zero_do_not_exist,
        check_weights_change_the_fit,
        check_chains_do_not_see_each_other,
        check_chains_keep_their_places,
        check_constant_rows_are_fitted_or_refused,
        check_labels_travel_with_rows,
        check_a_cohort_is_its_lineages,
        *model_checks(),
    )


def check_family(family: Family) -> None:
    """Run every check on a family.

    Raises:
        CheckFailed: at the first broken claim.
    """
    for check in family_checks():
        check(ready(family))


@claim
def check_it_declares_kind_chains_and_knobs(family: Family) -> None:
    """The configuration reads these three before anything is fitted."""
    expect(family.kind in get_args(Kind), f"a kind among {', '.join(get_args(Kind))}", repr(family.kind))
    expect(isinstance(family.chains_at_once, bool), "chains_at_once True or False", repr(family.chains_at_once))
    expect(isinstance(family.knobs, frozenset), "knobs to be a frozenset", repr(family.knobs))
    known = {field.name for field in fields(Sampler)}
    expect(family.knobs <= known, f"knobs among {', '.join(sorted(known))}", sorted(family.knobs - known))
    kinds = getattr(family, "kinds", {family.kind})
    expect(family.kind in kinds and kinds <= set(get_args(Kind)), f"kinds with {family.kind} among them", kinds)


@claim
def check_same_seed_fits_the_same_model(family: Family) -> None:
    """A fit that is run again, in any process, gives the same model."""
    first, again = (family.fit(training_rows(family), seed=SEED.at("fit")) for _ in range(2))
    expect(same(sampled(first), sampled(again)), "the same samples from two fits with one seed", "other samples")


@claim
def check_fit_leaves_its_rows_alone(family: Family) -> None:
    """Rows belong to the stage; other families and metrics read the same arrays."""
    rows = _weighted(training_rows(family), np.linspace(0.5, 1.5, training_rows(family).count))
    with rows_kept(training=rows):
        sampled(family.fit(rows, seed=SEED.at("fit")))


@claim
def check_global_random_state_is_untouched(family: Family) -> None:
    """Every draw comes from the seed that was given."""
    rows = training_rows(family)
    sampled(family.fit(rows, seed=SEED.at("fit")))
    with global_random_state_kept():
        sampled(family.fit(rows, seed=SEED.at("fit")))


@claim
def check_a_parent_is_accepted(family: Family) -> None:
    """A recipe may restart `warm`, from the previous generation's model."""
    rows = training_rows(family)
    parent = family.fit(rows, seed=SEED.at("parent"))
    values = sampled(family.fit(rows, seed=SEED.at("fit"), parent=parent))
    expect(np.isfinite(values).all(), "finite samples from a warm restart", "nan or inf")


@claim
def check_rows_of_weight_zero_do_not_exist(family: Family) -> None:
    """Chains of unequal length are padded: what stands in a place of weight 0 changes nothing."""
    rows = training_rows(family)
    weights = np.where(np.arange(rows.count) < rows.count - 10, 1.0, 0.0)
    padded = rows.values.copy()
    padded[:, -10:] = 0 if whole_numbers(family.kind) else 1e6
    fitted = (family.fit(_weighted(Rows(values), weights), seed=SEED.at("fit")) for values in (rows.values, padded))
    expect(same(*map(sampled, fitted)), "the same samples whatever stands in places of weight 0", "other samples")


@claim
def check_weights_change_the_fit(family: Family) -> None:
    """A row of weight 10 counts for more than a row of weight 0.1, unless the family learns nothing from rows."""
    if not getattr(family, "learns", True):
        return
    rows = training_rows(family)
    weights = np.where(np.arange(rows.count) < rows.count // 2, 10.0, 0.1)
    fitted = (family.fit(_weighted(rows, some), seed=SEED.at("fit")) for some in (weights, weights[::-1]))
    expect(not same(*map(sampled, fitted)), "other samples when the heavy rows become the light ones", "the same ones")


@claim
def check_chains_do_not_see_each_other(family: Family) -> None:
    """What a model knows of the first chain does not change with the rows of the others.

    Judged on densities, moments and probabilities, where a model knows any. Where fitting draws at random, other rows
    may rightly shift the draws, so a change counts only if the seed does not change the fit.
    """
    if not family.chains_at_once:
        return
    rows = training_rows(family)
    other = rows.values.copy()
    other[1:] = other[1:].max() - other[1:] if whole_numbers(family.kind) else away(family.kind, other[1:])
    if family.kind == "pairs":  # a label must stay one
        other[..., -1] = rows.values[..., -1]
    changed = [name for name, first, second in _compared(family, rows.values, other) if not _near(first[0], second[0])]
    expect(not changed, "the first chain's model to ignore the rows of the other chains", f"another {changed}")


@claim
def check_chains_keep_their_places(family: Family) -> None:
    """Chains fitted in another order give the same models in that order; judged as the check before."""
    if not family.chains_at_once:
        return
    rows = training_rows(family)
    pairs = _compared(family, rows.values, np.ascontiguousarray(rows.values[::-1]))
    changed = [name for name, first, second in pairs if not _near(first, second[::-1])]
    expect(not changed, "models in the order of the chains", f"another {changed}")


@claim
def check_constant_rows_are_fitted_or_refused(family: Family) -> None:
    """A lineage may collapse to one point: the model then samples finite rows, or a ValueError says why not."""
    rows = training_rows(family)
    whole = whole_numbers(family.kind) or family.kind == "tables"
    constant = Rows(np.ones_like(rows.values) if whole else np.full_like(rows.values, 0.5))
    try:
        values = sampled(family.fit(constant, seed=SEED.at("fit")))
    except ValueError as error:
        expect(str(error), "a ValueError that says what is wrong", "an empty message")
        return
    expect(np.isfinite(values).all(), "finite samples, or a ValueError", "nan or inf")


@claim
def check_labels_travel_with_rows(family: Family) -> None:
    """Labelled rows are fitted; where their model gives labels too, each is that of a class of the source."""
    if family.kind != "vectors":
        return
    rows = training_rows(family)
    classes = (np.arange(rows.count) % 3) + np.zeros((rows.chains, 1), dtype=np.int64)
    values = rows.values + 6.0 * classes[..., None]
    model = labelled(family).fit(Rows(values, labels=classes), seed=SEED.at("fit"))
    given = model.sample(100, sampler=Sampler(), seed=SEED.at("sample")).labels
    if given is not None:
        expect(given.shape == (rows.chains, 100), "a label for each row", given.shape)
        expect(given.dtype == np.int64 and bool(np.isin(given, range(-1, 3)).all()), "labels 0..2", np.unique(given))


@claim
def check_a_cohort_is_its_lineages(family: Family) -> None:
    """Lineages of unlike length that are fitted and sampled as one get, bit for bit, what each gets alone."""
    if not isinstance(family, Cohort):
        return
    rows = training_rows(family)
    parts = [Rows(rows.values[:1]), Rows(rows.values[1:, :-7])]
    seeds, sizes = [SEED.at("one"), SEED.at("other")], [part.chains for part in parts]
    alone = [family.fit(part, seed=seed.at("fit")) for part, seed in zip(parts, seeds, strict=True)]
    shared = SharedSeed.of(list(zip(seeds, sizes, strict=True)))
    fitted = family.fit(Rows.stack(parts), seed=shared.at("fit"))
    members = family.apart(fitted, sizes)
    for model, member in zip(alone, members, strict=True):
        expect(_saved(model) == _saved(member), "the same files alone and in a cohort", "other bytes")
    wide = family.together(members).sample(50, sampler=Sampler(), seed=shared.at("sample")).values
    for model, seed, found in zip(alone, seeds, (wide[:1], wide[1:]), strict=True):
        own = model.sample(50, sampler=Sampler(), seed=seed.at("sample")).values
        expect(same(own, found), "the same samples alone and in a cohort", np.abs(own - found).max())


def _saved(model: Model) -> Mapping[str, bytes]:
    """Return the files of a model."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def _weighted(rows: Rows, weights: Array) -> Rows:
    return Rows(rows.values, np.tile(weights, (rows.chains, 1)))


def _compared(family: Family, first: Array, second: Array) -> list[tuple[str, Array, Array]]:
    """Return what two fits with one seed know; nothing where the seed changes a fit and nothing can be said."""
    known, other = _settled(family, first), _settled(family, second)
    if known is None or other is None:
        return []
    for name, values in known.items():
        expect(len(values) == CHAINS, f"the {name} of {CHAINS} chains", f"shape {values.shape}")
    return [(name, known[name], other[name]) for name in known]


def _settled(family: Family, values: Array) -> Mapping[str, Array] | None:
    """Return what a model of these rows knows if it knows the same whatever the seed of the fit, else None."""
    probe = rows_of(family.kind, chains=1, symbols=getattr(family, "symbols", SYMBOLS), name="probe")
    known = knowledge(family.fit(Rows(values), seed=SEED.at("fit")), probe)
    for attempt in range(_SEEDS if known else 0):
        again = knowledge(family.fit(Rows(values), seed=SEED.at("fit", attempt)), probe)
        if not all(_near(known[name], again[name]) for name in known):
            return None
    return known


def _near(first: Array, second: Array) -> bool:
    return first.shape == second.shape and np.allclose(first, second, rtol=1e-6, atol=1e-9, equal_nan=True)
