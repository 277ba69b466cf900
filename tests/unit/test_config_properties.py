"""Whatever is done to a params.yaml, reading it ends in a sweep or in a list of problems, and nothing is written."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwindle.config.sweep import Sweep, load_sweep
from dwindle.errors import BadInput

BASE = {
    "sweep": "small",
    "generations": 2,
    "chains": 2,
    "budget": 40,
    "source": {"name": "gaussian", "dimensions": 2, "held_out": 30},
    "family": {"name": "gaussian_mixture", "components": 2, "tolerance": 0.001},
    "sampler": {"variance_factor": 1.0},
    "curators": ["keep_all", {"name": "deduplicate", "against_anchor": False}],
    "metrics": ["moments"],
    "tracking": {"uri": "sqlite:///runs.db", "required": False},
    "engine": {"workers": 1},
    "lineages": {"blend": {"regime": {"name": "blend", "synthetic_ratio": 0.5}}, "replace": {"regime": "replace"}},
}

TEXT = """\
# small
generations: 2   # the last one
budget: 40
source: {name: gaussian, dimensions: 2}
family: gaussian
metrics: [moments]
lineages:
  blend:
    regime: {name: blend, synthetic_ratio: 0.5}
  replace: {regime: "replace"}
"""

FEW = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

SNIPPETS = [
    b"\t",
    b"\n",
    b"\r",
    b": ",
    b"- ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"&a ",
    b"*a",
    b"!!str ",
    b"${",
    b"#",
    b"'",
    b'"',
]
SNIPPETS += [
    b"|",
    b">",
    b"%",
    b"@",
    b"`",
    b"---\n",
    b"...\n",
    b"? ",
    b"<<: ",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
]
SNIPPETS += [b".nan", b".inf", b"1e999", b"0x1f", b"1_0", b"2024-13-45", b"12:30:00", b"=", b"~", b"???", b"9" * 5000]

KEYS = [
    "sweep",
    "generations",
    "lineages",
    "regime",
    "name",
    "synthetic_ratio",
    "family",
    "source",
    "x",
    "",
    "a.b",
    "0",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [*KEYS, "gaussian", "categorical", "blend", "replace", "digits", "os:nothing", ":", "../x", "???"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    return tmp_path_factory.mktemp("project") / "params.yaml"


def judged(params, raw, overrides=()):
    """Read the file and return whether it is a sweep; anything but a sweep or an answer to the user is a failure."""
    params.write_bytes(raw)
    found, problems = None, ()
    try:
        found = load_sweep(params, overrides)
    except BadInput as error:
        problems = error.problems
    assert isinstance(found, Sweep) != bool(problems)
    assert all(problem and problem.isprintable() for problem in problems)
    assert found is None or all(lineage.recipe.digest for lineage in found.lineages.values())
    assert [path.name for path in params.parent.iterdir()] == ["params.yaml"]
    assert params.read_bytes() == raw
    return found is not None


def spelled(data):
    """Spell plain data as YAML: JSON, but for what JSON has no number for."""
    text = json.dumps(data)
    for theirs, ours in (("NaN", ".nan"), ("-Infinity", "-.inf"), ("Infinity", ".inf")):
        text = text.replace(theirs, ours)
    return text.encode()


def places(data, path=()):
    yield path
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places(value, (*path, key))
    if isinstance(data, list):
        for index, value in enumerate(data):
            yield from places(value, (*path, index))


PLACES = [path for path in places(BASE) if path]


def holder(data, path):
    """Return the mapping or list that a place is in, or nothing if an earlier change took it away."""
    for step in path[:-1]:
        data = dict(items(data)).get(step)
    return data


def items(data):
    return data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()


def test_the_texts_that_are_changed_are_themselves_sweeps(params):
    assert judged(params, TEXT.encode())
    assert judged(params, spelled(BASE))


@FEW
@given(st.data())
def test_changed_bytes_end_in_a_sweep_or_in_an_answer(params, data):
    raw = TEXT.encode()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.integers(0, 12)))
        new = data.draw(st.sampled_from(SNIPPETS) | st.binary(max_size=4) | st.just(raw[start:end] * 2))
        raw = raw[:start] + new + raw[end:]
    judged(params, raw)


@FEW
@given(st.data())
def test_changed_values_end_in_a_sweep_or_in_an_answer(params, data):
    changed = copy.deepcopy(BASE)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(PLACES))
        place = holder(changed, path)
        match data.draw(st.sampled_from(["replace", "delete", "add"])):
            case "replace" if path[-1] in dict(items(place)):
                place[path[-1]] = data.draw(VALUES)
            case "delete" if isinstance(place, dict):
                place.pop(path[-1], None)
            case "add" if isinstance(place, dict):
                place[data.draw(st.sampled_from(KEYS) | st.text(max_size=4))] = data.draw(VALUES)
    judged(params, spelled(changed))


@FEW
@given(st.data())
def test_any_override_ends_in_a_sweep_or_in_an_answer(params, data):
    overrides = []
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(PLACES)) + tuple(data.draw(st.lists(st.sampled_from(KEYS), max_size=2)))
        key = data.draw(st.just(".".join(map(str, path))) | st.text(max_size=8))
        value = data.draw(st.text(max_size=8) | VALUES.map(lambda value: spelled(value).decode()))
        overrides.append(data.draw(st.sampled_from(["{}={}", "{}", "={1}", "{} = {}"])).format(key, value))
    judged(params, spelled(BASE), overrides)
