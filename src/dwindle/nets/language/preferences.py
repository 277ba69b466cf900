"""Direct preference optimisation: a net is taught to find one answer likelier than another, near a reference.

Written out here because it is a dozen lines of loss. The trainer of the package trl seeds the global generators, keeps
its state in pickles, leaves its own forward on the net, and has the begin token in the law of what follows; tests hold
this loss, its gradients and its steps against it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from dwindle.contracts import FloatArray, IntArray
from dwindle.nets.language.blocks import answer_scores
from dwindle.nets.language.fitting import Training
from dwindle.nets.language.shapes import Net

__all__ = ["PreferenceTraining", "gaps", "preference_loss"]

_ROWS = 256  # that are scored at once


def preference_loss(gap: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return the loss of each pair of answers, nats, (n,): how unsure the implied reward is that the first is better.

    Source: Rafailov et al. 2023, Direct preference optimization, equation 7; with the parent's answers as the second
    ones it is equation 4.7 of Chen et al. 2024, Self-play fine-tuning (SPIN), with the logistic loss.

    Args:
        gap: (n,) log-probability of the first answer less that of the second, under the net.
        reference: (n,) the same under the reference.
        beta: how dear it is to leave the reference; high: the net stays near it.
    """
    return -logsigmoid(beta * (gap - reference))


def gaps(net: Net, pairs: Tensor, *, prompt: int, begin: int, symbols: int) -> Tensor:
    """Return how much likelier, nats, the first answer of each pair is than the second, (n,).

    Args:
        net: on its device.
        pairs: (n, 2, L) blocks with the same `prompt` tokens at the start.
        prompt: tokens before the answers.
        begin: the token that stands before every block.
        symbols: tokens of the alphabet.
    """
    scores = answer_scores(net, pairs.flatten(0, 1), prompt=prompt, begin=begin, symbols=symbols)
    return scores[0::2] - scores[1::2]


class PreferenceTraining(Training):
    """A net in training by pairs of answers; the reference is what it is at the start.

    Args:
        pairs: (n, 2, L) blocks on the net's device, the better answer first.
        prompt: tokens before the answers.
        beta: how dear it is to leave the reference.
        options: as `Training` takes them.
    """

    def __init__(self, *options: Any, pairs: Tensor, prompt: int, beta: float) -> None:
        super().__init__(*options)
        self._pairs, self._prompt, self._beta = pairs, prompt, beta
        with torch.no_grad():
            parts = [self._gaps(part) for part in torch.split(pairs, _ROWS)]
        self._reference = torch.cat(parts)

    def prefer(self, places: IntArray) -> int:
        """Train to the end; return how many steps the optimiser counted.

        Args:
            places: (steps, batch) which pairs each step looks at.

        Raises:
            ValueError: if a gradient is not finite.
        """
        return self.run(torch.arange(len(self._pairs), device=self._pairs.device)[:, None], places)

    def margins(self) -> FloatArray:
        """Return the implied reward of the better answer less that of the other, beta nats, (n,)."""
        with torch.no_grad():
            found = torch.cat([self._gaps(part) for part in torch.split(self._pairs, _ROWS)])
        return (self._beta * (found - self._reference)).double().cpu().numpy()

    def _loss(self, part: Tensor) -> Tensor:
        chosen = part[:, 0]
        return preference_loss(self._gaps(self._pairs[chosen]), self._reference[chosen], self._beta).sum()

    def _gaps(self, pairs: Tensor) -> Tensor:
        course = self.course
        return gaps(self.net, pairs, prompt=self._prompt, begin=course.begin, symbols=course.symbols)
