"""A sweep: lineages that share most of their recipe, read from params.yaml and `key=value` overrides.

OmegaConf enters here and nowhere else: it lays overrides and lineages over the shared settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from dwindle.components import name_of
from dwindle.config.arms import CONTROL, control_entry, with_arms
from dwindle.config.merging import laid_over
from dwindle.config.preset import Preset, preset_from
from dwindle.config.reading import Document, read_yaml, scalar, shown
from dwindle.config.recipe import Recipe, advice, fresh_rows, misnamed, recipe_from
from dwindle.config.schema import Problems, build, convert, schema
from dwindle.contracts import Within
from dwindle.errors import BadInput, nearest

__all__ = ["Engine", "Lineage", "Sweep", "Tracking", "load_sweep"]

Generations = Annotated[int, Within(low=0, high=1_000_000, unit="generations")]

_OWN = ("sweep", "generations", "lineages", "control", "arms", "preset", "tracking", "engine")
_SHARED = (
    "seed",
    "chains",
    "budget",
    "threads",
    "restart",
    "source",
    "family",
    "regime",
    "sampler",
    "curators",
    "metrics",
)
_COMPONENTS = ("source", "family", "regime")
_KEY = re.compile(r"[^\s.\[\]{}'\"$]+(\.[^\s.\[\]{}'\"$]+)*")
_DEFAULTS: dict[str, Any] = {"seed": 0, "chains": 8, "threads": 1, "restart": "cold", "curators": ["keep_all"]}


@dataclass(frozen=True)
class Tracking:
    """Where MLflow keeps the runs.

    Args:
        uri: tracking URI; a database path is relative to the project root.
        required: False lets a sweep run while MLflow is out of reach; `dwindle sync` catches up later.
    """

    uri: str = "sqlite:///mlflow.db"
    required: bool = True


@dataclass(frozen=True)
class Engine:
    """How lineages are grown side by side on this machine.

    Args:
        workers: processes; 0 means one a processor. Each uses the recipe's threads.
    """

    workers: Annotated[int, Within(low=0, high=1024, unit="processes")] = 0


@dataclass(frozen=True)
class Lineage:
    """One lineage of a sweep.

    Args:
        name: its name, and its folder's.
        recipe: what determines it.
        generations: how far it grows: the last generation's number.
    """

    name: str
    recipe: Recipe
    generations: int


@dataclass(frozen=True)
class Sweep:
    """Lineages grown to be compared.

    Args:
        name: the sweep's name, and its MLflow experiment's.
        lineages: by name, in the order of the file.
        tracking: where MLflow keeps the runs.
        engine: how lineages are grown side by side.
        root: the project: everything is written below it.
        preset: the published result that it reproduces, if it is one of those.
    """

    name: str
    lineages: Mapping[str, Lineage]
    tracking: Tracking = field(default_factory=Tracking)
    engine: Engine = field(default_factory=Engine)
    root: Path = field(default_factory=Path)
    preset: Preset | None = None

    def chosen(self, name: str | None) -> tuple[str, ...]:
        """Return the names of the lineages to grow: one, the first if the name is empty, all if it is None.

        Raises:
            BadInput: if there is no such lineage.
        """
        if name is None:
            return tuple(self.lineages)
        found = name or next(iter(self.lineages))
        if found not in self.lineages:
            raise BadInput(f"no lineage '{found}'{nearest(found, self.lineages)}")
        return (found,)


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read, merge and validate a sweep.

    Args:
        path: params.yaml; its folder is the project's root.
        overrides: `key.path=value`, laid over the file.

    Raises:
        BadInput: every problem found, one line each.
    """
    document = read_yaml(path)
    problems = Problems(document)
    _lay_over(document, overrides, problems)
    for key in document.data:
        if key not in (*_OWN, *_SHARED):
            problems.add((key,), document.data[key], f"unknown key{advice(key, _OWN)}")
    sweep = _sweep(document, path.resolve().parent, problems)
    if sweep is None or problems:
        raise BadInput(*dict.fromkeys(problems)) from problems.cause
    return sweep


def _lay_over(document: Document, overrides: Sequence[str], problems: Problems) -> None:
    """Lay `key=value` over the file's data."""
    from omegaconf import OmegaConf

    merged = OmegaConf.create(document.data)
    # A component's name goes first: the settings of the component it takes the place of go with that one.
    for override in sorted(overrides, key=lambda text: not text.partition("=")[0].endswith(".name")):
        key, sign, text = override.partition("=")
        if not sign or not _KEY.fullmatch(key):
            told = "expected key=value, with dots between the parts of the key"
            problems.append(f"command line: {shown(override)}: {told}")
            continue
        parts = tuple(key.split("."))
        # What stood below this key in the file is gone.
        document.lines = {path: line for path, line in document.lines.items() if path[: len(parts)] != parts}
        for length in range(1, len(parts) + 1):
            document.lines.setdefault(parts[:length], 0)
        try:
            value = scalar(text)
            document.lines |= dict.fromkeys(_within(parts, value), 0)
            _lay_one(merged, parts, value)
        except BadInput as error:
            problems.add(parts, text, str(error))
        except Exception as error:  # OmegaConf raises many kinds when a key runs through a list
            problems.add(parts, text, str(error).splitlines()[0])
    plain = OmegaConf.to_container(merged)
    assert isinstance(plain, dict)
    document.data = {str(key): value for key, value in plain.items()}


def _within(parts: tuple[str, ...], value: Any) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key that a value given on the command line brings along."""
    for key, below in value.items() if isinstance(value, Mapping) else ():
        yield (*parts, str(key))
        yield from _within((*parts, str(key)), below)


def _lay_one(merged: Any, parts: Sequence[str], value: Any) -> None:
    """Lay one value over the data.

    Raises:
        BadInput: if a key above it holds a single value.
    """
    from omegaconf import OmegaConf

    for length in range(1, len(parts)):
        above = ".".join(parts[:length])
        held = OmegaConf.select(merged, above)
        if isinstance(held, str) and length == len(parts) - 1 and parts[-2] in _COMPONENTS:
            OmegaConf.update(merged, above, {"name": held}, merge=False)  # `gaussian` is short for {name: gaussian}
        elif held is not None and not OmegaConf.is_config(held):
            raise BadInput(f"{above} is a single value, {shown(held)}, and has no keys")
    key = ".".join(parts)
    if parts[-1] == "name" and OmegaConf.select(merged, key) not in (None, value):
        OmegaConf.update(merged, ".".join(parts[:-1]), {"name": value}, merge=False, force_add=True)
    OmegaConf.update(merged, key, value, merge=False, force_add=True)


def _sweep(document: Document, root: Path, problems: Problems) -> Sweep | None:
    data = document.data
    name = data.get("sweep", root.name)
    if told := misnamed(name):
        problems.add(("sweep",), name, told)
    tracking = _section("tracking", Tracking, data, problems)
    engine = _section("engine", Engine, data, problems)
    entries = data.get("lineages")
    if not isinstance(entries, Mapping) or not entries:
        problems.add(("lineages",), entries, "expected at least one lineage: a name and what differs from the rest")
        return None
    shared = _DEFAULTS | {key: data[key] for key in _SHARED if key in data}
    generations = data.get("generations", 10)
    entries = with_arms(entries, data.get("arms"), problems)
    lineages = {key: _lineage(key, entry, shared, generations, problems) for key, entry in entries.items()}
    grown = {key: lineage for key, lineage in lineages.items() if lineage is not None}
    grown |= _control(data.get("control", False), grown, shared, generations, problems)
    named = [*entries, *([CONTROL] if data.get("control") is True else [])]
    preset = preset_from(data.get("preset"), named, problems)
    if problems:
        return None
    return Sweep(name, grown, tracking, engine, root, preset)


def _control(
    wanted: Any, grown: Mapping[str, Lineage], shared: Mapping[str, Any], generations: Any, problems: Problems
) -> dict[str, Lineage]:
    """Return the all-real control lineage, if it is wanted."""
    if not isinstance(wanted, bool):
        problems.add(("control",), wanted, "expected true or false")
    elif wanted and CONTROL in grown:
        problems.add(("control",), wanted, f"the sweep names a lineage {CONTROL} itself")
    elif wanted and grown:
        entry = control_entry(next(iter(grown.values())).recipe.source)
        lineage = _lineage(CONTROL, entry, shared, generations, problems)
        return {CONTROL: lineage} if lineage is not None else {}
    return {}


def _section(key: str, kind: type[Any], data: Mapping[str, Any], problems: Problems) -> Any:
    """Build a section that no recipe contains; one that is not there or empty is all defaults."""
    section = {} if data.get(key) is None else data[key]
    if isinstance(section, Mapping):
        return build(kind, section, (key,), problems)
    problems.add((key,), section, f"expected a mapping of {', '.join(schema(kind))}")
    return None


def _lineage(name: str, entry: Any, shared: Mapping[str, Any], generations: Any, problems: Problems) -> Lineage | None:
    path = ("lineages", name)
    entry = {} if entry is None else entry
    if told := misnamed(name):
        problems.add(path, name, told)
        return None
    if not isinstance(entry, Mapping):
        problems.add(path, entry, "expected a mapping of what differs from the shared settings")
        return None
    own = {key: value for key, value in entry.items() if key != "generations"}
    where = (*path, "generations") if "generations" in entry else ("generations",)
    last = convert(Generations, entry.get("generations", generations), where, problems)
    recipe = recipe_from(laid_over(shared, own), path, problems)
    if recipe is None or not isinstance(last, int):
        return None
    _enough_rows(Lineage(name, recipe, last), path, problems)
    return Lineage(name, recipe, last)


def _enough_rows(lineage: Lineage, path: tuple[str, ...], problems: Problems) -> None:
    """Note a lineage whose fresh rows outrun its source."""
    recipe, capacity = lineage.recipe, lineage.recipe.source.capacity
    if capacity is None:
        return
    fresh = sum(fresh_rows(recipe.regime, t, recipe.budget) for t in range(1, lineage.generations + 1))
    if recipe.budget + fresh > capacity:
        text = (
            f"budget {recipe.budget} + {fresh} fresh rows over {lineage.generations} generations are more than the "
            f"{capacity} rows a chain of source {name_of(recipe.source)}; lower generations, budget or held_out"
        )
        problems.add((*path, "regime"), name_of(recipe.regime), text)
