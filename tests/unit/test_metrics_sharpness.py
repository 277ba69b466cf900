from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, laplace

from dwindle.checks.examples import evidence
from dwindle.contracts import Rows, Seed
from dwindle.metrics.sharpness import Sharpness

GENERATOR = np.random.default_rng(18)
REAL = GENERATOR.random((1, 40, 12 * 10))


@dataclass(frozen=True)
class Pictures:
    """A source of pictures that are twice as bright as their rows."""

    shape: tuple[int, ...] = (12, 10)

    def pixels(self):
        return None

    def images(self, values, *, seed):
        assert isinstance(seed, Seed)
        return 2.0 * values.reshape(-1, *self.shape)


def sharpness(samples, held_out=REAL, source=None):
    source = Pictures() if source is None else source
    found = replace(evidence("vectors"), samples=Rows(samples), held_out=Rows(held_out), source=source)
    return Sharpness().measure(found)["sharpness"]


def by_scipy(rows):
    return np.mean([laplace(picture)[1:-1, 1:-1].var() for picture in rows.reshape(-1, 12, 10)])


def test_it_is_the_ratio_of_scipys_laplacians():
    samples = GENERATOR.random((3, 30, 120)) ** 2
    expected = [by_scipy(chain) / by_scipy(REAL) for chain in samples]
    assert sharpness(samples).values == pytest.approx(expected, rel=1e-9)


def test_blurred_pictures_are_less_sharp_and_copies_are_as_sharp():
    blurred = gaussian_filter(REAL.reshape(1, 40, 12, 10), (0, 0, 1, 1)).reshape(REAL.shape)
    assert sharpness(REAL.copy()).values == pytest.approx([1.0])
    assert sharpness(blurred).values < 0.1


def test_colours_are_averaged():
    rows = GENERATOR.random((1, 20, 5 * 8 * 3))
    rows.reshape(-1, 5, 8, 3)[..., 1:] = 0.5
    grey = rows.reshape(1, 20, 40, 3)[..., 0]
    plain = np.mean([laplace(picture)[1:-1, 1:-1].var() for picture in grey.reshape(-1, 5, 8)])
    real = GENERATOR.random((1, 20, 120))
    over = np.mean(
        [laplace(real[0, n].reshape(5, 8, 3)[..., k])[1:-1, 1:-1].var() for n in range(20) for k in range(3)]
    )
    assert sharpness(rows, real, Pictures((5, 8, 3))).values == pytest.approx([plain / 3 / over], rel=1e-9)


@pytest.mark.parametrize(
    ("held_out", "source", "reason"),
    [
        (REAL, object(), "no pictures"),
        (REAL, Pictures((2, 60)), "three pixels a side"),
        (np.ones((1, 5, 120)), None, "are flat"),
    ],
)
def test_what_is_no_picture_has_no_sharpness(held_out, source, reason):
    found = sharpness(REAL.copy(), held_out, source)
    assert np.isnan(found.values).all()
    assert reason in found.reason
