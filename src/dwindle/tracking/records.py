"""What a tracker is told: plain data, so that it knows nothing of recipes, stages or manifests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Comparison", "Dataset", "GenerationRecord", "LineageRecord", "Setting"]

Setting = str | float | int


@dataclass(frozen=True)
class LineageRecord:
    """What identifies and describes the run of a lineage.

    Args:
        name: name of the lineage.
        identity: digest that a resumed run is found by: sweep, lineage and recipe.
        parameters: the recipe, flat and short.
        tags: family, regime, synthetic ratio, preset and the like.
        label: what the run is called; empty: by the name.
        derived: parameters that only spell out the others. A run that has other ones keeps them.
        colour: `#D55E00`, of its lines; empty: as MLflow likes.
    """

    name: str
    identity: str
    parameters: Mapping[str, Setting] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    derived: Mapping[str, Setting] = field(default_factory=dict)
    colour: str = ""

    @property
    def title(self) -> str:
        """What the run is called."""
        return self.label or self.name


@dataclass(frozen=True)
class Comparison:
    """What the pages of an experiment compare its lineages by.

    Args:
        measures: the main measures, the most telling one first.
        theory: the measures that theory speaks of.
        logarithmic: of both, those that are read on a log scale.
        lineages: how many there are.
        parameters: the parameters in which lineages differ.
        axes: of these, the ones that a chart has an axis for: every lineage has them, and no two say the same.
        numbers: of those, the ones that are numbers.
        settings: what lineages that differ in their seed only are tagged with, as `settings`; empty if there are none.
        verdicts: tags that hold verdicts.
    """

    measures: tuple[str, ...] = ()
    theory: tuple[str, ...] = ()
    logarithmic: frozenset[str] = frozenset()
    lineages: int = 0
    parameters: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """The training rows of one generation, as DVC knows them.

    Args:
        name: name within the experiment, for instance `replace-g003`.
        path: where it stands, relative to the workspace.
        digest: DVC's digest of the folder, at most 36 characters.
        rows: rows of all chains.
    """

    name: str
    path: str
    digest: str
    rows: int


@dataclass(frozen=True)
class GenerationRecord:
    """One generation's measurements: one point on each curve of its lineage.

    Args:
        generation: the step of every point.
        metrics: name to value, in the metric's unit; None, nan and infinities are undefined. Empty: only add a dataset.
        made_ms: when the evaluation was published, ms since 1970 UTC.
        dataset: what the generation trained on.
    """

    generation: int
    metrics: Mapping[str, float | None]
    made_ms: int
    dataset: Dataset | None = None

    def wanted(self) -> dict[str, float | None]:
        """Return each metric a run should hold for this generation; None: it should hold no value.

        A metric without a finite value becomes `<name>.undefined` = 1, because SQL stores keep an infinity as 1.8e308.
        """
        wanted: dict[str, float | None] = {"generation": float(self.generation)}
        for name, value in self.metrics.items():
            finite = value is not None and math.isfinite(value)
            wanted[name] = float(value) if finite and value is not None else None
            wanted[f"{name}.undefined"] = None if finite else 1.0
        return wanted
