"""Checks of what all components have in common: they are frozen dataclasses, and their fields are their settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import getdoc
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from dwindle.checks.claims import Check, claim, expect
from dwindle.contracts import Within

__all__ = ["settings_checks", "smallest_checks"]


def settings_checks() -> tuple[Check[Any], ...]:
    """Return the checks of any component's settings."""
    return (
        check_it_is_a_frozen_dataclass,
        check_number_settings_have_a_range,
        check_defaults_are_in_range,
        check_settings_are_documented,
    )


def smallest_checks() -> tuple[Check[Any], ...]:
    """Return the checks of the settings that the contract tests use."""
    return (check_smallest_is_one_of_its_own,)


@claim
def check_it_is_a_frozen_dataclass(component: Any) -> None:
    """Settings never change: they are part of the recipe digest."""
    kind = type(component)
    expect(is_dataclass(component), "a dataclass", kind)
    expect(vars(kind).get("__dataclass_params__") and kind.__dataclass_params__.frozen, "frozen=True", "a mutable one")


@claim
def check_number_settings_have_a_range(component: Any) -> None:
    """The annotation is the schema: `Annotated[float, Within(low=0.0)]`."""
    for name, hint in _hints(component).items():
        expect(hint not in (int, float), f"{name} annotated with a Within(...)", f"a bare {hint}")


@claim
def check_defaults_are_in_range(component: Any) -> None:
    """A default that its own schema refuses could not be written into params.yaml."""
    hints = _hints(component)
    for field in fields(component):
        for within in _ranges(hints[field.name]):
            number = isinstance(field.default, int | float)
            if field.default is not MISSING and number:
                expect(within.holds(field.default), f"the default of {field.name} to be {within}", field.default)


@claim
def check_settings_are_documented(component: Any) -> None:
    """The first line of the docstring is printed by `dwindle components`; Args explains each setting."""
    kind = type(component)
    text = getdoc(kind) or ""
    written = text and not text.startswith(f"{kind.__name__}(")
    expect(written, "a docstring whose first line says what it is", repr(text[:60]))
    for field in fields(component):
        expect(f"{field.name}:" in text, f"'{field.name}: ...' below Args: of the class docstring", "nothing about it")


@claim
def check_smallest_is_one_of_its_own(component: Any) -> None:
    """`smallest()` gives the contract tests something to run."""
    smallest = type(component).smallest()
    expect(type(smallest) is type(component), f"a {type(component).__name__}", smallest)


def _hints(component: Any) -> dict[str, Any]:
    hints = get_type_hints(type(component), include_extras=True)
    return {field.name: hints[field.name] for field in fields(component)}


def _ranges(hint: Any) -> Iterator[Within]:
    """Yield the ranges of an annotation, also of the members of a union."""
    if get_origin(hint) is Annotated:
        yield from (note for note in get_args(hint) if isinstance(note, Within))
    else:
        for member in get_args(hint):
            yield from _ranges(member)
