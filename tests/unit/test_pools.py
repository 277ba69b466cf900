"""Work pools and the image: what Prefect's workers make of the templates, checked without docker and kubernetes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from prefect.utilities.templating import apply_values
from prefect.workers.base import BaseJobConfiguration
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]
KINDS = ("process", "docker", "kubernetes")
ENVIRONMENT = {
    "DWINDLE_IMAGE": "registry.example/dwindle:0.1.0",
    "DWINDLE_EXCHANGE": "s3://bucket/exchange",
    "MLFLOW_TRACKING_URI": "http://mlflow.example:5000",
}


def closed(properties: dict, *required: str) -> dict:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def texts(**more: str) -> dict:
    return {"type": "object", "additionalProperties": {"type": "string", **more}}


TEXT, COUNT, FLAG = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
QUANTITY = {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", "minimum": 0}
RESOURCES = {
    "type": "object",
    "propertyNames": {"pattern": "^(cpu|memory|[a-z.]+/[a-z]+)$"},
    "additionalProperties": QUANTITY,
}

CONTAINER = closed(
    {
        "name": NAME,
        "image": TEXT,
        "imagePullPolicy": {"enum": ["IfNotPresent", "Always", "Never"]},
        "args": {"type": "array", "items": TEXT},
        "env": {"type": "array", "items": closed({"name": TEXT, "value": {"type": "string"}}, "name")},
        "envFrom": {"type": "array", "items": closed({"secretRef": closed({"name": NAME, "optional": FLAG}, "name")})},
        "resources": closed({"requests": RESOURCES, "limits": RESOURCES}),
        "securityContext": closed(
            {"allowPrivilegeEscalation": FLAG, "capabilities": closed({"drop": {"type": "array", "items": TEXT}})}
        ),
        "volumeMounts": {
            "type": "array",
            "items": closed(
                {"name": NAME, "mountPath": {"type": "string", "pattern": "^/[^:]*$"}}, "name", "mountPath"
            ),
        },
    },
    "name",
    "image",
)
POD = closed(
    {
        "restartPolicy": {"enum": ["Never", "OnFailure"]},  # a job's pod knows no other
        "automountServiceAccountToken": FLAG,
        "serviceAccountName": NAME,
        "nodeSelector": texts(),
        "tolerations": {
            "type": "array",
            "items": closed(
                {
                    "key": TEXT,
                    "operator": {"enum": ["Exists", "Equal"]},
                    "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
                }
            ),
        },
        "securityContext": closed(
            {"runAsNonRoot": FLAG, "runAsUser": COUNT, "runAsGroup": COUNT, "fsGroup": COUNT},
        ),
        "containers": {"type": "array", "minItems": 1, "items": CONTAINER},
        "volumes": {
            "type": "array",
            "items": closed(
                {"name": NAME, "emptyDir": closed({"medium": {"enum": ["", "Memory"]}, "sizeLimit": QUANTITY})}, "name"
            ),
        },
    },
    "restartPolicy",
    "containers",
)
JOB = closed(
    {
        "apiVersion": {"const": "batch/v1"},
        "kind": {"const": "Job"},
        "metadata": closed(
            {"generateName": TEXT, "namespace": NAME, "labels": texts(pattern="^[A-Za-z0-9_.-]{0,63}$")}
        ),
        "spec": closed(
            {
                "backoffLimit": COUNT,
                "ttlSecondsAfterFinished": COUNT,
                "parallelism": COUNT,
                "completions": COUNT,
                "template": closed({"spec": POD}, "spec"),
            },
            "template",
        ),
    },
    "apiVersion",
    "kind",
    "metadata",
    "spec",
)
"""The fields of a batch/v1 Job that the template uses, by the Kubernetes API reference 1.34, and no others."""


def template(kind: str) -> dict:
    return json.loads((REPOSITORY / "deploy" / "pools" / f"{kind}.json").read_text())


def deployment(name: str) -> dict:
    """Return a deployment of prefect.yaml with the shared settings filled in."""
    found = YAML(typ="safe").load(REPOSITORY / "prefect.yaml")["deployments"]
    return apply_values(next(entry for entry in found if entry["name"] == name), {})


@pytest.fixture
def rendered(monkeypatch):
    """Render a template for a lineage as a worker of Prefect does, with the variables of its deployment."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def render(kind: str, **changes):
        variables = template(kind)["variables"]
        given = {**deployment(f"lineage-{kind}")["work_pool"]["job_variables"], **changes}
        jsonschema.Draft202012Validator(variables).validate(given)
        whole = {**BaseJobConfiguration._get_base_config_defaults(variables["properties"]), **given}
        return apply_values(
            template(kind)["job_configuration"],
            {
                **whole,
                "name": "replace-s3",
                "labels": {"flow": "lineage"},
                "command": ["prefect", "flow-run", "execute"],
            },
        )

    return render


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_has_a_sound_schema_with_sound_defaults_and_uses_every_variable(kind):
    found = template(kind)
    assert set(found) == {"job_configuration", "variables"}
    jsonschema.Draft202012Validator.check_schema(found["variables"])
    properties = found["variables"]["properties"]
    for name, property_ in properties.items():
        if "default" in property_:
            jsonschema.Draft202012Validator(property_).validate(property_["default"])
        assert property_["title"], name
        assert property_["description"], name
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(found["job_configuration"])))
    assert used == set(properties)


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_wrong_variable_is_refused(rendered, kind):
    for wrong in ({"gpus": "two"}, {"gpus": -2}, {"gpu": 1}, {"shared_memory": "much"}, {"image_pull_policy": "Often"}):
        with pytest.raises(jsonschema.ValidationError):
            rendered(kind, **wrong)


def test_a_lineage_is_a_job_of_kubernetes_that_asks_for_its_gpus(rendered):
    job = rendered("kubernetes", gpus=2)["job_manifest"]
    pod = job["spec"]["template"]["spec"]
    # Prefect's worker insists on these two inside the pod, where Kubernetes does not know and so drops them.
    assert (pod.pop("parallelism"), pod.pop("completions")) == (1, 1)
    container = pod["containers"][0]
    assert container["env"]["DWINDLE_EXCHANGE"] == ENVIRONMENT["DWINDLE_EXCHANGE"]
    container["env"] = [
        {"name": name, "value": value} for name, value in container["env"].items()
    ]  # as the worker does
    jsonschema.Draft202012Validator(JOB).validate(job)
    assert container["image"] == ENVIRONMENT["DWINDLE_IMAGE"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert pod["volumes"][0]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert pod["securityContext"]["runAsNonRoot"]


def test_the_schema_of_a_job_refuses_what_kubernetes_would_drop(rendered):
    job = rendered("kubernetes")["job_manifest"]
    said = [error.message for error in jsonschema.Draft202012Validator(JOB).iter_errors(job)]
    assert any("'completions', 'parallelism' were unexpected" in message for message in said), said


def test_a_container_sees_all_gpus_and_the_leases_of_its_machine(rendered):
    settings = rendered("docker")
    create = settings["container_create_kwargs"]
    assert create["device_requests"] == [{"driver": "nvidia", "count": -1, "capabilities": [["gpu"]]}]
    assert settings["env"]["DWINDLE_SLOTS"] == "all"
    assert f"/var/lock/dwindle:{settings['env']['DWINDLE_SLOT_FOLDER']}" in settings["volumes"]
    from docker.models.containers import _create_container_args

    known = {key: settings[key] for key in ("image", "volumes", "auto_remove", "labels")}
    made = _create_container_args({**known, **create, "environment": settings["env"], "version": "1.43"})
    request = made["host_config"]["DeviceRequests"][0]
    assert (request["Driver"], request["Count"], request["Capabilities"]) == ("nvidia", -1, [["gpu"]])
    assert made["host_config"]["ShmSize"] == 2 << 30


def test_a_flow_run_of_a_process_pool_works_where_its_worker_was_started():
    assert template("process")["variables"]["properties"]["working_dir"]["default"] == "."
    assert deployment("lineage")["work_pool"] == {"name": "lineages"}
    assert deployment("sweep")["work_pool"] == {"name": "control"}


def test_no_secret_stands_in_a_deployment():
    text = (REPOSITORY / "prefect.yaml").read_text()
    assert set(re.findall(r"\{\{ \$(\w+) \}\}", text)) == set(ENVIRONMENT)


def test_the_image_holds_the_lock_and_runs_as_nobody_in_particular():
    lines = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    orders = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    base = next(value for order, value in orders if order == "ARG" and value.startswith("BASE="))
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-\w+", base)  # never a tag that moves to another Python
    assert {value.split()[0] for order, value in orders if order == "FROM"} == {"${BASE}"}
    assert ["COPY", "requirements.lock ./"] in orders
    assert any(order == "RUN" and "--requirement requirements.lock" in value for order, value in orders)
    assert [value for order, value in orders if order == "USER"][-1] == "dwindle"
    assert [value for order, value in orders if order == "CMD"] == ['["prefect", "flow-run", "execute"]']
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "**" in ignored
    for name in ("requirements.lock", "pyproject.toml", "src/", "flows/", "tasks/", "dvc.yaml", ".dvc/config"):
        assert f"!{name}" in ignored
        assert (REPOSITORY / name).exists()
