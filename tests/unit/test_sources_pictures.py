"""The sources of pictures: pixels are those of the files, and a file that is not right is named."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image
from scipy.stats import chisquare
from sklearn.datasets import load_digits, load_sample_image

from dwindle.checks import check_source
from dwindle.config.sweep import load_sweep
from dwindle.contracts import Seed
from dwindle.data.manifest import read_manifest
from dwindle.errors import BadInput
from dwindle.sources.digits import Digits
from dwindle.sources.glyphs import Glyphs
from dwindle.sources.image_folder import ImageFolder
from dwindle.sources.mnist import Mnist
from dwindle.sources.patches import Patches
from dwindle.stages.runner import run_stage
from tests.unit.made_sweep import planned

SEED = Seed(7, ("lineage", "draw"))
REAL_DIGITS = Path(__file__).parents[3] / "shared" / "data" / "mnist-t10k"
PARAMS = """\
sweep: pictures
generations: 1
chains: 1
budget: 5
source: {}
family: gaussian
metrics: [moments]
lineages:
  replace: {{regime: replace}}
"""
LEVELS = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)


def drawn(source, count=None, chains=1):
    return source.draw(count or source.capacity, first=0, chains=chains, seed=SEED)


def in_order(source):
    """Return pictures and labels of a finite source, held-out ones too, by the numbers in their provenance."""
    parts = [drawn(source), source.draw_held_out(seed=SEED)]
    numbers = np.concatenate([part.provenance.source[0] for part in parts])
    values = np.concatenate([part.values[0] for part in parts])
    labels = np.concatenate([part.filled_labels()[0] for part in parts])
    assert sorted(numbers) == list(range(len(numbers)))
    return source.images(values[np.argsort(numbers)], seed=SEED), labels[np.argsort(numbers)]


def idx(values, mark=0x08):
    return struct.pack(f">{values.ndim + 1}I", mark << 8 | values.ndim, *values.shape) + values.tobytes()


def written_mnist(folder, images, labels, end=""):
    for name, values in (("images", images), ("labels", labels)):
        content = idx(np.asarray(values, dtype=np.uint8))
        file = folder / f"train-{name}-idx{np.asarray(values).ndim}-ubyte{end}"
        file.write_bytes(gzip.compress(content) if end else content)
    return Mnist(str(folder), held_out=2, labels=True)


@pytest.mark.parametrize(
    "source",
    [
        Digits(space="pixels", labels=True),
        Patches(held_out=500),
        Glyphs(characters="Aa?", faces=("cmr10", "STIXGeneralBol"), sizes=(1.0,)),
    ],
    ids=repr,
)
def test_every_setting_keeps_the_contract(source):
    check_source(source)


def test_the_pixels_of_digits_are_their_grey_levels_and_their_labels_the_digits():
    images, labels = in_order(Digits(space="pixels", labels=True))
    np.testing.assert_array_equal(16 * images, load_digits().images)
    np.testing.assert_array_equal(labels, load_digits().target)
    components = drawn(Digits(labels=True)).filled_labels()
    np.testing.assert_array_equal(components, drawn(Digits(space="pixels", labels=True)).labels)
    with pytest.raises(ValueError, match="so dimensions 3 would change nothing"):
        Digits(dimensions=3, space="pixels")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_mnist_reads_idx_files_as_they_are_and_packed(tmp_path, end):
    images = np.stack([LEVELS, LEVELS.T, 255 - LEVELS, LEVELS[::-1]])
    source = written_mnist(tmp_path, images, [3, 1, 4, 1], end)
    found, labels = in_order(source)
    np.testing.assert_allclose(255 * found, images, atol=1e-9)
    assert labels.tolist() == [3, 1, 4, 1]
    assert source.label_names() == tuple("0123456789")
    assert source.card()["sha256"] == hashlib.sha256(idx(images)).hexdigest()
    assert source.card()["package"] == "IDX files"
    small, _ = in_order(Mnist(str(tmp_path), side=14, held_out=2))
    assert 255 * small[0, 0, 0] == pytest.approx(round(LEVELS[:2, :2].mean()))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (idx(np.zeros((3, 27, 28), np.uint8)), "expected n x 28 x 28 bytes"),
        (idx(np.zeros((3, 28, 28), np.uint8), mark=0x0D), "expected n x 28 x 28 bytes"),
        (idx(np.zeros((3, 28, 28), np.uint8))[:-1], "2352 bytes were announced, it has 2351"),
        (b"<html>", "unpack requires"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, content, told):
    source = written_mnist(tmp_path, np.stack([LEVELS] * 5), [0] * 5)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte is no IDX file that can be read: .*{told}"):
        Mnist(source.folder)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is no IDX file that can be read"):
        Mnist(source.folder)


@pytest.mark.skipif(not REAL_DIGITS.is_dir(), reason="MNIST's test images are not beside the project")
def test_mnist_is_known_by_its_bytes():
    source = Mnist(str(REAL_DIGITS), part="t10k", labels=True)
    card = source.card()
    assert (card["package"], card["version"], card["licence"]) == ("MNIST", "t10k", "CC BY-SA 3.0")
    assert np.bincount(in_order(source)[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_an_image_folder_takes_png_and_jpeg_of_any_shape_by_name_and_subfolder(tmp_path):
    red, wide = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 8), np.uint8)
    red[..., 0], wide[:, 2:6] = 255, 200
    for name, kind in (("b", "jpg"), ("a", "png")):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(red if kind == "jpg" else wide).save(tmp_path / name / f"{number}.{kind}", quality=100)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    source = ImageFolder(str(tmp_path), side=2, held_out=2, labels=True)
    images, labels = in_order(source)
    assert source.label_names() == ("a", "b")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(255 * images[0], 200, atol=1)  # what is cut off on both sides is black
    np.testing.assert_allclose(images[4], [[[1, 0, 0]] * 2] * 2, atol=0.02)
    grey = ImageFolder(str(tmp_path), side=2, colours=1, held_out=2)
    assert (grey.pixels(), drawn(grey).values.shape[2], in_order(grey)[0].shape[3]) == ((2, 2, 1), 4, 3)
    listing = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(tmp_path)}\n"
        for path in sorted([*tmp_path.glob("*/*.png"), *tmp_path.glob("*/*.jpg")])
    )
    assert source.card()["sha256"] == hashlib.sha256(listing.encode()).hexdigest()
    Image.fromarray(red).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"labels are the subfolders of .*, and some pictures are in none"):
        ImageFolder(str(tmp_path), held_out=2, labels=True)


def test_what_is_transparent_is_white_and_sixteen_bits_keep_their_shades(tmp_path):
    Image.new("RGBA", (3, 3), (0, 0, 0, 0)).save(tmp_path / "0.png")
    Image.fromarray(np.full((3, 3), 0x8000, np.uint16)).save(tmp_path / "1.png")
    Image.new("L", (3, 3), 51).save(tmp_path / "2.png")
    images, _ = in_order(ImageFolder(str(tmp_path), side=2, held_out=1))
    np.testing.assert_allclose(images[:, 0, 0], [[1.0] * 3, [128 / 255] * 3, [0.2] * 3])


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_bomb_and_a_file_that_is_no_picture_are_named(tmp_path):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 15_000, 15_000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    cut = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(cut)
    for content, told in (
        (bomb, "decompression bomb"),
        (b"GIF89a" + bytes(20), "cannot identify"),
        (cut.read_bytes()[:2000], "truncated"),
    ):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(ValueError, match=rf"bad\.png is no picture that can be read: .*{told}"):
            ImageFolder(str(tmp_path))


def test_patches_are_squares_of_the_photographs_in_their_order():
    source = Patches(side=50, stride=60, held_out=2, labels=True)
    images, labels = in_order(source)
    assert labels.tolist() == [0] * 70 + [1] * 70  # 7 down, 10 across
    np.testing.assert_allclose(255 * images[11], load_sample_image("china.jpg")[60:110, 60:110], atol=1e-9)
    np.testing.assert_allclose(255 * images[-1], load_sample_image("flower.jpg")[360:410, 540:590], atol=1e-9)
    with pytest.raises(ValueError, match="patches of side 8 overlap at stride 4; expected >= 8"):
        Patches(stride=4)


def test_glyphs_come_by_the_power_of_their_rank_and_the_rarer_half_is_a_group():
    source = Glyphs(side=8, labels=True, exponent=1.5)
    rows = drawn(source, 20_000)
    expected = 20_000 * source.shares()
    assert chisquare(np.bincount(rows.labels[0], minlength=26), expected).pvalue > 1e-3
    np.testing.assert_array_equal(source.groups(rows), rows.labels >= 13)
    assert source.group_names() == ("frequent", "rare")
    bare = Glyphs(side=8)
    assert drawn(bare, 5).labels is None
    assert (bare.groups(drawn(bare, 5)) == -1).all()


def test_a_glyph_keeps_its_ink_wherever_it_is_put():
    still, moved = (Glyphs(characters="oe", faces=("DejaVuSans",), sizes=(0.8,), shift=s) for s in (0.01, 2.0))
    sums = [np.sort(drawn(source, 40).values[0].sum(axis=1)) for source in (still, moved)]
    assert np.ptp(sums[1]) > 0.5  # two characters
    for ink in np.unique(sums[1].round(6)):
        assert np.isclose(sums[0], ink, atol=1e-5).any()


def test_large_and_small_glyphs_are_the_same_picture():
    sides = [Glyphs(side=side, sizes=(1.0,), shift=0.01 * side) for side in (8, 32)]
    small, large = (source.images(drawn(source, 50).values[0], seed=SEED) for source in sides)
    np.testing.assert_allclose(large.reshape(50, 8, 4, 8, 4).mean(axis=(2, 4)), small, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"faces": ("DejaVuSand",)}, "matplotlib ships no face 'DejaVuSand'; expected one of DejaVuSans, "),
        ({"faces": ()}, r"faces are \(\); expected 1 or more"),
        ({"characters": "aa"}, "characters are 'aa'; expected 2 or more, all of them different"),
        ({"characters": "a "}, "has no character ' ', or a blank one"),
        ({"characters": "a語"}, "face DejaVuSans has no character '語'"),
    ],
)
def test_faces_and_characters_that_are_not_there_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        Glyphs(**settings)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{name: mnist, folder: nowhere}", "nowhere does not exist"),
        ("{name: mnist, folder: .}", "has no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz"),
        ("{name: image_folder, folder: nowhere}", "nowhere does not exist"),
        ("{name: image_folder, folder: .}", "and its subfolders have no .png, .jpg, .jpeg"),
        ("{name: patches, held_out: 8479}", "held_out 8479 leaves fewer than 2 of the 8480 patches"),
    ],
)
def test_what_is_not_there_is_one_error_before_anything_is_written(tmp_path, monkeypatch, source, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS.format(source))
    with pytest.raises(BadInput, match=told) as error:
        load_sweep(tmp_path / "params.yaml")
    assert "source" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_the_manifest_of_the_real_rows_holds_the_card_of_their_source(tmp_path):
    plan = planned(tmp_path, PARAMS.format("digits"))
    (draw,) = [name for name in plan.stage_names() if name.startswith("draw")]
    run_stage(tmp_path, draw, plan=plan)
    (folder,) = (tmp_path / "data" / "real").iterdir()
    card = read_manifest(folder).facts["source"]
    assert card == Digits().card()
    assert (card["package"], card["version"]) == ("scikit-learn", version("scikit-learn"))
    shipped = Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz"
    assert card["sha256"] == hashlib.sha256(shipped.read_bytes()).hexdigest()
