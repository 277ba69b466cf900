"""What a denoiser is trained and judged by: rows, levels and noise in each step, and what it misses of the noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dwindle.contracts import Array, FloatArray, IntArray, Seed
from dwindle.nets import stacks
from dwindle.nets.denoisers import Denoiser
from dwindle.nets.denoising import Noise, Process

__all__ = ["Lessons"]

_LEARNT = 0.1  # of the gap between knowing one variance and knowing those of all dimensions
_CHANCE = 1.05  # what a network that has nothing to learn may come out at


@dataclass(frozen=True, eq=False)
class Lessons:
    """The training rows of every chain, and how they are shown to its network.

    Args:
        net: the network.
        process: the way into noise.
        values: (c, n, d) rows in their frame.
        classes: (c, n) their classes, k for none; None where there are no classes.
    """

    net: Denoiser
    process: Process
    values: Tensor
    classes: Tensor | None

    def misses(self, places: IntArray, *, drop: float, seed: Seed) -> Callable[[Tensor | None, int], Tensor]:
        """Return what takes weights, (c, P), and the number of a step, and returns how they do on its rows.

        That is what they miss of the noise, (c, batch, d); without weights, what a velocity of 0 misses. Steps come in
        their order, each once.

        Source: Ho et al. 2020, equation 14; Ho and Salimans 2022, algorithm 1 (classes hidden at random).

        Args:
            places: (c, steps, batch) the rows of each step.
            drop: share of the rows whose class is hidden.
            seed: address.
        """
        place, (chains, _, dimensions) = self.values.device, self.values.shape
        chosen, levels = torch.from_numpy(places).to(place), self._levels(places.shape, seed).to(place)
        told = self._told(chosen, drop, seed)
        row = torch.arange(chains, device=place)[:, None]
        noise = Noise(seed.at("noise"), (chains, places.shape[2], dimensions), place)
        blocks = self.net.blocks

        def miss(flat: Tensor | None, step: int) -> Tensor:
            added, known = noise.drawn(places.shape[2]), None if told is None else told[:, step]
            noisy = self.process.noised(self.values[row, chosen[:, step]], levels[:, step], added)
            if flat is None:
                return self.process.noise(torch.zeros_like(noisy), noisy, levels[:, step]) - added
            velocity = self.net(stacks.cut(flat, blocks), noisy, levels[:, step], known)
            return self.process.noise(velocity, noisy, levels[:, step]) - added

        return miss

    def _levels(self, shape: tuple[int, ...], seed: Seed) -> Tensor:
        """Return the level of each row, (c, steps, batch), any as likely as any other."""
        generators = (seed.at("levels", "chain", chain).numpy() for chain in range(shape[0]))
        return torch.from_numpy(np.stack([one.integers(self.process.levels, size=shape[1:]) for one in generators]))

    def _told(self, chosen: Tensor, drop: float, seed: Seed) -> Tensor | None:
        """Return the class of each row that the network is told, (c, steps, batch); some are hidden."""
        if self.classes is None:
            return None
        generators = (seed.at("drop", "chain", chain).numpy() for chain in range(len(chosen)))
        hidden = np.stack([one.random(chosen.shape[1:]) < drop for one in generators])
        known = self.classes.gather(1, chosen.flatten(1)).view_as(chosen)
        return known.masked_fill(torch.from_numpy(hidden).to(known.device), self.net.conditions.classes)

    def judge(self, flat: Tensor, places: IntArray, weights: FloatArray, seed: Seed) -> None:
        """Refuse networks that have learnt nothing.

        A velocity of 0 is right about normal rows of the same variance in every dimension. Of what such a network
        misses, and one that knows the variances would not, a tenth must be gone; where there is next to nothing of that
        kind, no more than chance may have been added.

        Args:
            flat: (c, P) the networks' weights.
            places: (c, steps, batch) the rows to judge by.
            weights: (c, n) the weights of the rows.
            seed: address.

        Raises:
            ValueError: if a chain's rows vary and its network has learnt nothing.
        """
        missed, plain = (self._missed(some, places, seed) for some in (flat, None))
        allowed, varying = self._allowed(weights)
        for chain in np.flatnonzero(varying & ~(missed < allowed * plain)):
            told = f"it misses {missed[chain]:.4g} of the noise, one that knows the spread alone {plain[chain]:.4g}"
            raise ValueError(
                f"the network of chain {chain} has learnt nothing: {told}; take more steps or a lower rate"
            )

    def _missed(self, flat: Tensor | None, places: IntArray, seed: Seed) -> FloatArray:
        """Return the mean square of what is missed of the noise, (c,)."""
        misses = self.misses(places, drop=0.0, seed=seed)
        with torch.no_grad():
            found = [misses(flat, step).square().mean(dim=(1, 2)) for step in range(places.shape[1])]
        return np.asarray(torch.stack(found).double().mean(dim=0).cpu().numpy())

    def _allowed(self, weights: FloatArray) -> tuple[FloatArray, Array]:
        """Return the share of what a velocity of 0 misses that a network may miss, and whether rows vary, both (c,)."""
        squares = self.values.cpu().numpy().astype(np.float64) ** 2
        variances = (weights[..., None] * squares).sum(axis=1, keepdims=True) / weights.sum(axis=1)[:, None, None]
        signals = self.process.signals()[:, None]
        kept = signals * variances / (signals * variances + 1.0 - signals)
        gap = 1.0 - kept.mean(axis=(1, 2)) / signals.mean()
        return np.maximum(_CHANCE - gap, 1.0 - _LEARNT * gap), variances.max(axis=(1, 2)) > 0
