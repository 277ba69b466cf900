"""Small language models of transformers, trained a little, so that no two continuations are as likely as each other."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from dwindle.nets.language.forward import forward_of
from dwindle.seeds import Seed

SEED = Seed(5, ("language",))
SYMBOLS, CONTEXT, BEGIN = 64, 64, 2
KINDS = ("opt", "opt-350m", "gpt2", "llama")


def texts(count, length, name="texts"):
    """Return texts in which four tokens may follow each one, with probabilities 1/2, 1/4, 3/20 and 1/10, (n, L)."""
    followers = SEED.at("followers").numpy().integers(3, SYMBOLS, (SYMBOLS, 4))
    generator = SEED.at(name).numpy()
    made = np.full((count, length), BEGIN)
    made[:, 0] = generator.integers(3, SYMBOLS, count)
    which = np.searchsorted([0.5, 0.75, 0.9], generator.random((count, length)))
    for place in range(1, length):
        made[:, place] = followers[made[:, place - 1], which[:, place]]
    return made


def configuration(kind):
    import transformers

    sizes = {"vocab_size": SYMBOLS, "max_position_embeddings": CONTEXT, "hidden_size": 32, "num_hidden_layers": 2}
    if kind.startswith("opt"):
        plain = {"ffn_dim": 64, "num_attention_heads": 4, "dropout": 0.0, "word_embed_proj_dim": 32}
        # The shape of OPT-350m: norms after the sums, narrow embeddings.
        late = {"do_layer_norm_before": False, "word_embed_proj_dim": 16} if kind == "opt-350m" else {}
        return transformers.OPTConfig(**sizes, **{**plain, **late})
    if kind == "gpt2":
        ends = {"bos_token_id": BEGIN, "eos_token_id": BEGIN}
        return transformers.GPT2Config(vocab_size=SYMBOLS, n_positions=CONTEXT, n_embd=32, n_layer=2, n_head=4, **ends)
    shared = {"intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    return getattr(transformers, f"{kind.capitalize()}Config")(**sizes, **shared)


@cache
def trained(kind):
    """Return a network that has learnt the texts somewhat, in eval mode; shared by tests, which leave it as it is."""
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(7)
        net = AutoModelForCausalLM.from_config(configuration(kind))
        blocks = torch.from_numpy(np.pad(texts(512, 31), ((0, 0), (1, 0)), constant_values=BEGIN))
        optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
        for step in range(60):
            seen = blocks[step % 8 * 64 :][:64]
            net(input_ids=seen, labels=seen).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    return net.eval()


def generated(net, prompts, length, **settings):
    """Return what `generate` of transformers goes on with after `begin` and each prompt, no token ending a text."""
    from transformers import GenerationConfig

    own, net.generation_config = net.generation_config, GenerationConfig()
    seen = torch.from_numpy(np.pad(prompts, ((0, 0), (1, 0)), constant_values=BEGIN))
    lengths = {"min_new_tokens": length, "max_new_tokens": length}
    try:
        found = net.generate(seen, attention_mask=torch.ones_like(seen), do_sample=False, **lengths, **settings)
    finally:
        net.generation_config = own
    return found[:, seen.shape[1] :].numpy()


def log_probs(net, prompts, continuations):
    """Return the log-probability of each continuation, nats, (n,)."""
    whole = np.concatenate([np.full((len(prompts), 1), BEGIN), prompts, continuations], axis=1)
    with torch.no_grad():
        logs = torch.log_softmax(net(input_ids=torch.from_numpy(whole)).logits.float(), dim=2).numpy()
    near = logs[:, prompts.shape[1] : -1]
    return np.take_along_axis(near, continuations[..., None], axis=2)[..., 0].sum(axis=1)


def forward(kind):
    found = forward_of(trained(kind), CONTEXT)
    assert found is not None
    return found
