"""Files of a model, tokenizer or data set: in a local folder, or on the Hugging Face hub at a pinned revision.

Only data is ever read: weights are safetensors, and a configuration that brings code of its own is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from dwindle.errors import NotReachable

__all__ = ["resolved"]

_ADDRESS = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})", re.ASCII)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@.*)?", re.ASCII)
_NUMBERED = re.compile(r"(.*)-\d+-of-(\d+)(\.\w+)")
_FORM = "org/name@revision, the revision being the 40 hexadecimal digits of a commit"

_CONFIGURATIONS = ("config.json", "tokenizer_config.json")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_ANSWER = 5.0  # seconds that the hub has for one answer
_PATIENCE = 8.0  # seconds for its first one with all that stands before it, such as a name server that keeps silent


def resolved(
    name: str,
    files: Sequence[str],
    *,
    otherwise: Sequence[str] = (),
    beside: Sequence[Sequence[str]] = (),
    kind: Literal["model", "dataset"] = "model",
) -> Path:
    """Return the folder that holds the files of a name.

    Files of the hub come from the local cache if they are there, and else over the network into that cache; nothing is
    written into the workspace, and no revision but the pinned one is ever asked for.

    Args:
        name: a local folder, or a hub id with its revision, `org/name@<40 hexadecimal digits>`.
        files: names or patterns such as `*.safetensors`, each of which must fit a file; `*` stays in its folder.
        otherwise: files that serve where those are not there; none if empty.
        beside: choices of files one of which must be there too, and is not fetched yet; not asked of what is cached.
        kind: what the hub has under that name.

    Raises:
        ValueError: if the name has neither form, the revision or a file does not exist, the weights are there only as
            pickle, or the configuration asks for code of its own.
        NotReachable: if the files are not in the cache and the hub does not answer; within 10 s.
    """
    choices = [choice for choice in (files, otherwise) if choice]
    folder = Path(name).expanduser()
    if folder.is_dir():
        for asked in filter(None, (choices, beside)):
            _chosen(name, asked, _listed(folder, asked))
        return _trusted(name, folder)
    repository, revision = _address(name)
    folder = _cached(repository, revision, kind)
    if not any(_is_whole(_listed(folder, [choice]), choice) for choice in choices):
        _fetch(name, choices, beside, kind)
    return _trusted(name, folder)


def _address(name: str) -> tuple[str, str]:
    found = _ADDRESS.fullmatch(name)
    if found:
        return found["repository"], found["revision"]
    if _REPOSITORY.fullmatch(name) and not Path(name).exists():
        raise ValueError(f"{name} is no folder, and no hub id with a pinned revision: expected {_FORM}")
    raise ValueError(f"{name!r} is no folder; expected one, or {_FORM}")


def _cached(repository: str, revision: str, kind: str) -> Path:
    """Return where the hub's own cache has a revision, if it has it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"{kind}s--{repository.replace('/', '--')}" / "snapshots" / revision


def _listed(folder: Path, choices: Sequence[Sequence[str]]) -> list[str]:
    """Return the files of a folder that may matter, and pickles beside them."""
    patterns = {pattern for choice in choices for pattern in choice} | {f"*{end}" for end in _PICKLES}
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _fits(file: str, pattern: str) -> bool:
    return file.count("/") == pattern.count("/") and fnmatchcase(file, pattern)


def _is_whole(listed: Sequence[str], choice: Sequence[str]) -> bool:
    """Say whether each pattern fits a file, and files that are numbered `-00001-of-00003` are all there."""
    fitting = [[file for file in listed if _fits(file, pattern)] for pattern in choice]
    parts = [found.groups() for files in fitting for file in files if (found := _NUMBERED.fullmatch(file))]
    return all(fitting) and all(parts.count(part) >= int(part[1]) for part in parts)


def _chosen(name: str, choices: Sequence[Sequence[str]], listed: Sequence[str]) -> list[str]:
    """Return the files of the first choice that is whole.

    Raises:
        ValueError: if there is none.
    """
    for choice in choices:
        if _is_whole(listed, choice):
            return [file for file in listed if any(_fits(file, pattern) for pattern in choice)]
    lacking = [pattern for pattern in choices[0] if not _is_whole(listed, [pattern])]
    pickles = [file for file in listed if file.endswith(_PICKLES)]
    if pickles and any(pattern.endswith(".safetensors") for pattern in lacking):
        told = f"its weights are there only as pickle ({pickles[0]}), which runs code when it is read"
        raise ValueError(f"{name}: {told}; expected *.safetensors, which another revision may have")
    also = f", nor {' and '.join(choices[1])} instead" if choices[1:] else ""
    raise ValueError(f"{name} has no {', '.join(lacking)}{also}")


def _trusted(name: str, folder: Path) -> Path:
    """Return the folder.

    Raises:
        ValueError: if its configuration asks for code of its own, or cannot be read.
    """
    for path in (folder / file for file in _CONFIGURATIONS):
        try:
            settings = json.loads(path.read_bytes()) if path.is_file() else {}
        except (OSError, ValueError) as error:
            raise ValueError(f"{name}: {path.name} cannot be read: {error}") from error
        if isinstance(settings, dict) and "auto_map" in settings:
            told = "asks for code that comes with it (auto_map); dwindle runs no remote code"
            raise ValueError(f"{name}: {path.name} {told}")
    return folder


def _fetch(name: str, choices: Sequence[Sequence[str]], beside: Sequence[Sequence[str]], kind: str) -> None:
    """Bring the files of the first choice that the hub has into its cache, configurations first."""
    from huggingface_hub import HfApi, hf_hub_download

    repository, revision = _address(name)
    asked: dict[str, Any] = {"revision": revision, "repo_type": kind}
    with _Hub(name):
        info = _answered(lambda: HfApi().repo_info(repository, timeout=_ANSWER, **asked))
    listed = sorted(file.rfilename for file in info.siblings or ())
    files = _chosen(name, choices, listed)
    if beside:
        _chosen(name, beside, listed)
    for file in sorted(files, key=lambda file: file not in _CONFIGURATIONS):
        with _Hub(name):
            hf_hub_download(repository, file, etag_timeout=_ANSWER, **asked)
        if file in _CONFIGURATIONS:
            _trusted(name, _cached(repository, revision, kind))


class _Hub:
    """Say in dwindle's words what went wrong between here and the hub.

    Args:
        name: what the hub was asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise another error in place of the hub client's."""
        if not isinstance(error, Exception):
            return
        from huggingface_hub import constants, errors

        place, reason = constants.ENDPOINT, " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, errors.RevisionNotFoundError):
            raise ValueError(f"{self.name}: {place} knows no such revision") from error
        if isinstance(error, errors.RepositoryNotFoundError):
            raise ValueError(f"{self.name}: {place} has nothing of that name that may be read") from error
        told = f"{self.name} is not in the local cache, and {place} does not answer: {reason[:300]}"
        raise NotReachable(told) from error


def _answered(ask: Callable[[], Any]) -> Any:
    """Return the hub's answer, or raise what asking raised.

    The client's own timeouts do not cover a name server that keeps silent, so the question runs in a thread that may
    be left behind.

    Raises:
        TimeoutError: if there is none in time.
    """
    answers: list[Any] = []
    problems: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            problems.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if problems:
        raise problems[0]
    if not answers:
        raise TimeoutError(f"no answer in {_PATIENCE:g} s")
    return answers[0]
