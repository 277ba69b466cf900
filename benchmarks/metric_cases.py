"""The metrics that benchmarks/metrics.py measures: each as dwindle has it, and as a library has it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwindle.checks.examples import evidence
from dwindle.contracts import Evidence, Metric, Rows, Seed
from dwindle.data import kernels, neighbours
from dwindle.data.summaries import mean_and_covariance, squared_wasserstein
from dwindle.metrics import vendi
from dwindle.metrics.memorisation import Memorisation
from dwindle.metrics.mmd import Mmd
from dwindle.metrics.prdc import Prdc
from dwindle.metrics.self_bleu import SelfBleu
from dwindle.metrics.sharpness import Sharpness
from dwindle.metrics.sliced_wasserstein import SlicedWasserstein
from dwindle.metrics.two_sample_auc import TwoSampleAuc

DIMENSIONS, WIDE, NEIGHBOURS, DIRECTIONS = 64, 768, 5, 200
TEXTS, TOKENS, SYMBOLS = 300, 64, 1000
PICTURES, SIDE = 2000, 28
SEED = Seed(0, ("metrics",))

Numbers = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A metric in two ways.

    Args:
        ours: returns dwindle's numbers.
        library: returns the library's.
        named: the library.
        target: how many times as fast dwindle is meant to be; None where nothing was promised.
        repeats: turns of each way at most.
    """

    ours: Numbers
    library: Numbers
    named: str
    target: float | None = None
    repeats: int = 100


def rows_of(name: str, count: int, dimensions: int, spread: float = 1.0) -> np.ndarray:
    """Return normal rows, (n, d)."""
    return spread * SEED.at(name).numpy().standard_normal((count, dimensions))


def evidence_of(samples: np.ndarray, real: np.ndarray, **other: Any) -> Evidence:
    """Return evidence of one chain, whose anchor is the held-out rows unless another is given."""
    rows = Rows(real[None])
    return replace(evidence("vectors"), samples=Rows(samples[None]), held_out=rows, **{"anchor": rows, **other})


def measured(metric: Metric, samples: np.ndarray, held_out: np.ndarray, **other: Any) -> list[float]:
    """Return what a metric of dwindle makes of one chain, with nothing kept from before."""
    for known in (neighbours._real_radii, kernels._real_mean, kernels._median_of_pairs, vendi._real_score):
        known.forget()
    return [float(one.values[0]) for one in metric.measure(evidence_of(samples, held_out, **other)).values()]


def balls(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return precision, recall, density and coverage."""
    from prdc import compute_prdc

    def library() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = compute_prdc(real, samples, NEIGHBOURS)
        return [found[name] for name in Prdc.measures]

    return Case(lambda: measured(Prdc(NEIGHBOURS), samples, real), library, "prdc", 4.0)


def frechet(dimensions: int, rows: int) -> Case:
    """Return the Frechet distance of two laws whose moments are known."""
    from scipy.linalg import sqrtm

    mixing = rows_of("mixing", dimensions, dimensions) / np.sqrt(dimensions)
    (mean,), (covariance,) = mean_and_covariance((rows_of("samples", rows, dimensions) @ mixing)[None])
    (real_mean,), (real_covariance,) = mean_and_covariance(rows_of("real", rows, dimensions)[None])

    def library() -> float:
        root = sqrtm(covariance @ real_covariance).real
        return ((mean - real_mean) ** 2).sum() + np.trace(covariance + real_covariance - 2 * root)

    def ours() -> np.ndarray:
        return squared_wasserstein(mean[None], covariance[None], real_mean, real_covariance)

    return Case(ours, library, "scipy sqrtm", 5.0 if dimensions == WIDE else None)


def discrepancy(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the unbiased maximum mean discrepancy, with the width that the metric takes from its anchor."""
    from scipy.spatial.distance import pdist
    from sklearn.metrics.pairwise import rbf_kernel

    anchor = rows_of("anchor", 1000, DIMENSIONS)

    def library() -> float:
        gamma, count, size = 0.5 / np.median(pdist(anchor)) ** 2, len(samples), len(real)
        within = (rbf_kernel(samples, gamma=gamma).sum() - count) / (count * (count - 1))
        within += (rbf_kernel(real, gamma=gamma).sum() - size) / (size * (size - 1))
        return within - 2.0 * rbf_kernel(samples, real, gamma=gamma).mean()

    return Case(lambda: measured(Mmd(), samples, real, anchor=Rows(anchor[None])), library, "sklearn rbf_kernel", 4.0)


def kernel_distance(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the kernel distance, of rows in place of features: the net is not what is compared."""
    from sklearn.metrics.pairwise import polynomial_kernel

    def library() -> float:
        within = [polynomial_kernel(rows, degree=3) for rows in (samples, real)]
        means = [(part.sum() - np.trace(part)) / (len(part) * (len(part) - 1)) for part in within]
        return sum(means) - 2.0 * polynomial_kernel(samples, real, degree=3).mean()

    def ours() -> np.ndarray:
        kernels._real_mean.forget()
        return kernels.discrepancies(samples[None], real, kernels.CubicKernel(samples.shape[1]))

    return Case(ours, library, "sklearn polynomial_kernel")


def sliced(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the sliced Wasserstein distance along the same directions."""
    import ot

    metric = SlicedWasserstein(DIRECTIONS)
    directions = np.ascontiguousarray(metric._directions(evidence_of(samples, real)).T)

    def library() -> float:
        return ot.sliced_wasserstein_distance(samples, real, projections=directions)

    return Case(lambda: measured(metric, samples, real), library, "POT", 8.0)


def scores(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the Vendi score by the cosine, and its ratio to the real one."""
    from vendi_score import vendi as library

    def by_library() -> list[float]:
        own, theirs = library.score_dual(samples), library.score_dual(real)
        return [own, own / theirs]

    metric = vendi.Vendi(kernel="cosine", rows=len(samples))
    return Case(lambda: measured(metric, samples, real), by_library, "vendi-score")


def gaussian_scores(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the Vendi score of 500 rows by a Gaussian kernel, and its ratio to the real one."""
    from scipy.spatial.distance import pdist
    from sklearn.metrics.pairwise import rbf_kernel
    from vendi_score import vendi as library

    anchor = rows_of("anchor", 1000, DIMENSIONS)

    def by_library() -> list[float]:
        gamma = 0.5 / np.median(pdist(anchor)) ** 2
        own, theirs = (library.score_K(rbf_kernel(rows[:500], gamma=gamma)) for rows in (samples, real))
        return [own, own / theirs]

    return Case(lambda: measured(vendi.Vendi(), samples, real, anchor=Rows(anchor[None])), by_library, "vendi-score")


def copies(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the memorisation ratio and the share of copies, of training and anchor rows that are the same."""
    from sklearn.neighbors import NearestNeighbors

    training = Rows(rows_of("training", len(samples), DIMENSIONS)[None])

    def library() -> list[float]:
        tree = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(training.values[0])
        own, theirs = tree.kneighbors(samples)[0], tree.kneighbors(real)[0]
        return [np.median(own[:, 0]) / np.median(theirs[:, 0]), (own[:, 0] < own[:, 1] / 3).mean()] * 2

    return Case(
        lambda: measured(Memorisation(), samples, real, training=training, anchor=training),
        library,
        "sklearn neighbors",
    )


def told_apart(samples: np.ndarray, real: np.ndarray) -> Case:
    """Return the cross-validated area of a logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    def library() -> float:
        rows = np.concatenate([samples, real])
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        points = np.hstack([rows, (rows**2 - (rows**2).mean(axis=0)) / (rows**2).std(axis=0)])
        classes, part = np.repeat([1, 0], len(samples)), np.tile(np.arange(len(samples)), 2) % 5
        areas = []
        for one in range(5):
            model = LogisticRegression(tol=1e-8, max_iter=1000).fit(points[part != one], classes[part != one])
            areas.append(roc_auc_score(classes[part == one], model.decision_function(points[part == one])))
        return float(np.mean(areas))

    return Case(lambda: measured(TwoSampleAuc(), samples, real), library, "sklearn LogisticRegression")


@dataclass(frozen=True)
class Drawn:
    """A source whose rows are square pictures."""

    def pixels(self) -> tuple[int, int, int]:
        return SIDE, SIDE, 1

    def images(self, values: np.ndarray, *, seed: Seed) -> np.ndarray:
        return values.reshape(-1, SIDE, SIDE)


def laplacians() -> Case:
    """Return the sharpness of pictures of 28 x 28 pixels."""
    from scipy.ndimage import laplace

    samples, real = (rows_of(name, PICTURES, SIDE * SIDE) for name in ("samples", "real"))

    def library() -> float:
        pictures = (rows.reshape(-1, SIDE, SIDE) for rows in (samples, real))
        own, theirs = (np.mean([laplace(one)[1:-1, 1:-1].var() for one in some]) for some in pictures)
        return own / theirs

    return Case(lambda: measured(Sharpness(), samples, real, source=Drawn()), library, "scipy laplace")


def likeness() -> Case:
    """Return self-BLEU-4 of 300 blocks of 64 tokens."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    blocks = (SYMBOLS * SEED.at("texts").numpy().random((TEXTS, TOKENS)) ** 3).astype(np.int64)
    texts = blocks.tolist()

    def library() -> float:
        smoothing = SmoothingFunction().method1
        each = (
            sentence_bleu(texts[:place] + texts[place + 1 :], text, smoothing_function=smoothing)
            for place, text in enumerate(texts)
        )
        return float(np.mean(list(each)))

    return Case(lambda: measured(SelfBleu(), blocks, blocks), library, "nltk", 300.0, repeats=1)


def cases(rows: int) -> Mapping[str, Case]:
    """Return what is measured, by name."""
    samples, real = rows_of("samples", rows, DIMENSIONS, 0.9), rows_of("real", rows, DIMENSIONS)
    return {
        "prdc, k = 5": balls(samples, real),
        "frechet, 64 d, from moments": frechet(DIMENSIONS, rows),
        "frechet, 768 d, from moments": frechet(WIDE, rows),
        "mmd": discrepancy(samples, real),
        "kernel distance": kernel_distance(samples, real),
        f"sliced wasserstein, {DIRECTIONS}": sliced(samples, real),
        "vendi, cosine": scores(samples, real),
        "vendi, gaussian, 500 rows": gaussian_scores(samples, real),
        "memorisation": copies(samples, real),
        "two-sample auc": told_apart(samples, real),
        "sharpness, 2000 of 28 x 28": laplacians(),
        "self-bleu, 300 texts of 64": likeness(),
    }
