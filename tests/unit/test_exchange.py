"""What one machine made stands on another with the same bytes, and DVC finds nothing to do there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.data.workspace import held
from dwindle.errors import BadInput, DataDamaged, NotReachable
from dwindle.plan import read_plan, unroll, write_plan
from dwindle.stages.runner import run_stage
from dwindle.survey import finished_generations
from dwindle.versioning.dvc_store import DvcStore, recorded_hashes
from dwindle.versioning.exchange import Exchange
from dwindle.versioning.lock_file import read_lock_file
from dwindle.versioning.trial import try_remote
from tests.unit import recorded_sweep
from tests.unit.exchanged_sweep import TOPS, Between, between, in_child, of, planned_only, published, stages, travel
from tests.unit.recorded_sweep import dvc, planned, stale

FIRST = ("data/real/", "data/blend/000/", "models/blend/000/", "metrics/blend/000.json")

PARAMS = """\
sweep: exchanged
generations: 2
chains: 2
budget: 20
source: {name: gaussian, dimensions: 2, held_out: 20}
family: {name: gaussian}
metrics: [moments]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Between:
    return between(tmp_path, str(tmp_path / "shelf"))


def test_a_grown_sweep_is_done_where_it_was_fetched(tmp_path: Path):
    there, here = planned_only(tmp_path / "there"), planned_only(tmp_path / "here")
    for root in (there, here):
        (root / "params.yaml").write_text(PARAMS)
        write_plan(unroll(load_sweep(root / "params.yaml")), root)
    plan = read_plan(there)
    made = [name for name in plan.stage_names() if name != "compare"]
    for name in made:
        run_stage(there, name, plan=plan)
    DvcStore(there).commit(made)
    Exchange(there, str(tmp_path / "shelf")).send("exchanged/all", made)
    assert Exchange(here, str(tmp_path / "shelf")).fetch("exchanged/all") == tuple(made)
    assert published(here) == published(there)
    assert (here / "dvc.lock").read_bytes() == (there / "dvc.lock").read_bytes()
    assert stale(here) <= {"compare"}
    for lineage in plan.recipes:
        assert finished_generations(here, plan, lineage) == (2, "")
    # A shard that several folders share is one file here, as it is there.
    shards = [path.stat().st_ino for path in here.glob("data/accumulate/*/*/*.npy")]
    assert len(set(shards)) == len({path.stat().st_ino for path in there.glob("data/accumulate/*/*/*.npy")})
    assert len(set(shards)) < len(shards)


def test_generations_come_one_by_one_and_leave_the_others_alone(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    sender.send("blend/1f2e/000", stages("blend", 0))
    assert fetcher.fetch("blend/1f2e/001") is None
    assert fetcher.fetch("blend/1f2e/000") == tuple(stages("blend", 0))
    assert published(pair.here) == of(pair.there, *FIRST)
    sender.send("blend/1f2e/001", stages("blend", 1))
    fetcher.fetch("blend/1f2e/001")
    assert not stale(pair.here) & {*stages("blend", 0), *stages("blend", 1)}
    assert set(read_lock_file(pair.here / "dvc.lock").blocks) == {*stages("blend", 0), *stages("blend", 1)}


def test_a_second_fetch_touches_nothing(pair: Between):
    pair.sender().send("blend/000", stages("blend", 0))
    fetcher = pair.fetcher()
    fetcher.fetch("blend/000")
    files = [path for path in pair.here.rglob("*") if path.is_file() and "tmp" not in path.parts]
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files if ".dwindle" not in path.parts}
    fetcher.fetch("blend/000")
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before


def test_a_second_send_writes_nothing(pair: Between):
    sender = pair.sender()
    sender.send("blend/000", stages("blend", 0))
    before = {path: path.stat().st_ino for path in Path(pair.shelf).rglob("*") if path.is_file()}
    sender.send("blend/000", stages("blend", 0))
    assert {path: path.stat().st_ino for path in Path(pair.shelf).rglob("*") if path.is_file()} == before


def test_what_stands_there_and_is_something_else_is_replaced(pair: Between):
    pair.sender().send("blend/000", stages("blend", 0))
    for path in ("models/blend/000/rows.npy", "metrics/blend/000.json"):
        (pair.here / path).parent.mkdir(parents=True)
        (pair.here / path).write_text("of another plan")
    pair.fetcher().fetch("blend/000")
    assert published(pair.here) == of(pair.there, *FIRST)


def test_a_reference_can_be_sent_anew_for_what_was_made_anew(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    sender.send("blend/000", stages("blend", 0))
    fetcher.fetch("blend/000")
    (pair.there / "metrics/blend/000.json").write_text('{"frechet": 0.25}')
    DvcStore(pair.there).commit(["evaluate@blend-g000"])
    sender.send("blend/000", stages("blend", 0))
    fetcher.fetch("blend/000")
    assert published(pair.here) == of(pair.there, *FIRST)
    assert recorded_hashes(pair.here) == recorded_hashes(pair.there, stages("blend", 0))


def test_references_are_listed_below_a_prefix(pair: Between):
    sender, fetcher = pair.sender(), pair.fetcher()
    assert fetcher.known() == []
    for reference in ("blend/1f2e/001", "blend/1f2e/000", "blend/1f2e0/000", "blend.x"):
        sender.send(reference, ["draw@toy-1"])
        assert reference in fetcher.known()
    assert fetcher.known("blend/1f2e") == ["blend/1f2e/000", "blend/1f2e/001"]
    assert fetcher.known("nobody") == []


def test_dvc_itself_finds_what_was_sent(pair: Between, tmp_path: Path):
    for t in range(2):
        pair.sender().send(f"blend/{t}", stages("blend", t))
    dvc(pair.there, "remote", "add", "--default", "shelf", pair.shelf)
    before = of(pair.there, "models/blend/")
    shutil.rmtree(pair.there / ".dvc/cache")
    shutil.rmtree(pair.there / "models/blend")
    dvc(pair.there, "pull", "train@blend-g000", "train@blend-g001")
    assert of(pair.there, "models/blend/") == before
    assert Exchange(pair.there, "Shelf").known() == ["blend/0", "blend/1"]


def test_a_lost_object_is_sent_again(pair: Between):
    sender = pair.sender()
    sender.send("blend/000", stages("blend", 0))
    model = recorded_hashes(pair.there)["models/blend/000"]
    short = recorded_hashes(pair.there)["metrics/blend/000.json"]
    pair.object(model).unlink()
    pair.object(short).chmod(0o644)
    pair.object(short).write_bytes(b"{")
    with pytest.raises(DataDamaged, match=f"{model[2:]}: not there"):
        pair.fetcher().fetch("blend/000")
    sender.send("blend/000", stages("blend", 0))
    pair.fetcher().fetch("blend/000")
    assert published(pair.here) == of(pair.there, *FIRST)


# ---------------------------------------------------------------------------------------------------- many at once


TRAVEL = """
import sys
from pathlib import Path
from tests.unit.exchanged_sweep import travel
from dwindle.versioning.exchange import Exchange
travel(Exchange(Path(sys.argv[1]), sys.argv[2]), sys.argv[3])
"""


def test_threads_that_share_an_exchange_and_processes_with_their_own_all_land(pair: Between):
    for root, way in ((pair.there, "send"), (pair.here, "fetch")):
        exchange = Exchange(root, pair.shelf)
        exchange.known()
        command = [sys.executable, "-c", TRAVEL, root, pair.shelf, way]
        processes = [subprocess.Popen(command) for _ in range(2)]
        threads = [threading.Thread(target=travel, args=(exchange, way)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [process.wait() for process in processes] == [0, 0]
    assert published(pair.here) == of(pair.there, *TOPS[:3])
    assert stale(pair.here) <= {"compare"}


def test_an_exchange_survives_a_fork(pair: Between):
    sender = pair.sender()
    sender.send("blend/000", stages("blend", 0))
    assert in_child(lambda: sender.send("blend/001", stages("blend", 1))) == 0
    assert sender.known() == ["blend/000", "blend/001"]


# ---------------------------------------------------------------------------------------------------- a user's mistakes


def test_an_unknown_remote_is_refused_with_the_nearest_name(pair: Between):
    dvc(pair.there, "remote", "add", "shelf", pair.shelf)
    with pytest.raises(BadInput, match="did you mean shelf"):
        Exchange(pair.there, "shelff")
    with pytest.raises(BadInput, match="foo://"):
        Exchange(pair.there, "foo://bucket/path")


def test_a_stage_that_is_not_on_record_is_named_and_nothing_is_sent(pair: Between):
    with pytest.raises(BadInput, match=r"train@blend-g009: not on record .* did you mean train@blend-g00"):
        pair.sender().send("blend/009", ["train@blend-g009"])
    assert not Path(pair.shelf).exists()


def test_a_stage_that_the_plan_here_has_not_is_named(pair: Between):
    pair.sender().send("blend/001", stages("blend", 1))
    plan = planned()
    del plan["chain"]["blend-g001"]
    recorded_sweep.write_plan(pair.here, plan)
    with pytest.raises(BadInput, match="blend-g001"):
        pair.fetcher().fetch("blend/001")
    assert published(pair.here) == {}


def test_an_output_that_the_cache_has_lost_is_named_and_no_reference_is_left(pair: Between):
    shutil.rmtree(pair.there / ".dvc/cache")
    with pytest.raises(DataDamaged, match="not in DVC's cache"):
        pair.sender().send("blend/000", stages("blend", 0))
    assert pair.fetcher().known() == []


def test_a_remote_that_may_not_be_written_is_named(pair: Between, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReachable, match="file/shelf"):
        Exchange(pair.there, str(tmp_path / "file/shelf")).send("blend/000", stages("blend", 0))


def test_a_workspace_without_dvc_is_told(tmp_path: Path):
    with pytest.raises(NotReachable, match="nothing is versioned"):
        Exchange(tmp_path, "shelf")


def test_dvc_is_not_imported_before_it_is_needed():
    code = "import sys, dwindle.versioning.exchange; sys.exit(any(name.startswith('dvc') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_real_rows_that_somebody_draws_here_are_waited_for(pair: Between):
    pair.sender().send("blend/000", stages("blend", 0))
    fetcher = pair.fetcher()
    fetching = threading.Thread(target=fetcher.fetch, args=("blend/000",))
    with held(pair.here, "toy-1", wait=True):  # as the stage does that draws them, and clears away what lies beside
        fetching.start()
        fetching.join(1.0)
        assert fetching.is_alive()
        assert not list(pair.here.glob("data/real/*"))
    fetching.join()
    assert of(pair.here, *FIRST) == of(pair.there, *FIRST)


def test_settings_of_dvc_that_cannot_be_read_are_told_as_such(pair: Between):
    (pair.here / ".dvc/config").write_text("[core]\n    remote = \n[nonsense")
    with pytest.raises(BadInput, match="DVC: "):
        pair.fetcher()
    with pytest.raises(BadInput, match="DVC: "):
        try_remote(pair.here, pair.shelf)
