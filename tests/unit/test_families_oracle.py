"""The oracle: it samples the law of the source, whatever it is fitted to, and never the rows of the anchor."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from dwindle.checks import check_family
from dwindle.checks.examples import source_of
from dwindle.config.schema import settings_of
from dwindle.contracts import Moments, Probabilities, Rows, Scorable, Seed
from dwindle.families.oracle import Oracle
from dwindle.samplers import Sampler
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian
from dwindle.sources.zipf import Zipf

SEED = Seed(7, ("oracle",))
PLAIN = Sampler()


def fit(source, chains=3, value=50.0):
    return Oracle().given(source).fit(Rows(np.full((chains, 10, 1), value)), seed=SEED)


def sampled(model, count=100, name="sample"):
    return model.sample(count, sampler=PLAIN, seed=SEED.at(name))


def test_it_keeps_the_contract_of_a_family():
    check_family(Oracle())


def test_its_samples_have_the_law_of_the_source_and_not_of_the_rows_it_was_fitted_to():
    values = sampled(fit(Gaussian(variance=4.0, centre=3.0), chains=2), 20_000).values
    for chain in values[..., 0]:
        assert kstest(chain, norm(3.0, 2.0).cdf).pvalue > 1e-3


def test_twenty_generations_lose_nothing():
    chains, rows = 500, 20
    family = Oracle().given(Gaussian())
    training = family.source.draw(rows, first=0, chains=chains, seed=SEED).anonymous()
    for generation in range(20):
        model = family.fit(training, seed=SEED.at("fit", generation))
        training = model.sample(rows, sampler=PLAIN, seed=SEED.at("generation", generation))
    variance = training.values.var(axis=1, ddof=1)[:, 0]
    assert abs(variance.mean() - 1.0) < 4 * np.sqrt(2 / (rows - 1) / chains)


@pytest.mark.parametrize("kind", ["vectors", "symbols", "pairs", "sequences"])
def test_it_serves_rows_of_every_kind(kind):
    source = source_of(kind)
    rows = sampled(fit(source), 30)
    assert rows.values.shape == source.draw(30, first=0, chains=3, seed=SEED).values.shape
    assert rows.provenance is None


def test_its_samples_are_none_of_the_real_rows():
    source = Gaussian()
    real = source.draw(1000, first=0, chains=3, seed=SEED)
    assert not np.intersect1d(real.values, sampled(fit(source), 1000).values).size


def test_another_seed_samples_other_rows_and_each_chain_its_own():
    model = fit(Zipf(symbols=50))
    first, again, other = (sampled(model, name=name).values for name in ("one", "one", "two"))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] != first[1]).any()


def test_what_it_was_given_is_no_setting():
    knowing = Oracle().given(Gaussian())
    assert settings_of(knowing) == {}
    assert knowing == Oracle()
    assert repr(knowing) == "Oracle()"
    assert Oracle().source is None


def test_a_source_with_an_end_is_refused():
    with pytest.raises(ValueError, match=r"needs a source without an end; Digits has 1350 rows a chain"):
        Oracle().given(Digits())


def test_without_a_source_it_samples_nothing():
    model = Oracle().fit(Rows(np.zeros((2, 3, 1))), seed=SEED)
    with pytest.raises(ValueError, match=r"the oracle was not given a source"):
        sampled(model)


def test_a_saved_model_samples_the_same_bytes(tmp_path):
    model = fit(Gaussian())
    model.save(tmp_path)
    loaded = Oracle().given(Gaussian()).load(tmp_path)
    assert sampled(loaded).values.tobytes() == sampled(model).values.tobytes()


def test_it_is_judged_by_its_samples_alone():
    assert not isinstance(fit(Gaussian()), Moments | Scorable | Probabilities)
