"""Lineages between machines that share no folder: what one has grown is sent, and another goes on from there.

A generation is looked up by what it follows from: the digests of all stages up to it. So a machine finds exactly what
its own plan calls for, and never what was grown by another recipe or by other code.
"""

from __future__ import annotations

from functools import cached_property
from itertools import takewhile
from pathlib import Path

from dwindle.config.sweep import Sweep, branched
from dwindle.data.manifest import digest_of
from dwindle.data.workspace import held
from dwindle.plan import STAGES, Plan, unroll, write_plan
from dwindle.survey import finished_generations
from dwindle.versioning.dvc_store import DvcStore
from dwindle.versioning.exchange import Exchange

__all__ = ["Transport", "with_branch"]


class Transport:
    """Sends and fetches the generations of a plan's lineages; used by one thread at a time.

    Args:
        root: the workspace.
        plan: its plan.
        remote: DVC remote by which they travel, by name or address.

    Raises:
        BadInput: if there is no such remote.
        NotReachable: if nothing is versioned in the workspace.
    """

    def __init__(self, root: Path, plan: Plan, remote: str) -> None:
        self.root, self.plan = root, plan
        self._exchange = Exchange(root, remote)

    @cached_property
    def _store(self) -> DvcStore:
        return DvcStore(self.root)

    def send(self, name: str, generation: int) -> None:
        """Send a finished generation of a lineage; one that is there is not sent again.

        Raises:
            NotReachable: if the remote does not answer.
        """
        stages = self._stages(name, generation)
        self._store.commit(stages)
        self._exchange.send(self._reference(name, generation), stages)

    def fetch(self, name: str) -> int:
        """Bring what others have grown of a lineage, from the first generation that is missing here on.

        Returns:
            How many generations came.

        Raises:
            DataDamaged: if an object on the remote is not what it was sent as.
            NotReachable: if the remote does not answer.
        """
        done, _ = finished_generations(self.root, self.plan, name)
        wanted = range(done + 1, len(self.plan.generations(name)))
        return sum(1 for _ in takewhile(lambda generation: self._brought(name, generation), wanted))

    def _brought(self, name: str, generation: int) -> bool:
        return self._exchange.fetch(self._reference(name, generation)) is not None

    def _stages(self, name: str, generation: int) -> list[str]:
        key = self.plan.generations(name)[generation]
        real = self.plan.chain[key]["real"]
        draws = [f"draw@{at}" for at, entry in self.plan.real.items() if entry["folder"] == real] * (generation == 0)
        return [*draws, *(f"{stage}@{key}" for stage in STAGES)]

    def _reference(self, name: str, generation: int) -> str:
        """Return where a generation stands: below its lineage, by all that it follows from."""
        keys = self.plan.generations(name)[: generation + 1]
        follows = [self.plan.digest(stage) for at in range(len(keys)) for stage in self._stages(name, at)]
        return f"{name}/{generation:03d}/{digest_of(follows)[:32]}"


def with_branch(sweep: Sweep, name: str) -> Sweep:
    """Return a sweep with a branch that it has come to need on another machine: fetch what says so.

    Args:
        sweep: the sweep as this workspace knows it.
        name: a lineage, perhaps a branch of one; where it is there already nothing is done.

    Raises:
        NotReachable: if the remote does not answer.
    """
    rolled = {of for of, lineage in sweep.lineages.items() for g in lineage.recipe.gates if g.action == "roll_back"}
    left = [of for of in rolled if name.startswith(f"{of}-from-")]
    if name in sweep.lineages or not left or not sweep.engine.exchange:
        return sweep
    plan = unroll(sweep)
    write_plan(plan, sweep.root)
    for of in left:
        with held(sweep.root, f"lineage-{of}", wait=True):
            Transport(sweep.root, plan, sweep.engine.exchange).fetch(of)
    return branched(sweep)
