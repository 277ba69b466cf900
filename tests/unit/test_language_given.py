"""Given models: what is read of them, what is refused before anything is written, and how little LoRA trains."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from walking_blocks import LENGTH, SEED, SMALL, fitted, nats, walks, weights_of

from dwindle.families.causal_lm import CausalLm
from dwindle.nets.language import adapters, shapes
from dwindle.samplers import Sampler


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model as others publish theirs: other sizes than the family's, 20 tokens, begin token 3, room for 40."""
    place = tmp_path_factory.mktemp("given")
    config = shapes.configuration("gpt2", symbols=19, length=39, layers=2, width=24, heads=3)
    config.bos_token_id = config.eos_token_id = 3
    shapes.save(shapes.untrained(config, SEED.at("given")), place)
    return place


@pytest.fixture
def copy(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def tuned(folder, **settings):
    return CausalLm(**{"symbols": 8, "model": str(folder), "steps": 120, "batch": 16, "learning_rate": 1e-2} | settings)


def described(folder, **changed):
    path = folder / "config.json"
    plain = {**json.loads(path.read_text()), **changed}
    path.write_text(json.dumps({key: value for key, value in plain.items() if value is not ...}))


def test_training_starts_from_the_given_weights(folder):
    family = tuned(folder, steps=1, learning_rate=1e-7)
    assert family.pretrained
    assert not SMALL.pretrained
    with pytest.raises(ValueError, match="learnt nothing"):
        fitted(walks(100), family=family)
    model = fitted(walks(300), family=tuned(folder))
    assert nats(model, walks(200, "new")) < 0.7
    assert (model.begin, model.context, model.length) == (3, 40, LENGTH)
    assert shapes.sizes(model.net.config) == ("gpt2", 24, 2, 3, 20, 40)


def test_the_alphabet_is_all_that_is_sampled_of_a_larger_vocabulary(folder):
    model = fitted(walks(300), family=tuned(folder))
    values = model.sample(200, sampler=Sampler(temperature=1000.0), seed=SEED.at("hot")).values
    assert set(np.unique(values)) == set(range(8))
    assert model.net.get_output_embeddings().weight.shape[0] == 20


def test_a_generation_may_start_from_the_base_or_from_its_parent(folder):
    parent = fitted(walks(300), family=tuned(folder))
    barely = tuned(folder, steps=30, learning_rate=1e-6)
    warm = fitted(walks(300), family=barely, parent=parent)
    np.testing.assert_allclose(weights_of(warm), weights_of(parent), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="learnt nothing"):
        fitted(walks(300), family=barely)
    again = fitted(walks(300), family=tuned(folder))
    np.testing.assert_array_equal(weights_of(parent), weights_of(again))
    assert (weights_of(warm) != weights_of(parent)).any()


def test_a_given_model_that_knew_the_law_of_its_rows_may_know_it_still(tmp_path):
    shapes.save(fitted(walks(4000), steps=400).net, tmp_path)
    family = tuned(tmp_path, steps=0, epochs=1, learning_rate=3e-3)
    for name in ("a", "b", "c"):
        fitted(walks(400, name), family=family, name=name)
    with pytest.raises(ValueError, match=r"taught nothing"):
        fitted(walks(40, "a"), family=replace(family, learning_rate=0.05))


def test_what_a_given_model_draws_in_training_comes_from_the_seed(tmp_path):
    # OPT's own dropout of attention is not asked for; what no setting names, such as a router's noise, is seeded.
    from transformers import AutoModelForCausalLM, MixtralConfig

    opt = shapes.configuration("opt", symbols=10, length=24, layers=1, width=16, heads=2)
    opt.attention_dropout = 0.3
    sizes = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2}
    ends, routed = {"bos_token_id": 9, "eos_token_id": 9}, {"num_local_experts": 2, "router_jitter_noise": 0.3}
    mixtral = MixtralConfig(vocab_size=11, intermediate_size=24, max_position_embeddings=25, **ends, **sizes, **routed)
    for config in (opt, mixtral):
        place = tmp_path / config.model_type
        with torch.random.fork_rng():
            shapes.save(AutoModelForCausalLM.from_config(config), place)
        twice = []
        for seed in (1, 2):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                twice.append(weights_of(fitted(walks(100), family=tuned(place, steps=40))))
        np.testing.assert_array_equal(*twice)
    assert shapes.load(tmp_path / "opt").config.attention_dropout == 0.0


def test_blocks_longer_than_its_places_are_refused(folder):
    with pytest.raises(ValueError, match=r"40 tokens and the one that begins them; the model has 40 places"):
        fitted(np.zeros((1, 8, 40), dtype=np.int64), family=tuned(folder))
    with pytest.raises(ValueError, match="context is 41"):
        fitted(walks(8), family=tuned(folder, context=41))


def test_an_alphabet_larger_than_its_vocabulary_is_refused(folder):
    with pytest.raises(ValueError, match=r"symbols 21: the vocabulary of .* has 20 tokens"):
        tuned(folder, symbols=21)


def test_code_that_comes_with_a_model_is_refused(copy):
    described(copy, auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    with pytest.raises(ValueError, match="auto_map"):
        tuned(copy)


def test_a_model_without_begin_and_end_token_is_refused(copy):
    described(copy, bos_token_id=None, eos_token_id=None)
    with pytest.raises(ValueError, match="no begin or end token"):
        tuned(copy)


def test_weights_that_are_only_there_as_pickle_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pickle"):
        fitted(walks(8), family=tuned(copy))


def test_settings_of_sampling_that_come_with_a_model_are_left_behind(copy, tmp_path):
    (copy / "generation_config.json").write_text(json.dumps({"temperature": 0.1, "do_sample": False, "num_beams": 7}))
    model, place = fitted(walks(100), family=tuned(copy)), tmp_path / "saved"
    place.mkdir()
    model.save(place)
    assert not {"temperature", "num_beams"} & json.loads((place / "generation_config.json").read_text()).keys()


def test_weights_that_do_not_fit_the_configuration_are_refused(copy):
    described(copy, n_layer=3)
    with pytest.raises(ValueError, match="the weights lack"):
        fitted(walks(8), family=tuned(copy))
    described(copy, n_layer=2, n_embd=48)
    with pytest.raises(ValueError, match="no weights that fit"):
        fitted(walks(8), family=tuned(copy))


def test_a_folder_that_is_not_there_and_a_revision_that_is_not_pinned_are_refused(tmp_path):
    for wrong in (str(tmp_path / "nowhere"), "facebook/opt-125m", "facebook/opt-125m@main"):
        with pytest.raises(ValueError, match=r"40 hexadecimal digits.*or one of opt, gpt2, llama"):
            tuned(wrong)


@dataclass(frozen=True)
class Source:
    tokenizer: str


def test_a_tokenizer_that_is_not_the_models_is_refused(copy, tmp_path_factory):
    other = tmp_path_factory.mktemp("tokenizer")
    family, recipe = tuned(copy), SimpleNamespace(source=Source(str(other)))
    assert family.refuses(recipe) == ""  # a folder without a tokenizer goes with every one
    (copy / "tokenizer.json").write_text('{"vocabulary": 1}')
    (other / "tokenizer.json").write_text('{"vocabulary": 2}')
    assert "tokenizer of its own" in family.refuses(recipe).replace(
        "tokens of its own tokenizer", "tokenizer of its own"
    )
    assert "a numbering of its own" in family.refuses(SimpleNamespace(source=object()))
    (other / "tokenizer.json").write_text('{"vocabulary": 1}')
    assert family.refuses(recipe) == ""
    assert replace(SMALL).refuses(recipe) == ""


def test_lora_trains_a_few_weights_and_is_merged(folder, tmp_path):
    both = np.concatenate([walks(150), walks(150, step=2)], axis=1)
    begun, place = fitted(both, family=tuned(folder, steps=40)), tmp_path / "begun"
    place.mkdir()
    shapes.save(begun.net, place)
    start = shapes.load(place)
    model = fitted(walks(300, step=2), family=tuned(place, lora_rank=2, steps=100))
    new = walks(200, "new", step=2)
    assert nats(model, new) < nats(begun, new) - 0.1
    before, after = dict(start.named_parameters()), dict(model.net.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {f"transformer.h.{layer}.attn.c_attn.weight" for layer in (0, 1)}
    change = (after["transformer.h.0.attn.c_attn.weight"] - before["transformer.h.0.attn.c_attn.weight"]).detach()
    assert torch.linalg.matrix_rank(change, rtol=1e-3) == 2
    model.save(tmp_path)
    assert nats(CausalLm.load(tuned(folder), tmp_path), walks(20)) == nats(model, walks(20))


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_an_adapted_net_is_the_net_until_it_is_trained(shape):
    net = shapes.untrained(shapes.configuration(shape, symbols=8, length=6, layers=2, width=8, heads=2), SEED.at("net"))
    tokens = torch.arange(6)[None]
    before, names = net(tokens).logits, {name for name, _ in net.named_parameters()}
    adapters.adapt(net, rank=3, alpha=6.0, seed=SEED.at("lora"))
    trained = [part for part in net.parameters() if part.requires_grad]
    assert 0 < sum(part.numel() for part in trained) < 700
    np.testing.assert_array_equal(net(tokens).logits.detach(), before.detach())
    with torch.no_grad():
        for part in trained:
            part.add_(0.1)
    changed = net(tokens).logits
    adapters.merge(net)
    np.testing.assert_allclose(net(tokens).logits.detach(), changed.detach(), atol=1e-6)
    assert {name for name, _ in net.named_parameters()} == names
    assert (changed != before).any()
