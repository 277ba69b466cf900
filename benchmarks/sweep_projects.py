"""Projects in temporary folders that grow sweeps of many tiny lineages, and commands that are timed in them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

__all__ = ["DWINDLE", "FLOW", "IDLE_SECONDS", "LIMIT", "Project", "bare_seconds", "deployed", "new_project"]

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
DWINDLE = str(BIN / "dwindle")
FLOW = (sys.executable, "-m", "flows.sweep")

LIMIT = 600
"""Seconds after which a step is ended; it then counts as endless."""

IDLE_SECONDS = 0.5
"""How long a fit of the idle family waits: a stand-in for training on a device of its own."""

PARAMS = """\
sweep: many
generations: {generations}
chains: 4
budget: 20
source: {{name: gaussian, held_out: 20}}
family: {{name: "{family}"}}
metrics: [moments]
regime: {{name: blend}}
axes: {{ratio: {{regime.synthetic_ratio: {ratios}}}}}
engine: {engine}
"""

IDLE = f"""\
import time
from dataclasses import dataclass
from dwindle.families.gaussian import Gaussian

@dataclass(frozen=True)
class Idle(Gaussian):
    def fit(self, rows, *, seed, parent=None):
        time.sleep({IDLE_SECONDS})
        return super().fit(rows, seed=seed, parent=parent)
"""


@dataclass(frozen=True)
class Project:
    """A folder with a sweep in it.

    Args:
        root: the folder.
        environment: what commands see beside the environment of this process.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def seconds(self, *command: str) -> float:
        """Return the wall time of a command, seconds; infinity if it was ended at the limit."""
        environment = {**os.environ, **_quiet(), **self.environment}
        log = self.root / "command.log"
        started = time.monotonic()
        with log.open("w") as out, _ended(command, self.root, environment, out) as process:
            try:
                code = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                return float("inf")
        if code:
            sys.exit(f"{' '.join(command)}: {code}\n{log.read_text()}")
        return time.monotonic() - started

    def growing(self) -> float:
        """Return the seconds from the first evaluation to the last one, by the times of the files."""
        made = [path.stat().st_mtime for path in (self.root / "metrics").glob("*/*.json")]
        return max(made) - min(made)

    def pace(self, few: int, many: int) -> float:
        """Return the seconds from one generation of a lineage to its next one, by the times of the files."""
        first, last = (
            [path.stat().st_mtime for path in (self.root / "metrics").glob(f"*/{generation:03d}.json")]
            for generation in (few, many)
        )
        return (sum(last) - sum(first)) / (len(last) * (many - few))


@contextmanager
def new_project(
    lineages: int, generations: int, *, engine: str = "process", workers: int = 0, family: str = "gaussian"
) -> Iterator[Project]:
    """Make a project as a fresh clone has it, with lineages along one axis of synthetic ratios."""
    ratios = [round((place + 1) / lineages, 4) for place in range(lineages)]
    settings = json.dumps({"name": engine, "workers": workers})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "many"
        root.mkdir()
        for name in ("dvc.yaml", ".dvcignore", ".gitignore", "prefect.yaml"):
            shutil.copy(REPOSITORY / name, root / name)
        for name in ("flows", "tasks", "presets", ".dvc/plots", "deploy/pools"):
            shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("config", ".gitignore"):
            shutil.copy(REPOSITORY / ".dvc" / name, root / ".dvc" / name)
        text = PARAMS.format(generations=generations, family=family, ratios=ratios, engine=settings)
        (root / "params.yaml").write_text(text)
        (root / "idle_family.py").write_text(IDLE)
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        yield Project(root, {"PREFECT_HOME": str(_home())})


@lru_cache(maxsize=1)
def _home() -> Path:
    """Return where Prefect's database stands until this process ends: one for all, because making it takes seconds."""
    home = Path(tempfile.mkdtemp(prefix="dwindle-benchmark-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _quiet() -> dict[str, str]:
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def _ended(
    command: Sequence[str], root: Path, environment: dict[str, str], out: object = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command that is gone, with its children, when the block ends."""
    streams = {"stdout": out, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=root, env=environment, start_new_session=True, **streams)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def deployed(project: Project) -> Iterator[Project]:
    """Run a Prefect server on SQLite with this project's deployments on it, and one worker on the lineages' pool."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        own = {"PREFECT_HOME": home, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        environment = {**os.environ, **_quiet(), **own}
        with _ended((str(BIN / "prefect"), "server", "start", "--port", port), project.root, environment):
            _wait_for(f"{own['PREFECT_API_URL']}/health")
            served = Project(project.root, own)
            served.seconds(sys.executable, "-m", "flows.deploy")
            worker = (sys.executable, "-m", "flows.workers", "--pool", "lineages", "--count", "1")
            with _ended(worker, project.root, environment):
                yield served


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit(f"{address} does not answer")
            time.sleep(0.2)


def bare_seconds(generations: int = 300) -> float:
    """Return the seconds of a generation of the tiny recipe as a bare loop: its arithmetic, and nothing kept."""
    from dwindle.contracts import Evidence
    from dwindle.families.gaussian import Gaussian
    from dwindle.metrics.moments import Moments
    from dwindle.samplers import Sampler
    from dwindle.seeds import Seed
    from dwindle.sources.gaussian import Gaussian as Source

    seed, source, family, sampler = Seed(0), Source(held_out=20), Gaussian(), Sampler()
    held_out = source.draw_held_out(seed=seed)
    rows = anchor = source.draw(20, first=0, chains=4, seed=seed)
    started = time.perf_counter()
    for generation in range(generations):
        model = family.fit(rows.anonymous(), seed=seed.at(generation, "fit"))
        samples = model.sample(20, sampler=sampler, seed=seed.at(generation, "samples"))
        Moments().measure(Evidence(generation, model, samples, held_out, anchor, rows, source, seed))
        rows = model.sample(20, sampler=sampler, seed=seed.at(generation))
    return (time.perf_counter() - started) / generations
