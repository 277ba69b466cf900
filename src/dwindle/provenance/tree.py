"""A walk back to real rows as a tree for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dwindle.data.published import LAW
from dwindle.provenance.ancestry import Ancestor, RealRows
from dwindle.provenance.beyond import Beyond
from dwindle.provenance.walking import Step, Walk

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["by_origin", "tree_of"]

_SHOWN, _LAST = 10, 2
"""Models at the near end of a long walk that are shown, and at its far end."""


def tree_of(walk: Walk) -> Tree:
    """Return the tree: the row, what it answers, and model behind model down to real rows."""
    from rich.text import Text
    from rich.tree import Tree

    first = walk.steps[0]
    tree = Tree(Text(f"{walk.lineage}/{walk.generation}/{first.row}, chain {first.chain}", style="bold"))
    _hang(tree, walk)
    return tree


def _hang(tree: Tree, walk: Walk) -> None:
    """Hang a walk below a node, and below its end the walks that go on behind published rows."""
    from rich.text import Text

    for line in _about(walk.steps[0], walk) if walk.steps else ():
        tree.add(Text(line))
    node = tree
    for step in walk.steps[1:]:
        node = node.add(Text(f"answers row {step.row} of {step.place.folder}: {step.shown}"))
        for line in _about(step, walk)[1:]:
            node.add(Text(line))
    node = tree
    for line in _lines(walk.ancestors):
        node = node.add(Text(line))
    if walk.ancestors or not walk.steps:
        node = node.add(Text(_ended(walk.real)))
    for beyond in walk.beyond:
        behind = node.add(Text(_behind(beyond)))
        if beyond.walk is not None:
            _hang(behind, beyond.walk)


def _behind(beyond: Beyond) -> str:
    """Return where published rows stand, or one of them, what it is there, and where the walk ends if it does."""
    rows = f"published rows of {beyond.folder}"
    if beyond.line is not None:
        origin = beyond.origin if not beyond.origin.isdigit() else f"generation {beyond.origin}"
        rows += f", here shard {beyond.shard}, line {beyond.line}, origin there {origin}"
    ended = f"; {beyond.ended}" if beyond.ended else ""
    return f"{rows}: {beyond.depth} synthetic ancestor{'' if beyond.depth == 1 else 's'}{ended}"


def _about(step: Step, walk: Walk) -> list[str]:
    """Return a line each: the row, where it stands, whose it is."""
    return [f"row        {step.shown}", *_standing(step, walk), f"origin     {_origin(step, walk.real)}"]


def _standing(step: Step, walk: Walk) -> Iterator[str]:
    place = step.place
    digests = ", ".join(f"{name} sha256 {digest[:12]}" for name, digest in place.files.items())
    yield f"stands in  {place.folder}, shard {place.shard}, line {place.line} ({digests})"
    if step is walk.steps[0]:
        recorded = f"DVC and MLflow: {walk.recorded}" if walk.recorded else "not recorded in dvc.lock"
        yield f"dataset    {place.dataset[:12]}, {recorded}"


_CHANGED = {True: ", changed by a curator since", False: "", None: ""}


def _origin(step: Step, real: RealRows) -> str:
    changed = _CHANGED[step.changed]
    if step.real is None:
        again = ", in the place of a rejected one" if step.again else ""
        return f"synthetic: row {step.number} that generation {step.origin} sampled{again}{changed}"
    kind = "the anchor" if step.real.anchor else "fresh rows" if step.origin == "fresh" else "rows beside the anchor"
    where = f"row {step.number} of chain {step.chain}'s stream of source {step.real.source}"
    copied = "" if step.real.copied is None else f", row {step.real.copied} of its data"
    if step.real.depth:
        kind = kind.replace("fresh rows", "fresh published rows")
        where += f", with at most {step.real.depth} synthetic ancestors"
    return f"{'published' if step.real.depth else 'real'}: {where}, one of {kind}{copied}{_from(real.card)}{changed}"


def _lines(ancestors: tuple[Ancestor, ...]) -> Iterator[str]:
    """Yield a line a model; of many, those at both ends."""
    left_out = ancestors[_SHOWN : len(ancestors) - _LAST]
    for place, ancestor in enumerate(ancestors):
        if len(left_out) < 2 or not _SHOWN <= place < len(ancestors) - _LAST:
            yield f"{'made by' if place == 0 else 'whose rows came from'} {_model(ancestor)}"
        elif place == _SHOWN:
            first, last = left_out[0].model.generation, left_out[-1].model.generation
            yield f"and so on: {len(left_out)} models of generations {first} down to {last} (--json shows each)"


def _model(ancestor: Ancestor) -> str:
    model = ancestor.model
    started = f", from the weights of {ancestor.started}" if ancestor.started else ""
    trained = f"dataset {ancestor.dataset[:12]}, {ancestor.rows:g} rows a chain: {by_origin(ancestor.origins)}"
    return f"the model of generation {model.generation} ({model.short}, {model.folder}), trained on {trained}{started}"


def by_origin(origins: Mapping[str, float]) -> str:
    """Return rows by origin in words: `20 real, 20 of generation 3`; of many generations the first and the last."""
    made = {int(origin): count for origin, count in origins.items() if origin.isdigit()}
    told = [f"{count:g} {origin}" for origin, count in origins.items() if not origin.isdigit()]
    if len(made) <= 3:
        return ", ".join([*told, *(f"{count:g} of generation {t}" for t, count in made.items())]) or "none"
    return ", ".join([*told, f"{sum(made.values()):g} of generations {min(made)} to {max(made)}"])


def _ended(real: RealRows) -> str:
    rows = f"rows {real.first}..{real.last} of each chain's stream of source {real.source}"
    sort = f"published rows, at most {real.depth} synthetic ancestors" if real.depth else "real rows"
    return f"{sort}: {rows}{_from(real.card)}, in {real.folder} ({real.digest[:12]})"


def _from(card: Mapping[str, str]) -> str:
    """Return what a source's card says: package and version, licence, digest; for a law that it is one."""
    if not card:
        return ", drawn from its law"
    package = " ".join(filter(None, (card.get("package"), card.get("version")))) or "files of the user's"
    licence = card.get("licence") or ("no licence" if card.get("made_of") == LAW else "licence not known")
    made_of = f"; made of {card['made_of']}" if card.get("made_of") else ""
    return f", from {package} ({licence}{made_of}, sha256 {card.get('sha256', '')[:12] or 'not known'})"
