"""Each check of a family catches a family that is broken in just that way, and passes one that is whole."""

from __future__ import annotations

import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pytest

from dwindle.checks import CheckFailed, check_family, family_checks
from dwindle.contracts import Rows, Within
from tests.unit.whole_families import Normal, NormalModel, Shares


def broken(whole: type = Normal, **parts: Any) -> Any:
    """Return an instance of a family in which some parts are replaced."""
    namespace = {"__doc__": whole.__doc__, "__module__": __name__, "__annotations__": {}, **parts}
    return dataclass(frozen=True)(type(f"Broken{whole.__name__}", (whole,), namespace))()


def with_model(whole: type = Normal, **parts: Any) -> Any:
    """Return an instance of a family whose models have some parts replaced."""
    return broken(whole, model=type(f"Broken{whole.model.__name__}", (whole.model,), parts))


def fitting(change):
    """Return a fit that does something with the rows first."""

    def fit(self, rows, *, seed, parent=None):
        return Normal.fit(self, change(rows, seed) or rows, seed=seed, parent=parent)

    return fit


def with_means(change):
    """Return a family whose fitted means are changed."""

    def fit(self, rows, *, seed, parent=None):
        fitted = Normal.fit(self, rows, seed=seed)
        return self.model(change(fitted.means, parent), fitted.variances)

    return broken(fit=fit)


def _fit_uncompressed(self, rows, *, seed, parent=None):
    return self.model(rows.values.mean(axis=1), rows.values.var(axis=1) + rows.filled_weights().var())


def _fit_unweighted(self, rows, *, seed, parent=None):
    present = Rows(rows.values, None if rows.weights is None else (rows.weights > 0) * 1.0)
    return Normal.fit(self, present, seed=seed)


def _sample_plain(self, count, *, sampler, seed, prompts=None):
    noise = seed.numpy().standard_normal((len(self.means), count, self.means.shape[1]))
    return Rows(self.means[:, None] + noise * np.sqrt(self.variances)[:, None])


class _Batch(NormalModel):
    """Models that draw chain by chain, so that lineages could share a batch."""

    def sample(self, count, *, sampler, seed, prompts=None):
        noise = [seed.at("chain", chain).numpy().standard_normal((count, 2)) for chain in range(len(self.means))]
        return Rows(self.means[:, None] + np.stack(noise) * np.sqrt(self.variances * sampler.variance_factor)[:, None])


def _together(self, models):
    return _Batch(*(np.concatenate([getattr(one, name) for one in models]) for name in ("means", "variances")))


def _apart(self, model, chains):
    ends = np.cumsum(chains)[:-1]
    return list(map(_Batch, np.split(model.means, ends), np.split(model.variances, ends)))


COHORT = {"model": _Batch, "together": _together, "apart": _apart}


def _fit_by_all_chains(self, rows, *, seed, parent=None):
    fitted = Normal.fit(self, rows, seed=seed)
    return _Batch(fitted.means, np.broadcast_to(fitted.variances.mean(axis=0), fitted.variances.shape))


def _save_pickle(self, folder):
    with (folder / "model.bin").open("wb") as file:
        pickle.dump(self.means, file)
    NormalModel.save(self, folder)


def _save_objects(self, folder):
    np.save(folder / "extra.npy", np.array([{}, None]), allow_pickle=True)
    NormalModel.save(self, folder)


def _save_torch(self, folder):
    import torch

    torch.save({"means": torch.zeros(1)}, folder / "weights.model")
    NormalModel.save(self, folder)


def _load_halves(self, folder):
    fitted = Normal.load(self, folder)
    return self.model(fitted.means, fitted.variances.astype(np.float16).astype(float))


class Mutable(Normal):
    """A family whose own fields could change."""


BROKEN: Mapping[str, list[Any]] = {
    "check_it_is_a_frozen_dataclass": [Mutable(), dataclass(type("Loose", (), {"__annotations__": {}}))()],
    "check_number_settings_have_a_range": [broken(__annotations__={"rate": float}, rate=0.1)],
    "check_defaults_are_in_range": [broken(__annotations__={"rate": Annotated[float, Within(low=1.0)]}, rate=0.1)],
    "check_settings_are_documented": [broken(__doc__="Normal laws."), broken(__doc__=None)],
    "check_smallest_is_one_of_its_own": [broken(smallest=classmethod(lambda cls: Normal()))],
    "check_it_declares_kind_chains_and_knobs": [
        broken(kind="images"),
        broken(knobs={"variance_factor"}),
        broken(knobs=frozenset({"heat"})),
        broken(chains_at_once=None),
    ],
    "check_same_seed_fits_the_same_model": [
        broken(fit=fitting(lambda rows, seed: Rows(rows.values + np.random.default_rng().normal())))
    ],
    "check_fit_leaves_its_rows_alone": [broken(fit=fitting(lambda rows, seed: rows.values.fill(0.5)))],
    "check_global_random_state_is_untouched": [
        broken(fit=fitting(lambda rows, seed: np.random.seed(1))),  # noqa: NPY002
        broken(fit=fitting(lambda rows, seed: random.seed(1))),
    ],
    "check_a_parent_is_accepted": [with_means(lambda means, parent: means if parent is None else means * np.nan)],
    "check_rows_of_weight_zero_do_not_exist": [broken(fit=_fit_uncompressed)],
    "check_weights_change_the_fit": [broken(fit=_fit_unweighted)],
    "check_chains_do_not_see_each_other": [with_means(lambda means, parent: 0.9 * means + 0.1 * means.mean(axis=0))],
    "check_chains_keep_their_places": [with_means(lambda means, parent: means[[0, 2, 1]])],
    "check_constant_rows_are_fitted_or_refused": [
        with_means(lambda means, parent: np.where(abs(means - 0.5) < 1e-9, np.nan, means))
    ],
    "check_labels_travel_with_rows": [
        with_model(
            sample=lambda self, count, **rest: replace(
                NormalModel.sample(self, count, **rest), labels=np.full((3, count), 3)
            )
        )
    ],
    "check_a_cohort_is_its_lineages": [broken(**COHORT, fit=_fit_by_all_chains)],
    "check_samples_have_the_shape_that_was_asked_for": [
        with_model(sample=lambda self, count, **rest: NormalModel.sample(self, max(1, count - 1), **rest)),
        with_model(Shares, sample=lambda self, count, **rest: Rows(np.full((1, count), self.shares.shape[1]))),
    ],
    "check_same_seed_samples_the_same_rows": [
        with_model(sample=lambda self, count, **rest: Rows(np.random.default_rng().normal(size=(3, count, 2))))
    ],
    "check_another_seed_samples_other_rows": [
        with_model(sample=lambda self, count, **rest: Rows(np.tile(self.means[:, None], (1, count, 1))))
    ],
    "check_every_knob_changes_the_samples": [
        with_model(sample=_sample_plain),
        broken(knobs=frozenset({"temperature"})),
        broken(knobs=frozenset({"oversample"})),
    ],
    "check_a_saved_model_samples_the_same_rows": [broken(load=_load_halves)],
    "check_saved_files_hold_no_pickle": [
        with_model(save=_save_pickle),
        with_model(save=_save_objects),
        with_model(save=_save_torch),
        with_model(save=lambda self, folder: None),
    ],
    "check_log_prob_scores_every_row": [
        with_model(log_prob=lambda self, rows: rows.values - self.means[:, None]),
        with_model(log_prob=lambda self, rows: NormalModel.log_prob(self, rows) * np.nan),
    ],
    "check_moments_are_those_of_the_samples": [
        with_model(mean=lambda self: self.means + 0.2),
        with_model(covariance=lambda self: 2 * NormalModel.covariance(self)),
        with_model(covariance=lambda self: self.variances),
    ],
    "check_probabilities_are_those_of_the_samples": [
        with_model(Shares, probabilities=lambda self: self.shares[:, ::-1]),
        with_model(Shares, probabilities=lambda self: self.shares * 0.9),
    ],
}


@pytest.mark.parametrize("whole", [Normal(), Shares(), broken(chains_at_once=False)])
def test_a_whole_family_passes(whole):
    check_family(whole)


@pytest.mark.parametrize("check", family_checks(), ids=lambda check: check.__name__)
def test_each_check_names_the_claim_that_is_broken(check):
    for family in BROKEN[check.__name__]:
        with pytest.raises(CheckFailed, match=f"^{check.__name__}: {type(family).__name__}: expected (?!no exception)"):
            check(family)


def test_a_whole_cohort_passes():
    check_family(broken(**COHORT))


def test_constant_rows_may_be_refused_with_a_reason():
    def fit(self, rows, *, seed, parent=None):
        if not rows.values.std():
            raise ValueError("rows do not vary")
        return Normal.fit(self, rows, seed=seed)

    check_family(broken(fit=fit))


def test_a_family_that_raises_breaks_the_claim_by_name():
    def fit(self, rows, *, seed, parent=None):
        raise RuntimeError("out of memory")

    with pytest.raises(CheckFailed, match=r"^check_same_seed_fits_the_same_model: .*got RuntimeError: out of memory"):
        check_family(broken(fit=fit))


def test_torch_is_watched_once_it_is_loaded():
    import torch

    with pytest.raises(CheckFailed, match=r"^check_global_random_state_is_untouched: .*torch"):
        check_family(broken(fit=fitting(lambda rows, seed: torch.manual_seed(0) and None)))
