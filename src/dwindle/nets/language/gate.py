"""The did-it-train gate: a fit that moved nothing, or learnt nothing, is an error and no generation of a lineage."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from dwindle.contracts import FloatArray, IntArray
from dwindle.nets.language.blocks import shares_alone, token_scores
from dwindle.nets.language.shapes import Net

__all__ = ["Judge"]

_TOKENS = 1 << 12  # that a model is judged by
_SLACK = 0.1  # nats a token; where tokens have no order, a fit only comes near their shares
_WORSE = 0.05  # nats a token; where a given model knew the law of its rows, a fit only stays near it
_NOTHING = 1e-3  # nats a token, of which nothing more can be learnt
_HINT = "take more steps or epochs, or another learning_rate"

Prints = Mapping[str, tuple[float, float]]


class Judge:
    """What a fit is held to: its blocks, and what was true before the first step.

    A model is judged by the blocks that training looks at last, a few thousand tokens of them.

    Args:
        tokens: (n, L) the training blocks.
        weights: (n,) weight of each.
        order: (steps, batch) which of them each step looks at.
        begin: the token that stands before every block.
        symbols: tokens of the alphabet.
        anew: whether the model is held to what it knew before; a parent's may have known its rows by heart.
        given: whether it starts from given weights, and must end no worse; from random ones it must end better.
    """

    def __init__(
        self,
        tokens: IntArray,
        weights: FloatArray,
        order: IntArray,
        *,
        begin: int,
        symbols: int,
        anew: bool,
        given: bool = False,
    ) -> None:
        self.tokens, self.weights, self.order = tokens, weights, order
        self.begin, self.symbols, self.anew = begin, symbols, anew
        self._allowed = _WORSE if given else 0.0
        rows = max(1, min(order.size, _TOKENS // max(1, tokens.shape[1])))
        self._seen = tokens[order.ravel()[-rows:]]
        self._start = math.inf
        self._prints: Prints = {}

    def before(self, net: Net, trained: Mapping[str, Tensor]) -> None:
        """Note what a net knows, and its weights, before the first step."""
        self._prints = _prints(trained)
        if self.anew:
            self._start = self._nats(net)

    def moved(self, trained: Mapping[str, Tensor], taken: int) -> None:
        """Refuse a fit whose optimiser took too few steps, or changed no weight.

        Args:
            trained: the weights that were trained.
            taken: steps that the optimiser counted.

        Raises:
            ValueError: if so.
        """
        if taken != len(self.order):
            raise ValueError(f"the optimiser took {taken} steps of {len(self.order)}")
        if _prints(trained) == self._prints:
            raise ValueError(f"no weight of {len(trained)} matrices has moved in {taken} steps; raise learning_rate")

    def after(self, net: Net) -> None:
        """Refuse a net that knows no more than before training, if given, less; or less than the shares of the tokens.

        Raises:
            ValueError: if so.
        """
        found, start = self._nats(net), self._start
        if not math.isfinite(found):
            raise ValueError(f"the loss is {found} after training; lower learning_rate, or set precision to float32")
        if not found < start + self._allowed and found > _NOTHING:
            raise ValueError(f"training has taught nothing: {found:.4g} nats a token, {start:.4g} before it; {_HINT}")
        plain = shares_alone(self.tokens, self.weights, self._seen)
        # A collapsed lineage of one token has nothing to learn but that token, and goes on.
        several = np.unique(self.tokens[self.weights > 0]).size > 1
        if several and not found < plain + _SLACK:
            told = f"{found:.4g} nats a token of the blocks seen last, {plain:.4g} by the tokens' shares alone"
            raise ValueError(f"the language model has learnt nothing: {told}; {_HINT}")

    def _nats(self, net: Net) -> float:
        """Return the mean nats a token of the blocks that training looks at last."""
        return -float(token_scores(net, self._seen, begin=self.begin, symbols=self.symbols).mean())


def _prints(trained: Mapping[str, Tensor]) -> Prints:
    """Return two numbers of each matrix, one of which changes when it does."""
    wide = ((name, part.detach().double()) for name, part in trained.items())
    return {name: (float(part.sum()), float(part.norm())) for name, part in wide}
