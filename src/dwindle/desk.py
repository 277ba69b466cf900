"""What the command line shows: the state of a workspace, damage, components; and one stage run on the spot."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from dwindle.components import ROOMS, about, component, names
from dwindle.config.arms import controls
from dwindle.config.schema import expected, schema
from dwindle.config.sweep import Sweep, load_sweep
from dwindle.data.workspace import held
from dwindle.errors import BadInput, DataDamaged
from dwindle.plan import STAGES, Plan, read_plan, stage_digest, unroll
from dwindle.stages.runner import run_stage
from dwindle.survey import damaged, survey
from dwindle.versioning.lock_file import recorded_hashes

__all__ = [
    "run_one",
    "show_components",
    "show_damage",
    "show_estimate",
    "show_profile",
    "show_simulation",
    "show_status",
]


def run_one(root: Path, name: str, digest: str = "") -> None:
    """Run one stage of plan.json in this process, as `dvc repro` asks for it.

    Args:
        root: the workspace.
        name: the stage.
        digest: the digest that the caller takes the stage to have; empty if it does not say.

    Raises:
        BadInput: if plan.json was written by other code than this, or is another one than the caller has read.
    """
    plan = read_plan(root)
    if digest and digest != plan.digest(name):
        raise BadInput(f"{name} has digest {plan.digest(name) or 'none'} in plan.json, not {digest}; run it again")
    verb, _, key = name.partition("@")
    if verb in STAGES and key in plan.chain:
        if stage_digest(plan, key, verb) != plan.chain[key][verb]:
            raise BadInput("plan.json was unrolled by other code than this; `dwindle plan` writes it anew")
        with held(root, f"lineage-{plan.chain[key]['lineage']}"):
            outcome = run_stage(root, name, plan=plan)
    else:
        outcome = run_stage(root, name, plan=plan)
    print(f"{outcome.stage}: {'done' if outcome.ran else 'already done'}, {outcome.digest[:12]}")


def show_status(params: Path) -> None:
    """Print a line a lineage: generations done, digest, what is missing or what ended it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dwindle.report.progress import inside

    sweep = load_sweep(params)
    plan = read_plan(sweep.root)
    table = Table(title=f"sweep {plan.sweep}")
    for column in ("lineage", "generations", "last dataset", "missing", "environments"):
        table.add_column(column)
    for state in survey(sweep.root, plan):
        reached = f"{state.done} of {state.wanted}" if state.done >= 0 else f"none of {state.wanted}"
        running = inside(sweep.root, state.name, state.done + 1)
        missing = f"{state.next_stage or 'nothing'}{f' ({running})' if running else ''}"
        if state.ended and not running:
            missing = f"ended: {state.ended}"
        table.add_row(state.name, reached, state.digest[:12], escape(missing), str(state.environments))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    if unroll(sweep) != plan:
        console.print(f"plan.json does not describe {params} and the code as they are; `dwindle plan` writes it anew")


def show_profile(params: Path, lineage: str, upto: int) -> None:
    """Print the collapse profile of one lineage or of all, and what their first generations foretell.

    Raises:
        BadInput: if there is no such lineage, or nothing of it is evaluated.
    """
    from dwindle.report.profiles import forecast_table, profiles, verdicts_table
    from dwindle.report.series import gather
    from dwindle.report.text_table import print_table

    sweep = load_sweep(params)
    plan = read_plan(sweep.root)
    chosen = sweep.chosen(lineage or None)
    if lineage in controls(plan.recipes):
        raise BadInput(f"{lineage}: it is what the others are judged by, and has no profile itself")
    found = {name: profile for name, profile in profiles(sweep.root, plan).items() if name in chosen}
    if not found:
        raise BadInput(f"{', '.join(chosen)}: nothing is evaluated beyond generation 0; grow it first")
    for name, profile in found.items():
        print_table(verdicts_table(name, profile))
    print_table(forecast_table(plan, gather(sweep.root, plan), list(found), upto=upto))


def show_simulation(family: str, settings: Sequence[str]) -> None:
    """Print the mean over chains of each measure, at generations that are spread evenly on the scale of logarithms.

    Raises:
        BadInput: if a setting is none, or out of range.
    """
    from threadpoolctl import threadpool_limits

    from dwindle.config.reading import scalar
    from dwindle.report.grid import ladder
    from dwindle.report.text_table import TextTable, print_table
    from dwindle.report.wording import quoted
    from dwindle.seeds import Seed
    from dwindle.sufficient import simulate

    given: dict[str, Any] = {"regime": "replace", "rows": 100, "generations": 100, "chains": 100_000, "seed": 0}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign:
            raise BadInput(f"{setting}: expected key=value; keys are {', '.join(given)} and the family's settings")
        given[key] = scalar(text)
    if type(given["seed"]) is not int or given["seed"] < 0:
        raise BadInput(f"seed = {given['seed']}: expected a whole number >= 0")
    with threadpool_limits(1):  # threads of the linear algebra only wait for each other on arrays this small
        path = simulate(family, **{**given, "seed": Seed(given["seed"])})
    shown = ladder(int(path.generations[-1]))
    rows = tuple(
        (
            f"{t}",
            *(
                quoted(
                    mean[t],
                    mean[t] - 1.96 * path.standard_error[name][t],
                    mean[t] + 1.96 * path.standard_error[name][t],
                )
                for name, mean in path.mean.items()
            ),
        )
        for t in shown
    )
    title = f"{family}, {given['regime']}, {given['rows']} rows, {path.chains:,} chains, no rows drawn: mean ±95 %"
    print_table(TextTable("simulation", title, ("generation", *path.mean), rows))


def show_damage(params: Path) -> None:
    """Read every byte of the plan's outputs and print what is wrong; what was never made is counted, and is no damage.

    Raises:
        DataDamaged: if anything is.
    """
    root = params.resolve().parent
    plan = read_plan(root)
    found = dict(damaged(root, plan, recorded_hashes(root)))
    wrong = [message for message in found.values() if message]
    print(f"{len(found) - len(wrong)} of {len(found)} outputs are what their manifests say")
    if missing := len(plan.real) + len(plan.chain) * len(STAGES) - len(found):
        print(f"{missing} more of the plan were not made; `dwindle status` says what ended or is still to be grown")
    if wrong:
        raise DataDamaged("\n".join([*wrong, "run the sweep again to grow what is missing or damaged, or `dvc pull`"]))


def show_components() -> None:
    """Print every component with the first sentence of its docstring and its settings."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for room in ROOMS:
        console.print(f"\n[bold]{room}[/bold]")
        for name in names(room):
            kind = component(room, name)
            console.print(f"  [cyan]{name}[/cyan]  {about(kind)}", soft_wrap=True)
            for setting, (field, hint) in schema(kind).items():
                default = "required" if field.default is MISSING else f"= {field.default!r}"
                console.print(f"      {setting} {default}  ({expected(hint)})", soft_wrap=True)


def show_estimate(sweep: Sweep, plan: Plan, *, trial: bool = False) -> None:
    """Print what a sweep will be: rows, disk and time of its lineages, what is done and what is computed once.

    Args:
        sweep: the sweep.
        plan: its plan.
        trial: whether to grow the first generations of what has no figures yet, in a folder that is removed.
    """
    from dwindle.estimate import estimate_table
    from dwindle.report.text_table import print_table

    print_table(estimate_table(sweep, plan, trial=trial))
