"""Settings of the machine: engine and tracking, in the file, in the environment and on the command line."""

from __future__ import annotations

import pytest

from dwindle.config.sweep import Engine, Tracking, load_sweep
from dwindle.errors import BadInput
from dwindle.plan import unroll

PARAMS = """\
sweep: small
generations: 2
chains: 2
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 30}
family: gaussian
metrics: [moments]
lineages: {replace: {regime: replace}, fresh: {regime: fresh}}
"""
VARIABLES = ("MLFLOW_TRACKING_URI", "DWINDLE_ENGINE", "DWINDLE_EXCHANGE")


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def load(more="", *overrides):
        (tmp_path / "params.yaml").write_text(PARAMS + more)
        return load_sweep(tmp_path / "params.yaml", overrides)

    return load


@pytest.fixture
def refused(loaded, tmp_path):
    def refuse(*given):
        with pytest.raises(BadInput) as caught:
            loaded(*given)
        (message,) = caught.value.problems
        return message.replace(f"{tmp_path}/", "")

    return refuse


def test_without_a_word_lineages_grow_on_this_machine(loaded):
    assert loaded().engine == Engine()
    assert (Engine().name, Engine().workers, Engine().gpus, Engine().exchange) == ("process", 0, 0, "")


@pytest.mark.parametrize("name", ["process", "ray", "dask", "deployments"])
def test_an_engines_name_alone_is_short_for_a_mapping(loaded, name):
    for given in ([f"engine: {name}\n"], ["", f"engine={name}"], ["", f"engine={{name: {name}}}"]):
        assert loaded(*given).engine == Engine(name=name)


def test_a_setting_may_follow_an_engine_that_is_only_named(loaded):
    assert loaded("", "engine=ray", "engine.gpus=1").engine == Engine(name="ray", gpus=1.0)
    assert loaded("", "engine.gpus=0.25", "engine=ray").engine == Engine(name="ray", gpus=0.25)
    assert loaded("engine: ray\n", "engine.nodes=2").engine == Engine(name="ray", nodes=2)


@pytest.mark.parametrize("override", ["engine=dask", "engine.name=dask"])
def test_another_engine_keeps_the_settings_of_the_machine(loaded, override):
    text = "engine: {name: ray, workers: 3, retries: 5, exchange: store}\n"
    assert loaded(text, override).engine == Engine(name="dask", workers=3, retries=5, exchange="store")
    assert loaded(text, "engine={name: dask}").engine == Engine(name="dask")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("engine=rya", "engine.name = 'rya': expected process or ray or dask or deployments"),
        ("engine.name=3", "engine.name = 3: expected process or ray or dask or deployments"),
        (
            "engine=3",
            "engine = 3: expected a mapping of name, workers, cohort, gpus, cpu_fallback, deployment, address, nodes, ",
        ),
        ("engine.gpus=65", "engine.gpus = 65: expected float 0..64 devices"),
        ("engine.gpus=1.5", "engine.gpus = 1.5: expected a fraction of one device, or a whole number of devices"),
        ("engine.gpu=1", "engine.gpu = 1: unknown key; did you mean gpus? (expected float 0..64 devices)"),
        ("engine.nodes=0", "engine.nodes = 0: expected int 1..64 nodes"),
        ("engine.retries=-1", "engine.retries = -1: expected int 0..100 retries"),
        ("engine.cpu_fallback=1", "engine.cpu_fallback = 1: expected true or false"),
        ("engine.exchange=null", "engine.exchange = null: expected text"),
    ],
)
def test_a_wrong_engine_is_one_clear_problem(refused, override, says):
    message = refused("engine: {workers: 1}\n", override)
    assert message.startswith("command line: engine")
    assert says in message


def test_a_wrong_engine_in_the_file_is_shown_with_its_line(refused):
    assert refused("engine: rya\n").startswith("params.yaml:9 engine.name = 'rya': expected process or ray or ")


@pytest.mark.parametrize("gpus", [0, 0.1, 1, 1.0, 2, 64])
def test_a_lineage_has_part_of_a_device_or_whole_devices(loaded, gpus):
    assert loaded("", f"engine.gpus={gpus}").engine.gpus == gpus


def test_the_environment_stands_above_the_file_and_below_the_command_line(loaded, monkeypatch):
    text = "tracking: {uri: 'sqlite:///file.db', required: false}\nengine: {name: ray, workers: 2, exchange: mine}\n"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("DWINDLE_ENGINE", "dask")
    monkeypatch.setenv("DWINDLE_EXCHANGE", "s3://bucket/rows")
    sweep = loaded(text)
    assert sweep.tracking == Tracking("http://tracking.example:5000", required=False)
    assert sweep.engine == Engine(name="dask", workers=2, exchange="s3://bucket/rows")
    for text in ("", "engine: ray\n", "engine:\ntracking:\n"):
        assert loaded(text).engine == Engine(name="dask", exchange="s3://bucket/rows")
        assert loaded(text).tracking == Tracking("http://tracking.example:5000")
    given = ("tracking.uri=sqlite:///mine.db", "engine=process", "engine.exchange=")
    assert loaded(text, *given[:2]).tracking == Tracking("sqlite:///mine.db")
    assert loaded(text, *given[:2]).engine == Engine(name="process", exchange="s3://bucket/rows")
    assert loaded(text, "engine={name: ray, exchange: ''}").engine == Engine(name="ray")
    assert loaded(text, "tracking.required=false").tracking.uri == "http://tracking.example:5000"


def test_an_empty_variable_says_nothing(loaded, monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    assert loaded("engine: {name: ray, exchange: mine}\n").engine == Engine(name="ray", exchange="mine")
    assert loaded().tracking == Tracking()


def test_a_mistake_in_the_environment_names_the_variable(loaded, refused, monkeypatch):
    monkeypatch.setenv("DWINDLE_ENGINE", "slurm")
    told = "environment: DWINDLE_ENGINE = 'slurm': expected process or ray or dask or deployments"
    assert refused("engine: ray\n") == told
    assert refused() == told
    assert loaded("", "engine=ray").engine.name == "ray"


def test_no_setting_of_the_machine_is_part_of_a_recipe_or_of_a_plan(loaded, monkeypatch):
    before = loaded()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("DWINDLE_EXCHANGE", "s3://bucket/rows")
    after = loaded("engine: {name: ray, gpus: 0.5, nodes: 2, retries: 0, cpu_fallback: true, address: auto}\n")
    assert after.engine != before.engine
    assert after.lineages == before.lineages
    assert unroll(after) == unroll(before)


def test_a_recipe_keeps_its_digest_from_version_to_version(loaded):
    assert loaded().lineages["fresh"].recipe.digest.startswith("daf93b29bfc7cb03")


def test_a_sampler_setting_that_the_family_does_not_honour_is_no_part_of_the_digest(loaded):
    assert set(loaded().lineages["fresh"].recipe.honoured) == {"variance_factor", "top_p", "oversample"}
