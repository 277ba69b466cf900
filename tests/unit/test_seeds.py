"""Seeds are addresses: the same address gives the same numbers for ever, and two addresses share none."""

from __future__ import annotations

import numpy as np
import pytest

from dwindle.seeds import Seed

GOLDEN = [
    ((0,), "91d6039a01f57163ec02db197e5481ff", 5391306081900183854),
    ((1,), "28cb03b06c288e88c6a880eeba293bf9", 4774586942946785226),
    ((2**63 - 1,), "b85fe471762973c6375d5cfbe4328267", 2194492332463351811),
    ((0, "real"), "9aff8a5ce830379e7798e23bff070788", 8157277899736437920),
    ((0, "real", "held_out"), "0bb504d5aea3cb2105665758cda67719", 5528690844107920986),
    ((0, "real", "stream", 450), "a73e4edb22a90d5f386200c355abe1ae", 8286074059331422414),
    ((7, "real"), "2ae1bda9687465608eead8857bdf2a6b", 3086207306996447797),
    ((0, "generation-0", 0, "train"), "7c421cbc9ca2602ee94cf27f95b78794", 1663394987045086130),
    ((0, "generation-0", 0, "evaluate"), "eb068605f4e010e8a3cba42bae250da1", 2128382819487199642),
    ((0, "replace", 1, "generate"), "5e0d42da2d776ae06cda86c264ba3e4a", 1384918431723437498),
    ((0, "replace", 1, "generate", 0), "903c7bb6f41a55a0db25db9dbce46271", 5922675964087138796),
    ((0, "replace", 1, "curate"), "b3c69c377a3453af6e77905af7400a4a", 5792301755479820577),
    ((0, "replace", 2, "generate"), "fe203015b03573616a56038acbc3777c", 4525958146843807884),
    ((0, "replace", "1", "generate"), "f57517be1e8c657e40da7f36a5b0fd4d", 4881273287939434107),
    ((0, "blend", 1, "generate"), "618b23c5c23e51552f8377bf66248ac2", 4012207675449036529),
    ((1, "replace", 1, "generate"), "7f92629b740fedb35a28df62ece6c523", 1084634547853650754),
    ((0, "a", 1, "b"), "33f08e216e61db7090c343d107ca4270", 3500711138654829583),
    ((0, "a", "1b"), "17f4ed356861412f29dbbf41bc501f8e", 8273659346393469970),
    ((0, "a, 1"), "c32d0f5e01bb4bca99d5403fe617172d", 288859311782137675),
    ((0, "l31", 99, "evaluate", "metric"), "ea627754dc733bed13899b531bd14ab0", 1142075745393400988),
]
"""Address, its 128 bits, and the first integer below 2^63 that its generator draws."""

STAGES = ("generate", "curate", "train", "evaluate")


def many():
    """The addresses of 100,000 draws: 250 lineages of 100 generations of 4 stages."""
    lineages = [Seed(0).at(f"lineage-{number}") for number in range(250)]
    return [lineage.at(generation, stage) for lineage in lineages for generation in range(100) for stage in STAGES]


@pytest.fixture(scope="module")
def words():
    return np.array([seed.words for seed in many()], dtype=np.uint64)


@pytest.mark.parametrize(("address", "bits", "drawn"), GOLDEN)
def test_an_address_gives_the_same_numbers_as_ever(address, bits, drawn):
    root, *path = address
    seed = Seed(root).at(*path)
    assert "{:016x}{:016x}".format(*seed.words) == bits
    assert seed.numpy().integers(2**63) == drawn
    assert seed.integer() == int(bits[:16], 16) % 2**32


def test_golden_addresses_are_twenty_and_all_different():
    assert len({bits for _, bits, _ in GOLDEN}) == len({drawn for _, _, drawn in GOLDEN}) == 20


def test_a_hundred_thousand_addresses_have_no_bits_in_common(words):
    assert len(words) == 100_000
    assert len({pair.tobytes() for pair in words}) == 100_000


def test_either_half_of_the_bits_tells_the_addresses_apart(words):
    assert len(np.unique(words[:, 0])) == len(np.unique(words[:, 1])) == 100_000


def test_every_bit_is_set_half_of_the_time(words):
    """Within five binomial standard errors; 128 bits of 100,000 addresses."""
    shares = np.unpackbits(words.view(np.uint8).reshape(len(words), 16), axis=1).mean(axis=0)
    assert np.abs(shares - 0.5).max() < 5 * 0.5 / np.sqrt(len(words))


def test_neighbouring_addresses_are_uncorrelated(words):
    """Correlations of either half at lags of a stage, a generation and a lineage stay within five standard errors."""
    uniform = words / 2.0**64 - 0.5
    for lag in (1, 4, 400):
        products = 12 * uniform[:-lag] * uniform[lag:]
        assert np.abs(products.mean(axis=0)).max() < 5 / np.sqrt(len(products))


@pytest.mark.parametrize("half", [0, 1])
def test_the_bits_are_uniform(words, half):
    from scipy.stats import kstest

    assert kstest(words[:, half] / 2.0**64, "uniform").pvalue > 1e-3


def test_the_first_draws_of_many_addresses_are_uniform_together():
    from scipy.stats import kstest

    first = [seed.numpy().random() for seed in many()[:4000]]
    assert kstest(first, "uniform").pvalue > 1e-3


def test_32_bits_collide_as_often_as_chance_allows(words):
    """Libraries that take 32 bits get n^2 / 2^33 = 1.16 expected collisions in 100,000; eight would be no chance."""
    assert 100_000 - len(np.unique(words[:, 0] & 0xFFFFFFFF)) < 8


def test_drawing_uses_nothing_up():
    seed = Seed(3).at("replace", 1)
    assert np.array_equal(seed.numpy().random(5), seed.numpy().random(5))
    assert seed.numpy() is not seed.numpy()


def test_a_path_may_be_walked_in_any_number_of_steps():
    assert Seed(3).at("a").at(1).at("b") == Seed(3).at("a", 1, "b") == Seed(3, ("a", 1, "b"))


def test_a_number_and_its_spelling_are_two_addresses():
    assert Seed(0).at(1).words != Seed(0).at("1").words
    assert Seed(0).at("a", "b").words != Seed(0).at("a, b").words != Seed(0).at("a', 'b").words


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_a_number_of_numpy_is_the_same_address_as_the_plain_one(kind):
    assert Seed(kind(5)).at(kind(7), np.str_("a")).words == Seed(5).at(7, "a").words


@pytest.mark.parametrize("step", [0.5, None, np.float64(1.0), b"a"])
def test_what_is_neither_a_name_nor_a_number_is_no_step(step):
    with pytest.raises(TypeError):
        _ = Seed(0).at(step).words
