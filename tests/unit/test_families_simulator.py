"""The simulator: called as it says, what it gives is held to the lineage's rows, and errors name what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from dwindle.checks.examples import labelled, rows_of, source_of
from dwindle.config.reading import Document
from dwindle.config.schema import Problems, build, settings_of
from dwindle.contracts import Rows, Seed
from dwindle.errors import StageFailed
from dwindle.families.simulator import Simulator, bouncing_ball, two_moons
from dwindle.samplers import Sampler
from dwindle.sources.moons import Moons

SEED = Seed(29, ("simulator",))
MOONS = "dwindle.families.simulator:two_moons"
PROGRAM = """
import numpy as np

ROWS = 5

def simulate(count, generator, *, width=2, scale=1.0, made="normal", add=0.0):
    values = scale * generator.normal(size=(count, int(width))) + add
    if made == "labelled":
        return values, np.arange(count) % 3
    if made == "symbols":
        return generator.integers(0, 4, count)
    if made == "table":
        return np.column_stack([values[:, :2], generator.integers(0, [3, 2, 2], (count, 3))])
    if made == "text":
        return [["a", "b"]] * count
    if made == "nan":
        values[0, 0] = np.nan
    if made == "error":
        raise RuntimeError("the engine stalled")
    if made == "oddly labelled":
        return values, np.full(count, 3)
    return values

def stepped(count):
    return count
"""


@pytest.fixture(autouse=True)
def program(tmp_path, monkeypatch):
    """A module of the user's, beside params.yaml."""
    (tmp_path / "my_game.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("my_game", None)
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]


def made(*settings, kind="vectors", source=None, count=50):
    family = Simulator("my_game:simulate", settings).given(source or source_of(kind))
    model = family.fit(rows_of(kind), seed=SEED.at("fit"))
    return model.sample(count, sampler=Sampler(), seed=SEED.at("sample"))


def test_each_chain_gets_a_call_with_a_generator_of_its_own():
    rows = made("scale=2.5", "add=-1e2")
    for chain in range(3):
        generator = SEED.at("sample", "chain", chain).numpy()
        np.testing.assert_array_equal(rows.values[chain], 2.5 * generator.normal(size=(50, 2)) - 100.0)


def test_settings_are_numbers_truth_values_or_text():
    texts = ("a=1", "b = 1.5", "c=true", "d=false", "e=some text", "f=1e3", "g=x=y", "h=nan")
    read = Simulator(MOONS, ()).given_settings, _settings(*texts)
    assert read == (
        {},
        {"a": 1, "b": 1.5, "c": True, "d": False, "e": "some text", "f": 1000.0, "g": "x=y", "h": "nan"},
    )
    assert type(read[1]["a"]) is int


def _settings(*texts):
    family = object.__new__(Simulator)
    object.__setattr__(family, "settings", texts)
    return family.given_settings


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("my_game", (), "expected my_package.my_module:simulate"),
        ("my_gme:simulate", (), "importing my_gme failed: ModuleNotFoundError"),
        ("my_game:simulat", (), "my_game has no callable simulat; did you mean simulate?"),
        ("my_game:ROWS", (), "my_game has no callable ROWS"),
        ("my_game:stepped", (), r"stepped\(count\) is called with \(count, generator\)"),
        ("my_game:simulate", ("scal=2",), "takes no scal; did you mean scale?"),
        ("my_game:simulate", ("scale",), "expected name=value, got 'scale'"),
        ("my_game:simulate", ("scale=1", "scale=2"), "scale stands there twice"),
        ("my_game:simulate", ("count=2",), "multiple values"),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_grown(name, settings, told):
    with pytest.raises(ValueError, match=told):
        Simulator(name, settings)


def test_the_configuration_turns_a_refusal_into_one_line_with_its_key():
    problems = Problems(Document("params.yaml", {}))
    assert build(Simulator, {"callable": "my_game:simulat"}, ("family",), problems) is None
    assert len(problems) == 1
    assert "family" in problems[0]
    assert "did you mean simulate?" in problems[0]
    kept = build(Simulator, {"callable": MOONS, "settings": ["deviation=0.2"]}, ("family",), problems)
    assert settings_of(kept) == {"callable": MOONS, "settings": ["deviation=0.2"]}


@pytest.mark.parametrize(
    ("settings", "kind", "told"),
    [
        (("width=3",), "vectors", r"in chain 0: gave rows of shape \(50, 3\); the training rows ask for \(50, 2\)"),
        (("made=text",), "vectors", r"gave values of type <U1; expected numbers"),
        (("made=nan",), "vectors", "gave 1 values that are not finite"),
        (("made=error",), "vectors", "my_game:simulate failed in chain 0: RuntimeError: the engine stalled"),
        (("width=6",), "sequences", "expected whole numbers, 0..up"),
        (("width=5",), "tables", "column colour that are no levels; expected 0..2 for red, green, blue"),
    ],
)
def test_rows_that_the_lineage_cannot_take_end_the_stage_with_one_line(settings, kind, told):
    with pytest.raises(StageFailed, match=told):
        made(*settings, kind=kind)


def test_rows_of_every_kind_pass_as_their_kind():
    assert made("made=symbols", kind="symbols").values.dtype == np.int64
    assert made("made=table", kind="tables").values.shape == (3, 50, 5)
    assert made("width=3", kind="pairs").values.shape == (3, 50, 3)


def test_labels_are_kept_where_the_source_has_classes_and_held_to_them():
    classes = labelled(Simulator("my_game:simulate")).source
    assert (made("made=labelled", source=classes).labels == np.arange(50) % 3).all()
    assert made("made=labelled", source=source_of("vectors")).labels is None
    assert made(source=classes).labels is None
    with pytest.raises(StageFailed, match=r"gave labels of type int64 and shape \(50,\); expected 50 of 0..2, or -1"):
        made("made=oddly labelled", source=classes)


def test_a_saved_model_is_a_small_record_and_samples_the_same_bytes(tmp_path):
    family = Simulator(MOONS, ("deviation=0.3",))
    model = family.fit(rows_of("vectors"), seed=SEED)
    model.save(tmp_path)
    assert json.loads((tmp_path / "simulator.json").read_text()) == {"chains": 3, "row": [2], "whole": False}
    first, again = (some.sample(20, sampler=Sampler(), seed=SEED) for some in (model, family.load(tmp_path)))
    assert first.values.tobytes() == again.values.tobytes()


def test_a_changed_program_has_another_code_digest(program):
    script = textwrap.dedent("""\
        from dwindle.code import code_digest
        from dwindle.families.simulator import Simulator
        print(code_digest(*Simulator("my_game:simulate").modules))
    """)
    digests = []
    for text in (PROGRAM, PROGRAM + "# a remark\n", PROGRAM.replace("% 3", "% 2")):
        (program / "my_game.py").write_text(text)
        digests.append(
            subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        )
    assert digests[0] == digests[1] != digests[2]


def test_the_moons_are_those_of_the_source():
    values, labels = two_moons(20_000, SEED.numpy())
    source = Moons()
    np.testing.assert_allclose(values.mean(axis=0), source.mean()[0], atol=0.03)
    np.testing.assert_allclose(np.cov(values.T), source.covariance()[0], atol=0.03)
    assert (values[labels == 0, 1].mean() - values[labels == 1, 1].mean()) > 0.5


def test_the_ball_stays_in_its_box_and_its_label_says_where_it_is():
    frames, quarters = bouncing_ball(500, SEED.numpy(), side=12)
    pictures = frames.reshape(-1, 12, 12)
    assert pictures.min() == 0.0
    assert pictures.max() == 1.0
    mass = pictures.sum(axis=(1, 2))
    np.testing.assert_allclose(mass, np.pi * 1.5**2, rtol=0.15)
    down = (pictures * (np.arange(12.0) + 0.5)[:, None]).sum(axis=(1, 2)) / mass
    right = (pictures * (np.arange(12.0) + 0.5)).sum(axis=(1, 2)) / mass
    clear = (np.abs(down - 6.0) > 0.3) & (np.abs(right - 6.0) > 0.3)
    np.testing.assert_array_equal((2 * (down > 6.0) + (right > 6.0))[clear], quarters[clear])
    assert (np.bincount(quarters, minlength=4) > 80).all()


def test_a_lineage_of_a_simulator_does_not_drift():
    family = Simulator(MOONS)
    rows = Rows(rows_of("vectors").values)
    for generation in range(10):
        rows = family.fit(rows, seed=SEED).sample(500, sampler=Sampler(), seed=SEED.at(generation))
    covariance = Moons().covariance()[0]
    for chain in rows.values:
        np.testing.assert_allclose(np.cov(chain.T), covariance, atol=0.12)
