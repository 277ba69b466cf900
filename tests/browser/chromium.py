"""A real browser without a window, driven over the DevTools protocol: it opens a file and is asked about it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def found() -> str | None:
    """Return the browser's program, or None if none is on the path."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Tab:
    """An open page.

    Args:
        socket: where commands go.
        requests: addresses that the page asked for.
    """

    socket: ClientConnection
    requests: list[str] = field(default_factory=list)
    _number: int = 0

    def send(self, method: str, **settings: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; requests that are told of meanwhile are kept."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": settings}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            self._note(message)
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a file in a window of a given size, and wait until it is laid out."""
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + 60
        while self.ask("document.readyState") != "complete" or self.ask("location.protocol") != "file:":
            assert time.monotonic() < deadline, "the page does not load"
            time.sleep(0.05)

    def size(self, width: int, height: int = 900) -> None:
        """Give the window a size, as on a screen of one dot a pixel."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        number = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            typed = {"text": "\r"} if (key, kind) == ("Enter", "keyDown") else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number, **typed)

    def screenshot(self, target: Path, *, whole: bool = True) -> Path:
        """Save what is seen, or the whole page."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16_000), "scale": 1}
        settings = {"captureBeyondViewport": True, "clip": clip} if whole else {}
        target.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png", **settings)["data"]))
        return target

    def pdf(self, target: Path) -> Path:
        """Print the page."""
        settings = {"printBackground": False, "preferCSSPageSize": True, "paperWidth": 8.27, "paperHeight": 11.69}
        target.write_bytes(base64.b64decode(self.send("Page.printToPDF", **settings)["data"]))
        return target


@contextmanager
def browser() -> Iterator[Tab]:
    """Start a browser with a profile of its own, and end it."""
    program = found()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(Path(profile)), max_size=None) as socket:
                tab = Tab(socket)
                tab.send("Page.enable")
                tab.send("Network.enable")
                yield tab
        finally:
            process.terminate()
            process.wait(timeout=30)


def _address(profile: Path) -> str:
    """Return the address of the first tab, once the browser has written its port down."""
    import urllib.request

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            port = (profile / "DevToolsActivePort").read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError, ValueError):
            pass
        time.sleep(0.1)
    raise TimeoutError("the browser does not answer")
