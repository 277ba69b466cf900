"""The device of networks: one variable chooses it, nothing is left behind on another, records name it where used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dwindle.contracts import Rows, Seed
from dwindle.errors import BadInput, NotReachable
from dwindle.families.gaussian import Gaussian
from dwindle.families.recurrent_lm import RecurrentLm
from dwindle.families.vae import Vae
from dwindle.nets import stacks, training
from dwindle.nets.device import asked, device, running_sums
from dwindle.samplers import Sampler
from dwindle.stages import environment
from dwindle.stages.environment import fingerprint

SEED = Seed(5, ("device",))
GENERATOR = SEED.at("rows").numpy()
VAE = (
    replace(Vae.smallest(), decoder="sampled"),
    Rows(GENERATOR.normal(size=(2, 30, 5)) @ GENERATOR.normal(size=(5, 5))),
)
LM = (RecurrentLm.smallest(), Rows(np.cumsum(GENERATOR.random((2, 20, 6)) < 0.2, axis=2)))
BOTH = pytest.mark.parametrize(("family", "rows"), [VAE, LM], ids=["vae", "recurrent_lm"])
META = torch.device("meta")


@pytest.fixture
def asking(monkeypatch):
    """Return how to ask for a device where CUDA shows a GPU or none."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "as it was")  # so that it is put back

    def ask(value, *, visible=False):
        monkeypatch.setenv("DWINDLE_DEVICE", value)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)

    return ask


def test_without_the_variable_it_is_the_processor_though_there_is_a_gpu(asking, monkeypatch):
    for value in ("cpu", ""):
        asking(value, visible=True)
        assert device() == torch.device("cpu")
    monkeypatch.delenv("DWINDLE_DEVICE")
    assert device() == torch.device("cpu")


def test_a_gpu_that_is_asked_for_is_the_first_visible_one(asking):
    for value in ("cuda", "cuda,cpu"):
        asking(value, visible=True)
        assert device() == torch.device("cuda", 0)


def test_cublas_is_given_a_workspace_that_makes_its_results_repeat(asking, monkeypatch):
    for before, after in ((":4096:2", ":4096:8"), (":16:8", ":16:8")):
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before)
        asking("cuda,cpu", visible=False)
        device()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == before
        asking("cuda", visible=True)
        device()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == after


def test_the_processor_takes_the_place_of_a_gpu_only_when_asked(asking, monkeypatch):
    asking("cuda,cpu")
    assert device() == torch.device("cpu")
    asking("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with pytest.raises(NotReachable, match=r"none is visible \(CUDA_VISIBLE_DEVICES=7, .*engine\.cpu_fallback=true"):
        device()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with pytest.raises(NotReachable, match=r"\(CUDA_VISIBLE_DEVICES=not set"):
        device()


@BOTH
def test_a_family_without_its_gpu_fits_and_samples_nothing(asking, family, rows):
    model = family.fit(rows, seed=SEED)
    asking("cuda")
    with pytest.raises(NotReachable):
        family.fit(rows, seed=SEED)
    with pytest.raises(NotReachable):
        model.sample(1, sampler=Sampler(), seed=SEED)


@pytest.mark.parametrize("value", ["gpu", "CUDA", "cuda:1", "cpu,cuda", " cuda"])
def test_any_other_value_is_refused_with_the_ones_there_are(asking, value):
    asking(value, visible=True)
    for refused in (asked, device):
        with pytest.raises(BadInput, match=rf"'{value}'; it must be one of cpu \| cuda \| cuda,cpu, or unset"):
            refused()


class Elsewhere(TorchDispatchMode):
    """A device without values: operations that mix it with the processor are noted, what comes back is zeros."""

    def __init__(self):
        super().__init__()
        self.mixed, self.seen, self.came_back = set(), defaultdict(set), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, func.overloadpacket.__name__
        to = kwargs.get("device")
        if name == "_to_copy" and to is not None:
            if args[0].device == META and torch.device(to).type == "cpu":
                self.came_back += 1
                return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            return func(*args, **kwargs)
        result = func(*args, **kwargs)
        places = {leaf.device.type for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        if len(places) > 1:
            self.mixed.add(name)
        for place in places:
            self.seen[place].add(name)
        return result


@pytest.fixture
def elsewhere(monkeypatch):
    """Let both families choose a device without values."""
    for family in ("vae", "recurrent_lm"):
        monkeypatch.setattr(f"dwindle.families.{family}.device", lambda: META)
    monkeypatch.setattr("dwindle.families.recurrent_lm.running_sums", torch.zeros_like)
    return Elsewhere()


# Of what torch refuses on a GPU because its results differ from call to call, what networks like these might use.
REFUSED = {"bincount", "cumsum", "histc", "median", "nll_loss2d_forward", "put_", "scatter_reduce"}
# What is done to weights at home: cut apart, moved, and joined for a warm restart.
AT_HOME = {"alias", "cat", "detach", "lift_fresh", "select", "slice", "split_with_sizes", "unsqueeze", "view"}


@BOTH
def test_nothing_is_left_behind_on_the_processor(elsewhere, family, rows):
    short = replace(family, steps=2)
    with elsewhere:
        model = short.fit(rows, seed=SEED)
        warm = short.fit(rows, seed=SEED, parent=model)
        samples = warm.sample(7, sampler=Sampler(top_p=0.7), seed=SEED)
        if family.kind == "sequences":
            warm.log_prob(samples)
    assert elsewhere.mixed == set()
    assert elsewhere.seen["cpu"] <= AT_HOME
    assert elsewhere.seen["meta"] >= {"baddbmm", "bmm", "_fused_adam_"}
    assert elsewhere.seen["meta"] & REFUSED == set()
    assert {part.device.type for part in model.weights.values()} == {"cpu"}


def test_saved_weights_are_the_same_bytes_from_wherever_they_are(elsewhere, tmp_path):
    parts = {"first": torch.zeros(2, 3), "second": torch.zeros(1)}
    written = []
    for name, place in (("here", torch.device("cpu")), ("there", META)):
        (tmp_path / name).mkdir()
        with elsewhere:
            stacks.save(stacks.moved(parts, place), tmp_path / name)
        written.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert written[0] == written[1]
    assert elsewhere.came_back == len(parts)


def test_products_are_taken_in_float32_on_a_gpu_and_the_setting_is_put_back():
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32"
    try:
        with training.deterministic(torch.device("cuda")):
            assert products.fp32_precision == "ieee"
        assert products.fp32_precision == "tf32"
        with training.deterministic(torch.device("cpu")):
            assert products.fp32_precision == "tf32"
    finally:
        products.fp32_precision = before


class OnGpu(torch.Tensor):
    """A tensor that says it is on a GPU."""

    is_cuda = True


def test_sums_on_a_gpu_do_not_hang_on_the_order_of_additions_and_are_those_of_the_processor():
    def on_gpu(values):
        return running_sums(values.as_subclass(OnGpu)).as_subclass(torch.Tensor)

    shares = torch.softmax(3.0 * torch.randn((2, 500, 400), generator=torch.Generator().manual_seed(1)), dim=2)
    assert torch.equal(running_sums(shares), shares.cumsum(dim=2))
    torch.testing.assert_close(on_gpu(shares), running_sums(shares), rtol=0, atol=1e-6)
    assert (on_gpu(shares).diff(dim=2) >= 0).all()
    fine = shares.double()
    counted, added = ([sums(some)[..., -1] for some in (fine, fine.flip(2))] for sums in (on_gpu, running_sums))
    assert torch.equal(*counted)
    assert not torch.equal(*added)


def test_the_record_names_a_gpu_only_where_the_family_was_computed_on_one(asking, monkeypatch, tmp_path):
    plain = fingerprint(1)
    assert fingerprint(1, VAE[0]) == plain
    asking("cuda,cpu")
    assert fingerprint(1, VAE[0]) == {**plain, "device": "cpu"}
    asking("cuda", visible=True)
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\nGCC 12.2.0\n"
    )
    monkeypatch.setattr(environment, "_DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: f"GPU {place.index}")
    found = {"device": "GPU 0", "cuda": str(torch.version.cuda), "driver": "535.104.05"}
    assert fingerprint(1, LM[0]) == {**plain, **found}
    assert fingerprint(1, Gaussian()) == fingerprint(1) == plain
    monkeypatch.setattr(environment, "_DRIVER", tmp_path / "none")
    assert fingerprint(1, LM[0])["driver"] == "unknown"


def test_a_family_that_needs_no_device_loads_no_torch_where_one_is_asked_for():
    code = """if True:
        import sys
        from dwindle.families.gaussian import Gaussian
        from dwindle.stages.environment import fingerprint
        fingerprint(1, Gaussian())
        sys.exit("torch" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "DWINDLE_DEVICE": "cuda"}).returncode == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible")
@BOTH
def test_a_gpu_gives_the_same_bytes_each_time_and_the_processors_up_to_rounding(monkeypatch, family, rows):
    def fitted(place):
        monkeypatch.setenv("DWINDLE_DEVICE", place)
        model = replace(family, steps=20).fit(rows, seed=SEED)
        flat = torch.cat([part.double().flatten() for part in model.weights.values()])
        return flat, model.sample(2000, sampler=Sampler(top_p=0.7), seed=SEED).values

    (here, rows_here), first, again = fitted("cpu"), fitted("cuda"), fitted("cuda")
    assert torch.equal(first[0], again[0])
    assert first[1].tobytes() == again[1].tobytes()
    torch.testing.assert_close(first[0], here, rtol=1e-2, atol=1e-3)
    assert np.isclose(first[1], rows_here, rtol=1e-2, atol=1e-2).mean() > 0.98
