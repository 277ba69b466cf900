"""Processes that train one net together: the part of a batch that each one takes, and sums over all of them.

Gradients are summed in pieces of a fixed size and order once all parts of a batch are computed, and not while they are:
a sum depends on how numbers are laid out in pieces, and a killed fit goes on to the same bits only if that never
changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Peers"]

_PIECE = 1 << 24  # numbers that are summed at once


@dataclass(frozen=True)
class Peers:
    """This process among those that train one net, each on an equal part of every batch.

    Args:
        rank: its number, from 0.
        count: how many there are; one has all of a batch and sums nothing.
    """

    rank: int = 0
    count: int = 1

    def own(self, batch: Tensor) -> Tensor:
        """Return this process's part of a batch, (batch / count, L)."""
        return batch.chunk(self.count)[self.rank]

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's share of rows that are only scored; none where there are more processes than rows."""
        return rows[self.rank :: self.count]

    def add(self, parts: Sequence[Tensor]) -> None:
        """Put the sum over all processes in the place of each tensor; all of them come out with the same bits."""
        if self.count == 1:
            return
        for some in _pieces(parts):
            flat = torch.cat([part.reshape(-1) for part in some])
            torch.distributed.all_reduce(flat)
            for part, summed in zip(some, torch.split(flat, [part.numel() for part in some]), strict=True):
                part.copy_(summed.view_as(part))


def _pieces(parts: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield tensors, as many at once as make a piece, and one at least."""
    some: list[Tensor] = []
    for part in parts:
        if some and sum(map(Tensor.numel, some)) + part.numel() > _PIECE:
            yield some
            some = []
        some.append(part)
    if some:
        yield some
