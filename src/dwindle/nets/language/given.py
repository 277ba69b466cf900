"""Models that are given: what must be true of a folder, here or on the hub, before its weights are loaded."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from dwindle.data.hub import resolved
from dwindle.nets.language.shapes import SHAPES, Net, load

__all__ = ["described", "load_given", "same_tokenizer"]

_WHOLE = ("config.json", "model.safetensors")
_PARTS = ("config.json", "model.safetensors.index.json", "model-*-of-*.safetensors")
_VOCABULARIES = ("tokenizer.json", "vocab.json", "tokenizer.model")


def described(model: str) -> dict[str, Any]:
    """Return the config.json of a model.

    Args:
        model: a local folder, or `org/name@revision` on the hub, the revision as 40 hexadecimal digits.

    Raises:
        ValueError: if there is none, it is not one of a causal language model, there are no safetensors beside it, or
            it asks for code of its own.
        NotReachable: if the hub does not answer.
    """
    try:
        path = resolved(model, ("config.json",), beside=(_WHOLE, _PARTS)) / "config.json"
    except ValueError as error:
        raise ValueError(f"model {error}; or one of {', '.join(SHAPES)}, trained from scratch") from error
    config = _parsed(path, path.stat().st_mtime_ns)
    if not isinstance(config.get("vocab_size"), int) or "model_type" not in config:
        raise ValueError(f"{model}: config.json names no model_type and vocab_size of a causal language model")
    return config


def load_given(model: str, dropout: float = 0.0) -> Net:
    """Return a given model's net, in float32.

    Raises:
        ValueError: as `described` does, or if there are no safetensors or they do not fit config.json.
        NotReachable: if the hub does not answer.
    """
    return load(resolved(model, _WHOLE, otherwise=_PARTS), dropout)


def same_tokenizer(model: str, tokenizer: str) -> bool:
    """Say whether a tokenizer, named as models are, is the one that a model comes with.

    A folder without any tokenizer, such as one that dwindle saved, goes with every one; a model of the hub only with
    its own.
    """
    folder, other = Path(model).expanduser(), Path(tokenizer).expanduser()
    if model == tokenizer or not folder.is_dir():
        return model == tokenizer
    own = [name for name in _VOCABULARIES if (folder / name).is_file()]
    both = [name for name in own if tokenizer and (other / name).is_file()]
    return not own or (bool(both) and all((folder / name).read_bytes() == (other / name).read_bytes() for name in both))


@lru_cache(maxsize=16)
def _parsed(path: Path, _changed: int) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no mapping")
    return found
