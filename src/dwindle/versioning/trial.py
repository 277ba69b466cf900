"""A trial of a DVC remote: may a scratch text be written there, read again and deleted?"""

from __future__ import annotations

import uuid
from pathlib import Path

from dwindle.errors import NotReachable
from dwindle.versioning.dvc_store import open_repo, why_off
from dwindle.versioning.remote import Remote

__all__ = ["try_remote"]


def try_remote(root: Path, remote: str) -> str:
    """Write, read and delete a scratch text, where the exchange would keep its own.

    Args:
        root: the workspace, where dvc.yaml and .dvc stand.
        remote: name of a DVC remote of the workspace, or an address.

    Returns:
        The remote's address, without a password.

    Raises:
        BadInput: if there is no such remote, or its settings are wrong.
        NotReachable: if nothing is versioned here, the remote does not answer, or it refuses one of the three.
    """
    if reason := why_off(root):
        raise NotReachable(reason)
    tried, place = Remote(open_repo(root), remote), f"dwindle-check/{uuid.uuid4().hex}"
    tried.write(place, place.encode())
    if tried.read(place) != place.encode():
        raise NotReachable(f"{tried.address}: what was written reads differently")
    tried.remove(place)
    return tried.address
