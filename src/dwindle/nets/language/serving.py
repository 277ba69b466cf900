"""Texts from a server: any program that serves a model's folder by the OpenAI completions interface.

For models whose own engine is worth more than the same bits on every machine. Which command starts the server is the
machine's affair: the variable DWINDLE_LM_SERVER holds it, for instance
`/opt/vllm/bin/vllm serve {folder} --port {port}`; it may live in an environment of its own.

Source: vLLM documentation, OpenAI-compatible server: `prompt` may be token ids, and `top_k`, `min_p`,
    `repetition_penalty`, `ignore_eos`, `seed` and `return_token_ids` are extra parameters of a completion.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dwindle.contracts import IntArray, Seed
from dwindle.data.unfinished import tell
from dwindle.errors import BadInput, NotReachable
from dwindle.samplers import Sampler

__all__ = ["VARIABLE", "command", "served", "unserved"]

VARIABLE = "DWINDLE_LM_SERVER"

_START = 1800.0  # seconds that a server may take to load a model
_ANSWER = 600.0  # seconds that it may take for one text
_AT_ONCE = 64  # texts asked for at the same time: servers batch them by themselves
_BIASED = 300  # tokens whose logits a request may shift
_LAST_LINES = 5


def unserved(sampler: Sampler) -> str:
    """Say which setting of a sampler servers ignore or know in another sense; empty if they honour all."""
    if sampler.beams > 1:
        return f"beams {sampler.beams}: servers of the completions interface search with no beams or ignore the number"
    if sampler.watermark != "none":
        return f"watermark {sampler.watermark}: the completions interface knows no watermark"
    return ""


def command() -> list[str]:
    """Return the words of the server's command, {folder} and {port} among them.

    Raises:
        BadInput: if no command is set, or it lacks either of them.
        NotReachable: if there is no such program.
    """
    told = os.environ.get(VARIABLE, "")
    if "{folder}" not in told or "{port}" not in told:
        said = f"'{told}'" if told else "not set"
        raise BadInput(f"{VARIABLE} is {said}; expected the command of a server with {{folder}} and {{port}} in it")
    words = shlex.split(told)
    if shutil.which(words[0]) is None:
        raise NotReachable(f"{VARIABLE}: cannot start {words[0]}: there is no such program")
    return words


def served(
    save: Callable[[Path], None],
    prompts: IntArray,
    length: int,
    *,
    sampler: Sampler,
    seed: Seed,
    begin: int,
    never: Sequence[int] = (),
) -> IntArray:
    """Return what a server goes on with after each prompt, (n, length).

    Each text is asked for with a seed of its own. Whether the same seed gives the same text is the server's affair.

    Args:
        save: writes the model into an empty folder, as transformers does.
        prompts: (n, P) tokens; of P = 0 texts are written freely.
        length: tokens to go on for.
        sampler: how the next token is found.
        seed: address of the texts' seeds.
        begin: token that stands before every text.
        never: tokens of the model's vocabulary that are none of the alphabet; 300 at most.

    Raises:
        BadInput: if no command is set, the sampler has a setting that servers do not honour, or `never` is too long.
        NotReachable: if the server does not come up, does not answer, or answers other than it was asked.
    """
    if unserved(sampler):
        raise BadInput(f"sampler.{unserved(sampler)}")
    if len(never) > _BIASED:
        told = f"{len(never)} tokens of the model are none of the alphabet"
        raise BadInput(f"{told}; servers can be told to leave out {_BIASED}: raise symbols")
    with tempfile.TemporaryDirectory(prefix="dwindle-served-") as own:
        folder = Path(own)
        save(folder)
        with _running(folder) as address:
            begun, texts = time.monotonic(), np.empty((len(prompts), length), dtype=np.int64)
            shared = _shared(folder, length, sampler, never)
            asked = [
                shared | {"prompt": [begin, *row.tolist()], "seed": seed.at(place).integer()}
                for place, row in enumerate(prompts)
            ]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for place, text in enumerate(pool.map(lambda body: _completed(address, body), asked)):
                    texts[place] = _checked(text, length)
                    tell((place + 1) * length, texts.size, "tokens", time.monotonic() - begun)
            return texts


def _shared(folder: Path, length: int, sampler: Sampler, never: Sequence[int]) -> dict[str, Any]:
    """Return what all requests have in common."""
    return {
        "model": str(folder),
        "max_tokens": length,
        "min_tokens": length,
        "ignore_eos": True,
        "temperature": sampler.temperature if sampler.beams == 0 else 0.0,
        "top_p": sampler.top_p,
        "top_k": sampler.top_k,
        "min_p": sampler.min_p,
        "repetition_penalty": sampler.repetition_penalty,
        "logit_bias": {str(token): -100.0 for token in never},
        "return_token_ids": True,
    }


def _completed(address: str, body: Mapping[str, Any]) -> Any:
    """Return the token ids of one completion."""
    told = _told(f"{address}/v1/completions", body)
    try:
        return told["choices"][0]["token_ids"]
    except (KeyError, IndexError, TypeError):
        raise NotReachable(f"{VARIABLE}: the server answers without token_ids; vLLM has them since 0.10.2") from None


def _told(url: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read(300).decode(errors="replace")
        raise NotReachable(f"{VARIABLE}: the server refuses {url}: {error.code} {said}") from error
    except (OSError, ValueError) as error:
        raise NotReachable(f"{VARIABLE}: the server does not answer at {url}: {error}") from error


def _checked(text: Any, length: int) -> IntArray:
    if not isinstance(text, list) or len(text) != length:
        found = f"{len(text)} tokens" if isinstance(text, list) else repr(text)
        raise NotReachable(f"{VARIABLE}: the server was asked for {length} tokens and answers with {found}")
    return np.asarray(text, dtype=np.int64)


@contextmanager
def _running(folder: Path) -> Iterator[str]:
    """Start the server on a free port, and end it, whatever happens."""
    told = command()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.format(folder=folder, port=port) for word in told]
    log = folder / "server.log"
    try:
        with log.open("w") as stream:
            process = subprocess.Popen(words, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        raise NotReachable(f"{VARIABLE}: cannot start {words[0]}: {error.strerror}") from error
    try:
        address = f"http://127.0.0.1:{port}"
        _await(process, address, log)
        yield address
    finally:
        _end(process)


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = " | ".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
            raise NotReachable(f"{VARIABLE}: the server ended with {process.returncode}: {said}")
        try:
            with urllib.request.urlopen(f"{address}/v1/models", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise NotReachable(f"{VARIABLE}: the server does not answer within {_START:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it has started."""
    import signal

    for signum, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, signum)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
