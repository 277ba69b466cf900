"""The contest of generators and critics, and the critics' gradient with its penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dwindle.contracts import IntArray, Seed
from dwindle.nets import stacks
from dwindle.nets.adversaries import LEAK, Adversaries, Dense, Parts
from dwindle.nets.training import Adam, cosine

__all__ = ["Contest", "Looked", "derived", "worked_out"]

_SQUARE = 0.9  # decay rate of the running mean of a squared gradient; Source: Gulrajani et al. 2017, algorithm 1
_TINY = 1e-12  # a squared gradient below it has no direction


@dataclass(frozen=True, eq=False)
class Looked:
    """What a step of the critics looks at.

    Args:
        real: (c, b, d) training rows.
        made: (c, b, d) generated rows of the same classes.
        shares: (c, b, 1) how much of the real one a row between the two has.
        labels: (c, b, k) the classes of all three.
    """

    real: Tensor
    made: Tensor
    shares: Tensor
    labels: Tensor


Descent = Callable[[Tensor, Looked], Tensor]
"""Takes the critics' weights, (c, Q), and what they look at; returns the gradient of their loss, (c, Q)."""


@dataclass(frozen=True)
class Contest:
    """How generators and critics are trained against each other.

    A critic minimises the mean of D(G(z)) - D(x) + penalty (|dD / dy| - 1)^2, with y between a row and a generated one
    of its class, in several steps for each step of the generator, which minimises the mean of -D(G(z)).

    Source: Gulrajani et al. 2017, algorithm 1 (5 critic steps, penalty 10, decay rates 0 and 0.9).

    Args:
        steps: steps of the generator.
        critic_steps: steps of the critic before each.
        batch: rows of each chain in a step b.
        learning_rate: of the first step of either; it falls to 0 along half a cosine.
        momentum: decay rate of the running mean of a gradient.
        penalty: weight of the gradient penalty.
    """

    steps: int
    critic_steps: int
    batch: int
    learning_rate: float
    momentum: float
    penalty: float

    def held(
        self,
        adversaries: Adversaries,
        generator: Tensor,
        critic: Tensor,
        rows: tuple[Tensor, Tensor],
        *,
        places: IntArray,
        seed: Seed,
    ) -> None:
        """Train both in place.

        Args:
            adversaries: what the weights mean.
            generator: (c, P) the generators' weights.
            critic: (c, Q) the critics' weights.
            rows: the training rows, (c, n, d), and their classes, (c, n, k).
            places: (c, steps x critic_steps, b) which rows each step of the critics looks at.
            seed: address of the latents and of the places between rows.
        """
        batches = _Batches(rows, places)
        draws = _Draws(seed, (len(critic), self.batch, adversaries.latent), critic.device)
        descent = _descent(adversaries, self.penalty)
        makers, judges = (Adam(flat, mean=self.momentum, square=_SQUARE) for flat in (generator, critic))
        made, judged = stacks.cut(generator, adversaries.generator()), stacks.cut(critic, adversaries.critic())
        for step in range(self.steps):
            rate = self.learning_rate * cosine(step, self.steps)
            for turn in range(self.critic_steps):
                looked = _looked(adversaries, made, batches.at(step * self.critic_steps + turn), draws)
                judges.step(descent(critic, looked), rate)
            makers.step(self._rising(adversaries, makers.leaf(), judged, draws.latents(), looked.labels), rate)

    def _rising(self, adversaries: Adversaries, leaf: Tensor, judged: Parts, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the gradient of the generators' loss, (c, P)."""
        made = adversaries.generated(stacks.cut(leaf, adversaries.generator()), latents, labels)
        loss = -adversaries.scored(judged, made, labels).sum() / self.batch
        return torch.autograd.grad(loss, leaf)[0]


def _descent(adversaries: Adversaries, penalty: float) -> Descent:
    return worked_out(adversaries, penalty) if isinstance(adversaries, Dense) else derived(adversaries, penalty)


@torch.no_grad()
def _looked(adversaries: Adversaries, maker: Parts, rows: tuple[Tensor, Tensor], draws: _Draws) -> Looked:
    real, labels = rows
    made = adversaries.generated(maker, draws.latents(), labels)
    return Looked(real, made, draws.shares(), labels)


def derived(adversaries: Adversaries, penalty: float) -> Descent:
    """Return the gradient of any critics' loss, the penalty's as a derivative of a derivative."""
    blocks = adversaries.critic()

    def gradient(critic: Tensor, looked: Looked) -> Tensor:
        leaf = critic.detach().requires_grad_()
        between = torch.lerp(looked.made, looked.real, looked.shares).requires_grad_()
        parts = stacks.cut(leaf, blocks)
        scores = adversaries.scored(parts, between, looked.labels)
        (tilts,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        lengths = (tilts.square().sum(dim=2) + _TINY).sqrt()
        both = torch.cat([looked.made, looked.real], dim=1), torch.cat([looked.labels, looked.labels], dim=1)
        made, real = adversaries.scored(parts, *both).chunk(2, dim=1)
        loss = (made.sum() - real.sum() + penalty * (lengths - 1.0).square().sum()) / looked.real.shape[1]
        return torch.autograd.grad(loss, leaf)[0]

    return gradient


def worked_out(adversaries: Dense, penalty: float) -> Descent:
    """Return the same gradient of dense critics, written out; its arrays are used again in each step.

    Leaky units are straight on either side of 0, so the slope by a row is a product of matrices and of the units'
    slopes, which do not change with the weights. With P what comes back to a layer from the score (real rows weighted
    -1/b, generated ones 1/b, rows between 1), and R what the penalty sends forwards again from the slope by the rows
    between, a layer's gradient is H^T P, where H is what entered the layer and R stands in the rows between.
    """
    desks: list[_Desk] = []

    def gradient(critic: Tensor, looked: Looked) -> Tensor:
        if not desks:
            desks.append(_Desk(adversaries, penalty, looked))
        return desks[0].gradient(stacks.cut(critic, adversaries.critic()), looked)

    return gradient


class _Desk:
    """The arrays of `worked_out`, where fresh ones would cost more time than what is written into them."""

    def __init__(self, adversaries: Dense, penalty: float, looked: Looked) -> None:
        (chains, batch, width), classes = looked.real.shape, looked.labels.shape[2]
        fresh = looked.real.new_empty
        self._penalty, self._batch = penalty, batch
        self._blocks = [slice(place * batch, (place + 1) * batch) for place in range(3)]
        self._entering = [fresh(chains, 3 * batch, width + classes)]
        self._entering += [fresh(chains, 3 * batch, adversaries.hidden) for _ in range(adversaries.layers)]
        self._returning = [torch.empty_like(units) for units in self._entering[1:]]
        self._tilts, self._squares = (fresh(chains, batch, width) for _ in range(2))
        self._passed = fresh(chains, batch, adversaries.hidden)
        self._flat = fresh(chains, sum(block.rows * block.columns for block in adversaries.critic().values()))
        signs = torch.tensor([-1.0 / batch, 1.0 / batch, 1.0], device=looked.real.device)
        self._signs = signs.repeat_interleave(batch).expand(chains, 1, -1).contiguous()

    @torch.no_grad()
    def gradient(self, parts: Parts, looked: Looked) -> Tensor:
        """Return the gradient of the critics' loss, (c, Q); the next call overwrites it."""
        self._forwards(parts, looked)
        self._back(parts)
        self._forwards_again(parts)
        gradients = []
        for entering, returning in zip(self._entering, self._returning, strict=False):
            valued = returning[:, : 2 * self._batch]
            gradients += [_product(entering.transpose(1, 2), returning).flatten(1), valued.sum(dim=1)]
        last = _product(self._signs, self._entering[-1])[:, 0]
        return torch.cat([*gradients, last, torch.zeros_like(last[:, :1])], dim=1, out=self._flat)

    def _forwards(self, parts: Parts, looked: Looked) -> None:
        rows, width = self._entering[0], looked.real.shape[2]
        for some, place in ((looked.real, self._blocks[0]), (looked.made, self._blocks[1])):
            rows[:, place, :width] = some
            if looked.labels.shape[2]:
                rows[:, place, width:] = looked.labels
        for layer, units in enumerate(self._entering[1:]):
            weight, bias = parts[f"critic.{layer}.weight"], parts[f"critic.{layer}.bias"]
            if layer:
                _product(self._entering[layer], weight, out=units)
            else:  # a row between two is theirs in these shares, and so is its product with a matrix
                _product(rows[:, : 2 * self._batch], weight, out=units[:, : 2 * self._batch])
                made, real = units[:, self._blocks[1]], units[:, self._blocks[0]]
                torch.lerp(made, real, looked.shares, out=units[:, self._blocks[2]])
            functional.leaky_relu_(units.add_(bias), LEAK)

    def _back(self, parts: Parts) -> None:
        """Walk from the scores back to the first layer, and to the rows between."""
        last = len(self._returning) - 1
        for layer in range(last, -1, -1):
            returning, weight = self._returning[layer], parts[f"critic.{layer + 1}.weight"].transpose(1, 2)
            if layer == last:
                torch.mul(self._signs.transpose(1, 2), weight, out=returning)
            else:
                _product(self._returning[layer + 1], weight, out=returning)
            _bend(returning, self._entering[layer + 1])
        weight = parts["critic.0.weight"][:, : self._tilts.shape[2]].transpose(1, 2)
        _product(self._returning[0][:, 2 * self._batch :], weight, out=self._tilts)

    def _forwards_again(self, parts: Parts) -> None:
        """Send the penalty's gradient by the tilts forwards, into the rows between."""
        squares = torch.mul(self._tilts, self._tilts, out=self._squares)
        lengths = (squares.sum(dim=2, keepdim=True) + _TINY).sqrt()
        factors = (2.0 * self._penalty / self._batch) * (1.0 - 1.0 / lengths)
        sent, width = self._entering[0][:, 2 * self._batch :], self._tilts.shape[2]
        sent[..., :width], sent[..., width:] = self._tilts.mul_(factors), 0.0
        for layer, units in enumerate(self._entering[1:]):
            passed = _product(sent, parts[f"critic.{layer}.weight"], out=self._passed)
            sent = units[:, 2 * self._batch :]
            sent.copy_(_bend(passed, sent))


def _product(left: Tensor, right: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return the product of every chain's matrices, with the same bits however many chains there are."""
    lonely = 1 in (*left.shape[1:], right.shape[2]) or torch.get_num_threads() > 1
    if len(left) > 1 or left.is_cuda or not lonely:
        return torch.bmm(left, right, out=out)
    # On the processor a product that is alone may be rounded otherwise than one among several; see `stacks.affine`.
    lone = torch.bmm(*(part.expand(2, -1, -1) for part in (left, right)))[:1]
    return lone if out is None else out.copy_(lone)


def _bend(values: Tensor, units: Tensor) -> Tensor:
    """Multiply by the slopes of leaky units, in place."""
    bend = torch.ops.aten.leaky_relu_backward.grad_input
    bent: Tensor = bend(values, units, LEAK, True, grad_input=values)
    return bent


class _Batches:
    """The rows and classes of each step, gathered from all chains in one go."""

    def __init__(self, rows: tuple[Tensor, Tensor], places: IntArray) -> None:
        chains, count = rows[0].shape[:2]
        self._rows = tuple(some.flatten(0, 1) for some in rows)
        firsts = count * torch.arange(chains, device=rows[0].device)[:, None, None]
        self._places = torch.from_numpy(places).to(rows[0].device) + firsts

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Return (c, b, d) rows and (c, b, k) classes."""
        places = self._places[:, step]
        values, labels = (some.index_select(0, places.flatten()) for some in self._rows)
        return values.view(*places.shape, -1), labels.view(*places.shape, labels.shape[1])


class _Draws:
    """Latents and shares of every chain, from generators of its own; two arrays, filled anew by each draw."""

    def __init__(self, seed: Seed, shape: tuple[int, int, int], place: torch.device) -> None:
        self._generators = [seed.at("chain", chain).numpy() for chain in range(shape[0])]
        self._latents, self._shares = np.empty(shape, dtype=np.float32), np.empty((*shape[:2], 1), dtype=np.float32)
        self._place = place

    def latents(self) -> Tensor:
        """Return (c, b, latent) normal numbers."""
        for generator, part in zip(self._generators, self._latents, strict=True):
            generator.standard_normal(out=part, dtype=np.float32)
        return torch.from_numpy(self._latents).to(self._place)

    def shares(self) -> Tensor:
        """Return (c, b, 1) uniform numbers."""
        for generator, part in zip(self._generators, self._shares, strict=True):
            generator.random(out=part, dtype=np.float32)
        return torch.from_numpy(self._shares).to(self._place)
