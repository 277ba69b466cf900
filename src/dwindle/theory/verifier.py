"""Judges that err: what is left of right and of real rows behind a verifier and behind a detector.

Both keep a row with a probability that depends on its class alone, so Bayes' rule gives the shares of what stays. A
share of nothing, where no row stays, is nan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dwindle.contracts import FloatArray

__all__ = ["breakdown", "real_share", "right_share"]


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


def real_share(synthetic_ratio: ArrayLike, true_positive_rate: ArrayLike, false_positive_rate: ArrayLike) -> FloatArray:
    """Return the share of real rows among those that the detector leaves.

    (1 - s)(1 - fpr) / ((1 - s)(1 - fpr) + s (1 - tpr)): 1 - s for a detector that guesses (tpr = fpr).

    Args:
        synthetic_ratio: s, the share of synthetic rows before the detector.
        true_positive_rate: probability that a synthetic row goes.
        false_positive_rate: probability that a real row goes.

    Source: Bayes' rule; the share that Kanabar and Gastpar 2026 need to stay away from 0.
    """
    synthetic = np.asarray(synthetic_ratio, dtype=np.float64)
    real = (1.0 - synthetic) * (1.0 - np.asarray(false_positive_rate, dtype=np.float64))
    return _over(real, real + synthetic * (1.0 - np.asarray(true_positive_rate, dtype=np.float64)))


def _over(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return the share of the whole, nan of nothing."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan), dtype=np.float64)
