"""Judges that err: what is left of right and of real rows behind a verifier and behind a detector.

Both keep a row with a probability that depends on its class alone, so Bayes' rule gives the shares of what stays. A
share of nothing, where no row stays, is nan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dwindle.contracts import FloatArray

__all__ = ["breakdown", "effective_share", "real_share", "right_share"]


def breakdown(keep_right: ArrayLike, keep_wrong: ArrayLike) -> FloatArray:
    """Return p* = 1 / (1 + psi / phi), the generator's error above which most of the rows that stay are wrong.

    With endless rows a classifier trained on what stays tends to no errors below it and to errors alone above it. A
    verifier that guesses (psi = phi) has p* = 1/2, the oracle (psi = 0) has 1.

    Args:
        keep_right: phi, the probability that a right row stays.
        keep_wrong: psi, the probability that a wrong row stays.

    Source: Feng et al. 2025, the breakdown point of section 4.
    """
    right, wrong = np.asarray(keep_right, dtype=np.float64), np.asarray(keep_wrong, dtype=np.float64)
    return _over(right, right + wrong)


def right_share(error: ArrayLike, keep_right: ArrayLike, keep_wrong: ArrayLike) -> FloatArray:
    """Return the share of right rows among those that the verifier keeps: 1/2 at the breakdown point.

    (1 - p) phi / ((1 - p) phi + p psi).

    Args:
        error: p, the share of wrong rows before the verifier.
        keep_right: phi, the probability that a right row stays.
        keep_wrong: psi, the probability that a wrong row stays.

    Source: Bayes' rule on the verifier of Feng et al. 2025, section 4.
    """
    wrong = np.asarray(error, dtype=np.float64)
    right = (1.0 - wrong) * np.asarray(keep_right, dtype=np.float64)
    return _over(right, right + wrong * np.asarray(keep_wrong, dtype=np.float64))


def real_share(
    synthetic_ratio: ArrayLike,
    true_positive_rate: ArrayLike,
    false_positive_rate: ArrayLike,
    marked: ArrayLike = 1.0,
) -> FloatArray:
    """Return the share of real rows among those that the detector leaves.

    (1 - s)(1 - fpr) / ((1 - s)(1 - fpr) + s (1 - tpr)): 1 - s for a detector that guesses (tpr = fpr). Where a share q
    of the synthetic rows alone carries what it detects, tpr is q tpr + (1 - q) fpr.

    Args:
        synthetic_ratio: s, the share of synthetic rows before the detector.
        true_positive_rate: probability that a synthetic row goes that carries the mark.
        false_positive_rate: probability that any other row goes.
        marked: q, the share of the synthetic rows that carries the mark.

    Source: Bayes' rule; the share that Kanabar and Gastpar 2026 need to stay away from 0.
    """
    real, synthetic = _left(synthetic_ratio, true_positive_rate, false_positive_rate, marked)
    return _over(real, real + synthetic)


def effective_share(
    synthetic_ratio: ArrayLike,
    true_positive_rate: ArrayLike,
    false_positive_rate: ArrayLike,
    marked: ArrayLike = 1.0,
) -> FloatArray:
    """Return how many real rows a row of the mixture is worth to who uses the detector's verdict and drops nothing.

    a^2 (1 + chi2(Q1 || Q)), a the real share, Q1 the law of the verdict on a real row and Q that on any row: a^2 for a
    detector that guesses, a for one that never errs. It is the sum over both verdicts of their share of the rows times
    the square of the real share there; dropping what is found leaves the part of the others alone.

    Args:
        synthetic_ratio: s = 1 - a, the share of synthetic rows before the detector.
        true_positive_rate: probability that a synthetic row is found that carries the mark.
        false_positive_rate: probability that any other row is.
        marked: share of the synthetic rows that carries the mark.

    Source: Kanabar and Gastpar 2026, the effective sample size with a detector, a generation's part of it.
    """
    kept = _left(synthetic_ratio, true_positive_rate, false_positive_rate, marked)
    caught, mistaken = (1.0 - np.asarray(rate, dtype=np.float64) for rate in (true_positive_rate, false_positive_rate))
    found = _left(synthetic_ratio, caught, mistaken, marked)
    parts = (_over(real**2, real + synthetic) for real, synthetic in (kept, found))
    return np.asarray(np.nansum(np.stack(np.broadcast_arrays(*parts)), axis=0), dtype=np.float64)


def _left(ratio: ArrayLike, caught: ArrayLike, mistaken: ArrayLike, marked: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return how much of all rows is real and left, and how much is synthetic and left."""
    synthetic, share = np.asarray(ratio, dtype=np.float64), np.asarray(marked, dtype=np.float64)
    kept = 1.0 - np.asarray(mistaken, dtype=np.float64)
    unseen = 1.0 - np.asarray(caught, dtype=np.float64)
    return np.asarray((1.0 - synthetic) * kept), np.asarray(synthetic * (share * unseen + (1.0 - share) * kept))


def _over(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return the share of the whole, nan of nothing."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan), dtype=np.float64)
