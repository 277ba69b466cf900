from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.nets.features import feature_net

DATA, DIGITS = load_digits(return_X_y=True)
PIXELS = (DATA / 16.0)[None]
LABELS = DIGITS[None].astype(np.int64)


@dataclass(frozen=True)
class Pictures:
    """What a source says of its rows."""

    shape: tuple[int, int, int] | None = None
    names: tuple[str, ...] = ()

    def pixels(self):
        return self.shape

    def images(self, values, *, seed):
        return values.reshape(-1, 8, 8)

    def label_names(self):
        return self.names


CLASSES = tuple("0123456789")
SOURCES = [Pictures((8, 8, 1), CLASSES), Pictures(None, CLASSES), Pictures((8, 8, 1))]


def looked_at(source, rows=None, seed=0):
    rows = Rows(PIXELS[:, :1000], labels=LABELS[:, :1000]) if rows is None else rows
    return replace(evidence("vectors"), source=source, anchor=rows, seed=Seed(seed, ("metric",)))


@pytest.mark.parametrize("source", SOURCES[:2], ids=["convolutional", "dense"])
def test_labelled_rows_make_a_classifier_that_is_right_about_rows_it_has_not_seen(source):
    net = feature_net(looked_at(source))
    assert net.labels == 10
    assert (net.classes(PIXELS[:, 1000:]) == LABELS[:, 1000:]).mean() > 0.9
    features = net.features(PIXELS[:, :1000])[0]
    assert features.shape == (1000, 32)
    assert features.mean(axis=0) == pytest.approx(0.0, abs=1e-6)
    assert features.var(axis=0).mean() == pytest.approx(1.0)


def test_rows_without_labels_make_an_autoencoder_whose_features_tell_classes_apart():
    net = feature_net(looked_at(SOURCES[2], Rows(PIXELS[:, :1000])))
    features = net.features(PIXELS)[0]
    assert (net.labels, features.shape) == (0, (1797, 16))
    gaps = ((features[1000:, None] - features[None, :1000]) ** 2).sum(axis=2)
    assert (DIGITS[gaps.argmin(axis=1)] == DIGITS[1000:]).mean() > 0.9
    with pytest.raises(ValueError, match="knows no classes"):
        net.classes(PIXELS)


@pytest.mark.parametrize("source", SOURCES, ids=["convolutional", "dense", "autoencoder"])
def test_a_thousand_rows_of_64_numbers_are_learnt_in_less_than_two_seconds_once(source):
    found = looked_at(source, seed=5)
    started = time.process_time()
    net = feature_net(found)
    trained = time.process_time()
    assert feature_net(replace(found, generation=7)) is net
    assert trained - started < 2.0
    assert time.process_time() - trained < 0.05


ELSEWHERE = """
import numpy as np
from dataclasses import replace
from dwindle.checks.examples import evidence
from dwindle.contracts import Rows
from dwindle.nets.features import feature_net
values = np.random.default_rng(0).random((1, 200, 64))
found = replace(evidence("vectors"), anchor=Rows(values, labels=(2.9 * values[..., 0]).astype(np.int64)))
print(feature_net(found).sha256)
"""


def test_another_process_with_other_threads_trains_the_same_net():
    found: list[str] = []
    exec(ELSEWHERE, {"print": found.append})
    threads = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True, env=threads)
    assert done.stdout.split() == found


def test_other_rows_other_labels_another_seed_or_source_make_another_net():
    rows = Rows(PIXELS[:, :300], labels=LABELS[:, :300])
    others = [
        looked_at(SOURCES[1], rows),
        looked_at(SOURCES[1], rows, seed=1),
        looked_at(SOURCES[0], rows),
        looked_at(SOURCES[1], replace(rows, values=rows.values * 0.9)),
        looked_at(SOURCES[1], replace(rows, labels=9 - rows.labels)),
    ]
    assert len({feature_net(other).sha256 for other in others}) == 5


def test_rows_of_no_weight_and_of_no_class_are_not_learnt():
    plain = feature_net(looked_at(SOURCES[1], Rows(PIXELS[:, :200], labels=LABELS[:, :200])))
    labels = np.concatenate([LABELS[:, :200], LABELS[:, 200:250], np.full((1, 50), -1)], axis=1)
    weights = np.repeat([1.0, 0.0, 1.0], [200, 50, 50])[None]
    padded = feature_net(looked_at(SOURCES[1], Rows(PIXELS[:, :300], weights, labels=labels)))
    assert padded.sha256 == plain.sha256


def test_features_of_a_chain_do_not_depend_on_the_others_and_are_finite_far_away():
    net = feature_net(looked_at(SOURCES[0]))
    chains = PIXELS[0, :60].reshape(3, 20, 64)
    chains[1] *= 1e100
    together = net.features(chains)
    assert np.isfinite(together).all()
    assert (together[2] == net.features(chains[2:])[0]).all()
