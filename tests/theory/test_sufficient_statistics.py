"""The sufficient-statistics mode: chains grown without rows are distributed as chains that draw every one.

The chains that draw every row are grown by the families themselves. Laws are compared by two-sample Kolmogorov-Smirnov
tests, means by |z| < 4, against the other chains and against the closed forms.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, ks_2samp, kstest

from dwindle.contracts import Rows, Seed
from dwindle.errors import BadInput
from dwindle.families.categorical import Categorical
from dwindle.families.gaussian import Gaussian
from dwindle.families.linear_regression import LinearRegression
from dwindle.samplers import Sampler
from dwindle.sources.categorical import Categorical as Groups
from dwindle.sources.gaussian import Gaussian as Bell
from dwindle.sources.linear import Linear
from dwindle.sufficient import Path, categorical, gaussian, linear_regression, simulate
from dwindle.theory import categorical_accumulate, categorical_replace, gaussian_accumulate, gaussian_replace
from dwindle.theory.linear_regression import accumulate_error, accumulate_error_of_fresh_inputs, replace_error

SEED = Seed(11, ("theory", "sufficient-statistics"))
CHAINS, GENERATIONS = 1500, 10
SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)


def last_model(source, family, regime, rows, *, same_inputs=False):
    """Return the model of the last generation of chains that draw every row."""
    pool = anchor = source.draw(rows, first=0, chains=CHAINS, seed=SEED)
    for generation in range(GENERATIONS):
        model = family.fit(pool.anonymous(), seed=SEED.at("fit", generation))
        prompts = anchor.anonymous() if same_inputs else None
        new = model.sample(rows, sampler=Sampler(), seed=SEED.at("sample", generation), prompts=prompts)
        pool = Rows(np.concatenate([pool.values, new.values], axis=1)) if regime == "accumulate" else new
    return family.fit(pool.anonymous(), seed=SEED)


def last_of(walk, regime, rows, **settings):
    """Return the numbers of each chain at the last generation of the mode, by measure."""
    steps = walk(CHAINS, SEED.numpy(), regime=regime, rows=rows, generations=GENERATIONS, **settings)
    return {name: values.copy() for name, values in list(steps)[-1].items()}


def expect_one_law(first, second):
    """Hold two samples of one number a chain to the same law and the same mean."""
    assert ks_2samp(first, second).pvalue > 1e-3
    error = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / CHAINS)
    assert abs(first.mean() - second.mean()) < 4 * error


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
@pytest.mark.parametrize(("dimensions", "ddof"), [(1, 0), (1, 1), (3, 0), (3, 1)])
def test_a_gaussian_without_rows_has_the_law_of_one_with_them(regime, dimensions, ddof):
    model = last_model(Bell(dimensions=dimensions), Gaussian(ddof=ddof), regime, 8)
    mode = last_of(gaussian.walk, regime, 8, dimensions=dimensions, ddof=ddof)
    expect_one_law(mode["log_variance"], np.linalg.slogdet(model.covariances)[1] / dimensions)
    expect_one_law(mode["variance"], np.trace(model.covariances, axis1=1, axis2=2) / dimensions)
    expect_one_law(mode["mean_error"], (model.means**2).mean(axis=1))


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
@pytest.mark.parametrize("inputs", ["fresh", "same"])
def test_a_linear_regression_without_rows_has_the_law_of_one_with_them(regime, inputs):
    source, family = Linear(dimensions=3), LinearRegression(noise=1.0)
    model = last_model(source, family, regime, 12, same_inputs=inputs == "same")
    missed = ((model.slopes - source.coefficients()) ** 2).sum(axis=1)
    mode = last_of(linear_regression.walk, regime, 12, dimensions=3, inputs=inputs)
    expect_one_law(mode["parameter_error"], missed)


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_symbols_without_rows_have_the_law_of_symbols_with_them(regime):
    shares = last_model(Groups(shares=SHARES), Categorical(symbols=5), regime, 15).shares
    mode = last_of(categorical.walk, regime, 15, real=np.array(SHARES))
    expect_one_law(mode["heterozygosity"], 1.0 - (shares**2).sum(axis=1))
    expect_one_law(mode["support"], np.count_nonzero(shares, axis=1))


def test_the_variance_of_replace_is_the_product_of_chi_squared_laws():
    steps = gaussian.walk(4000, SEED.numpy(), regime="replace", rows=10, generations=0)
    assert kstest(9 * next(steps)["variance"] / 0.9, chi2(9).cdf).pvalue > 1e-3


def expect_means(path, curves):
    """Hold the means of a path to closed forms, one by measure."""
    for name, mean in curves.items():
        assert np.abs((path.mean[name] - mean) / path.standard_error[name]).max() < 4, name


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_paths_of_gaussians_follow_the_closed_forms(dimensions, ddof):
    fits, parts = np.arange(1, 42), {"dimensions": dimensions, "ddof": ddof, "rows": 20, "generations": 40}
    path = simulate("gaussian", regime="replace", chains=10_000, seed=SEED, **parts)
    logs = gaussian_replace.log_variance(fits, 20, ddof, dimensions)
    expect_means(path, {"log_variance": logs, "mean_error": gaussian_replace.mean_error(fits, 20, ddof)})
    path = simulate("gaussian", regime="accumulate", chains=10_000, seed=SEED, **parts)
    errors = gaussian_accumulate.mean_error(fits, 20, ddof)
    expect_means(path, {"variance": gaussian_accumulate.variance(fits, 20, ddof), "mean_error": errors})


def test_a_covariance_of_too_few_rows_is_singular_and_its_trace_still_right():
    path = simulate("gaussian", regime="replace", rows=4, generations=6, chains=20_000, seed=SEED, dimensions=5)
    assert np.isnan(path.mean["log_variance"]).all()
    expect_means(path, {"variance": 0.75 ** np.arange(1, 8), "mean_error": 1.0 - 0.75 ** np.arange(1, 8)})


@pytest.mark.parametrize("inputs", ["fresh", "same"])
def test_paths_of_regressions_follow_the_closed_forms(inputs):
    fits, parts = np.arange(1, 21), {"dimensions": 4, "noise": 2.0, "rows": 25, "generations": 19, "inputs": inputs}
    path = simulate("linear_regression", regime="replace", chains=5000, seed=SEED, **parts)
    expect_means(path, {"parameter_error": replace_error(fits, 25, 4, 2.0)})
    path = simulate("linear_regression", regime="accumulate", chains=5000, seed=SEED, **parts)
    form = accumulate_error if inputs == "same" else accumulate_error_of_fresh_inputs
    expect_means(path, {"parameter_error": form(fits, 25, 4, 2.0)})


def test_paths_of_symbols_follow_the_closed_forms():
    fits, even, parts = np.arange(1, 41), 1.0 - sum(p * p for p in SHARES), {"rows": 20, "generations": 39}
    path = simulate("categorical", regime="replace", chains=10_000, seed=SEED, shares=SHARES, **parts)
    expect_means(path, {"heterozygosity": categorical_replace.heterozygosity(fits, 20, even)})
    path = simulate("categorical", regime="accumulate", chains=4000, seed=SEED, shares=SHARES, **parts)
    expect_means(path, {"heterozygosity": categorical_accumulate.heterozygosity(fits, 20, even)})


def test_a_large_alphabet_shrinks_as_predicted():
    path = simulate("categorical", regime="replace", rows=50_000, generations=19, chains=4, seed=SEED, symbols=20_000)
    np.testing.assert_allclose(path.mean["support"][[0, 1, 4, 9, 19]], [9401, 7202, 4551, 2987, 1861], rtol=0.015)


def test_chains_that_have_one_symbol_left_stay_so():
    path = simulate("categorical", regime="replace", rows=3, generations=200, chains=500, seed=SEED, shares=(1, 1, 0))
    assert path.mean["support"][-1] == 1.0
    assert path.mean["heterozygosity"][-1] == path.standard_error["heterozygosity"][-1] == 0.0


def test_blocks_of_chains_are_averaged_as_one(monkeypatch):
    whole = np.array([step["variance"].copy() for step in gaussian.walk(50, SEED.at(0).numpy(), **parts_of_a_walk())])
    path = gaussian.grow(chains=50, seed=SEED, **parts_of_a_walk())
    np.testing.assert_allclose(path.mean["variance"], whole.mean(axis=1))
    np.testing.assert_allclose(path.standard_error["variance"], whole.std(axis=1, ddof=1) / np.sqrt(50))
    monkeypatch.setattr("dwindle.sufficient.paths._NUMBERS", 4 * 16)
    blocks = [(0, 16), (1, 16), (2, 16), (3, 2)]
    steps = [list(copied(gaussian.walk(size, SEED.at(b).numpy(), **parts_of_a_walk()))) for b, size in blocks]
    parts = np.concatenate(steps, axis=1)
    path = gaussian.grow(chains=50, seed=SEED, **parts_of_a_walk())
    np.testing.assert_allclose(path.mean["variance"], parts.mean(axis=1))
    np.testing.assert_allclose(path.standard_error["variance"], parts.std(axis=1, ddof=1) / np.sqrt(50))


def parts_of_a_walk():
    return {"regime": "replace", "rows": 5, "generations": 3}


def copied(steps):
    return (step["variance"].copy() for step in steps)


@pytest.mark.parametrize("family", ["categorical", "gaussian", "linear_regression"])
def test_the_same_seed_gives_the_same_path_and_another_one_another(family):
    def path(seed):
        return simulate(family, regime="accumulate", rows=9, generations=5, chains=20, seed=seed)

    first, again, other = path(Seed(1)), path(Seed(1)), path(Seed(2))
    assert isinstance(first, Path)
    assert first.generations.tolist() == list(range(6))
    for name, values in first.mean.items():
        np.testing.assert_array_equal(values, again.mean[name])
        assert values.tolist() != other.mean[name].tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "gausian"}, r"family = gausian: .*did you mean gaussian\?"),
        ({"regime": "replaced"}, r"regime = replaced: .*did you mean replace\?"),
        ({"dimension": 2}, r"dimension = 2: unknown key; did you mean dimensions\?"),
        ({"rows": 1}, "rows = 1: expected a whole number >= 2"),
        ({"chains": 0}, "chains = 0: expected a whole number >= 1"),
        ({"ddof": 2}, "ddof = 2: expected 0 or 1"),
        ({"family": "linear_regression", "rows": 3, "dimensions": 4}, "rows = 3: expected a whole number >= 4"),
        ({"family": "linear_regression", "inputs": "new"}, "inputs = new: expected fresh or same"),
        ({"family": "categorical", "shares": (1.0, -1.0)}, "shares: expected numbers >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    settings = {"family": "gaussian", "regime": "replace", "rows": 9, "generations": 1, "chains": 2, "seed": SEED}
    with pytest.raises(BadInput, match=message):
        simulate(**(settings | changes))
