"""From a name in params.yaml to a class: the file name is the component's name.

Nothing is imported until it is asked for, so that a Gaussian lineage never loads torch.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from dwindle.contracts import Curator, Family, Kind, Metric, Regime, Source
from dwindle.errors import BadInput, nearest

__all__ = ["ROOMS", "Room", "about", "component", "name_of", "names"]

Room = Literal["families", "sources", "regimes", "curators", "metrics"]
ROOMS: tuple[Room, ...] = ("families", "sources", "regimes", "curators", "metrics")

_OUTSIDE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)

_CONTRACTS: dict[Room, tuple[str, type[Any]]] = {
    "families": ("family", Family),
    "sources": ("source", Source),
    "regimes": ("regime", Regime),
    "curators": ("curator", Curator),
    "metrics": ("metric", Metric),
}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


@cache
def names(room: Room) -> tuple[str, ...]:
    """Return the names of all components of a room, in order."""
    package = importlib.import_module(f"dwindle.{room}")
    if room == "regimes":
        return tuple(sorted(_snake(name) for name in package.__all__))
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def component(room: Room, name: str) -> type[Any]:
    """Return the class of a component.

    Args:
        room: which kind of component.
        name: its file name, or `my_package.my_module:MyClass` for one outside dwindle.

    Raises:
        BadInput: naming the nearest known name, or what is wrong with the outside module or class.
    """
    if ":" in name:
        found = _outside(name)
        _hold_to_contract(room, found)
        return found
    if name not in names(room):
        raise BadInput(f"unknown {_CONTRACTS[room][0]} {name!r}{nearest(name, names(room))}")
    module = importlib.import_module(f"dwindle.{room}" if room == "regimes" else f"dwindle.{room}.{name}")
    kind: type[Any] = getattr(module, _camel(name))
    return kind


def _outside(name: str) -> type[Any]:
    if not _OUTSIDE.fullmatch(name):
        raise BadInput("an outside component is named my_package.my_module:MyClass")
    module_name, _, class_name = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:  # a console script does not look beside params.yaml
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the user's module raises is the user's answer
        raise BadInput(f"importing {module_name} failed: {type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise BadInput(f"{module_name} has no class {class_name}{nearest(class_name, classes)}")
    return found


def _hold_to_contract(room: Room, kind: Any) -> None:
    """Refuse a class that is no component of this room, as far as that can be told without running it."""
    word, contract = _CONTRACTS[room]
    refused = f"{kind.__name__} is no {word}"
    declared = getattr(kind, "__dataclass_params__", None)
    settings = {field.name for field in fields(kind)} if declared else set()
    # Only the contract tests need `smallest`.
    wanted = {name for name in (*contract.__annotations__, *vars(contract)) if name[0] != "_"} - {"smallest"}
    lacking = sorted(name for name in wanted - settings if not hasattr(kind, name))
    if lacking:
        raise BadInput(f"{refused}: it has no {', '.join(lacking)}")
    if declared is None or not declared.frozen:
        raise BadInput(f"{refused}: a component is a frozen dataclass whose fields are its settings")
    try:
        get_type_hints(kind)
    except Exception as error:
        raise BadInput(f"{refused}: its annotations cannot be read: {type(error).__name__}: {error}") from error
    _hold_to_declarations(wanted, kind, refused)


def _hold_to_declarations(wanted: set[str], kind: Any, refused: str) -> None:
    """Refuse a class whose class variables are not what the configuration reads."""
    if "kind" in wanted and kind.kind not in get_args(Kind):
        raise BadInput(f"{refused}: its kind is {kind.kind!r}, not {' or '.join(get_args(Kind))}")
    if "kinds" in wanted and not (isinstance(kind.kinds, frozenset) and kind.kinds <= set(get_args(Kind))):
        raise BadInput(f"{refused}: its kinds are not a frozenset of {', '.join(get_args(Kind))}")
    if "judges" in wanted and kind.judges not in ("synthetic", "new"):
        raise BadInput(f"{refused}: it judges {kind.judges!r}, not synthetic or new")
    if "knobs" in wanted and not isinstance(kind.knobs, frozenset):
        raise BadInput(f"{refused}: its knobs are not a frozenset of the sampler's settings")


def name_of(instance: object) -> str:
    """Return the name under which params.yaml finds this component's class."""
    kind = type(instance)
    package, _, module = kind.__module__.rpartition(".")
    if kind.__module__ == "dwindle.regimes":
        return _snake(kind.__name__)
    if package.startswith("dwindle."):
        return module
    return f"{kind.__module__}:{kind.__qualname__}"


def about(kind: type[Any]) -> str:
    """Return the first sentence of a component's docstring."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]
