"""Nets of causal language models: built from a configuration with seeded weights, written to and read from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dwindle.contracts import Seed

__all__ = [
    "SHAPES",
    "Net",
    "begin_of",
    "configuration",
    "copied",
    "load",
    "narrowed",
    "placed",
    "positions",
    "save",
    "sizes",
    "untrained",
]

SHAPES = ("opt", "gpt2", "llama")
"""Architectures that are built here from a configuration; of these the output layer is a product and no more."""

Net = Any
"""A causal language model of transformers, float32, in evaluation mode and the processor's memory between calls."""

_DROPS = {"opt": ("dropout",), "gpt2": ("resid_pdrop", "embd_pdrop", "attn_pdrop"), "llama": ("attention_dropout",)}
"""What a share of dropout sets; OPT drops no attention, as its authors trained it."""


def configuration(
    shape: str, *, symbols: int, length: int, layers: int, width: int, heads: int, dropout: float = 0.0
) -> Any:
    """Return the configuration of a net that is trained from scratch on blocks.

    The feed-forward layers are four times as wide as the rest, and the embedding's matrix is the output layer's too.

    Args:
        shape: whose architecture it has, one of `SHAPES`.
        symbols: tokens of the alphabet K; one more, with number K, is the begin token's.
        length: tokens of a block L; the net has places for L + 1.
        layers: attention layers.
        width: dimensions of a token's embedding.
        heads: attention heads.
        dropout: share of activations that are dropped in training.
    """
    from transformers import GPT2Config, LlamaConfig, OPTConfig

    # Token 1 is a word here: as padding, OPT's default, it would never be trained.
    shared: dict[str, Any] = {
        "vocab_size": symbols + 1,
        "bos_token_id": symbols,
        "eos_token_id": None,
        "pad_token_id": None,
        "tie_word_embeddings": True,
    }
    sizes = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads}
    if shape == "opt":
        config = OPTConfig(**shared, **sizes, ffn_dim=4 * width, max_position_embeddings=length + 1)
    elif shape == "gpt2":
        config = GPT2Config(**shared, n_layer=layers, n_embd=width, n_head=heads, n_positions=length + 1)
    else:
        config = LlamaConfig(**shared, **sizes, intermediate_size=4 * width, max_position_embeddings=length + 1)
    _set_dropout(config, dropout)
    return config


def begin_of(config: Any) -> int:
    """Return the token that stands before every text: the begin token, or the end token of the text before.

    Raises:
        ValueError: if the configuration names neither.
    """
    for found in (getattr(config, "bos_token_id", None), getattr(config, "eos_token_id", None)):
        token = found[0] if isinstance(found, list) and found else found
        if isinstance(token, int):
            return token
    raise ValueError("the configuration names no begin or end token to begin blocks with")


def positions(config: Any) -> int | None:
    """Return how many tokens a net has places for, or None where its architecture sets no limit."""
    found = getattr(config, "max_position_embeddings", None)
    return found if isinstance(found, int) else None


def sizes(config: Any) -> tuple[Any, ...]:
    """Return what two configurations have in common whose weights have the same shapes."""
    kinds = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings")
    return config.model_type, *(getattr(config, kind, None) for kind in kinds)


def _set_dropout(config: Any, share: float) -> None:
    """Set the share of activations that are dropped in training, and no layer dropped as a whole.

    Raises:
        ValueError: if the architecture drops nothing and shall.
    """
    names = _dropping(config)
    if share and not names:
        raise ValueError(f"dropout {share}: the architecture {config.model_type} has no dropout")
    for name in names:
        setattr(config, name, share)
    # A given model may come with these set, and nobody has asked for what they drop.
    for name in {"attention_dropout", "layerdrop"}.difference(names):
        if hasattr(config, name):
            setattr(config, name, 0.0)


def _dropping(config: Any) -> tuple[str, ...]:
    kinds = (key for key in config.to_dict() if "dropout" in key or "pdrop" in key)
    return _DROPS.get(config.model_type, tuple(key for key in kinds if not key.startswith("summary")))


def untrained(config: Any, seed: Seed) -> Net:
    """Return a net with the initial weights that its architecture draws, all of them from the seed."""
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed.integer())
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def copied(net: Net) -> Net:
    """Return a net of the same weights that shares none of its memory."""
    from copy import deepcopy

    return deepcopy(net)


def save(net: Net, folder: Path) -> None:
    """Write model.safetensors and config.json, which `AutoModelForCausalLM.from_pretrained` reads."""
    with _quiet():
        net.save_pretrained(folder, max_shard_size="1000GB")


def load(folder: Path, dropout: float = 0.0) -> Net:
    """Read a net from a folder of safetensors, in float32.

    Args:
        folder: where config.json and the weights are.
        dropout: share of activations that are dropped in training.

    Raises:
        ValueError: if weights are missing or have another size than the configuration says.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    _set_dropout(config, dropout)
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    with torch.random.fork_rng(devices=[]), _quiet():
        try:
            net, told = AutoModelForCausalLM.from_pretrained(
                folder, config=config, dtype=torch.float32, output_loading_info=True, **options
            )
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{folder} holds no weights that fit its config.json: {error}") from error
    if told["missing_keys"]:
        raise ValueError(f"{folder}: the weights lack {', '.join(sorted(told['missing_keys'])[:3])}")
    # How it was meant to be sampled is the sampler's business here, and some such settings cannot be saved again.
    net.generation_config = GenerationConfig.from_model_config(net.config)
    for part in net.parameters():
        part.data = part.data.clone()  # mapped from the file it may start anywhere, and where it starts can change bits
    return net.eval()


@contextmanager
def placed(net: Net, place: torch.device) -> Iterator[Net]:
    """Have a net on a device, and in the processor's memory again afterwards."""
    try:
        yield net.to(place)
    finally:
        net.to("cpu")


@contextmanager
def narrowed(net: Net, symbols: int) -> Iterator[None]:
    """Have a net that finds no token likely but those of an alphabet, the first ones of its vocabulary.

    Args:
        net: the net; its output layer is another one meanwhile, which shares the memory of its own.
        symbols: tokens of the alphabet.
    """
    head = net.get_output_embeddings()
    rows = head.weight.detach()[:symbols]
    narrow = torch.nn.Linear(rows.shape[1], symbols, bias=head.bias is not None, device="meta")
    narrow.weight = torch.nn.Parameter(rows, requires_grad=False)
    if head.bias is not None:
        narrow.bias = torch.nn.Parameter(head.bias.detach()[:symbols], requires_grad=False)
    net.set_output_embeddings(narrow)
    try:
        yield
    finally:
        net.set_output_embeddings(head)


@contextmanager
def _quiet() -> Iterator[None]:
    """Have transformers draw no progress bars of its own: reading and writing takes no time beside a fit."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
