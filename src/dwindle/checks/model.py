"""Checks of a fitted model: its samples, its files, and what it says it knows."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np

from dwindle.checks.claims import Check, claim, expect, same
from dwindle.checks.examples import CHAINS, SEED, SYMBOLS, rows_of, whole_numbers
from dwindle.checks.truth import MANY, expect_moments, expect_probabilities
from dwindle.contracts import Array, Family, Model, Moments, Probabilities, Rows, Scorable, Within
from dwindle.samplers import Sampler

__all__ = ["knowledge", "model_checks", "sampled", "training_rows"]

_NAMED: Mapping[str, Any] = {"beams": 1, "top_k": 1, "watermark": "kgw"}
_NEEDED: Mapping[str, Mapping[str, Any]] = {"watermark_share": {"watermark": "kgw"}}  # a share of nothing is nothing
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


def model_checks() -> tuple[Check[Family], ...]:
    """Return the checks of the models that a family fits; each takes the family."""
    return (
        check_samples_have_the_shape_that_was_asked_for,
        check_same_seed_samples_the_same_rows,
        check_another_seed_samples_other_rows,
        check_every_knob_changes_the_samples,
        check_a_saved_model_samples_the_same_rows,
        check_saved_files_hold_no_pickle,
        check_log_prob_scores_every_row,
        check_moments_are_those_of_the_samples,
        check_probabilities_are_those_of_the_samples,
    )


def training_rows(family: Family) -> Rows:
    """Return example rows for a family: of one chain if it fits one at a time."""
    symbols = getattr(family, "symbols", SYMBOLS)
    return rows_of(family.kind, chains=CHAINS if family.chains_at_once else 1, symbols=symbols)


def sampled(model: Model, count: int = 100, *, sampler: Sampler | None = None, name: str = "sample") -> Array:
    """Return the values of rows sampled from a model; one name, one seed."""
    return model.sample(count, sampler=sampler or Sampler(), seed=SEED.at(name)).values


def knowledge(model: Model, probe: Rows) -> Mapping[str, Array]:
    """Return all that a model knows of itself, each array with chains first."""
    known: dict[str, Array] = {}
    if isinstance(model, Moments):
        known |= {"mean": model.mean(), "covariance": model.covariance()}
    if isinstance(model, Probabilities):
        known["probabilities"] = model.probabilities()
    if isinstance(model, Scorable):
        known["log_prob"] = model.log_prob(probe)
    return known


def _fitted(family: Family) -> Model:
    return family.fit(training_rows(family), seed=SEED.at("fit"))


@claim
def check_samples_have_the_shape_that_was_asked_for(family: Family) -> None:
    """`count` rows a chain, of the kind and width of the training rows, and finite."""
    rows, model = training_rows(family), _fitted(family)
    for count in (1, 7, 100):
        values = sampled(model, count)
        shape = (rows.chains, count, *rows.values.shape[2:])
        expect(values.shape == shape, f"samples of shape {shape}", values.shape)
        whole = np.issubdtype(values.dtype, np.integer)
        expect(whole == (whole_numbers(family.kind)), f"numbers that are {family.kind}", values.dtype)
        expect(np.isfinite(values).all(), "finite samples", "nan or inf")
    symbols = getattr(family, "symbols", None)
    if whole_numbers(family.kind) and symbols is not None:
        expect(0 <= values.min() <= values.max() < symbols, f"symbols 0..{symbols - 1}", (values.min(), values.max()))


@claim
def check_same_seed_samples_the_same_rows(family: Family) -> None:
    """Sampling leaves no trace in the model: the same address draws the same rows at any time."""
    model = _fitted(family)
    first, _, again = sampled(model), sampled(model, name="between"), sampled(model)
    expect(same(first, again), "the same rows from the same seed", "other rows")


@claim
def check_another_seed_samples_other_rows(family: Family) -> None:
    """A model that ignores its seed would make every generation the same."""
    model = _fitted(family)
    expect(not same(sampled(model), sampled(model, name="another")), "other rows from another seed", "the same rows")


@claim
def check_every_knob_changes_the_samples(family: Family) -> None:
    """A sampler's setting that the family says it honours has an effect."""
    model, prompts = _fitted(family), training_rows(family)
    plain = sampled(model)
    for knob in sorted(family.knobs - {"prompts"}):
        on = _NEEDED.get(knob, {})
        off: Any = {**on, knob: _off_default(knob)}
        with_it = sampled(model, sampler=replace(Sampler(), **off))
        without = sampled(model, sampler=replace(Sampler(), **on)) if on else plain
        expect(not same(without, with_it), f"other samples with {knob} = {off[knob]}", "the same samples")
    if "prompts" in family.knobs:
        answers = model.sample(100, sampler=Sampler(prompts="anchor"), seed=SEED.at("sample"), prompts=prompts).values
        expect(not same(plain, answers), "other samples with prompts", "the same samples")


def _off_default(knob: str) -> Any:
    """Return another value of a sampler's setting than its default.

    That is a name or count that is known here, or half the default, or twice, or a half, whichever is in range.
    """
    if knob in _NAMED:
        return _NAMED[knob]
    default = float({field.name: field.default for field in fields(Sampler)}[knob])  # type: ignore[arg-type]
    hint = get_type_hints(Sampler, include_extras=True)[knob]
    notes = [note for note in (get_args(hint)[1:] if get_origin(hint) is Annotated else ()) if isinstance(note, Within)]
    offered = (value for value in (default / 2, default * 2, 0.5) if value != default)
    return next(value for value in offered if all(note.holds(value) for note in notes))


@claim
def check_a_saved_model_samples_the_same_rows(family: Family) -> None:
    """The next generation is sampled from what was saved, in another process."""
    model = _fitted(family)
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        loaded = family.load(Path(folder))
        expect(same(sampled(model), sampled(loaded)), "the same samples after save and load", "other samples")


@claim
def check_saved_files_hold_no_pickle(family: Family) -> None:
    """A pickle runs code when it is read, and another version may not read it."""
    with TemporaryDirectory() as folder:
        _fitted(family).save(Path(folder))
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        expect(files, "at least one file", "an empty folder")
        for path in files:
            expect(not _is_pickle(path), "safetensors, npy or JSON", f"a pickle in {path.name}")


def _is_pickle(path: Path) -> bool:
    """Say whether reading a file would unpickle anything."""
    if path.suffix in _PICKLES:
        return True
    if path.suffix in (".npy", ".npz"):
        return _holds_objects(path)
    if zipfile.is_zipfile(path):
        return any(name.endswith(_PICKLES) for name in zipfile.ZipFile(path).namelist())
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5  # the opcode PROTO and its version


def _holds_objects(path: Path) -> bool:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                for name in loaded.files:
                    loaded[name]
    except ValueError:
        return True
    return False


@claim
def check_log_prob_scores_every_row(family: Family) -> None:
    """A model that knows its density scores rows of all chains, and one chain's rows under every chain's model."""
    model = _fitted(family)
    if not isinstance(model, Scorable):
        return
    rows = training_rows(family)
    for some in (rows, rows.chain(0)):
        scores = model.log_prob(some)
        shape = (rows.chains, rows.count)
        expect(scores.shape == shape, f"log-densities of shape {shape} for rows {some.values.shape}", scores.shape)
        expect(not np.isnan(scores).any() and (scores < np.inf).all(), "log-densities below inf", "nan or inf")


@claim
def check_moments_are_those_of_the_samples(family: Family) -> None:
    """The mean and covariance that a model knows are those of what it samples."""
    model = _fitted(family)
    if isinstance(model, Moments):
        expect_moments(sampled(model, MANY), model)


@claim
def check_probabilities_are_those_of_the_samples(family: Family) -> None:
    """The probabilities that a model knows are the frequencies of what it samples."""
    model = _fitted(family)
    if isinstance(model, Probabilities):
        expect_probabilities(sampled(model, MANY), model)
