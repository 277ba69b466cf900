"""The house's own rules, held by a machine where a machine can."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dwindle.config.sweep import load_sweep
from dwindle.plan import unroll

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("src", "flows", "tasks") for path in (REPOSITORY / folder).rglob("*.py"))
BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager"}


def functions():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def imported_by(statement: str) -> set[str]:
    """Return the modules in memory after a statement, in a process of its own."""
    script = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(done.stdout.split())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_file_has_at_most_300_lines_and_a_telling_name(path):
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in BANNED


def test_no_function_is_longer_than_60_lines_and_half_are_under_10():
    lengths = []
    for path, node in functions():
        body = node.body[1:] if ast.get_docstring(node) else node.body
        length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert length <= 60, f"{path}: {node.name} has {length} lines"
        lengths.append(length)
    assert sorted(lengths)[len(lengths) // 2] < 10


def test_public_names_carry_no_counting_prefix():
    for path, node in functions():
        assert not re.match(r"(n|num)_", node.name), f"{path}: {node.name}"
        for argument in node.args.args + node.args.kwonlyargs:
            assert not re.match(r"(n|num)_", argument.arg), f"{path}: {node.name}({argument.arg})"


def test_a_gaussian_lineage_imports_neither_torch_nor_transformers_nor_the_trackers():
    loaded = imported_by("import dwindle.families.gaussian, dwindle.sources.gaussian, dwindle.stages.runner")
    assert not loaded & {"torch", "transformers", "mlflow", "dvc", "prefect", "sklearn"}


def test_the_command_line_answers_without_the_heavy_libraries():
    loaded = imported_by("import dwindle.cli")
    assert not loaded & {"numpy", "mlflow", "dvc", "prefect", "torch", "omegaconf", "matplotlib"}


def test_no_name_of_a_plan_reaches_a_shell():
    pipeline = YAML(typ="safe").load((REPOSITORY / "dvc.yaml").read_text())
    for stage in pipeline["stages"].values():
        command = stage.get("do", stage)["cmd"]
        assert re.fullmatch(r"dwindle [a-z]+ --digest \$\{(item\.[a-z]+|compare)\}", command)


def test_the_digests_that_reach_a_shell_are_hexadecimal():
    plan = unroll(load_sweep(REPOSITORY / "params.yaml"))
    for stage in plan.stage_names():
        assert re.fullmatch(r"[0-9a-f]{32}", plan.digest(stage))


def test_dvc_and_dwindle_read_the_same_params():
    from dwindle.config.reading import read_yaml

    path = REPOSITORY / "params.yaml"
    assert YAML(typ="safe").load(path.read_text()) == read_yaml(path).data


def test_the_lock_is_complete_and_fits_what_is_declared():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (REPOSITORY / "requirements.lock").read_text(), re.M))
    assert pins["torch"] == "2.13.0"
    assert tuple(map(int, pins["fastapi"].split("."))) < (0, 151)
