"""Training of a causal language model: one tensor of blocks, AdamW under a warm-up and half a cosine, state kept.

Every batch, every draw of dropout and every rate is a function of seed and step, so that training goes on from a kept
state as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from dwindle.contracts import IntArray, Seed
from dwindle.data.unfinished import tell
from dwindle.nets.language.blocks import loss_of
from dwindle.nets.language.kept import Keeper, State
from dwindle.nets.language.peers import Peers
from dwindle.nets.language.shapes import Net

__all__ = ["Course", "Precision", "Training"]

Precision = Literal["float32", "bfloat16"]

_WATCHED = 16  # steps after which gradients are asked whether they were finite: asking a GPU makes it wait


@dataclass(frozen=True)
class Course:
    """How a net is trained.

    Source: Loshchilov and Hutter 2019 (AdamW), algorithm 2; Loshchilov and Hutter 2017, equation 5 (the cosine).

    Args:
        steps: optimiser steps.
        learning_rate: highest rate.
        warmup: share of the steps in which the rate rises from 0; it falls to 0 along half a cosine afterwards.
        weight_decay: share of the rate by which each step shrinks matrices; biases and norms are left alone.
        longest: a gradient is shortened to this length; infinity: never.
        accumulation: parts in which a batch is computed, one after another.
        precision: that products are computed in; weights are float32 always.
        begin: the token that stands before every block.
        symbols: tokens of the alphabet.
        checked: steps after which the validation blocks are scored and the best weights kept; 0: never.
    """

    steps: int
    learning_rate: float
    warmup: float
    weight_decay: float
    longest: float
    accumulation: int
    precision: Precision
    begin: int
    symbols: int
    checked: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = round(self.warmup * self.steps)
        if step < rising:
            return self.learning_rate * (step + 1) / (rising + 1)
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * (step - rising) / max(1, self.steps - rising)))


class Training:
    """A net in training.

    Args:
        net: the net, on its device; its parameters that ask for gradients are trained in place.
        course: how.
        seed: address of dropout.
        keeper: keeps the state.
        peers: the processes that train it together; by default this one alone.
    """

    def __init__(self, net: Net, course: Course, seed: Seed, keeper: Keeper, peers: Peers | None = None) -> None:
        self.net, self.course, self.seed, self.keeper = net, course, seed, keeper
        self.peers = peers or Peers()
        self.trained: dict[str, Tensor] = {name: part for name, part in net.named_parameters() if part.requires_grad}
        self.best: tuple[float, dict[str, Tensor]] = (math.inf, {})
        self.step = 0
        self._norms: list[Tensor] = []
        wide = [part for part in self.trained.values() if part.ndim > 1]
        flat = [part for part in self.trained.values() if part.ndim <= 1]
        groups = [{"params": wide, "weight_decay": course.weight_decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(
            [some for some in groups if some["params"]], lr=course.learning_rate, fused=True
        )

    def run(self, blocks: Tensor, places: IntArray, validation: Tensor | None = None) -> int:
        """Train to the end, from a kept state if there is one; return how many steps the optimiser counted.

        Args:
            blocks: (n, L) training blocks on the net's device.
            places: (steps, batch) which of them each step looks at.
            validation: (m, L) blocks that are only scored.

        Raises:
            ValueError: if a gradient is not finite.
        """
        if (found := self.keeper.read()) is not None:
            self._restore(*found)
        first, begun, chosen = self.step, time.monotonic(), torch.from_numpy(places).to(blocks.device)
        tokens = blocks.shape[1] * places.shape[1]
        with _dropping(self.net):
            while self.step < self.course.steps:
                self._take(blocks[chosen[self.step]])
                self.step += 1
                if validation is not None and (self.step % self.course.checked == 0 or self.step == self.course.steps):
                    self._check(validation, places.shape[1])
                if self.step % _WATCHED == 0 or self.step == self.course.steps:
                    self._watch()
                self.keeper.offer(self._state)
                seconds = (time.monotonic() - begun) * self.step / (self.step - first)
                tell(self.step * tokens, self.course.steps * tokens, "tokens", seconds)
        if self.best[1]:
            self._put(self.best[1])
        return self._counted()

    def _take(self, seen: Tensor) -> None:
        """Take one step of the optimiser."""
        self.net.train()
        torch.manual_seed(self.seed.at("dropout", self.step).integer())
        own = self.peers.own(seen)
        width = -(-len(own) // self.course.accumulation)
        for part in torch.split(own, width):
            with self._autocast():
                loss = self._loss(part)
            torch.autograd.backward(loss / seen.numel())
        self.peers.add([part.grad for part in self.trained.values() if part.grad is not None])
        self._norms.append(torch.nn.utils.clip_grad_norm_(list(self.trained.values()), self.course.longest))
        for group in self.optimiser.param_groups:
            group["lr"] = self.course.rate(self.step)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def _loss(self, part: Tensor) -> Tensor:
        """Return the summed loss of some rows of the batch; a step goes down its mean over their numbers."""
        return loss_of(self.net, part, self.course.begin, self.course.symbols)

    def _autocast(self) -> Any:
        if self.course.precision == "float32":
            return nullcontext()
        return torch.autocast(self.net.device.type, dtype=torch.bfloat16)

    def _watch(self) -> None:
        finite = torch.isfinite(torch.stack(self._norms)).tolist()
        first = self.step - len(finite) + 1
        self._norms.clear()
        if not all(finite):
            hint = "lower learning_rate or raise warmup"
            raise ValueError(f"step {first + finite.index(False)}: the gradient is not finite; {hint}")

    def _check(self, validation: Tensor, batch: int) -> None:
        """Score the validation blocks, and keep the weights if none scored better."""
        self.net.eval()
        width = -(-batch // self.course.accumulation)
        with torch.no_grad(), self._autocast():
            parts = [
                loss_of(self.net, part, self.course.begin, self.course.symbols)
                for part in torch.split(self.peers.share(validation), width)
                if len(part)
            ]
        total = torch.stack(parts or [torch.zeros((), device=validation.device)]).double().sum()
        self.peers.add([total])
        loss = float(total) / validation.numel()
        if loss < self.best[0]:
            self.best = loss, {name: part.detach().cpu().clone() for name, part in self.trained.items()}

    def _counted(self) -> int:
        """Return the fewest steps that the optimiser counted for any matrix that ever had a gradient."""
        return int(min((float(found["step"]) for found in self._moments().values()), default=0.0))

    def _moments(self) -> dict[str, Any]:
        """Return the optimiser's state of each matrix that it has seen a gradient of."""
        known = self.optimiser.state
        return {name: known[part] for name, part in self.trained.items() if part in known}

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, part in self.trained.items():
                part.copy_(weights[name])

    def _state(self) -> State:
        """Return all that the steps to come depend on, as tensors and plain data."""
        if self._norms:
            self._watch()
        moments = self._moments()
        tensors = {f"weight.{name}": part for name, part in self.trained.items()}
        tensors |= {f"mean.{name}": found["exp_avg"] for name, found in moments.items()}
        tensors |= {f"square.{name}": found["exp_avg_sq"] for name, found in moments.items()}
        tensors |= {f"best.{name}": part for name, part in self.best[1].items()}
        counted = {name: float(found["step"]) for name, found in moments.items()}
        best = self.best[0] if self.best[1] else None
        return tensors, {"step": self.step, "best": best, "counted": counted}

    def _restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        self._put({name: tensors[f"weight.{name}"] for name in self.trained})
        for name, count in plain["counted"].items():
            part = self.trained[name]
            self.optimiser.state[part] = {
                "step": torch.tensor(count, dtype=torch.float32, device=part.device),
                "exp_avg": torch.empty_like(part).copy_(tensors[f"mean.{name}"]),
                "exp_avg_sq": torch.empty_like(part).copy_(tensors[f"square.{name}"]),
            }
        self.step = plain["step"]
        if plain["best"] is not None:
            self.best = plain["best"], {name: tensors[f"best.{name}"].clone() for name in self.trained}


@contextmanager
def _dropping(net: Net) -> Iterator[None]:
    """Leave the global random state as it was, and the net in evaluation mode."""
    devices = [net.device.index or 0] if net.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        net.eval()
