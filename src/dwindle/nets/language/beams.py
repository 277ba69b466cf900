"""Tree beam search: the beams of a prompt are alternatives within one cache, which is never put in another order.

Every token that a beam ever took keeps its keys and values in a slot. The k beams are k queries of one attention call
in each layer, and what tells them apart is a mask of the slots that are their own ancestors. The prompt is read once,
the mask is all that changes hands when beams do, and sequences are put together at the end from who came after whom.

The search is that of `generate` of transformers with the smallest new length equal to the largest and no token that
ends a text: k beams, sums of log-probabilities, the best of k x K continuations of each prompt at every step. Settings
that reshape the law act on log-probabilities, as they do there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dwindle.nets.language.forward.blocks import Forward
from dwindle.nets.language.forward.slots import additive

__all__ = ["Reshape", "searched"]

# From the tokens before, (m, t), and log-probabilities or logits, (m, K), to those that count instead.
Reshape = Callable[[Tensor, Tensor], Tensor]

_NEVER = -1e9  # score of a beam that is none yet
_PARTS = 64  # that a vocabulary is cut into to find the largest values


def searched(forward: Forward, prompts: Tensor, length: int, beams: int, reshape: Reshape | None = None) -> Tensor:
    """Return the likeliest continuation of each prompt that the search finds, (n, length).

    Source: Graves 2012, section 2.5, at a fixed length.

    Args:
        forward: the network.
        prompts: (n, P) tokens, P at least 1.
        length: tokens to go on for.
        beams: sequences of each prompt that are followed.
        reshape: what penalties and marks make of log-probabilities; None: nothing.
    """
    count, seen = prompts.shape
    slots = forward.slots(count, seen + (length - 1) * beams)
    tree = _Tree(prompts, beams, keeps=reshape is not None)
    logs = torch.log_softmax(forward.read(prompts, 0, slots), dim=1)
    logs = logs.repeat_interleave(beams, 0)
    lineage = _Lineage(prompts, length, beams)
    for step in range(length):
        if step:
            visible = lineage.grown(tree.parents, forward.table)
            logs = torch.log_softmax(forward.read(tree.tokens, seen + step - 1, slots, visible), dim=1)
        if reshape is not None:
            logs = reshape(tree.texts(), logs)
        tree.grow(logs)
    return tree.best()


class _Tree:
    """Who came after whom, and with what score."""

    def __init__(self, prompts: Tensor, beams: int, *, keeps: bool) -> None:
        self.beams, self.count = beams, len(prompts)
        self.scores = torch.full((self.count, beams), _NEVER, device=prompts.device)
        self.scores[:, 0] = 0.0
        self.kept = prompts[:, None].expand(-1, beams, -1) if keeps else None
        self.taken: list[tuple[Tensor, Tensor]] = []

    @property
    def tokens(self) -> Tensor:
        """What each beam took last, (n, k)."""
        return self.taken[-1][0]

    @property
    def parents(self) -> Tensor:
        """The beam that each beam goes on from, (n, k)."""
        return self.taken[-1][1]

    def texts(self) -> Tensor:
        """Return the tokens of each beam so far, (n k, t)."""
        assert self.kept is not None
        return self.kept.flatten(0, 1)

    def grow(self, logs: Tensor) -> None:
        """Take the best continuations by log-probabilities (n k, K)."""
        values, tokens = _largest(logs, min(self.beams, logs.shape[1]))
        width = values.shape[1]
        sums = (values.view(self.count, self.beams, width) + self.scores[..., None]).flatten(1)
        self.scores, places = sums.topk(self.beams)
        parents = places // width
        tokens = tokens.view(self.count, -1).gather(1, places)
        self.taken.append((tokens, parents))
        if self.kept is not None:
            own = self.kept.gather(1, parents[..., None].expand(-1, -1, self.kept.shape[2]))
            self.kept = torch.cat((own, tokens[..., None]), dim=2)

    def best(self) -> Tensor:
        """Return the sequences of the best beams, (n, length), walking back from their ends."""
        beam = self.scores.argmax(dim=1, keepdim=True)
        walked = []
        for tokens, parents in reversed(self.taken):
            walked.append(tokens.gather(1, beam))
            beam = parents.gather(1, beam)
        return torch.cat(walked[::-1], dim=1)


class _Lineage:
    """Which slots each beam descends from.

    Slots that no beam descends from stay where they are: in most batches one prompt's beams part early and need all of
    theirs, so that letting go of the others' would save nothing.
    """

    def __init__(self, prompts: Tensor, length: int, beams: int) -> None:
        count, self.used = prompts.shape
        self.own = torch.eye(beams, dtype=torch.bool, device=prompts.device).expand(count, -1, -1)
        self.seen = self.own.new_zeros(count, beams, self.used + length * beams)
        self.seen[:, :, : self.used] = True

    def grown(self, parents: Tensor, like: Tensor) -> Tensor:
        """Return what the beams see, (n, k, slots), each its parent's slots and the one that it is about to fill."""
        self.seen = self.seen.gather(1, parents[..., None].expand(self.seen.shape))
        start, self.used = self.used, self.used + parents.shape[1]
        self.seen[:, :, start : self.used] = self.own
        return additive(self.seen[:, :, : self.used], like)


def _largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest values of each row and where they stand, (m, count) each: those of the parts with them."""
    if count >= _PARTS or values.shape[1] < 8 * _PARTS or values.is_cuda:
        return values.topk(count)
    size = values.shape[1] // _PARTS
    cut = values[:, : _PARTS * size].view(len(values), _PARTS, size)
    parts = cut.amax(dim=2).topk(count).indices
    near = cut.gather(1, parts[..., None].expand(-1, -1, size)).flatten(1)
    found, places = torch.cat((near, values[:, _PARTS * size :]), dim=1).topk(count)
    within = parts.gather(1, (places // size).clamp(max=count - 1)) * size + places % size
    rest = places - count * size
    return found, torch.where(rest < 0, within, rest + _PARTS * size)
