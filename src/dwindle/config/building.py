"""Build a recipe from plain data, noting everything that is wrong with it."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from dwindle.components import Room, component, names
from dwindle.config.agreement import note_disagreements
from dwindle.config.reading import KeyPath
from dwindle.config.recipe import GROUPS, OPTIONAL, PARTS, SEVERAL, SINGLE, Branch, Recipe
from dwindle.config.schema import Problems, build, convert, expected, schema
from dwindle.contracts import Regime
from dwindle.errors import BadInput, nearest
from dwindle.phases import Phase
from dwindle.policies import Gate
from dwindle.purposes import PURPOSES, PurposeName
from dwindle.review_terms import Review

__all__ = ["LINEAGE_NAME", "advice", "misnamed", "recipe_from"]

LINEAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def misnamed(name: object) -> str:
    """Say what is wrong with the name of a sweep or a lineage, which is also the name of a folder; empty if nothing is.

    A letter that only looks like one of a to z is named by its Unicode name.
    """
    if isinstance(name, str) and LINEAGE_NAME.fullmatch(name):
        return ""
    strange = next((c for c in name if not c.isascii()), "") if isinstance(name, str) else ""
    told = f"; it holds U+{ord(strange):04X}, {unicodedata.name(strange, 'unnamed')}" if strange else ""
    return f"expected a name of 1 to 64 letters a-z, digits, _ and -, with a letter or digit first{told}"


def recipe_from(data: Mapping[str, Any], path: KeyPath, problems: Problems) -> Recipe | None:
    """Build a recipe from plain data, or note everything that is wrong and return None."""
    before = len(problems)
    _note_keys(data, path, problems)
    given = [key for key in PARTS if key in data]
    parts: dict[str, Any] = {key: convert(PARTS[key], data[key], (*path, key), problems) for key in given}
    for key, room in SINGLE.items():
        parts |= {key: _component(room, data[key], (*path, key), problems)} if key in data else {}
    parts["purpose"] = convert(PurposeName, data.get("purpose", ""), (*path, "purpose"), problems)
    data = _by_purpose(data, parts["purpose"])
    parts |= {key: _components(room, data.get(key), (*path, key), problems) for key, room in SEVERAL.items()}
    parts |= {key: _group(kind, data.get(key), (*path, key), problems) for key, kind in GROUPS.items()}
    parts |= _rules(data, path, problems)
    if len(problems) > before:
        return None
    recipe = Recipe(**parts)
    note_disagreements(recipe, path, problems)
    return recipe if len(problems) == before else None


def _note_keys(data: Mapping[str, Any], path: KeyPath, problems: Problems) -> None:
    """Note the keys that are unknown and those that are missing."""
    for key in data:
        if key not in {*PARTS, *SINGLE, *SEVERAL, *GROUPS, *OPTIONAL}:
            problems.add((*path, key), data[key], f"unknown key{advice(key)}")
    wanted = {key: expected(hint) for key, hint in PARTS.items()}
    wanted |= {key: f"one of {', '.join(names(room))}" for key, room in SINGLE.items()}
    for key in wanted:
        if key not in data:
            # Said once where it belongs: only the regime is each lineage's own.
            where = (key,) if path[:1] == ("lineages",) and key != "regime" else (*path, key)
            problems.append(f"{problems.document.place(where)}: missing; expected {wanted[key]}")


def _component(room: Room, data: Any, path: KeyPath, problems: Problems) -> Any:
    reference = {"name": data} if isinstance(data, str) else data
    if not isinstance(reference, Mapping) or not isinstance(reference.get("name"), str):
        problems.add(path, data, f"expected a name, or a mapping with a name; known: {', '.join(names(room))}")
        return None
    try:
        kind = component(room, reference["name"])
    except BadInput as error:
        where = (*path, "name") if isinstance(data, Mapping) else path
        problems.add(where, reference["name"], str(error), error)
        return None
    settings = {key: value for key, value in reference.items() if key != "name"}
    nested = [key for key, (_, hint) in schema(kind).items() if hint is Regime and key in settings]
    settings |= {key: _component("regimes", settings[key], (*path, key), problems) for key in nested}
    if any(settings[key] is None for key in nested):
        return None
    return build(kind, settings, path, problems)


def _group(kind: type[Any], data: Any, path: KeyPath, problems: Problems) -> Any:
    if data is not None and not isinstance(data, Mapping):
        problems.add(path, data, f"expected a mapping of {', '.join(schema(kind))}")
        return None
    return build(kind, data or {}, path, problems)


def _groups(kind: type[Any], data: Any, path: KeyPath, problems: Problems) -> tuple[Any, ...]:
    if data is not None and not isinstance(data, list):
        problems.add(path, data, f"expected a list of mappings of {', '.join(schema(kind))}")
        return ()
    return tuple(_group(kind, item, (*path, str(place)), problems) for place, item in enumerate(data or ()))


def _by_purpose(data: Mapping[str, Any], purpose: str) -> Mapping[str, Any]:
    """Return the data with the curators and the policy of its purpose where it names none."""
    known, policy = PURPOSES.get(purpose), data.get("policy")
    curators = list(known.curators) if known is not None else []
    laid: dict[str, Any] = {"curators": curators or ["keep_all"], **data}
    if known is not None and (policy is None or isinstance(policy, Mapping)):
        laid["policy"] = {**known.policy, **(policy or {})}
    return laid


def _rules(data: Mapping[str, Any], path: KeyPath, problems: Problems) -> dict[str, Any]:
    """Return the parts that most recipes do not have, as far as this one has them."""
    parts: dict[str, Any] = {"gates": _gates(data.get("gates"), (*path, "gates"), problems)}
    parts["phases"] = _groups(Phase, data.get("phases"), (*path, "phases"), problems)
    for key, kind in (("review", Review), ("branch", Branch)):
        if data.get(key) is not None:
            parts[key] = _group(kind, data[key], (*path, key), problems)
    if data.get("teacher") is not None:
        parts["teacher"] = _component("families", data["teacher"], (*path, "teacher"), problems)
    return parts


def _gates(data: Any, path: KeyPath, problems: Problems) -> tuple[Any, ...]:
    """Return the gates; the regime of a roll-back is a component."""
    if not isinstance(data, list):
        return _groups(Gate, data, path, problems)
    gates = []
    for place, item in enumerate(data):
        where, own = (*path, str(place)), dict(item) if isinstance(item, Mapping) else item
        before = len(problems)
        if isinstance(own, dict) and own.get("regime") is not None:
            own["regime"] = _component("regimes", own["regime"], (*where, "regime"), problems)
        if len(problems) == before:
            gates.append(_group(Gate, own, where, problems))
    return tuple(gates)


def _components(room: Room, data: Any, path: KeyPath, problems: Problems) -> tuple[Any, ...]:
    if data is None:
        return ()
    if not isinstance(data, list):
        problems.add(path, data, f"expected a list of names; known: {', '.join(names(room))}")
        return ()
    return tuple(_component(room, item, (*path, str(index)), problems) for index, item in enumerate(data))


def advice(word: str, also: Iterable[str] = ()) -> str:
    """Name the nearest key of a lineage, down to the settings of regime and sampler, with its range.

    Args:
        word: the unknown key.
        also: other keys that are allowed where it stands.
    """
    plain = {key: expected(hint) for key, hint in PARTS.items()}
    plain |= dict.fromkeys([*SINGLE, *SEVERAL, *GROUPS, *OPTIONAL, *also], "")
    del plain["branch"]  # which a gate makes
    kinds = [*GROUPS.items(), *(("regime", component("regimes", name)) for name in names("regimes"))]
    inner = {f"{slot}.{name}": expected(hint) for slot, kind in kinds for name, (_, hint) in schema(kind).items()}
    known = inner | plain
    ends = {key.rpartition(".")[2]: key for key in known}
    close = difflib.get_close_matches(word, ends, n=1, cutoff=0.5)
    if not close:
        return nearest(word, plain)
    key = ends[close[0]]
    return f"; did you mean {key}?" + (f" (expected {known[key]})" if known[key] else "")
