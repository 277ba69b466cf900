"""Stand-ins for what some presets are given: a model of OPT's vocabulary, WikiText, stories, images in IDX files."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

VOCABULARY = 50_272


def given_folder(root: Path) -> None:
    """Put small stand-ins where the presets look for them, below a working directory."""
    text = "\n".join(topics[name] for name in sorted(topics))
    for name in ("wikitext/train.txt", "tinystories/train.txt"):
        _write(root / "given" / name, text[:200_000])
    for name in ("wikitext/valid.txt", "wikitext/test.txt", "tinystories/valid.txt"):
        _write(root / "given" / name, text[200_000:260_000])
    _model(root / "given" / "opt-125m", text[:50_000])
    _images(root / "given" / "mnist", count=1300)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _model(folder: Path, text: str) -> None:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import OPTConfig, OPTForCausalLM

    sizes = {"hidden_size": 16, "ffn_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = OPTConfig(vocab_size=VOCABULARY, word_embed_proj_dim=16, max_position_embeddings=256, **sizes)
    OPTForCausalLM(config).save_pretrained(folder)
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([text], vocab_size=400, show_progress=False)
    tokenizer.save(str(folder / "tokenizer.json"))


def _images(folder: Path, count: int) -> None:
    """Write images of noise and their labels as MNIST's test files are written."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, shape, most in (("images-idx3", (count, 28, 28), 256), ("labels-idx1", (count,), 10)):
        head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        (folder / f"t10k-{name}-ubyte").write_bytes(
            head + generator.integers(most, size=shape, dtype=np.uint8).tobytes()
        )
