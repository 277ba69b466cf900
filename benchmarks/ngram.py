"""What a bigram costs: fit, sample and evaluate 200 000 tokens, by dwindle and by dictionaries as one would write them.

Usage: python benchmarks/ngram.py [--tokens 200000] [--symbols 10000] [--repeats 3]

Both ways fit the same blocks of Zipf-distributed words, sample as many blocks, and score as many held-out ones; both
smooth alike, so that both must find the same log-likelihood. The faster of the repeats counts, because anything else
the machine does only ever adds.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from dwindle.contracts import Rows, Seed
from dwindle.families.ngram import Ngram
from dwindle.samplers import Sampler

LENGTH, SMOOTHING = 64, 0.1
SEED = Seed(0)

Way = Callable[[np.ndarray, np.ndarray, int], tuple[dict[str, float], float]]


def made_blocks(count: int, symbols: int, name: str) -> np.ndarray:
    """Return blocks in which each word follows one of a few of its own or any word, (count, LENGTH)."""
    generator = SEED.at(name).numpy()
    reach = np.cumsum(1.0 / np.arange(1, symbols + 1))
    words = np.searchsorted(reach, generator.random((count, LENGTH)) * reach[-1])
    followed = generator.random((count, LENGTH)) < 0.6
    leap = generator.integers(1, 20, (count, LENGTH))
    for place in range(1, LENGTH):
        own = (words[:, place - 1] * 31 + leap[:, place] ** 2) % symbols
        words[:, place] = np.where(followed[:, place], own, words[:, place])
    return words


def by_dwindle(training: np.ndarray, held_out: np.ndarray, symbols: int) -> tuple[dict[str, float], float]:
    """Return seconds by step, and the held-out log-likelihood of a token."""
    clock = Clock()
    model = Ngram(symbols=symbols, order=2, smoothing=SMOOTHING).fit(Rows(training[None]), seed=SEED)
    clock.lap("fit")
    model.sample(len(training), sampler=Sampler(), seed=SEED)
    clock.lap("sample")
    mean = float(model.log_prob(Rows(held_out[None])).sum()) / held_out.size
    clock.lap("evaluate")
    return clock.laps, mean


def by_dictionaries(training: np.ndarray, held_out: np.ndarray, symbols: int) -> tuple[dict[str, float], float]:
    """Return the same from a dictionary of counters: mixing by a coin, words by `random.choices` on cumulative sums."""
    rng = random.Random(0)
    training_lists, held_out_lists = training.tolist(), held_out.tolist()
    clock = Clock()
    unigrams: Counter[int] = Counter()
    bigrams: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for block in training_lists:
        unigrams.update(block)
        for before, word in pairwise([symbols, *block]):
            bigrams[before][word] += 1
    laws = {before: prepared(counts) for before, counts in bigrams.items()}
    words = prepared(unigrams)
    clock.lap("fit")
    for _ in training_lists:
        before = symbols
        for _ in range(LENGTH):
            before = chosen(rng, laws.get(before), words, symbols)
    clock.lap("sample")
    total = 0.0
    everything = sum(unigrams.values())
    sums = {before: sum(counts.values()) for before, counts in bigrams.items()}
    for block in held_out_lists:
        for before, word in pairwise([symbols, *block]):
            share = (1 - SMOOTHING) * unigrams[word] / everything + SMOOTHING / symbols
            if before in bigrams:
                share = (1 - SMOOTHING) * bigrams[before].get(word, 0) / sums[before] + SMOOTHING * share
            total += math.log(share)
    clock.lap("evaluate")
    return clock.laps, total / held_out.size


def prepared(counts: Counter[int]) -> tuple[list[int], list[int]]:
    """Return words and cumulative counts, as `random.choices` likes them."""
    words, weights = list(counts), []
    running = 0
    for count in counts.values():
        running += count
        weights.append(running)
    return words, weights


def chosen(
    rng: random.Random, law: tuple[list[int], list[int]] | None, words: tuple[list[int], list[int]], symbols: int
) -> int:
    """Return a word after another: from the bigrams, else from the words, else any."""
    if law is not None and rng.random() >= SMOOTHING:
        return rng.choices(law[0], cum_weights=law[1])[0]
    if rng.random() >= SMOOTHING:
        return rng.choices(words[0], cum_weights=words[1])[0]
    return rng.randrange(symbols)


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        """End a step."""
        now = time.perf_counter()
        self.laps[step], self._last = now - self._last, now


def main() -> None:
    """Print both ways and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    count = -(-options.tokens // LENGTH)
    training, held_out = (made_blocks(count, options.symbols, name) for name in ("training", "held out"))
    ways: dict[str, Way] = {"dwindle": by_dwindle, "dictionaries": by_dictionaries}
    print(f"{training.size} tokens, {options.symbols} words")
    print(
        f"{'way':14} {'fit [s]':>9} {'sample [s]':>11} {'evaluate [s]':>13} {'all [s]':>9} {'tokens/s':>11} {'nats':>9}"
    )
    seconds: dict[str, float] = {}
    means = []
    for name, way in ways.items():
        runs = [way(training, held_out, options.symbols) for _ in range(options.repeats)]
        laps, mean = min(runs, key=lambda run: sum(run[0].values()))
        seconds[name] = sum(laps.values())
        means.append(mean)
        steps = f"{laps['fit']:9.3f} {laps['sample']:11.3f} {laps['evaluate']:13.3f} {seconds[name]:9.3f}"
        print(f"{name:14} {steps} {training.size / seconds[name]:11.0f} {mean:9.4f}", flush=True)
    assert math.isclose(*means, rel_tol=1e-9), "the two ways disagree on the held-out likelihood"
    ratio = seconds["dictionaries"] / seconds["dwindle"]
    print(f"dictionaries over dwindle [times] {ratio:8.2f}")
    print(json.dumps({**{name: round(value, 4) for name, value in seconds.items()}, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
