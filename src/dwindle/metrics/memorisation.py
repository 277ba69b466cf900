"""Whether the samples sit on the rows that the models were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from dwindle.contracts import Array, Evidence, FloatArray, Kind, Measure, Measurement, Rows, Within
from dwindle.data.neighbours import nearest_two
from dwindle.data.summaries import NOT_FINITE, usable_chains

__all__ = ["Memorisation"]


@dataclass(frozen=True)
class Memorisation:
    """How near the samples are to the training rows, and how many of them are copies.

    The ratio is the median distance of a sample to its nearest training row, over that of a held-out row: 1 for samples
    of the real law, below 1 where they sit on training rows, above 1 where they lie where no rows are. Where training
    rows are synthetic and have narrowed, held-out rows lie far from them, and the ratio falls without any copying: the
    ratio to the anchor tells of real rows, and the share of copies of single ones.

    A sample is a copy if it is nearer to its nearest training row than `threshold` times its distance to the second
    nearest. Training rows that are equal count once, and labels do not count. Both are told of the rows that trained
    the model, synthetic ones too, and of the anchor, the real rows that trained generation 0.

    Args:
        threshold: share of the distance to the second nearest training row within which a sample is a copy.

    Source: Yoon et al. 2023, Diffusion probabilistic models generalize when they fail to memorize, section 3 (copies,
        a third); Shi et al. 2025, A closer look at model collapse: from a generalization-to-memorization perspective
        (mean distance of the samples to their nearest training row; here a median, over that of held-out rows).
    """

    threshold: Annotated[float, Within(low=0.0, high=1.0, unit="fraction")] = 1 / 3

    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors"})
    measures: ClassVar[Mapping[str, Measure]] = {
        "memorisation_ratio": Measure(
            "as_anchor", "ratio", "distance to the nearest training row, over that of held-out rows", scale="log"
        ),
        "copied_share": Measure("as_anchor", "fraction", "share of samples that are copies of a training row"),
        "anchor_memorisation_ratio": Measure(
            "as_anchor", "ratio", "distance to the nearest anchor row, over that of held-out rows", scale="log"
        ),
        "anchor_copied_share": Measure("as_anchor", "fraction", "share of samples that are copies of an anchor row"),
    }

    def measure(self, evidence: Evidence) -> Mapping[str, Measurement]:
        """Measure one generation; undefined without two training rows, or where held-out rows are training rows."""
        training = self._against(evidence, evidence.training)
        anchor = training if _equal(evidence.training, evidence.anchor) else self._against(evidence, evidence.anchor)
        return dict(zip(self.measures, (*training, *anchor), strict=True))

    @classmethod
    def smallest(cls) -> Self:
        """Return the defaults: nothing here is large."""
        return cls()

    def _against(self, evidence: Evidence, rows: Rows) -> tuple[Measurement, Measurement]:
        """Return the ratio and the share of copies; each chain is held against its own rows."""
        samples, held_out = evidence.samples.values, evidence.held_out.values[0]
        values, usable = np.full((2, len(samples)), np.nan), usable_chains(samples)
        why: tuple[set[str], set[str]] = (set(), set()) if usable.all() else ({NOT_FINITE}, {NOT_FINITE})
        for chain in np.flatnonzero(usable):
            own = np.unique(rows.chain(int(chain)).values[0], axis=0)
            if len(own) < 2 or not np.isfinite(own).all():
                why[0].add("fewer than two training rows differ, or some are not finite")
                why[1].update(why[0])
                continue
            values[:, chain] = self._told(samples[chain], held_out, own)
            if np.isnan(values[0, chain]):
                why[0].add("half of the held-out rows are training rows")
        ratio, copied = (Measurement(row, "; ".join(sorted(some))) for row, some in zip(values, why, strict=True))
        return ratio, copied

    def _told(self, samples: Array, held_out: Array, rows: Array) -> tuple[float, float]:
        nearest, second = nearest_two(samples, rows).T
        real = float(np.median(nearest_two(held_out, rows)[:, 0]))
        ratio = float(np.median(nearest)) / real if real > 0 else np.nan
        return ratio, float((nearest < self.threshold * second).mean())


def _equal(first: Rows, second: Rows) -> bool:
    """Say whether two sets of rows have the same values and weights, place by place."""
    pairs: tuple[tuple[FloatArray, FloatArray], ...] = (
        (first.values, second.values),
        (first.filled_weights(), second.filled_weights()),
    )
    return all(np.array_equal(one, other) for one, other in pairs)
