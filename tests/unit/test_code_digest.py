"""A code digest moves with what the code does, as far as it can be reached, and with nothing else."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dwindle import code
from dwindle.code import code_digest
from dwindle.components import ROOMS, component, names

FILES = {
    "__init__.py": '"""A package."""\n',
    "top.py": '''\
"""What is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pack.middle import double

if TYPE_CHECKING:
    from pack.typed import Typed

LIMIT = 3


class Kind:
    """A class.

    Args:
        width: a setting.
    """

    width: int = 1  # a comment

    def run(self, rows: Typed) -> float:
        """Run."""
        from pack import lazy

        return lazy.late(double(self.width)) + LIMIT
''',
    "middle.py": '"""Between."""\n\nfrom . import bottom\n\n\ndef double(x):\n    return bottom.twice(x)\n',
    "bottom.py": "import pack.round\n\n\ndef twice(x):\n    return 2 * x\n",
    "round.py": "import pack.top\n\nHERE = 1\n",
    "lazy.py": "def late(x):\n    return x\n",
    "typed.py": "class Typed:\n    pass\n",
    "stranger.py": "OTHER = 1\n",
    "loud.py": "from pathlib import Path\n\nPath('canary').write_text('imported')\nVALUE = 1\n",
    "uses_loud.py": "def run():\n    from pack.loud import VALUE\n\n    return VALUE\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of which a module imports another, which imports another, and so on, round to the first."""
    folder = tmp_path / "pack"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]
    forget()


def forget():
    """Let the digests be taken anew, as a new process would."""
    code._read.cache_clear()
    code._found.cache_clear()
    importlib.invalidate_caches()


def digest(*modules):
    forget()
    return code_digest(*(modules or ("pack.top",)))


def change(package, name, old, new):
    path = package / name
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


UNCHANGED = [
    ("top.py", "  # a comment", ""),
    ("top.py", "LIMIT = 3", "# why\nLIMIT = 3  # because"),
    ("top.py", "LIMIT = 3\n", "\n\n\nLIMIT = 3\n\n\n"),
    ("top.py", "LIMIT = 3", "LIMIT = (3)"),
    ("top.py", "LIMIT = 3", "LIMIT = 0x3"),
    ("top.py", '"""What is asked for."""', '"""Other words."""'),
    ("top.py", '"""What is asked for."""\n', ""),
    ("top.py", "        width: a setting.", "        width: another text about it."),
    ("top.py", '        """Run."""\n', ""),
    ("top.py", "LIMIT = 3", 'LIMIT = 3\n"""Text about it."""'),
    ("middle.py", '"""Between."""\n', "'''In between.'''\n"),
    ("middle.py", "    return bottom.twice(x)", "    return bottom.twice(\n        x,\n    )"),
    ("typed.py", "pass", "width = 3"),
    ("stranger.py", "OTHER = 1", "OTHER = 2"),
    (
        "top.py",
        "    from pack.typed import Typed",
        "    from pack.stranger import OTHER\n    from pack.typed import Typed",
    ),
]

CHANGED = [
    ("top.py", "LIMIT = 3", "LIMIT = 4"),
    ("top.py", "LIMIT = 3", "LIMIT = 3.0"),
    ("top.py", "LIMIT = 3", "LIMIT = '3'"),
    ("top.py", "LIMIT = 3", "LIMIT = 3\nLIMIT += 0"),
    ("top.py", "width: int = 1", "width: float = 1"),
    ("top.py", "width: int = 1", "width: int = 2"),
    ("top.py", "+ LIMIT", "- LIMIT"),
    ("top.py", "return lazy", "yield lazy"),
    ("top.py", "class Kind:", "class Kind(float):"),
    ("top.py", "class Kind:", "@staticmethod\nclass Kind:"),
    ("top.py", "self.width", "self.height"),
    ("top.py", "LIMIT = 3", "LIMIT = 3 if LIMIT else None"),
    ("top.py", "LIMIT = 3", "LIMIT = None"),
    ("top.py", "LIMIT = 3", "LIMIT = 3\nif not TYPE_CHECKING:\n    from pack.stranger import OTHER"),
    ("top.py", "    from pack.typed import Typed\n", "    from pack.typed import Typed\nelse:\n    LATER = 1\n"),
    ("top.py", "LIMIT = 3", "from pack.stranger import OTHER\n\nLIMIT = 3"),
    ("middle.py", "double(x)", "double(x, y=1)"),
    ("middle.py", "double(x)", "double(*x)"),
    ("bottom.py", "2 * x", "x * 2"),
    ("round.py", "HERE = 1", "HERE = 2"),
    ("lazy.py", "return x", "return -x"),
]


@pytest.mark.parametrize(("name", "old", "new"), UNCHANGED)
def test_words_blanks_and_what_is_not_reached_leave_it_alone(package, name, old, new):
    before = digest()
    change(package, name, old, new)
    assert digest() == before


@pytest.mark.parametrize(("name", "old", "new"), CHANGED)
def test_a_changed_statement_moves_it(package, name, old, new):
    before = digest()
    change(package, name, old, new)
    assert digest() != before


def test_every_changed_statement_moves_it_elsewhere(package):
    found = {digest()}
    for name, old, new in CHANGED:
        whole = (package / name).read_text()
        change(package, name, old, new)
        found.add(digest())
        (package / name).write_text(whole)
    assert len(found) == len(CHANGED) + 1


def test_a_package_counts_where_something_of_its_own_is_imported(package):
    """Else the version number in it would make everything stale."""
    before = digest("pack.middle")
    change(package, "__init__.py", '"""A package."""\n', "SCALE = 1\n")
    assert digest("pack.middle") == before
    change(package, "middle.py", "from . import bottom", "from . import SCALE, bottom")
    with_scale = digest("pack.middle")
    change(package, "__init__.py", "SCALE = 1", "SCALE = 2")
    assert digest("pack.middle") != with_scale


def test_an_else_beside_type_checking_is_run_and_counts(package):
    change(
        package,
        "top.py",
        "    from pack.typed import Typed\n",
        "    from pack.typed import Typed\nelse:\n    from pack.stranger import OTHER\n",
    )
    before = digest()
    change(package, "stranger.py", "OTHER = 1", "OTHER = 2")
    assert digest() != before


def test_a_module_that_imports_in_a_circle_has_a_digest(package):
    assert digest("pack.round") != digest("pack.lazy")


def test_the_order_of_modules_and_their_repetition_do_not_matter(package):
    both = digest("pack.lazy", "pack.typed")
    assert digest("pack.typed", "pack.lazy") == digest("pack.lazy", "pack.typed", "pack.lazy") == both
    assert digest("pack.lazy") != both


def test_the_order_of_imports_leaves_it_alone_only_where_the_statement_stays(package):
    """What is reached is a set; the statements of the module itself are an order."""
    change(package, "middle.py", "from . import bottom", "from . import bottom, lazy")
    first = digest("pack.middle")
    change(package, "middle.py", "from . import bottom, lazy", "from . import lazy, bottom")
    assert digest("pack.middle") != first


def test_a_module_that_is_reached_is_not_run(package):
    """A digest must not load torch, nor anything else that a stage imports only when it needs it."""
    before = digest("pack.uses_loud")
    assert not Path("canary").exists()
    assert "pack.loud" not in sys.modules
    change(package, "loud.py", "VALUE = 1", "VALUE = 2")
    assert digest("pack.uses_loud") != before


def test_other_packages_do_not_count(package):
    change(package, "lazy.py", "def late", "import json\nimport numpy\n\n\ndef late")
    reached = {}
    forget()
    code._reach("pack.lazy", reached)
    assert set(reached) == {"pack.lazy"}


def test_a_module_that_is_not_there_counts_as_nothing(package):
    change(package, "lazy.py", "def late", "from pack.absent import x\n\n\ndef late")
    reached = {}
    forget()
    code._reach("pack.lazy", reached)
    assert set(reached) == {"pack.lazy"}


def test_it_is_the_same_in_every_process():
    """Whatever the hash seed, and whatever was imported before."""
    modules = ("dwindle.stages.evaluate", "dwindle.families.gaussian_mixture", "dwindle.metrics.prdc")
    program = f"import {{}}; from dwindle.code import code_digest; print(code_digest(*{modules!r}))"
    found = {code_digest(*modules)}
    for seed, first in (("1", "dwindle.plan"), ("2", "json"), ("3", "dwindle.metrics.prdc")):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program.format(first)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        found.add(ended.stdout.strip())
    assert len(found) == 1


def test_no_stage_depends_on_configuration_tracking_or_reports():
    """Rewording an error message or a plot must make no result stale."""
    modules = [f"dwindle.stages.{stage}" for stage in ("draw", "generate", "curate", "train", "evaluate", "compare")]
    modules += [component(room, name).__module__ for room in ROOMS for name in names(room)]
    reached = {}
    for module in modules:
        code._reach(module, reached)
    foreign = {"config", "tracking", "versioning", "report", "cli", "desk", "plan", "session", "recording", "checks"}
    assert {name for name in reached if name.split(".")[1] in foreign} == set()
    assert set(modules) <= set(reached)
    assert "dwindle" not in reached
