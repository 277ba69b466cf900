"""What a page is made of: one sweep's plan, evaluations, profiles and manifests, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from dwindle.config.sweep import Sweep
from dwindle.data.manifest import Manifest, read_manifest
from dwindle.errors import BadInput, DataDamaged
from dwindle.intervals import summarize
from dwindle.plan import Plan
from dwindle.profile import Band, Profile
from dwindle.report.canvas import plots_folder
from dwindle.report.page.arrangement import Arrangement, Strand
from dwindle.report.page.palette import Looks, looks_of, named
from dwindle.report.panels import Panel, panels_of
from dwindle.report.profiles import profiles
from dwindle.report.series import Gathered, Series, gather

__all__ = ["Material", "gathered_material"]


@dataclass(frozen=True, eq=False)
class Material:
    """A sweep as it stands on the disk, ready to be shown.

    Args:
        sweep: the sweep.
        plan: its plan: what was grown, whatever the params file says by now.
        gathered: every series that was evaluated.
        panels: the main measures.
        profiles: the collapse profile of each lineage but the control.
        arrangement: what varies and what belongs together.
        looks: how lines are drawn.
        folder: where the page and its pictures stand.
    """

    sweep: Sweep
    plan: Plan
    gathered: Gathered
    panels: tuple[Panel, ...]
    profiles: Mapping[str, Profile]
    arrangement: Arrangement
    looks: Looks
    folder: Path

    @cached_property
    def colours(self) -> dict[str, tuple[str, str]]:
        """The page's name of every colour, and what it is in the dark."""
        return named(self.looks)

    @cached_property
    def evaluated(self) -> dict[str, int]:
        """The last generation evaluated of each lineage; -1 for none."""
        found = dict.fromkeys(self.plan.recipes, -1)
        for by_lineage in self.gathered.values():
            for name, series in by_lineage.items():
                found[name] = max(found[name], int(series.generations[-1]))
        return found

    @cached_property
    def last(self) -> int:
        """The last generation that any lineage was evaluated at."""
        return max(self.evaluated.values())

    @property
    def by_then(self) -> str:
        """When lineages were judged, as words that follow `by` and `at`: `generation 40`, or the last one of each."""
        lasts = {self.evaluated[name] for name in self.profiles}
        if len(lasts) < 2:
            return f"generation {self.last}"
        return f"the last generation of each ({min(lasts)} to {max(lasts)})"

    def planned(self, lineage: str) -> int:
        """Return the number of the last generation that the plan asks for."""
        return len(self.plan.generations(lineage)) - 1

    def pooled(self, panel: Panel, strand: Strand) -> Series | None:
        """Return a measure of a strand: its mean and band are over the chains of all its seeds together."""
        return self._pooled.get((panel.name, strand.label))

    @cached_property
    def _pooled(self) -> dict[tuple[str, str], Series]:
        found = {}
        for panel in self.panels:
            for strand in self.arrangement.strands:
                present = [panel.series[name] for name in strand.lineages if name in panel.series]
                if present:
                    pooled = present[0] if len(present) == 1 else _pool(strand.label, present, panel.measure.scale)
                    found[panel.name, strand.label] = pooled
        return found

    def band(self, measure: str, lineage: str) -> Band | None:
        """Return the band of the control that a lineage is watched through; None where there is no control."""
        profile = self.profiles.get(lineage)
        if self.arrangement.control(lineage) is None or profile is None or measure not in profile.passages:
            return None
        band = profile.passages[measure].band
        return band if np.isfinite(band.centre) else None

    def shared_band(self, measure: str, lineages: Sequence[str]) -> Band | None:
        """Return the widest band that lineages of one control are watched through; None if they have several ones."""
        watched = [name for name in lineages if name not in self.arrangement.controls]
        if len({self.arrangement.control(name) for name in watched}) != 1:
            return None
        bands = [band for name in watched if (band := self.band(measure, name)) is not None]
        return max(bands, key=lambda band: band.reach, default=None)

    def manifest(self, lineage: str, generation: int, part: str) -> Manifest | None:
        """Return a generation's manifest, or None if it is not there or damaged.

        Args:
            lineage: the lineage.
            generation: t.
            part: `rows` (new ones), `train` or `model`.
        """
        return self.manifests.get((lineage, generation, part))

    @cached_property
    def manifests(self) -> dict[tuple[str, int, str], Manifest]:
        """The manifests that are here, by lineage, generation and part."""
        found = {}
        for entry in self.plan.chain.values():
            for part, folder in folders(entry).items():
                manifest = _read(self.sweep.root / folder)
                if manifest is not None:
                    found[entry["lineage"], entry["generation"], part] = manifest
        return found


def folders(entry: Mapping[str, object]) -> dict[str, str]:
    """Return the folders of a generation below the workspace, by what is in them."""
    return {
        "rows": str(entry["rows"]),
        "train": f"data/{entry['folder']}/train",
        "model": f"models/{entry['folder']}",
    }


def _read(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except DataDamaged:
        return None


def _pool(label: str, present: list[Series], scale: str) -> Series:
    """Lay the chains of several series side by side; chains of other seeds are independent of each other."""
    generations = np.unique(np.concatenate([series.generations for series in present]))
    chains = np.full((len(generations), sum(series.chains.shape[1] for series in present)), np.nan)
    left = 0
    for series in present:
        right = left + series.chains.shape[1]
        chains[np.searchsorted(generations, series.generations), left:right] = series.chains
        left = right
    found = [summarize(row, scale="log" if scale == "log" else "linear") for row in chains]
    mean, low, high = (np.array([getattr(one, part) for one in found]) for part in ("mean", "low", "high"))
    return Series(label, generations, mean, low, high, chains, tuple(one.reason for one in found))


def gathered_material(sweep: Sweep, plan: Plan) -> Material:
    """Read what is there of a sweep.

    Raises:
        BadInput: if nothing of it is evaluated.
    """
    gathered = gather(sweep.root, plan)
    if not gathered:
        raise BadInput(f"{plan.sweep}: nothing is evaluated yet; grow its lineages first, `dwindle run` does")
    arrangement = Arrangement(sweep, plan)
    return Material(
        sweep,
        plan,
        gathered,
        panels_of(sweep.root, plan),
        profiles(sweep.root, plan),
        arrangement,
        looks_of(arrangement),
        plots_folder(sweep.root, plan.sweep) / "report",
    )
