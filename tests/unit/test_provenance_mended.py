"""Walks and cards of datasets that curators changed, added to and told of; pictures and trees of long lineages."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

from dwindle.contracts import REAL, Provenance
from dwindle.data.manifest import Manifest
from dwindle.data.shards import write_shard
from dwindle.data.workspace import publish_folder
from dwindle.errors import BadInput
from dwindle.provenance.ancestry import Ancestor
from dwindle.provenance.cards import write_cards
from dwindle.provenance.composition import composition_table
from dwindle.provenance.datasets import Dataset, Producer, datasets
from dwindle.provenance.picture import stacked
from dwindle.provenance.tree import by_origin, tree_of
from dwindle.provenance.walking import parsed_row, walk_back
from dwindle.seeds import Seed
from tests.unit.made_sweep import planned

PARAMS = """\
sweep: mended
generations: 3
chains: 2
budget: 4
source: {name: gaussian, dimensions: 2, held_out: 10}
family: gaussian
metrics: [moments]
lineages:
  one: {regime: replace}
"""

CURATION = [
    {
        "curator": "range_check",
        "shown": 8,
        "kept": 7,
        "dropped": {"beyond the range": 1},
        "repaired": {"clipped": 1},
        "added": 3,
        "bias": {"variance_factor": {"mean": 0.25, "low": 0.2, "high": 0.3, "chains": [0.2, 0.3]}},
        "alarms": ["variance times 0.25, alarm below 0.5 or above its inverse"],
    }
]


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    """One generation whose rows a curator dropped, changed and added to, and no other."""
    root = tmp_path_factory.mktemp("mended")
    plan = planned(root, PARAMS)
    entry, source = plan.chain["one-g001"], plan.recipe("one").source
    anchor = source.draw(4, first=0, chains=2, seed=Seed(0).at("real"))
    real = put(root, entry["real"], {"real": anchor}, {})
    rows = put(root, "data/one/000/real", {"real": anchor}, {"generator": real})
    first = put(root, "data/one/000/train", {"real": anchor}, {"rows": rows, "real": real})
    model = put(root, "models/one/000", {"model": anchor}, {"train": first})
    sampled = source.draw(4, first=50, chains=2, seed=Seed(0).at("made"))
    sampled = replace(sampled, provenance=Provenance.of(1, 2, 4))
    new = put(root, entry["rows"], {"synthetic-001": sampled}, {"generator": model})
    values, weights = sampled.values.copy(), np.array([[0.0, 1, 1, 1], [1, 1, 1, 1]])
    values[0, 2] += 1.0
    beside = source.draw(2, first=3, chains=2, seed=Seed(0).at("real"))
    beside = replace(beside, values=beside.values.copy(), weights=np.array([[1.0, 1], [1, 0]]))
    beside.values[0, 0] = anchor.values[0, 3]
    shards = {"synthetic-001": replace(sampled, values=values, weights=weights), "added": beside}
    put(root, "data/one/001/train", shards, {"rows": new, "real": real}, curation=CURATION)
    return root, plan


def put(root, folder, shards, inputs, **facts):
    """Publish shards as a folder and return its digest."""
    known = [rows.provenance.origin[rows.filled_weights() > 0] for rows in shards.values()]
    found, counts = np.unique(np.concatenate(known), return_counts=True)
    origins = {"real" if o == REAL else str(o): int(n) for o, n in zip(found, counts, strict=True)}

    def write(out):
        for name, rows in shards.items():
            write_shard(out, name, rows)
        told = {"purpose": "augment", "stage": "fine_tuning", "dropped": {"beyond the range": 1}} if facts else {}
        total = {"total": int(counts.sum()), "origin": origins}
        return {"shards": list(shards), "chains": 2, "rows": total | {"synthetic": 4}, **told, **facts}

    made = {"stage": "made", "key": "made", "recipe": "made", "environment": {}}
    return publish_folder(root / folder, write, inputs=inputs, **made).digest


def test_a_row_that_a_curator_changed_says_so_and_its_neighbours_do_not(mended):
    steps = [walk_back(*mended, "one", 1, row).steps[0] for row in range(3)]
    assert [(step.number, step.changed, step.place.line) for step in steps] == [
        (1, False, 0),
        (2, True, 1),
        (3, False, 2),
    ]
    assert "changed by a curator since" in printed(tree_of(walk_back(*mended, "one", 1, 1)))


def test_real_rows_that_a_curator_added_end_the_walk(mended):
    walks = [walk_back(*mended, "one", 1, row) for row in (3, 4)]
    assert [(walk.steps[0].real.number, walk.steps[0].real.anchor) for walk in walks] == [(3, True), (4, False)]
    assert [walk.steps[0].changed for walk in walks] == [False, None]
    assert not any(walk.ancestors for walk in walks)


def test_each_chain_has_its_own_number_of_rows(mended):
    last = walk_back(*mended, "one", 1, 4, chain=1).steps[0]
    assert (last.place.shard, last.place.line) == ("added", 2)
    for chain in (0, 1):
        with pytest.raises(BadInput, match=r"rows 0\.\.4"):
            walk_back(*mended, "one", 1, 5, chain=chain)


def test_what_is_not_grown_is_refused_with_the_last_that_is(mended):
    with pytest.raises(BadInput, match="generation 3 of one is not grown yet; its last one here is 1"):
        walk_back(*mended, "one", 3, 0)
    assert "generations 2 to 3 are not grown yet" in composition_table(datasets(*mended, "one"), 3).notes


@pytest.mark.parametrize("text", ["", "one", "one/1", "one/1/-1", "one/1/2/3", "one/x/1"])
def test_a_row_is_named_by_lineage_generation_and_number(text):
    assert parsed_row("one/1/2") == ("one", 1, 2)
    with pytest.raises(BadInput, match="expected LINEAGE/GENERATION/ROW"):
        parsed_row(text)


def test_cards_tell_what_curators_told(mended):
    root, plan = mended
    (folder,) = write_cards(root, plan, "one", 1)
    _, header, text = (folder / "README.md").read_text().split("---\n", 2)
    assert YAML(typ="safe").load(header)["license"] == "unknown"
    for told in ("8 rows shown, 7 kept", "1 repaired: clipped", "3 added", "| beyond the range | 1 |", "0.25 ±0.05"):
        assert told in text
    for told in ("range_check: variance times 0.25", "fine-tuning", "synthetic rows: augment", "drawn from a law"):
        assert told in text
    said = json.loads((folder / "croissant.json").read_text())
    assert any("alarm, range_check" in bias for bias in said["rai:dataBiases"])
    assert [part["@id"] for part in said["recordSet"]] == ["synthetic-001", "added"]


def printed(tree):
    from rich.console import Console

    console = Console(width=400)
    with console.capture() as captured:
        console.print(tree)
    return captured.get()


def test_a_long_walk_is_cut_in_the_middle_and_ends_at_real_rows(mended):
    models = [Ancestor(Producer(t, "gaussian", "ab", "m"), "cd", "d", 4, {"real": 4}, "") for t in range(99, -1, -1)]
    lines = printed(tree_of(replace(walk_back(*mended, "one", 1, 0), ancestors=tuple(models)))).splitlines()
    assert len(lines) < 22
    assert "88 models of generations 89 down to 2" in "".join(lines)
    assert "real rows" in lines[-1]
    assert "generation 0 (" in lines[-2]


def test_many_generations_share_bands_and_lose_no_row():
    found = [made_up(t, {"real": 1, **{f"{g}": 1 for g in range(1, t + 1)}}) for t in range(101)]
    bands = stacked(found)
    assert list(bands)[:2] == ["real", "1-5"]
    assert len(bands) <= 25
    np.testing.assert_allclose(sum(bands.values()), 1.0)
    assert bands["96-100"][100] == pytest.approx(5 / 101)


def made_up(generation, origins):
    facts = {"chains": 1, "rows": {"total": sum(origins.values()), "origin": origins}}
    return Dataset("one", generation, "d", Manifest("curate", "k", "d", {}, {}, "r", facts), {}, None)


def test_rows_by_origin_are_told_in_a_few_words():
    assert by_origin({"real": 2.5, "fresh": 1, "3": 4}) == "2.5 real, 1 fresh, 4 of generation 3"
    assert by_origin({f"{t}": 1 for t in range(1, 9)}) == "8 of generations 1 to 8"
