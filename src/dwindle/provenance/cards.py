"""Write cards: for each generation a README.md and a croissant.json in `cards/<lineage>/<generation>/`."""

from __future__ import annotations

from pathlib import Path

from dwindle.errors import BadInput
from dwindle.plan import Plan
from dwindle.provenance.answer import answer
from dwindle.provenance.croissant import croissant_text
from dwindle.provenance.datasets import Dataset, datasets, entry_of
from dwindle.provenance.readme import card_text
from dwindle.provenance.statements import statements
from dwindle.report.canvas import keep

__all__ = ["CARDS", "write_cards"]

CARDS = "cards"


def write_cards(root: Path, plan: Plan, lineage: str | None = None, generation: int | None = None) -> list[Path]:
    """Write the cards of datasets; one that says the same already is left alone.

    Args:
        root: the workspace.
        plan: its plan.
        lineage: whose datasets; None: those of every lineage.
        generation: which one's; None: that of every generation that is here.

    Returns:
        The folder of each card.

    Raises:
        BadInput: if there is no such lineage or generation, or nothing is here.
        DataDamaged: if a file is not what its manifest says.
    """
    names = list(plan.recipes) if lineage is None else [lineage]
    found = [dataset for name in names for dataset in datasets(root, plan, name, upto=generation)]
    chosen = [dataset for dataset in found if generation in (None, dataset.generation)]
    if not chosen:
        raise BadInput(f"{', '.join(names)}: nothing is grown yet; grow the sweep first, or `dvc pull`")
    return [_written(root, plan, dataset) for dataset in chosen]


def _written(root: Path, plan: Plan, dataset: Dataset) -> Path:
    place = Path(CARDS) / str(entry_of(plan, dataset.lineage, dataset.generation)["folder"])
    told, files = statements(root, plan, dataset), answer(root, plan, dataset.lineage, dataset.generation)
    card = card_text(plan, dataset, told, files)
    described = croissant_text(root, plan, dataset, told, files, depth=len(place.parts))
    keep(root / place / "README.md", card.encode())
    keep(root / place / "croissant.json", described.encode())
    return root / place
