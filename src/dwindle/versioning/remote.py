"""One DVC remote, reached through DVC's own clients: a folder, S3, SSH, or whatever else DVC has a plug-in for.

Objects stand where `dvc push` and `dvc pull` look for them. Two things are not left to these two. They hold a folder
for sent if its listing is there, or was there when they last looked; here every object is asked for, and its size. And
they trust what they fetch from most remotes; here objects come into files of the caller, who holds them to their MD5.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from dwindle.errors import BadInput, DataDamaged, DwindleError, NotReachable, nearest

__all__ = ["Remote"]

_PATIENCE = 12
"""Seconds that a remote has for a small answer: its first, or a text."""

_PATIENCE_EACH = 0.1
"""Seconds more for each object that it is asked about."""

_ALIVE = 4
"""Seconds between two signs of life on an SSH connection; it ends when three stay out."""

_Result = TypeVar("_Result")


class Remote:
    """A remote; the connection is made when it is first needed and kept. Threads may share one.

    Args:
        repo: DVC's repository.
        remote: name of one of its remotes, or an address; a folder's address is relative to the workspace.

    Raises:
        BadInput: if there is no such remote, or its settings are wrong.
    """

    def __init__(self, repo: Any, remote: str) -> None:
        self._config = repo.config
        self._settings = _settings(repo, remote)
        self.address = re.sub(r"(//[^/@:]*):[^/]*@", r"\1@", str(self._settings["url"]))
        self._turn = threading.Lock()
        self._process = 0
        self._odb = self._opened()

    def _opened(self) -> Any:
        """Return DVC's store of objects on the remote, not connected yet."""
        from dvc.config import ConfigError
        from dvc.data_cloud import Remote as DvcRemote
        from dvc.fs import get_cloud_fs
        from dvc_objects.fs.errors import ConfigError as ClientConfigError
        from dvc_objects.fs.errors import RemoteMissingDepsError

        try:
            kind, config, path = get_cloud_fs(self._config, **self._settings)
            return DvcRemote("exchange", path, kind(**config), **config).odb
        except (ConfigError, ClientConfigError, RemoteMissingDepsError, ImportError) as error:
            raise BadInput(f"{self.address}: {self._said_by(error)}") from error

    def _through(self, work: Callable[[Any], _Result]) -> _Result:
        """Do something with the connected store; the errors of all clients become one."""
        try:
            odb, is_new = self._connected()
            try:
                return work(odb)
            except (DwindleError, TimeoutError):
                raise
            except Exception:  # the connection may have been lost while nobody spoke
                if is_new:
                    raise
                self._process = 0
                return work(self._connected()[0])
        except DwindleError:
            raise
        except Exception as error:  # every kind of remote has errors of its own
            self._process = 0
            raise NotReachable(f"{self.address}: {self._said_by(error)}") from error

    def _connected(self) -> tuple[Any, bool]:
        with self._turn:
            is_new = self._process != os.getpid()  # one made before a fork is of no use
            if is_new:
                odb = self._opened()
                _within(_PATIENCE, lambda: _greet(odb))
                self._odb, self._process = odb, os.getpid()
            return self._odb, is_new

    def _said_by(self, error: BaseException) -> str:
        """Return what an error says, on one line and without the password of the address."""
        password = re.search(r"//[^/@:]*:([^/]*)@", str(self._settings["url"]))
        said = " ".join(str(error).split()) or type(error).__name__
        return said.replace(password[1], "***") if password and password[1] else said

    def where(self, value: str) -> str:
        """Return the address of an object."""
        return str(self._odb.fs.unstrip_protocol(self._odb.oid_to_path(value)))

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        """Return the objects that are not there, or not in the given size in bytes."""
        return self._through(lambda odb: _lacking(odb, objects))

    def put(self, objects: Mapping[str, Path]) -> None:
        """Copy files to the remote as its objects; each appears whole."""
        if objects:
            self._through(lambda odb: _put(odb, objects))

    def get(self, objects: Mapping[str, Path]) -> None:
        """Copy objects of the remote into files; none is held to its digest.

        Raises:
            DataDamaged: naming the objects that are not there.
        """
        if objects:
            self._through(lambda odb: _get(odb, objects))

    def read(self, place: str) -> bytes | None:
        """Return the text that stands at a place below the address, or None where there is none."""
        return self._through(lambda odb: _within(_PATIENCE, lambda: _read(odb, place)))

    def write(self, place: str, text: bytes) -> None:
        """Publish a text: it appears whole, or the old one stays."""
        self._through(lambda odb: _within(_PATIENCE, lambda: _write(odb, place, text)))

    def remove(self, place: str) -> None:
        """Remove a text."""
        self._through(lambda odb: _within(_PATIENCE, lambda: odb.fs.rm_file(_at(odb, place))))

    def below(self, folder: str) -> list[str]:
        """Return the places of all texts below a folder, relative to it."""
        return self._through(lambda odb: _within(_PATIENCE, lambda: _below(odb, folder)))


# ---------------------------------------------------------------------------------------------------- by DVC's clients


def _lacking(odb: Any, objects: Mapping[str, int]) -> list[str]:
    paths, patience = [odb.oid_to_path(value) for value in objects], _PATIENCE + _PATIENCE_EACH * len(objects)
    found = _within(patience, lambda: odb.fs.info(paths, return_exceptions=True))
    return [value for value, info in zip(objects, found, strict=True) if not _is_whole(info, objects[value])]


def _is_whole(info: Any, size: int) -> bool:
    if isinstance(info, FileNotFoundError):
        return False
    if isinstance(info, BaseException):
        raise info
    return info.get("size") in (None, size)


def _put(odb: Any, objects: Mapping[str, Path]) -> None:
    from dvc_objects.fs import generic, localfs

    targets = [odb.oid_to_path(value) for value in objects]
    generic.copy(localfs, [str(path) for path in objects.values()], odb.fs, targets)
    for target in targets:
        odb.protect(target)


def _get(odb: Any, objects: Mapping[str, Path]) -> None:
    from dvc_objects.fs import generic, localfs

    sources = [odb.oid_to_path(value) for value in objects]
    try:
        generic.copy(odb.fs, sources, localfs, [str(path) for path in objects.values()])
    except FileNotFoundError as error:
        there = odb.fs.exists(sources)
        gone = [odb.fs.unstrip_protocol(path) for path, stands in zip(sources, there, strict=True) if not stands]
        raise DataDamaged(f"{', '.join(gone) or error}: not there; send it again") from error


def _at(odb: Any, place: str) -> str:
    """Return the path of a place below the address; the objects stand in `files/md5` below it."""
    return str(odb.fs.join(odb.fs.parent(odb.fs.parent(odb.path)), *place.split("/")))


def _read(odb: Any, place: str) -> bytes | None:
    try:
        return bytes(odb.fs.cat_file(_at(odb, place)))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write(odb: Any, place: str, text: bytes) -> None:
    odb.fs.put_file(BytesIO(text), _at(odb, place), size=len(text))


def _below(odb: Any, folder: str) -> list[str]:
    top = _at(odb, folder) + odb.fs.sep
    odb.fs.fs.invalidate_cache()  # the client remembers listings
    return [odb.fs.as_posix(str(path)[len(top) :]) for path in odb.fs.find(top) if str(path).startswith(top)]


# ---------------------------------------------------------------------------------------------------- connections


def _settings(repo: Any, remote: str) -> dict[str, Any]:
    """Return DVC's settings of a remote, with bounds on how long it may stay silent."""
    known = repo.config["remote"]
    if remote.lower() in known:
        settings = dict(known[remote.lower()])
    elif re.match(r"\w+://", remote):
        settings = {"url": remote}
    elif "/" in remote or remote.startswith((".", "~")):
        settings = {"url": os.path.abspath(Path(repo.root_dir, Path(remote).expanduser()))}  # noqa: PTH100
    else:
        raise BadInput(f"remote {remote!r}: .dvc/config has none of this name{nearest(remote, known)}")
    bounds = {"s3": {"connect_timeout": 5, "read_timeout": 20}, "ssh": {"timeout": 15}}
    return bounds.get(str(settings["url"]).partition("://")[0], {}) | settings


def _greet(odb: Any) -> None:
    """Connect, and find out that there is something to talk to."""
    if odb.fs.protocol == "ssh":
        from asyncssh import SSHClient

        # DVC's client would ask for passwords, and a worker has nobody to ask.
        odb.fs.fs_args.update(client_factory=SSHClient, keepalive_interval=_ALIVE)
    if odb.fs.protocol == "s3":
        odb.fs.fs_args.setdefault("config_kwargs", {}).setdefault("retries", {"mode": "standard", "max_attempts": 2})
        odb.fs.fs.retries = 2  # on top of those: five of five would be minutes
        with suppress(PermissionError):  # who may read objects may not always look at the bucket
            odb.fs.info(odb.fs.parts(odb.path)[0])
    else:
        odb.fs.exists(odb.path)


def _within(seconds: float, ask: Callable[[], _Result]) -> _Result:
    """Return the answer to a question, or stop waiting for it: clients try again for minutes."""
    answer: Future[_Result] = Future()

    def wait() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds} seconds") from None
