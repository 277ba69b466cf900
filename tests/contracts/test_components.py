"""Every component that ships keeps the contract of its kind: one file dropped into its folder is one row here."""

from __future__ import annotations

from dwindle import checks
from dwindle.checks.examples import ready
from dwindle.components import ROOMS, component, names


def _settings(kind):
    return ready(kind.smallest() if hasattr(kind, "smallest") else kind())


def pytest_generate_tests(metafunc):
    listed = {
        "families": checks.family_checks(),
        "sources": checks.source_checks(),
        "regimes": checks.regime_checks(),
        "curators": checks.curator_checks(),
        "metrics": checks.metric_checks(),
    }
    cases = [(room, name, check) for room in ROOMS for name in names(room) for check in listed[room]]
    metafunc.parametrize(
        ("room", "name", "check"), cases, ids=[f"{room}/{name}/{check.__name__}" for room, name, check in cases]
    )


def test_a_component_keeps_its_contract(room, name, check):
    check(_settings(component(room, name)))
