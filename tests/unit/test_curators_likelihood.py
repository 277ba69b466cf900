"""Curators that judge by likelihood: who judges, what stays, what goes for which reason, and the recipes refused."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.contracts import Rows, Seed
from dwindle.curators.best_by_likelihood import BestByLikelihood
from dwindle.curators.high_perplexity import HighPerplexity
from dwindle.curators.perplexity_band import PerplexityBand
from dwindle.errors import BadInput
from dwindle.families.categorical import Categorical
from dwindle.families.gaussian import Gaussian
from dwindle.families.ngram import Ngram
from dwindle.rewards import best_of, unscorable
from dwindle.sources.digits import Digits
from dwindle.sources.gaussian import Gaussian as GaussianSource
from dwindle.sources.grammar import Grammar
from tests.unit.made_sweep import planned

SEED = Seed(7, ("likelihood",))
BELOW, ABOVE = "less likely than the anchor's band", "likelier than the anchor's band"


def normal(chains, count, dimensions, name, scale=1.0):
    return Rows(scale * SEED.at(name).numpy().standard_normal((chains, count, dimensions)))


def curate(curator, rows, anchor, **shown):
    ready = curator.shown(**shown) if shown else curator
    return ready.curate(rows, anchor=anchor, seed=SEED)


def z(values, expected):
    return (values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values)))


def recipe_of(root, **parts):
    lines = {"source": "{name: digits, held_out: 50}", "family": "gaussian", "curators": "[]"} | parts
    told = "".join(f"{key}: {value}\n" for key, value in lines.items())
    lineages = "lineages: {replace: {regime: replace}}\n"
    return planned(root, f"sweep: judged\ngenerations: 1\nchains: 1\nbudget: 50\nmetrics: [moments]\n{told}{lineages}")


def test_the_band_is_that_of_the_anchors_rows_under_the_model_of_generation_0():
    anchor, rows = normal(3, 400, 2, "anchor"), normal(3, 400, 2, "rows", scale=2.0)
    first = Gaussian().fit(anchor, seed=SEED)
    curated = curate(PerplexityBand(low=0.1, high=0.8), rows, anchor, first=first)
    found, real = first.log_prob(rows), first.log_prob(anchor)
    low = np.quantile(real, 0.1, axis=1, method="lower")[:, None]
    high = np.quantile(real, 0.8, axis=1, method="higher")[:, None]
    np.testing.assert_array_equal(curated.kept, (found >= low) & (found <= high))
    np.testing.assert_array_equal(curated.why[BELOW], found < low)
    np.testing.assert_array_equal(curated.why[ABOVE], found > high)
    np.testing.assert_allclose(curated.facts["band.low"].values, low[:, 0])


def test_the_band_of_blocks_is_told_in_nats_a_token():
    anchor = Rows(SEED.at("tokens").numpy().integers(0, 4, (2, 100, 12)))
    first = Ngram(symbols=4).fit(anchor, seed=SEED)
    low = curate(PerplexityBand(), anchor, anchor, first=first).facts["band.low"].values
    assert ((-2 * np.log(4) < low) & (low < -np.log(2))).all()


def test_symbols_and_rows_that_do_not_exist_are_judged_by_the_model():
    anchor = Rows(np.array([[0] * 19 + [1]]))
    rows = Rows(np.array([[0, 1, 1, 2]]), np.array([[1.0, 1.0, 0.0, 1.0]]))
    curated = curate(
        PerplexityBand(low=0.0, high=0.1), rows, anchor, first=Categorical(symbols=3).fit(anchor, seed=SEED)
    )
    assert curated.kept.tolist() == [[True, True, False, False]]
    assert curated.dropped == {BELOW: 1, ABOVE: 0}


@pytest.mark.parametrize("dimensions", [1, 20])
def test_a_density_of_the_anchors_own_keeps_the_share_of_new_real_rows_that_its_quantiles_say(dimensions):
    anchor, rows = (normal(30, 150, dimensions, name) for name in ("own anchor", "own rows"))
    curator = PerplexityBand(low=0.1, high=0.9, reference="anchor")
    curated = curate(curator, rows, anchor)
    # Rows of a chain are compared with the same anchor, so that only chains are independent.
    for reason in (BELOW, ABOVE):
        assert abs(z(curated.why[reason].mean(axis=1), 15 / 151)) < 4


def test_where_rows_are_few_and_wide_no_more_of_them_go_than_the_quantiles_say():
    turn = SEED.at("turn").numpy().standard_normal((10, 90))
    wide = Rows(normal(8, 160, 10, "wide").values @ turn + normal(8, 160, 90, "noise").values)
    curator = PerplexityBand(low=0.1, high=0.9, reference="anchor")
    # One chain after another, so that no chain's axes come from the rows of others.
    for chain in range(8):
        real = wide.chain(chain).values
        curated = curate(curator, Rows(real[:, 80:]), Rows(real[:, :80]))
        assert (curated.why[BELOW] | curated.why[ABOVE]).mean() < 0.25
        assert curate(curator, Rows(3 * real[:, 80:]), Rows(real[:, :80])).why[BELOW].mean() > 0.9


def test_a_model_that_learnt_the_rows_of_its_band_drops_more_real_rows_than_a_density_that_did_not():
    anchor, rows = (normal(20, 80, 20, name) for name in ("own anchor", "own rows"))
    own = curate(PerplexityBand(reference="anchor"), rows, anchor)
    first = curate(PerplexityBand(), rows, anchor, first=Gaussian().fit(anchor, seed=SEED))
    assert first.why[BELOW].mean() > 3 * own.why[BELOW].mean()


def test_the_anchors_own_density_tells_pictures_from_noise_and_from_their_mean():
    source = Digits(held_out=100)
    anchor = source.draw(300, first=0, chains=1, seed=SEED)
    others = source.draw(100, first=300, chains=1, seed=SEED).values
    noise = SEED.at("noise").numpy().random(others.shape) * others.max()
    mean = np.broadcast_to(anchor.values.mean(axis=1, keepdims=True), others.shape)
    curated = curate(PerplexityBand(reference="anchor"), Rows(np.concatenate([others, noise, mean], axis=1)), anchor)
    assert curated.kept[0, :100].mean() > 0.8
    assert curated.why[BELOW][0, 100:200].all()
    assert curated.why[ABOVE][0, 200:].all()


def test_the_anchors_own_bigrams_and_frequencies_tell_the_commonplace_from_the_strange():
    generator = SEED.at("chain of tokens").numpy()
    blocks = np.cumsum(generator.integers(0, 2, (1, 260, 16)), axis=2) % 8
    rows = np.concatenate([blocks[:, 200:], generator.integers(0, 8, (1, 40, 16))], axis=1)
    curated = curate(PerplexityBand(reference="anchor"), Rows(rows), Rows(blocks[:, :200]))
    assert curated.kept[0, :60].mean() > 0.75
    assert curated.why[BELOW][0, 60:].all()
    symbols = Rows(np.array([[0] * 90 + [1] * 10]))
    told = curate(PerplexityBand(reference="anchor"), Rows(np.array([[0, 1, 2]])), symbols)
    assert told.kept.tolist() == [[True, True, False]]


def test_a_row_that_is_nan_is_unlikely_and_too_few_real_rows_give_no_band():
    anchor, rows = normal(1, 50, 2, "few"), normal(1, 20, 2, "few rows")
    rows.values[0, 3] = np.nan
    assert curate(PerplexityBand(reference="anchor"), rows, anchor).why[BELOW][0, 3]
    curated = curate(PerplexityBand(reference="anchor"), rows, Rows(anchor.values[:, :9]))
    assert curated.kept.all()
    assert "fewer than 10 anchor rows" in curated.facts["band.high"].reason


def test_a_real_row_that_is_impossible_leaves_its_end_of_the_band_untold():
    anchor = Rows(np.array([[0] * 30 + [1]]))
    seen = Rows(anchor.values, (anchor.values == 0) * 1.0)
    first = Categorical(symbols=2).fit(seen, seed=SEED)
    curated = curate(PerplexityBand(low=0.0), anchor, anchor, first=first)
    assert curated.kept.all()
    assert np.isnan(curated.facts["band.low"].values).all()
    assert "impossible" in curated.facts["band.low"].reason


def test_a_band_needs_two_quantiles_and_a_model_that_knows_its_density():
    rows = normal(1, 20, 2, "rows")
    with pytest.raises(ValueError, match=r"low 0\.5 is not below high 0\.5"):
        PerplexityBand(low=0.5, high=0.5)
    with pytest.raises(ValueError, match="was not shown the model of generation 0; set reference to anchor"):
        curate(PerplexityBand(), rows, rows)
    with pytest.raises(ValueError, match="generation 0 does not know its density; set reference to anchor"):
        curate(PerplexityBand(), rows, rows, first=object())
    assert PerplexityBand().needs == {"first"}
    assert PerplexityBand(reference="anchor").needs == frozenset()


@pytest.mark.parametrize("curator", ["perplexity_band", "high_perplexity", "best_by_likelihood"])
def test_recipes_of_families_without_a_density_are_refused(tmp_path, curator):
    with pytest.raises(BadInput, match=f"{curator}.*which the family does not know"):
        recipe_of(tmp_path, family="vae", curators=f"[{curator}]")


def test_a_band_goes_with_families_that_know_a_density_and_by_the_anchors_own_with_any(tmp_path):
    assert recipe_of(tmp_path / "first", curators="[perplexity_band]").recipe("replace").curators == (PerplexityBand(),)
    own = recipe_of(tmp_path / "own", family="vae", curators="[{name: perplexity_band, reference: anchor}]")
    assert own.recipe("replace").curators == (PerplexityBand(reference="anchor"),)


def test_a_family_that_does_not_say_what_it_fits_is_not_refused():
    class Silent:
        def fit(self, rows, *, seed, parent=None): ...

    assert not unscorable(Silent())


def test_high_perplexity_keeps_what_the_first_model_finds_least_likely():
    anchor = normal(2, 200, 1, "anchor")
    rows = Rows(np.array([[0.1, 3.0, -2.0, 0.5, 9.0], [5.0, 0.0, 1.0, -0.2, 7.0]])[..., None])
    rows = Rows(rows.values, np.array([[1.0, 1.0, 1.0, 1.0, 0.0], [1.0] * 5]))
    curated = curate(HighPerplexity(fraction=0.5), rows, anchor, first=Gaussian().fit(anchor, seed=SEED))
    assert curated.kept.tolist() == [[False, True, True, False, False], [True, False, False, False, True]]
    assert curated.dropped == {"not among the 0.5 of highest perplexity": 5}


def test_the_likelier_of_two_normal_rows_has_the_variance_1_minus_2_over_pi():
    rows = normal(40, 4000, 1, "pairs")
    maker = Gaussian().fit(rows, seed=SEED)
    kept = curate(BestByLikelihood(), rows, rows, maker=maker).kept
    variances = np.array([own[stays].var() for own, stays in zip(rows.values[..., 0], kept, strict=True)])
    assert abs(z(variances, 1 - 2 / np.pi)) < 4


def test_each_judge_has_its_own_favourite():
    rows = Rows(np.array([[0.0, 4.0, 4.2, -1.0]])[..., None])
    near, far = (Gaussian().fit(Rows(normal(1, 100, 1, "near").values + at), seed=SEED) for at in (0.0, 4.0))
    models = {"first": near, "maker": far}
    assert curate(BestByLikelihood(judge="first"), rows, rows, **models).kept.tolist() == [[True, False, False, True]]
    assert curate(BestByLikelihood(judge="maker"), rows, rows, **models).kept.tolist() == [[False, True, True, False]]
    assert BestByLikelihood(judge="first").needs == {"first"}
    assert BestByLikelihood(judge="source").needs == frozenset()


def test_a_source_that_knows_its_law_judges_and_any_other_is_refused():
    source = Grammar.smallest()
    right = source.draw(4, first=0, chains=1, seed=SEED).values
    mixed = np.stack([right[0], right[0][:, ::-1]], axis=1).reshape(1, 8, -1)
    oracle = BestByLikelihood(judge="source").given(source)
    kept = curate(oracle, Rows(mixed), Rows(right)).kept
    assert kept.tolist() == [[True, False] * 4]
    with pytest.raises(ValueError, match="Gaussian does not, so set first or maker"):
        BestByLikelihood(judge="source").given(GaussianSource())


def test_a_row_without_a_score_is_the_best_of_no_group():
    kept, why = best_of(np.array([[np.nan, 1.0, 2.0, 0.0, 5.0]]), np.ones((1, 5), dtype=bool), 2)
    assert kept.tolist() == [[False, True, True, False, False]]
    assert why["no full group of 2"].tolist() == [[False, False, False, False, True]]
