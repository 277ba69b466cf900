"""Logistic regressions with a ridge, of all chains at once, by Newton's method."""

from __future__ import annotations

import numpy as np

from dwindle.data.rows import FloatArray, IntArray

__all__ = ["logistic", "newton"]

_STEPS = 200  # no rows are known that take 50
_CONVERGED = 1e-14  # the last step still gains half of this, nats a row


def logistic(points: FloatArray, signs: IntArray, *, ridge: float = 1.0) -> FloatArray:
    """Return the coefficients of each chain's logistic regression, (c, k + 1), the intercept last.

    They minimise the sum over rows of log(1 + exp(-s (b . x + a))) plus `ridge` / 2 |b|^2. The ridge is scikit-learn's
    default, C = 1; the intercept has none. A chain whose rows are all of one sign has coefficients 0.

    Args:
        points: (c, n, k).
        signs: (c, n) 1 or -1, or 0 for a row that does not count.
        ridge: penalty, nats.
    """
    both = (signs > 0).any(axis=1) & (signs < 0).any(axis=1)
    slopes = np.zeros((len(points), points.shape[2] + 1))
    turned = np.concatenate([points[both], np.ones((int(both.sum()), points.shape[1], 1))], axis=2)
    turned *= signs[both][..., None]
    counts = (signs[both] != 0).sum(axis=1, keepdims=True)
    shares = (signs[both] != 0) / counts
    # Next to nothing on the intercept: where a plane separates the rows, rounding may leave it no curvature of its own.
    penalty = ridge * np.append(np.ones(points.shape[2]), 1e-10) / counts
    slopes[both] = newton(turned, shares, penalty)
    return slopes


def newton(turned: FloatArray, shares: FloatArray, penalty: FloatArray) -> FloatArray:
    """Return the coefficients of each chain, (c, k), from 0 on by Newton steps, halved until the loss does not rise.

    The loss is the sum over rows of share x log(1 + exp(-b . x)), plus half the sum over coefficients of penalty x b^2.
    It is convex, so that the steps end at its one minimum; nan where it is nowhere finite.

    Args:
        turned: (c, n, k) inputs, those of the second class with their sign turned; 0 for a row that does not exist.
        shares: (1 or c, n) of the rows; a chain's sum to 1.
        penalty: (1 or c, k) on the square of each coefficient, above 0, nats a row.
    """
    chains, _, dimensions = turned.shape
    shares = np.broadcast_to(shares, turned.shape[:2])
    penalty = np.broadcast_to(penalty, (chains, dimensions))
    slopes, going = np.zeros((chains, dimensions)), np.arange(chains)
    step, loss, length = np.zeros((chains, dimensions)), np.full(chains, np.inf), np.ones(chains)
    for _ in range(_STEPS):
        if not going.size:
            break
        tried = slopes[going] + length[:, None] * step
        found, downhill, gain = _judged(tried, turned, shares, penalty)
        better = found <= loss + np.finfo(np.float64).eps
        slopes[going[better]] = tried[better]
        step[better], loss[better] = downhill[better], found[better]
        length = np.where(better, 1.0, length / 2)
        left = ~better | (gain > _CONVERGED)
        slopes[going[~left]] += step[~left]
        if not left.all():
            going, step, loss, length = going[left], step[left], loss[left], length[left]
            turned, shares, penalty = turned[left], shares[left], penalty[left]
    slopes[going[~np.isfinite(loss)]] = np.nan
    return slopes


def _judged(
    slopes: FloatArray, turned: FloatArray, shares: FloatArray, penalty: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the loss at the slopes, (c,), the Newton step from there, (c, k), and twice what it should gain, (c,)."""
    margins = np.matmul(turned, slopes[..., None])[..., 0]
    tails = np.exp(-np.abs(margins))
    loss = (shares * (np.log1p(tails) - np.minimum(margins, 0.0))).sum(axis=1)
    loss += 0.5 * (penalty * slopes * slopes).sum(axis=1)
    missed = np.where(margins > 0, tails, 1.0) / (1.0 + tails)
    uphill = np.matmul((shares * missed)[:, None], turned)[:, 0] - penalty * slopes
    spread = (shares * missed * (1.0 - missed))[..., None]
    curvature = np.matmul((spread * turned).swapaxes(1, 2), turned) + penalty[..., None] * np.eye(slopes.shape[1])
    step = np.linalg.solve(curvature, uphill[..., None])[..., 0]
    return loss, step, (uphill * step).sum(axis=1)
