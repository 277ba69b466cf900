"""Sampled text is written generation by generation, and only where the source can spell its rows."""

from __future__ import annotations

from dwindle.config.sweep import load_sweep
from dwindle.growth import grow_sweep
from dwindle.plan import read_plan
from dwindle.report.texts import write_texts

WORDS = """
sweep: words
generations: 1
chains: 2
budget: 60
source: {name: pydoc_topics, symbols: 300, length: 12, held_out: 50}
family: {name: ngram, symbols: 300}
metrics: [perplexity]
lineages:
  replace: {regime: replace}
  accumulate: {regime: accumulate}
"""


def grown(root, text):
    (root / "params.yaml").write_text(text)
    grow_sweep(load_sweep(root / "params.yaml"), tracking=False, versioning=False, shown=False)
    return read_plan(root)


def test_every_lineage_says_something_at_every_generation(tmp_path):
    plan = grown(tmp_path, WORDS)
    lines = write_texts(tmp_path, plan).read_text().splitlines()
    for lineage in ("replace", "accumulate"):
        start = lines.index(lineage)
        own = lines[start + 1 : lines.index("", start) if "" in lines[start:] else None]
        assert [line[:6].strip() for line in own if line[:6].strip()] == ["0", "0", "1", "1"]
    assert (tmp_path / "plots" / "words" / "samples.txt").stat().st_size > 200


def test_vectors_have_no_text(tmp_path):
    text = "sweep: numbers\ngenerations: 0\nchains: 2\nbudget: 10\nsource: gaussian\nfamily: gaussian\n"
    plan = grown(tmp_path, text + "metrics: [moments]\nlineages:\n  replace: {regime: replace}\n")
    assert write_texts(tmp_path, plan) is None
