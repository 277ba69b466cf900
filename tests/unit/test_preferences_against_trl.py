"""Preferences against trl: its trainer finds the same gaps, loss and gradients, and goes the same way from them.

Its trainer has the begin token in the law of what follows, as any token of a vocabulary, so the alphabet is the whole
vocabulary here. Its rates rise otherwise than ours in a warm-up, so there is none.
"""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
import torch

from dwindle.data.unfinished import shelf
from dwindle.nets.language import shapes
from dwindle.nets.language.fitting import Course
from dwindle.nets.language.kept import Keeper
from dwindle.nets.language.preferences import PreferenceTraining, gaps, preference_loss
from dwindle.seeds import Seed

SEED = Seed(23, ("trl",))
VOCABULARY, BEGIN, LENGTH, BETA = 8, 7, 6, 0.5
STEPS, BATCH, RATE, DECAY, LONGEST = 4, 5, 1e-2, 0.1, 1.0


def untrained(shape, name):
    """Return a net whose answers differ by nats, which those of the usual initial weights do not."""
    config = shapes.configuration(shape, symbols=VOCABULARY - 1, length=LENGTH, layers=1, width=16, heads=2)
    net = shapes.untrained(config, SEED.at(shape, name))
    with torch.no_grad():
        for part in net.parameters():
            part.mul_(10.0 if part.ndim > 1 else 1.0)
    return net


def paired(count, prompt):
    """Return pairs of blocks with the same prompt, (count, 2, L)."""
    tokens = SEED.at("pairs", prompt).numpy().integers(0, VOCABULARY - 1, (count, 2, LENGTH))
    tokens[:, 1, :prompt] = tokens[:, 0, :prompt]
    return torch.from_numpy(tokens)


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Make trainers of trl, which report to nobody; the process is left as it was."""
    pytest.importorskip("trl")
    from accelerate.state import AcceleratorState
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  (trl seeds it)
    with torch.random.fork_rng(devices=[]):
        yield partial(trainer_of, tmp_path)
    random.setstate(python)
    np.random.set_state(legacy)  # noqa: NPY002
    AcceleratorState._reset_state(reset_partial_state=True)


def trainer_of(folder, net, reference, pairs, prompt):
    """Return the trainer of trl, of tokens as they are and batches in their order."""
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    class Tokens(DPOTrainer):
        def _prepare_dataset(self, dataset, *options):
            return dataset  # it would be made of texts, with an end after each

    rows = [
        {"prompt_ids": [BEGIN, *one[:prompt]], "chosen_ids": one[prompt:], "rejected_ids": other[prompt:]}
        for one, other in pairs.tolist()
    ]
    words = Tokenizer(models.WordLevel({str(token): token for token in range(VOCABULARY)}, unk_token="0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=str(BEGIN), pad_token=str(BEGIN))
    quiet = {"save_strategy": "no", "logging_strategy": "no", "report_to": "none", "disable_tqdm": True}
    plain = {"bf16": False, "use_cpu": True, "gradient_checkpointing": False, "train_sampling_strategy": "sequential"}
    course = {"max_steps": STEPS, "per_device_train_batch_size": BATCH, "learning_rate": RATE, "weight_decay": DECAY}
    shape = {"lr_scheduler_type": "cosine", "warmup_steps": 0, "max_grad_norm": LONGEST, "beta": BETA}
    config = DPOConfig(output_dir=str(folder), **quiet, **plain, **course, **shape)
    return Tokens(net, reference, config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)


@pytest.mark.parametrize(("shape", "prompt"), [("opt", 2), ("opt", 0), ("gpt2", 3), ("llama", 2)])
def test_gaps_loss_and_gradients_are_those_of_trl(trainer, shape, prompt):
    net, reference, pairs = untrained(shape, "net"), untrained(shape, "reference"), paired(BATCH, prompt)
    theirs = trainer(shapes.copied(net), shapes.copied(reference), pairs, prompt)
    batch = theirs.data_collator(list(theirs.train_dataset))
    options = {"prompt": prompt, "begin": BEGIN, "symbols": VOCABULARY}
    found = gaps(net, pairs, **options)
    with torch.no_grad():
        held = gaps(reference, pairs, **options)
    for gap, judged in ((found, theirs.model), (held, theirs.ref_model)):
        chosen, rejected = theirs.compute_ref_log_probs(judged, batch)
        torch.testing.assert_close(gap.detach(), chosen - rejected, atol=1e-5, rtol=1e-5)
    assert float((BETA * (found.detach() - held)).abs().max()) > 0.5  # where the loss is not the line that it is near 0
    loss, expected = preference_loss(found, held, BETA).mean(), theirs.compute_loss(theirs.model, batch)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0.0)
    loss.backward()
    expected.backward()
    for (name, own), other in zip(net.named_parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=1e-5, rtol=1e-5, msg=partial("{}: {}".format, name))


def test_training_ends_at_the_weights_of_trl(trainer):
    net, pairs = untrained("opt", "net"), paired(STEPS * BATCH, 2)
    first = shapes.copied(net)
    theirs = trainer(shapes.copied(net), shapes.copied(net), pairs, 2)
    theirs.train()
    course = Course(STEPS, RATE, 0.0, DECAY, LONGEST, 1, "float32", BEGIN, VOCABULARY)
    run = PreferenceTraining(net, course, SEED, Keeper(shelf(SEED)), pairs=pairs, prompt=2, beta=BETA)
    assert run.prefer(np.arange(STEPS * BATCH).reshape(STEPS, BATCH)) == STEPS
    moved, expected, began = (dict(some.named_parameters()) for some in (net, theirs.model, first))
    # The softmax does not see this bias: its gradient is rounding, whose direction AdamW follows at full length.
    for name in moved.keys() - {"model.decoder.layers.0.self_attn.k_proj.bias"}:
        torch.testing.assert_close(moved[name], expected[name], atol=1e-5, rtol=0.0, msg=partial("{}: {}".format, name))
        assert float((moved[name] - began[name]).detach().abs().max()) > 1e-2
