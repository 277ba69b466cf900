"""Ends Prefect's embedded server when the process that started it was killed and could not.

Prefect starts that server as a child of the flow's process. After SIGKILL it would run on for ever, 200 MB for nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from flows.lifeline import cut, tied

__all__ = ["watch"]


def watch() -> subprocess.Popen[bytes]:
    """Start a process that outlives this one just long enough to end the embedded server."""
    return tied("flows.reaper", str(os.getpid()))


def main(parent: int) -> None:
    """Remember the parent's servers until the lifeline is cut, then end those that are left."""
    process, servers = psutil.Process(parent), set[psutil.Process]()
    while not cut(1.0):
        servers |= {child for child in _children(process) if _is_server(child)}
    psutil.wait_procs(servers, timeout=3)  # a flow that ends by itself ends its server by itself
    for server in servers:
        if server.is_running():
            server.kill()


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def _is_server(process: psutil.Process) -> bool:
    try:
        return any("prefect.server" in part for part in process.cmdline())
    except psutil.Error:
        return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
