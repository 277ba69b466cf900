"""The adversarial network: filters keep their promise, chains of a batch are the chains alone, gradients are right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from dwindle.contracts import Rows, Seed
from dwindle.families.gan import Gan
from dwindle.nets import classes, stacks
from dwindle.nets.adversaries import Dense, scores
from dwindle.nets.contests import Looked, derived, worked_out
from dwindle.nets.judgement import Judgement, logistic_slope, upper_quantile
from dwindle.samplers import Sampler
from dwindle.seeds import SharedSeed

SEED = Seed(12, ("gan",))
TINY = Gan.smallest()
SMALL = Gan(latent=4, hidden=32, layers=1, steps=150, critic_steps=3, batch=64, learning_rate=5e-3, penalty=0.1)
FILTERS = ("top", "threshold", "rejection")


@dataclass(frozen=True)
class Told:
    """What a source says of classes and pictures."""

    names: tuple[str, ...] = ()
    shape: tuple[int, int, int] | None = None

    def label_names(self):
        return self.names

    def pixels(self):
        return self.shape

    def images(self, values, *, seed):
        return values


def clouds(chains, count, name="rows", dimensions=2):
    """Return rows of two modes, and which mode each is from."""
    generator = SEED.at(name).numpy()
    labels = (generator.random((chains, count)) < 0.3).astype(np.int64)
    return generator.normal(size=(chains, count, dimensions)) * 0.3 + 4.0 * labels[..., None] + 5.0, labels


def fitted(family, values, weights=None, labels=None, name="fit"):
    return family.fit(Rows(values, weights, labels=labels), seed=SEED.at(name))


def sampled(model, count=500, sampler=None):
    return model.sample(count, sampler=sampler or Sampler(), seed=SEED.at("sample"))


@pytest.fixture(scope="module")
def trained():
    """A model of two modes, well enough trained to be judged."""
    return fitted(SMALL, clouds(2, 400)[0])


@pytest.mark.parametrize(("dimensions", "layers", "known"), [(1, 1, 0), (5, 1, 3), (4, 3, 2)])
def test_the_gradient_written_out_is_that_of_automatic_differentiation(dimensions, layers, known):
    nets = Dense(dimensions, known, 2, 16, layers)
    critic = stacks.initial(nets.critic(), 3, SEED)
    critic += 0.1 * torch.from_numpy(SEED.at("bias").numpy().standard_normal(critic.shape, dtype=np.float32))
    rows = SEED.at("looked").numpy().standard_normal((2, 3, 8, dimensions), dtype=np.float32)
    shares = torch.from_numpy(SEED.at("shares").numpy().random((3, 8, 1), dtype=np.float32))
    marks = classes.marks(SEED.at("marks").numpy().integers(-1, known, (3, 8)), known)
    looked = Looked(*map(torch.from_numpy, rows), shares, marks)
    torch.testing.assert_close(worked_out(nets, 10.0)(critic, looked), derived(nets, 10.0)(critic, looked))


def test_it_learns_both_modes_and_their_shares(trained):
    rows, samples = clouds(2, 400)[0], sampled(trained, 2000).values
    far = (samples.mean(axis=2) > 7.0).mean(axis=1)
    np.testing.assert_allclose(far, (rows.mean(axis=2) > 7.0).mean(axis=1), atol=0.15)
    np.testing.assert_allclose(samples.mean(axis=1), rows.mean(axis=1), atol=0.5)


def scored(model, rows):
    frame = {name: part.numpy() for name, part in model.weights.items()}
    values = torch.from_numpy(((rows.values - frame["centre"]) / frame["scale"]).astype(np.float32))
    return scores(model.nets, model.weights, values, classes.marks(rows.filled_labels(), model.nets.classes))


@pytest.mark.parametrize("output", FILTERS)
def test_a_filter_gives_out_as_many_rows_as_asked_for_that_score_higher(trained, output):
    filtering = replace(trained, output=output, share=0.5)
    plain, kept = scored(trained, sampled(trained)), scored(trained, sampled(filtering))
    assert kept.shape == plain.shape
    assert (kept.mean(axis=1) > plain.mean(axis=1)).all()
    assert sampled(filtering).values.tobytes() == sampled(filtering).values.tobytes()


def test_the_top_share_holds_the_best_rows_of_all_that_were_made(trained):
    made = scored(trained, sampled(trained, 400))
    best = scored(trained, sampled(replace(trained, output="top", share=0.25), 100))
    np.testing.assert_allclose(np.sort(best), np.sort(made)[:, -100:], rtol=1e-4, atol=1e-5)


def test_the_threshold_is_a_quantile_of_the_training_rows_scores():
    rows = clouds(2, 400)[0]
    for share in (0.2, 0.8):
        model = fitted(replace(SMALL, steps=40, output="threshold", share=share), rows)
        cutoffs = model.weights["judgement"][:, 0, 0].numpy()
        np.testing.assert_allclose((scored(model, Rows(rows)) >= cutoffs[:, None]).mean(axis=1), share, atol=0.01)
        assert (scored(model, sampled(model)) >= cutoffs[:, None] - 1e-4).all()


@pytest.mark.parametrize("output", ["threshold", "rejection"])
def test_a_discriminator_that_accepts_nothing_is_refused_after_so_many_rows(trained, output):
    strict = trained.weights["judgement"].clone()
    strict[1, 0, 0], strict[1, 0, 3] = np.inf, np.inf
    model = replace(trained, output=output, weights={**trained.weights, "judgement": strict})
    with pytest.raises(ValueError, match="discriminator of chain 1 accepts 0 of 25600 generated rows, and 5 were"):
        sampled(model, 5)


def test_rejection_by_an_exact_ratio_gives_the_law_of_the_real_rows():
    made, chances = SEED.at("made").numpy().normal(size=40_000), SEED.at("chances").numpy().random(40_000)
    kept = made[Judgement(0.0, 1.0, made.max(), 0.0).sampled(made, chances)]  # log N(1, 1) / N(0, 1) = x - 1 / 2
    assert len(kept) > 500
    assert abs(kept.mean() - 1.0) < 4.0 / np.sqrt(len(kept))
    assert abs(kept.std() - 1.0) < 4.0 / np.sqrt(2 * len(kept))


def test_the_shift_makes_a_share_of_the_generated_rows_likely_to_pass():
    real, made = SEED.at("real").numpy().normal(1.0, size=3000), SEED.at("made").numpy().normal(size=3000)
    judgement = Judgement.calibrated(real, np.ones(3000), made, 0.3)
    assert judgement.slope == pytest.approx(1.0, abs=0.15)
    even = np.full(3000, 0.5)
    assert judgement.sampled(made, even - 1e-9).mean() == pytest.approx(0.3, abs=0.002)


def test_the_calibration_is_scikit_learns_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    real, made = SEED.at("a").numpy().normal(2.0, 1.5, 300), SEED.at("b").numpy().normal(0.0, 1.0, 500)
    weights = SEED.at("c").numpy().random(300)
    shares = np.concatenate([weights / weights.sum(), np.full(500, 1 / 500)])
    reference = LogisticRegression(C=1e6, tol=1e-10).fit(
        np.concatenate([real, made])[:, None], np.repeat([1, 0], [300, 500]), sample_weight=1000 * shares
    )
    assert logistic_slope(real, weights, made) == pytest.approx(reference.coef_[0, 0], rel=5e-3)
    assert np.isfinite(logistic_slope(made + 20.0, np.ones(500), made))
    assert logistic_slope(np.ones(3), np.ones(3), np.ones(4)) == 0.0


def test_a_weighted_quantile_counts_weight():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert upper_quantile(values, np.ones(4), 0.5) == 3.0
    assert upper_quantile(values, np.array([1.0, 1.0, 1.0, 3.0]), 0.5) == 4.0
    assert upper_quantile(values, np.ones(4), 1.0) == 1.0


def cohorts(family, rows):
    """Return rows of two lineages alone and from one batch, in pairs."""
    parts = [Rows(rows.values[:1], labels=rows.labels[:1]), Rows(rows.values[1:, :-9], labels=rows.labels[1:, :-9])]
    seeds, sizes = [SEED.at("one"), SEED.at("other")], [part.chains for part in parts]
    shared = SharedSeed.of(list(zip(seeds, sizes, strict=True)))
    models = family.apart(family.fit(Rows.stack(parts), seed=shared.at("fit")), sizes)
    wide = family.together(models).sample(60, sampler=Sampler(), seed=shared.at("sample")).split(sizes)
    for part, seed, found in zip(parts, seeds, wide, strict=True):
        own = family.fit(part, seed=seed.at("fit"))
        yield own.sample(60, sampler=Sampler(), seed=seed.at("sample")), found


@pytest.mark.parametrize("output", ["all", *FILTERS])
@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_a_cohort_with_classes_is_its_lineages_to_the_last_bit(network, output):
    plain = TINY if network == "dense" else Gan(network=network, channels=2, latent=3, steps=4, critic_steps=2, batch=8)
    family = replace(plain, steps=8, output=output).given(Told(("near", "far"), (5, 6, 1)))
    values, labels = clouds(3, 50, dimensions=30)
    for own, found in cohorts(family, Rows(values, labels=labels)):
        assert own.values.tobytes() == found.values.tobytes()
        assert own.labels.tobytes() == found.labels.tobytes()


def test_each_class_gets_its_own_rows_in_the_shares_of_its_chain_and_a_dead_one_stays_dead():
    values, labels = clouds(2, 400)
    weights = np.where(labels == 1, 2.0, 1.0)
    family = SMALL.given(Told(("near", "far", "gone")))
    rows = sampled(fitted(family, values, weights, labels), 2000)
    assert set(np.unique(rows.labels)) == {0, 1}
    expected = (weights * labels).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(rows.labels.mean(axis=1), expected, atol=0.05)
    right = (rows.values.mean(axis=2) > 7.0) == (rows.labels == 1)
    assert right.mean() > 0.9


def test_pictures_are_convolved_whatever_their_size_and_colours():
    rows = SEED.at("pictures").numpy().random((2, 40, 5 * 7 * 3))
    family = Gan(network="convolutional", channels=2, latent=3, steps=5, critic_steps=2, batch=8)
    model = fitted(family.given(Told(shape=(5, 7, 3))), rows)
    assert sampled(model, 300).values.shape == (2, 300, 105)
    with pytest.raises(ValueError, match="was not given a source"):
        fitted(family, rows)
    with pytest.raises(ValueError, match="rows that are pixels; those of Told are not"):
        family.given(Told())


@pytest.mark.parametrize("output", ["all", *FILTERS])
def test_a_chain_whose_rows_agree_repeats_its_row_beside_one_that_varies(output):
    rows = clouds(2, 100)[0]
    rows[1] = rows[1, :1]
    samples = sampled(fitted(replace(TINY, output=output), rows), 40).values
    assert (samples[1] == rows[1, 0]).all()
    assert samples[0].std() > 0


def test_a_generator_that_makes_one_row_or_broken_ones_is_refused(trained):
    rows = Rows(clouds(2, 400)[0])
    shown = torch.zeros(2, 400, 2), torch.zeros(2, 400, 0)
    for factor, reason in ((0.0, "chain 0 has collapsed"), (np.nan, "not finite")):
        broken = {name: part * factor if "generator" in name else part for name, part in trained.weights.items()}
        with pytest.raises(ValueError, match=reason):
            replace(trained, weights=broken).judged(rows, shown, SEED)


def test_weights_decide_and_rows_of_weight_0_do_not_exist():
    values, labels = clouds(2, 300)
    weights = np.where(labels == 1, 9.0, 1.0)
    samples = sampled(fitted(SMALL, values, weights)).values
    assert ((samples.mean(axis=2) > 7.0).mean(axis=1) > 0.6).all()
    weights[:, 250:], broken = 0.0, values.copy()
    broken[:, 250:] = np.nan
    first, second = (sampled(fitted(TINY, some, weights), 50).values for some in (values, broken))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("output", ["all", *FILTERS])
def test_a_saved_model_samples_the_same_bytes(tmp_path, trained, output):
    model = replace(trained, output=output)
    model.save(tmp_path)
    loaded = replace(SMALL, output=output).load(tmp_path)
    assert sampled(model, 50).values.tobytes() == sampled(loaded, 50).values.tobytes()


def test_truncated_latents_narrow_the_samples(trained):
    narrowed = [sampled(trained, sampler=Sampler(variance_factor=factor)).values for factor in (0.0, 0.1, 1.0)]
    none, some, plain = (values.var(axis=1).sum(axis=1) for values in narrowed)
    assert (none < 1e-9).all()
    assert (some < 0.8 * plain).all()


def test_a_warm_restart_begins_at_both_networks_of_the_parent(trained):
    rows, short = Rows(clouds(2, 400)[0]), replace(SMALL, steps=1, learning_rate=1e-6)
    warm = short.fit(rows, seed=SEED.at("fit"), parent=trained)
    for name in ("generator.1.weight", "critic.0.weight"):
        torch.testing.assert_close(warm.weights[name], trained.weights[name], atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="other layers"):
        replace(short, hidden=17).fit(rows, seed=SEED, parent=trained)


@pytest.mark.parametrize(
    ("settings", "unread"),
    [({"share": 0.3}, "share"), ({"channels": 4}, "channels"), ({"network": "convolutional", "layers": 3}, "layers")],
)
def test_settings_that_would_change_nothing_are_refused(settings, unread):
    with pytest.raises(ValueError, match=f"does not read {unread}"):
        Gan(**settings)
