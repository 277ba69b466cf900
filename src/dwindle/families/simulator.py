"""The simulator: rows that a program makes, and no model; and two small programs to begin with."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from dwindle.contracts import (
    Array,
    Column,
    FloatArray,
    IntArray,
    Kind,
    Model,
    Rows,
    Seed,
    Source,
    Tabular,
    classes_of,
    knowing,
)
from dwindle.errors import StageFailed, nearest
from dwindle.samplers import Sampler

__all__ = ["Simulator", "SimulatorModel", "bouncing_ball", "two_moons"]

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)

Setting = bool | int | float | str


@dataclass(frozen=True)
class Simulator:
    """Any Python callable that makes rows, with labels where it knows them: a game engine, a robot, a process.

    It is called once a chain, as `simulate(count, generator, **settings)`, and returns values, (count, d) or (count,)
    symbols, or values and labels, (count,); the numpy generator is its only source of chance. Rows must be as wide as
    the training rows and of the source's kind; labels are kept where the source has classes. It learns nothing from
    rows, so a lineage differs from the real rows by as much as the simulator does, and in every generation alike.
    Editing the callable's module makes stages stale, with those of its package that it imports; other packages do not.

    Args:
        callable: `my_package.my_module:simulate`, found from the working directory too.
        settings: what else it is given, each as `name=value`: numbers, true, false or text.
        source: the source it was given; no setting.
    """

    kind: ClassVar[Kind] = "vectors"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"vectors", "symbols", "pairs", "sequences", "tables"})
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset()
    learns: ClassVar[bool] = False
    makes: ClassVar[str] = "simulated"

    callable: str
    settings: tuple[str, ...] = ()

    source: Source | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Import the callable.

        Raises:
            ValueError: if it cannot be imported, is none, or does not take the settings.
        """
        _refuse_call(self.callable, _imported(self.callable), self.given_settings)

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules whose code the family runs beside its own."""
        return (self.callable.partition(":")[0],)

    @property
    def given_settings(self) -> Mapping[str, Setting]:
        """The settings by name.

        Raises:
            ValueError: if one is no `name=value`, or two have one name.
        """
        parts = [text.partition("=") for text in self.settings]
        names = [name.strip() for name, _, _ in parts]
        for text, name, (_, equals, _) in zip(self.settings, names, parts, strict=True):
            if not (equals and name.isidentifier()):
                raise ValueError(f"settings: expected name=value, got {text!r}")
            if names.count(name) > 1:
                raise ValueError(f"settings: {name} stands there twice")
        return {name: _read(value.strip()) for name, (_, _, value) in zip(names, parts, strict=True)}

    def given(self, source: Source) -> Self:
        """Return a simulator that knows the kind of the rows, their columns and classes."""
        return knowing(self, source=source)

    def fit(self, rows: Rows, *, seed: Seed, parent: Model | None = None) -> SimulatorModel:
        """Note how many chains there are and what a row looks like; seed and parent change nothing."""
        whole = bool(np.issubdtype(rows.values.dtype, np.integer))
        return SimulatorModel(self, rows.chains, tuple(rows.values.shape[2:]), whole)

    def load(self, folder: Path) -> SimulatorModel:
        """Read what `SimulatorModel.save` wrote."""
        saved = json.loads((folder / "simulator.json").read_text())
        return SimulatorModel(self, int(saved["chains"]), tuple(saved["row"]), bool(saved["whole"]))

    @classmethod
    def smallest(cls) -> Self:
        """Return two moons."""
        return cls("dwindle.families.simulator:two_moons")


@dataclass(frozen=True, eq=False)
class SimulatorModel:
    """The simulator of every chain.

    Args:
        family: what is called, and how.
        chains: number of chains c.
        row: shape of a row: (d,), or () for symbols.
        whole: whether rows hold whole numbers: symbols or tokens.
    """

    family: Simulator
    chains: int
    row: tuple[int, ...]
    whole: bool

    def sample(self, count: int, *, sampler: Sampler, seed: Seed, prompts: Rows | None = None) -> Rows:
        """Call the simulator for every chain.

        Raises:
            StageFailed: if it raises anything, or gives rows or labels that the lineage cannot take.
        """
        made = [self._made(count, chain, seed.at("chain", chain).numpy()) for chain in range(self.chains)]
        labels = None
        if any(own is not None for _, own in made):
            labels = np.stack([np.full(count, -1, dtype=np.int64) if own is None else own for _, own in made])
        return Rows(np.stack([values for values, _ in made]), labels=labels)

    def _made(self, count: int, chain: int, generator: np.random.Generator) -> tuple[Array, IntArray | None]:
        """Return values and labels of one chain."""
        name, place = self.family.callable, f"in chain {chain}"
        try:
            made = _imported(name)(count, generator, **self.family.given_settings)
            values, labels = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
            values = np.asarray(values)
            labels = None if labels is None else np.asarray(labels)
        except Exception as error:  # whatever the user's program raises is the user's answer
            raise StageFailed(f"simulator {name} failed {place}: {type(error).__name__}: {error}") from error
        broken = self._unfit(values, count) or ("" if labels is None else self._unfit_labels(labels, count))
        if broken:
            raise StageFailed(f"simulator {name} {place}: {broken}")
        known = self._classes()
        kept = None if labels is None or known == 0 else labels.astype(np.int64)
        return values.astype(np.int64 if self.whole else np.float64), kept

    def _unfit(self, values: Array, count: int) -> str:
        """Say what is wrong with the rows of a chain; empty if nothing is."""
        if values.dtype.kind not in "iuf":
            return f"gave values of type {values.dtype}; expected numbers"
        if values.shape != (count, *self.row):
            return f"gave rows of shape {values.shape}; the training rows ask for {(count, *self.row)}"
        if not np.isfinite(values).all():
            return f"gave {np.count_nonzero(~np.isfinite(values))} values that are not finite"
        symbols = getattr(self.family.source, "symbols", math.inf)
        if self.whole and not _are_levels(values, symbols):
            end = "up" if symbols == math.inf else symbols - 1
            return f"gave values {values.min()}..{values.max()}; expected whole numbers, 0..{end}"
        columns: tuple[Column, ...] = self.family.source.columns() if isinstance(self.family.source, Tabular) else ()
        for place, column in enumerate(columns):
            if column.categorical and not _are_levels(values[:, place], len(column.levels)):
                told = f"0..{len(column.levels) - 1} for {', '.join(column.levels)}"
                return f"gave numbers in column {column.name} that are no levels; expected {told}"
        return ""

    def _unfit_labels(self, labels: Array, count: int) -> str:
        known = self._classes() or math.inf
        if labels.shape == (count,) and labels.dtype.kind in "biuf" and _are_levels(labels + 1, known + 1):
            return ""
        end = "up" if known == math.inf else known - 1
        return (
            f"gave labels of type {labels.dtype} and shape {labels.shape}; expected {count} of 0..{end}, or -1 for none"
        )

    def _classes(self) -> int | None:
        """Return how many classes the source has; None where nobody said which source it is."""
        source = self.family.source
        return None if source is None else len(classes_of(source))

    def save(self, folder: Path) -> None:
        """Write simulator.json."""
        saved = {"chains": self.chains, "row": list(self.row), "whole": self.whole}
        (folder / "simulator.json").write_text(json.dumps(saved) + "\n")


def _imported(name: str) -> Callable[..., Any]:
    """Return the callable of a name, or say what is wrong with it."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"callable {name!r}: expected my_package.my_module:simulate")
    if (here := str(Path.cwd())) not in sys.path:  # a console script does not look beside params.yaml
        sys.path.append(here)
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises is the user's answer
        raise ValueError(f"callable: importing {module_name} failed: {type(error).__name__}: {error}") from error
    found: Callable[..., Any] | None = getattr(module, function_name, None)
    if found is None or not callable(found):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value) and key[0] != "_"]
        raise ValueError(f"callable: {module_name} has no callable {function_name}{nearest(function_name, known)}")
    return found


def _refuse_call(name: str, function: Callable[..., Any], settings: Mapping[str, Setting]) -> None:
    """Refuse a callable that does not take a count, a generator and the settings, as far as its signature tells."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    loose = any(part.kind is inspect.Parameter.VAR_KEYWORD for part in signature.parameters.values())
    for key in settings:
        if key not in signature.parameters and not loose:
            known = list(signature.parameters)[2:]
            raise ValueError(f"settings: {name} takes no {key}{nearest(key, known)}")
    try:
        signature.bind(1, np.random.default_rng(0), **settings)
    except TypeError as error:
        raise ValueError(
            f"callable: {name}{signature} is called with (count, generator) and settings: {error}"
        ) from error


def _read(text: str) -> Setting:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _are_levels(values: Array, count: float) -> bool:
    return bool(((values >= 0) & (values < count) & (values == np.floor(values))).all())


def two_moons(count: int, generator: np.random.Generator, *, deviation: float = 0.1) -> tuple[FloatArray, IntArray]:
    """Return rows on two half circles, (count, 2), with normal noise, and which one each is on, (count,)."""
    angles, lower = math.pi * generator.random(count), generator.integers(0, 2, count)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    values = np.where(lower[:, None] == 1, np.array([1.0, 0.5]) - upper, upper)
    return values + deviation * generator.standard_normal(values.shape), lower


def bouncing_ball(
    count: int, generator: np.random.Generator, *, side: int = 8, steps: int = 20, radius: float = 1.5
) -> tuple[FloatArray, IntArray]:
    """Return frames of a ball that bounces off the walls of a box, (count, side * side) pixels in 0..1.

    Args:
        count: frames, each of a ball of its own.
        generator: of start and direction.
        side: pixels of a side.
        steps: how far it has flown when the frame is taken, in pixels.
        radius: of the ball, in pixels.

    Returns:
        Frames, and the quarter of the box that each ball is in, (count,): 0 and 1 above, 2 and 3 below.
    """
    reach = side - 2.0 * radius
    angles = 2.0 * math.pi * generator.random(count)
    flown = reach * generator.random((count, 2)) + steps * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    centres = radius + np.abs((flown + reach) % (2.0 * reach) - reach)
    pixels = np.arange(side) + 0.5
    away = np.hypot(pixels[:, None] - centres[:, :1, None], pixels[None] - centres[:, 1:, None])
    below, right = (centres > side / 2).astype(np.int64).T
    return np.clip(radius + 0.5 - away, 0.0, 1.0).reshape(count, -1), 2 * below + right
