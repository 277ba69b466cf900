"""Every mistake in params.yaml or on the command line is refused in words that name it, before anything is written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dwindle.config.sweep import load_sweep
from dwindle.errors import BadInput

PARAMS = """\
sweep: small
generations: 3
seed: 7
chains: 2
budget: 40
source: {name: gaussian, dimensions: 2, held_out: 30}
family: {name: gaussian, ddof: 0}
sampler: {variance_factor: 1.0}
curators: [keep_all]
metrics: [moments]
tracking: {uri: "sqlite:///runs.db"}
engine: {workers: 1}
lineages:
  replace: {regime: replace}
  blend: {regime: {name: blend, synthetic_ratio: 0.5}}
"""

DIGITS = "source={name: digits, dimensions: 2, held_out: 97}"
"""A source of 1700 rows a chain."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An otherwise empty project, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def loaded(folder, *overrides, text=PARAMS):
    path = folder / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_sweep(path, overrides)


def refused(folder, *overrides, text=PARAMS):
    """Return the problems of a refused sweep, one a line, each naming its place; nothing else came into the folder."""
    with pytest.raises(BadInput) as caught:
        loaded(folder, *overrides, text=text)
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    assert lines == list(caught.value.problems)
    assert [path.name for path in folder.iterdir()] == ["params.yaml"]
    assert (folder / "params.yaml").read_bytes() == (text if isinstance(text, bytes) else text.encode())
    for line in lines:
        assert line.startswith((f"{folder}/params.yaml", "command line: "))
        assert line.isprintable()
        assert len(line) < 900
    return [line.replace(f"{folder}/", "") for line in lines]


def one(folder, *overrides, text=PARAMS):
    lines = refused(folder, *overrides, text=text)
    assert len(lines) == 1, lines
    return lines[0]


def changed(old, new):
    assert PARAMS.count(old) == 1
    return PARAMS.replace(old, new)


def test_the_sweep_that_the_mistakes_are_made_in_is_itself_fine(folder):
    sweep = loaded(folder)
    assert list(sweep.lineages) == ["replace", "blend"]
    assert sweep.lineages["blend"].recipe.regime.synthetic_ratio == 0.5
    assert sweep.root == folder


# ------------------------------------------------------------------------------------------- the file as such


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: [1, 2\nb: 3\n", 2, "a bracket is not closed"),
        ("a: {b: 1\n", 2, "a bracket is not closed"),
        ('a: "x\nb: 3\n', 3, "a quote is not closed"),
        ("a: b: c\n", 1, "a second ': ' on this line"),
        ("a: 1\n  b: 2\n", 2, "a wrong indentation"),
        ("a:\n\tb: 1\n", 2, "not with a tab"),
        ("a: 1\nb: @x\n", 2, "put this text in quotes"),
        ("a: 1\nno colon here\nb: 2\n", 3, "each line is `key: value`"),
        ("a: 1\n---\nb: 2\n", 2, "a file holds one document"),
        ("- a\n- b\n", 1, "a mapping of keys to values is expected at the top, not a list"),
        ("3\n", 1, "a mapping of keys to values is expected at the top, not 3"),
        ("", 1, "a mapping of keys to values is expected at the top, not nothing"),
        ("# only a comment\n", 1, "a mapping of keys to values is expected at the top, not nothing"),
        ("? [a, b]\n: 1\n", 1, "a key must be one word"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "b.c: the key stands here twice"),
        ("a: 1\nb: &x 2\n", 2, "anchors and aliases are not supported"),
        ("a: 1\nb: *x\n", 2, "anchors and aliases are not supported"),
        ("a: 1\nb: !!python/object/apply:os.system ['touch canary']\n", 2, "tags are not supported"),
        ("a: 1\nb: ${seed}\n", 2, "'${seed}': interpolation is not supported"),
        ("a: 1\nb: ${oc.env:HOME}\n", 2, "interpolation is not supported"),
        ("a: 1\n${b}: 1\n", 2, "interpolation is not supported"),
        ("a: 1\nb: |\n  x\n  ${seed}\n", 2, "'x\\n${seed}\\n': interpolation is not supported"),
        ("a: 1\nb: ${" + "x" * 100_000 + "\n", 2, "x...: interpolation is not supported"),
        ("x" * 100_000, 1, "is expected at the top, not 'xxx"),
        ("a: 1\nb: ???\n", 2, "a value is missing here"),
        ("a: 1\nb: " + "1" * 5000 + "\n", 2, "a number of too many digits"),
        ("a: 1\nb: 0x" + "f" * 5000 + "\n", 2, "a number of too many digits"),
        ('a: 1\nb: "\\ud800"\n', 2, "the character U+D800 does not belong in a text"),
        ('a: 1\nb: "\\0"\n', 2, "the character U+0000 does not belong in a text"),
        ("a: 1\nb: x\0y\n", 2, "the character U+0000 does not belong in a text file"),
        ("a: 1\nb: \x1b[31m\n", 2, "the character U+001B does not belong in a text file"),
        (b"a: 1\nb: \xff\n", 2, "byte 0xff is not UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "byte 0xff is not UTF-8"),
        ("a: " + "[" * 33 + "]" * 33, 1, "nested deeper than 32 levels"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(40)), 33, "nested deeper than 32 levels"),
        ("a: [" + "1," * 10_001 + "]", 1, "more than 10000 values"),
        ("a: [" + "[]," * 10_001 + "]", 1, "more than 10000 values"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(folder, text, line, says):
    message = one(folder, text=text)
    assert message.startswith(f"params.yaml:{line}")
    assert says in message


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(folder, name):
    with pytest.raises(BadInput, match=r"cannot be read: (No such file|Is a directory)"):
        load_sweep(folder / name)
    assert list(folder.iterdir()) == []


def test_a_byte_order_mark_is_accepted(folder):
    assert loaded(folder, text=b"\xef\xbb\xbf" + PARAMS.encode()).lineages.keys() == loaded(folder).lineages.keys()


def test_windows_line_ends_are_accepted(folder):
    assert loaded(folder, text=PARAMS.replace("\n", "\r\n")).lineages == loaded(folder).lineages


def test_values_are_read_in_the_dialect_of_dvc(folder):
    """YAML 1.2: 1e-3 is a number, and neither `no` nor a date is anything but text."""
    sweep = loaded(folder, "sweep=2024-01-01", "sampler.variance_factor=1e-3", "seed=010", "lineages.no.regime=fresh")
    recipe = sweep.lineages["no"].recipe
    assert (sweep.name, recipe.sampler.variance_factor, recipe.seed) == ("2024-01-01", 1e-3, 10)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "a: " + "[" * 100_000,
        "a: " + "{x: " * 50_000,
        "a: [" + "{}," * 60_000,
        "x" * (1 << 21),
        "# a comment of more than a mebibyte\n" + PARAMS + "#" * (1 << 20),
    ],
    ids=["aliases", "lists", "mappings", "empty mappings", "two mebibytes", "long comment"],
)
def test_a_bomb_is_refused_at_once(folder, text):
    loaded(folder)
    begun = time.process_time()
    one(folder, text=text)
    bomb = time.process_time() - begun
    assert bomb < (0.2 if len(text) < 1000 or len(text) > 1 << 20 else 2.0)


def test_a_file_of_more_than_a_mebibyte_is_not_even_parsed(folder):
    message = one(folder, text=PARAMS + "#" * (1 << 20))
    assert message == "params.yaml: larger than 262144 bytes"


def test_the_deepest_allowed_nesting_is_judged_by_its_keys(folder):
    assert "unknown key" in one(folder, text=PARAMS + "a: " + "[" * 31 + "]" * 31 + "\n")


# ------------------------------------------------------------------------------------------- keys


def test_a_mistyped_ratio_gives_one_line_with_key_value_range_and_the_right_name(folder):
    assert one(folder, "lineages.replace.sythetic_ratio=2") == (
        "command line: lineages.replace.sythetic_ratio = 2: unknown key; "
        "did you mean regime.synthetic_ratio? (expected float 0..1 fraction)"
    )


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("lineages.blend.regime.sythetic_ratio=0.3", "did you mean synthetic_ratio? (expected float 0..1 fraction)"),
        ("generation=3", "did you mean generations?"),
        ("famly=gaussian", "did you mean family?"),
        ("synthetic_ratio=0.5", "did you mean regime.synthetic_ratio? (expected float 0..1 fraction)"),
        ("temperatur=0.5", "did you mean sampler.temperature? (expected float 1e-06..1000)"),
        ("lineages.replace.bugdet=9", "did you mean budget? (expected int 2.."),
        ("lineages.replace.lineages=9", "unknown key"),
        ("source.dimension=3", "did you mean dimensions? (expected int 1..100000 dimensions)"),
        ("sampler.variance=3", "did you mean variance_factor? (expected float 0..1000 fraction)"),
        ("family.zzz=3", "unknown key; known: ddof"),
        ("tracking.url=x", "did you mean uri? (expected text)"),
        ("engine.worker=3", "did you mean workers? (expected int 0..1024 processes)"),
        ("lineages.replace.regime.synthetic_ratio=0.5", "unknown key; Replace has no settings"),
        ("qqqqqqqq=3", "unknown key; known: arms, axes, budget, chains, control, curation, curators, "),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(folder, override, says):
    key, _, value = override.partition("=")
    message = one(folder, override)
    assert message.startswith(f"command line: {key} = ")
    assert value in message
    assert "unknown key" in message
    assert says in message


def test_an_unknown_key_in_the_file_is_named_with_its_line(folder):
    text = changed("  replace: {regime: replace}", "  replace:\n    regime: replace\n    sythetic_ratio: 0.5")
    assert one(folder, text=text).startswith(
        "params.yaml:16 lineages.replace.sythetic_ratio = 0.5: unknown key; did you"
    )


def test_a_key_that_would_break_the_message_is_spelled_out(folder):
    assert '"a\\nb": 1\n' in (text := PARAMS + '"a\\nb": 1\n')
    assert one(folder, text=text).startswith("params.yaml:16 a\\nb = 1: unknown key")


@pytest.mark.parametrize("key", ["budget", "source", "family"])
def test_a_missing_setting_is_named_with_what_it_may_be(folder, key):
    text = "".join(line for line in PARAMS.splitlines(keepends=True) if not line.startswith(f"{key}:"))
    message = one(folder, text=text)
    assert message.startswith(f"params.yaml: {key}: missing; expected ")
    assert {"budget": "int 2..", "source": "digits, gaussian", "family": "gaussian_mixture"}[key] in message


def test_a_lineage_without_a_regime_is_told_the_regimes(folder):
    message = one(folder, "lineages.third={}")
    assert message.startswith("command line: lineages.third.regime: missing; expected one of accumulate, ")


# ------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("override", "shown", "says"),
    [
        ("generations=ten", "'ten'", "expected int 0..1e+06 generations"),
        ("generations=-1", "-1", "expected int 0..1e+06 generations"),
        ("generations=1.5", "1.5", "expected int 0..1e+06 generations"),
        ("generations=1e3", "1000.0", "expected int 0..1e+06 generations"),
        ("generations=true", "true", "expected int 0..1e+06 generations"),
        ("generations=", "null", "expected int 0..1e+06 generations"),
        ("generations=1000000000000", "1000000000000", "expected int 0..1e+06 generations"),
        ("generations=" + "9" * 5000, "'" + "9" * 56, "a number of too many digits"),
        ("lineages.blend.generations=-1", "-1", "expected int 0..1e+06 generations"),
        ("budget=0", "0", "expected int 2..1e+09 rows"),
        ("budget=1", "1", "expected int 2..1e+09 rows"),
        ("budget=[40]", "[40]", "expected int 2..1e+09 rows"),
        ("chains=0", "0", "expected int 1..1e+06 chains"),
        ("threads=0", "0", "expected int 1..256 threads"),
        ("seed=-1", "-1", "expected int 0.."),
        ("seed=" + "9" * 30, "9" * 30, "expected int 0.."),
        ("seed=x", "'x'", "expected int 0.."),
        ("restart=hot", "'hot'", "expected cold or warm or base"),
        ("lineages.blend.regime.synthetic_ratio=.nan", "nan", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio=-0.1", "-0.1", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio=1.1", "1.1", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio=1e400", "inf", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio='0.5'", "'0.5'", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio=true", "true", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio=[]", "[]", "expected float 0..1 fraction"),
        ("lineages.blend.regime.synthetic_ratio=" + "9" * 400, "'" + "9" * 56, "a number of too many digits"),
        ("lineages.blend.regime.synthetic_ratio=${seed}", "'${seed}'", "interpolation is not supported"),
        ("tracking.uri=${oc.env:HOME}", "'${oc.env:HOME}'", "interpolation is not supported"),
        ("tracking.uri=3", "3", "expected text"),
        ("tracking.required=1", "1", "expected true or false"),
        ("tracking=0", "0", "expected a mapping of uri, required"),
        ("tracking=[]", "[]", "expected a mapping of uri, required"),
        ("engine=false", "false", "expected a mapping of name, workers, cohort, gpus, "),
        ("engine.workers=-1", "-1", "expected int 0..1024 processes"),
        ("sampler=0", "0", "expected a mapping of temperature, variance_factor, top_p, flip, "),
        ("sampler.variance_factor=-1", "-1", "expected float 0..1000 fraction"),
        ("source.dimensions=0", "0", "expected int 1..100000 dimensions"),
        ("source={name: gaussian, dimensions: 3, correlation: -0.9}", "{'dimensions': 3", "cannot all be correlated"),
        ("source.held_out=1.0", "1.0", "expected int >= 1 rows"),
        ("sweep=A b", "'A b'", "expected a name of 1 to 64 letters a-z"),
        ("sweep=3", "3", "expected a name of 1 to 64 letters a-z"),
        ("lineages=3", "3", "expected at least one lineage"),
        ("lineages={}", "{}", "expected at least one lineage"),
        ("lineages=[replace]", "['replace']", "expected at least one lineage"),
        ("lineages.third=replace", "'replace'", "expected a mapping of what differs from the shared settings"),
        ("lineages.third=0", "0", "expected a mapping of what differs from the shared settings"),
        ("curators=keep_all", "'keep_all'", "expected a list of names; known: best_by_likelihood, best_of, "),
        ("curators=0", "0", "expected a list of names"),
        ("curators=[3]", "3", "expected a name, or a mapping with a name"),
        ("curators.7=keep_all", "'keep_all'", "list index out of range"),
        ("metrics=[moments, moments]", "'moments'", "the metric stands here twice"),
        ("metrics=[moment]", "'moment'", "unknown metric 'moment'; did you mean moments?"),
        ("family=3", "3", "expected a name, or a mapping with a name; known: augment, categorical, causal_lm, "),
        ("family=null", "null", "expected a name, or a mapping with a name"),
        ("family={ddof: 1}", "{'ddof': 1}", "expected a name, or a mapping with a name"),
        ("family=gausian", "'gausian'", "unknown family 'gausian'; did you mean gaussian?"),
        ("family.name=gausian", "'gausian'", "unknown family 'gausian'; did you mean gaussian?"),
        ("family=../gaussian", "'../gaussian'", "unknown family '../gaussian'; did you mean gaussian?"),
        ("source=digit", "'digit'", "unknown source 'digit'; did you mean digits?"),
        ("lineages.replace.regime=replac", "'replac'", "unknown regime 'replac'; did you mean replace?"),
        ("lineages.replace.regime=xyzzy", "'xyzzy'", "unknown regime 'xyzzy'; known: accumulate, "),
        ("family=categorical", "", "symbols: missing; expected int >= 1 symbols"),
        ("seed.x=3", "'3'", "seed is a single value, 7, and has no keys"),
        ("seed=1\nbudget: 2", "'1\\nbudget: 2'", "expected one value on one line"),
        ("sweep=a: b", "'a: b'", "quote a text that holds one"),
        ("sweep=[a", "'[a'", "a bracket is not closed"),
        ("sweep=&x y", "'&x y'", "anchors and aliases are not supported"),
        ("sweep=!!str y", "'!!str y'", "tags are not supported"),
        ("sweep=\0", "'\\x00'", "the character U+0000 does not belong in a text file"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_expected(folder, override, shown, says):
    message = one(folder, override)
    key = override.partition("=")[0].removesuffix(".7")
    assert message.startswith(f"command line: {key}")
    assert shown in message
    assert says in message


def test_a_wrong_value_in_the_file_is_shown_with_its_line(folder):
    text = changed("generations: 3", 'generations: "ten"')
    assert one(folder, text=text) == "params.yaml:2 generations = 'ten': expected int 0..1e+06 generations"
    text = changed("synthetic_ratio: 0.5", "synthetic_ratio: .nan")
    assert one(folder, text=text).startswith("params.yaml:15 lineages.blend.regime.synthetic_ratio = nan: expected ")


def test_a_wrong_value_inside_a_mapping_of_the_command_line_is_placed_there(folder):
    message = one(folder, "lineages.third={regime: replace, budget: 0}")
    assert message == "command line: lineages.third.budget = 0: expected int 2..1e+09 rows"


def test_no_lineages_at_all_are_refused(folder):
    text = PARAMS.partition("lineages:")[0]
    assert one(folder, text=text).startswith("params.yaml: lineages = null: expected at least one lineage")
    assert one(folder, text=text + "lineages:\n").startswith("params.yaml:13 lineages = null: expected at least one")


@pytest.mark.parametrize("override", ["generations", "=3", "a..b=3", ".a=3", "a.=3", "", "a b=3", "a[0]=3", "${a}=3"])
def test_an_override_is_a_key_an_equals_sign_and_a_value(folder, override):
    message = one(folder, override)
    assert message == f"command line: {override!r}: expected key=value, with dots between the parts of the key"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../x",
            "/abs",
            "a/b",
            "..",
            ".hidden",
            "-x",
            "_x",
            "CON",
            "Replace",
            "a.b",
            "",
            " ",
            "a b",
            "x" * 65,
            "x" * 300,
        ),
        *("a\nb", "a\0b", "a\x1b[31m", "replace\u200b", "~", "a;b", "$(id)", "r\u0435place", "\uff52eplace", "\u0131"),
    ],
)
def test_a_lineage_name_is_a_safe_name_of_a_folder(folder, name):
    spelled = name.encode("unicode_escape").decode().replace('"', '\\"').replace("\\x", "\\u00")
    message = one(folder, text=PARAMS + f'  "{spelled}": {{regime: replace}}\n')
    assert message.startswith("params.yaml:16 lineages.")
    assert "expected a name of 1 to 64 letters a-z" in message


def test_a_letter_that_only_looks_right_is_called_by_its_name(folder):
    message = one(folder, "lineages.r\u0435place.regime=replace")
    assert message.endswith("; it holds U+0435, CYRILLIC SMALL LETTER IE")


def test_a_lineage_cannot_have_the_name_of_the_folder_of_real_rows(folder):
    assert "data/real/ holds the real rows" in one(folder, "lineages.real={regime: replace}")


@pytest.mark.parametrize("name", ["a", "0", "x" * 64, "a-b_c-9", "replace-g003"])
def test_a_plain_lineage_name_is_accepted(folder, name):
    assert name in loaded(folder, f"lineages.{name}.regime=replace").lineages


# ------------------------------------------------------------------------------------------- wrong together


def test_source_and_family_must_be_of_one_kind(folder):
    message = one(folder, "family={name: categorical, symbols: 10}")
    assert message == "command line: family = 'categorical': takes symbols, but source gaussian gives vectors"


def test_a_family_must_know_all_symbols_of_its_source(folder):
    both = ["source={name: zipf, symbols: 100}", "metrics=[]"]
    loaded(folder, *both, "family={name: categorical, symbols: 100}")
    message = one(folder, *both, "family={name: categorical, symbols: 99}")
    assert message.startswith(
        "command line: family.symbols = 99: the family knows fewer symbols than the 100 of source"
    )


def test_a_knob_that_the_family_does_not_honour_is_refused(folder):
    message = one(folder, "sampler.temperature=0.5")
    assert message == (
        "command line: sampler.temperature = 0.5: family gaussian does not honour it; it honours: "
        "top_p, variance_factor"
    )
    loaded(folder, "sampler.temperature=1.0")
    loaded(folder, "sampler.oversample=2")


def test_a_budget_beyond_the_sources_capacity_is_refused(folder):
    assert one(folder, DIGITS, "budget=1701") == "command line: budget = 1701: source digits has 1700 rows a chain"
    loaded(folder, DIGITS, "budget=1700")


def test_fresh_rows_beyond_the_sources_capacity_are_counted(folder):
    few = [DIGITS, "budget=100", "lineages.new.regime={name: fresh, synthetic_ratio: 0.6}"]
    loaded(folder, *few, "generations=40")
    message = one(folder, *few, "generations=41")
    assert message.startswith("command line: lineages.new.regime = 'fresh': budget 100 + 1640 fresh rows over 41 ")
    assert "more than the 1700 rows a chain of source digits; lower generations, budget or held_out" in message


def test_generations_beyond_the_range_are_refused_before_their_rows_are_counted(folder):
    begun = time.process_time()
    one(folder, DIGITS, "lineages.new.regime=fresh", "generations=1000000000000")
    assert time.process_time() - begun < 1


# ------------------------------------------------------------------------------------------- components from outside


OUTSIDE = """\
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from dwindle.contracts import Within
from dwindle.curators.keep_all import KeepAll
from dwindle.families.gaussian import Gaussian as Shipped
from dwindle.metrics.moments import Moments

@dataclass(frozen=True)
class Fine(Shipped):
    width: Annotated[int, Within(low=1, high=9)] | None = None

@dataclass
class Mutable(Shipped.__mro__[-1]):
    kind: ClassVar[Any] = "vectors"
    chains_at_once: ClassVar[bool] = True
    knobs: ClassVar[frozenset[str]] = frozenset()
    def fit(self, rows, *, seed, parent=None): ...
    def load(self, folder): ...

class Plain:
    pass

@dataclass(frozen=True)
class Odd(Shipped):
    kind: ClassVar[Any] = "pictures"

@dataclass(frozen=True)
class Knobs(Shipped):
    knobs: ClassVar[Any] = "variance_factor"

@dataclass(frozen=True)
class Counted(Moments):
    kinds: ClassVar[Any] = 3

@dataclass(frozen=True)
class Pictured(Moments):
    kinds: ClassVar[Any] = frozenset({"vectors", "pictures"})

@dataclass(frozen=True)
class Severe(KeepAll):
    judges: ClassVar[Any] = "everything"

@dataclass(frozen=True)
class Unreadable(Shipped):
    width: NoSuchThing = 3

@dataclass(frozen=True)
class Choosy(Shipped):
    def __post_init__(self) -> None:
        raise ValueError("ddof does not suit me")

@dataclass(frozen=True)
class Breaking(Shipped):
    def __post_init__(self) -> None:
        raise RuntimeError("out\\nof order")

not_a_class = 3
"""


@pytest.fixture
def outside(folder, tmp_path_factory, monkeypatch):
    """A package outside dwindle, under a name of its own for each test."""
    place = tmp_path_factory.mktemp("outside")
    name = f"made_{place.name}".replace("-", "_")
    (place / name).mkdir()
    (place / name / "__init__.py").write_text("")
    (place / name / "kinds.py").write_text(OUTSIDE)
    (place / name / "broken.py").write_text("1 +\n")
    (place / name / "failing.py").write_text("raise RuntimeError('no licence\\nfound')\n")
    (place / name / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    (place / name / "needy.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(str(place))
    return name


def test_a_component_from_outside_is_taken_with_its_settings(folder, outside):
    sweep = loaded(folder, f"family={{name: '{outside}.kinds:Fine', ddof: 1, width: 9}}")
    family = sweep.lineages["replace"].recipe.family
    assert (type(family).__name__, family.ddof, family.width) == ("Fine", 1, 9)
    assert "width = 10: expected int 1..9 or null" in one(folder, f"family={{name: '{outside}.kinds:Fine', width: 10}}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "no_such_package.module:Thing",
            "importing no_such_package.module failed: ModuleNotFoundError: No module named",
        ),
        ("{}.absent:Thing", "importing {}.absent failed: ModuleNotFoundError: No module named '{}.absent'"),
        ("{}.needy:Thing", "importing {}.needy failed: ModuleNotFoundError: No module named 'no_such_package_at_all'"),
        ("{}.broken:Thing", "importing {}.broken failed: SyntaxError: invalid syntax"),
        ("{}.failing:Thing", "importing {}.failing failed: RuntimeError: no licence found"),
        ("{}.leaving:Thing", "importing {}.leaving failed: SystemExit: 3"),
        ("{}.kinds:Fin", "{}.kinds has no class Fin; did you mean Fine?"),
        ("{}.kinds:not_a_class", "{}.kinds has no class not_a_class"),
        ("{}.kinds:Plain", "Plain is no family: it has no chains_at_once, fit, kind, knobs, load"),
        ("{}.kinds:Mutable", "Mutable is no family: a component is a frozen dataclass whose fields are its settings"),
        ("{}.kinds:Odd", "Odd is no family: its kind is 'pictures', not vectors or symbols"),
        ("{}.kinds:Knobs", "Knobs is no family: its knobs are not a frozenset of the sampler's settings"),
        ("{}.kinds:Unreadable", "its annotations cannot be read: NameError: name 'NoSuchThing' is not defined"),
        ("{}.kinds:Choosy", "ddof does not suit me"),
        ("{}.kinds:Breaking", "Breaking cannot be made: RuntimeError: out of order"),
        ("dwindle.sources.gaussian:Gaussian", "Gaussian is no family: it has no chains_at_once, fit, knobs, load"),
        ("dwindle.regimes:Replace", "Replace is no family: it has no chains_at_once, fit, kind, knobs, load"),
        ("{}.kinds:", "an outside component is named my_package.my_module:MyClass"),
        (":Fine", "an outside component is named my_package.my_module:MyClass"),
        ("../kinds.py:Fine", "an outside component is named my_package.my_module:MyClass"),
        ("{}..kinds:Fine", "an outside component is named my_package.my_module:MyClass"),
        ("{}.kinds:Fine;id", "an outside component is named my_package.my_module:MyClass"),
    ],
)
def test_a_component_from_outside_that_is_none_is_refused(folder, outside, name, says):
    message = one(folder, f"family={{name: '{name.format(outside)}'}}")
    assert message.startswith("command line: family")
    assert says.format(outside, outside) in message


@pytest.mark.parametrize(
    ("key", "name", "says"),
    [
        (
            "source",
            "dwindle.families.gaussian:Gaussian",
            "Gaussian is no source: it has no capacity, draw, draw_held_out",
        ),
        ("lineages.replace.regime", "dwindle.curators.keep_all:KeepAll", "KeepAll is no regime: it has no asks, plan"),
        ("curators", "dwindle.regimes:Replace", "Replace is no curator: it has no curate, judges, kinds"),
        ("metrics", "dwindle.regimes:Replace", "Replace is no metric: it has no kinds, measure, measures"),
    ],
)
def test_a_component_of_another_room_is_refused(folder, key, name, says):
    shown = f"[{name}]" if key in ("curators", "metrics") else name
    assert says in one(folder, f"{key}={shown}")


@pytest.mark.parametrize(
    ("key", "name", "says"),
    [
        ("metrics", "Counted", "Counted is no metric: its kinds are not a frozenset of vectors, symbols, pairs, seq"),
        ("metrics", "Pictured", "Pictured is no metric: its kinds are not a frozenset of vectors, symbols, pairs, seq"),
        ("curators", "Severe", "Severe is no curator: it judges 'everything', not synthetic or new"),
    ],
)
def test_a_judge_from_outside_declares_what_it_can_judge(folder, outside, key, name, says):
    assert says in one(folder, f"{key}=[{outside}.kinds:{name}]")


# ------------------------------------------------------------------------------------------- all at once


def test_all_problems_are_listed_at_once(folder):
    text = (
        changed("budget: 40", "budget: 0")
        .replace("chains: 2", "chains: two")
        .replace("name: gaussian,", "name: gausian,")
    )
    lines = refused(
        folder,
        "lineages.blend.regime.synthetic_ratio=1.1",
        "lineages.third.regim=replace",
        "generations=-3",
        "no sign",
        "engine.workers=many",
        "colour=red",
        text=text,
    )
    found = {
        "command line: 'no sign': expected key=value",
        "command line: colour = 'red': unknown key",
        "command line: generations = -3: expected int 0..",
        "command line: engine.workers = 'many': expected int 0..1024 processes",
        "command line: lineages.blend.regime.synthetic_ratio = 1.1: expected float 0..1 fraction",
        "command line: lineages.third.regim = 'replace': unknown key; did you mean regime?",
        "command line: lineages.third.regime: missing; expected one of accumulate",
        "params.yaml:4 chains = 'two': expected int 1..",
        "params.yaml:5 budget = 0: expected int 2..",
        "params.yaml:6 source.name = 'gausian': unknown source 'gausian'; did you mean gaussian?",
        "params.yaml:7 family.name = 'gausian': unknown family 'gausian'; did you mean gaussian?",
    }
    assert len(lines) == len(found)
    for start in found:
        assert sum(line.startswith(start) for line in lines) == 1, start


def test_a_problem_that_all_lineages_share_is_told_once(folder):
    assert one(folder, text=changed("seed: 7", "seed: -7")).startswith("params.yaml:3 seed = -7: expected int 0..")


# ------------------------------------------------------------------------------------------- overrides that are fine


def test_a_setting_may_follow_a_component_that_is_only_named(folder):
    text = changed("family: {name: gaussian, ddof: 0}", "family: gaussian")
    assert loaded(folder, "family.ddof=1", text=text).lineages["replace"].recipe.family.ddof == 1
    sweep = loaded(folder, "lineages.replace.regime=blend", "lineages.replace.regime.synthetic_ratio=0.25")
    assert sweep.lineages["replace"].recipe.regime.synthetic_ratio == 0.25


def test_another_component_brings_none_of_the_first_ones_settings(folder):
    text = changed("ddof: 0", "ddof: 1")
    assert loaded(folder, "family.name=gaussian_mixture", text=text).lineages["blend"].recipe.family.components == 10
    assert loaded(folder, "family.name=gaussian", text=text).lineages["blend"].recipe.family.ddof == 1


# ------------------------------------------------------------------------------------------- at the shell


def shell(folder, *arguments):
    command = "from dwindle.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_answers_with_exit_code_2_and_no_traceback(folder):
    (folder / "params.yaml").write_text(PARAMS)
    ended = shell(folder, "plan", "budget=0", "chains=0")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        "error: command line: chains = 0: expected int 1..1e+06 chains",
        "error: command line: budget = 0: expected int 2..1e+09 rows",
    ]
    assert [path.name for path in folder.iterdir()] == ["params.yaml"]


def test_debug_shows_the_traceback_of_a_component_from_outside(folder):
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "own.py").write_text("def lookup():\n    raise KeyError('licence')\nlookup()\n")
    ended = shell(folder, "--debug", "plan", "family=own:Thing")
    assert "in lookup" in ended.stderr
    assert "importing own failed: KeyError: 'licence'" in ended.stderr
    assert ended.returncode != 0
    assert sorted(path.name for path in folder.iterdir()) == ["own.py", "params.yaml"]


def test_what_only_dvc_cannot_read_is_refused_before_anything_grows(folder):
    message = one(folder, text="sweep: s\nlineages: {mine: {regime: replace, family: my_family:MyFamily}}\n")
    assert message.startswith("params.yaml:2: not YAML")
