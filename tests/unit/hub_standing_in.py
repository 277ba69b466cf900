"""A server that answers what the hub's client asks, over a folder; and one that accepts and never answers."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REVISION = "0123456789abcdef0123456789abcdef01234567"


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self, *, body: bool) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        api = self.path.startswith("/api/")
        place, _, rest = self.path.partition("/revision/" if api else "/resolve/")
        repository = place.removeprefix("/api").removeprefix("/models").removeprefix("/datasets").strip("/")
        revision, _, file = rest.partition("/")
        if not (self.server.folder / repository).is_dir():
            self._say(404, {"X-Error-Code": "RepoNotFound"})
        elif revision.partition("?")[0] != REVISION:
            self._say(404, {"X-Error-Code": "RevisionNotFound"})
        elif api:
            self._say(200, {}, json.dumps(self._info(repository)).encode(), body=body)
        else:
            content = (self.server.folder / repository / file).read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            self._say(200, {"ETag": f'"{etag}"', "X-Repo-Commit": REVISION}, content, body=body)

    def _info(self, repository: str) -> dict[str, object]:
        root = self.server.folder / repository
        files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return {"id": repository, "sha": REVISION, "siblings": [{"rfilename": file} for file in files]}

    def _say(self, status: int, headers: dict[str, str], content: bytes = b"", *, body: bool = True) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


class Hub(ThreadingHTTPServer):
    """A hub over a folder of `org/name/...`, which notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.folder = folder
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub(folder: Path) -> Iterator[Hub]:
    server = Hub(folder)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """Give the address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
