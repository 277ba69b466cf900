"""What a cohort is worth: the networks of many lineages trained as one batch, beside one loop a lineage.

Usage: python benchmarks/ensembles.py [--members 1,4,16] [--steps 300] [--rounds 3] [--families vae,gan,diffusion]

The loop is what one writes for a single lineage: modules and Adam of torch, a DataLoader that shuffles, batches of 64
digits of 8 x 8 pixels. dwindle trains the same network, batch size and number of steps for all members at once, and its
time is divided by their number; drawing batches, standardising and judging the fit are in it. Both take turns, in one
process on one thread; the median of the rounds counts, in processor time, or by the clock where a GPU computes
(DWINDLE_DEVICE=cuda). A step of the adversaries is one of the generator and five of the critic. Beside the ratio stands
whether every member is what it is alone: `bits`, or the largest difference of a weight over the largest weight.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dwindle.contracts import Rows, Seed
from dwindle.families.diffusion import Diffusion
from dwindle.families.gan import Gan
from dwindle.families.vae import Vae
from dwindle.nets.device import device
from dwindle.seeds import SharedSeed
from dwindle.sources.digits import Digits

BATCH, SIDE = 64, 8
TARGETS = {"vae": 4.5, "gan": 4.5, "diffusion": 1.7}
"""Ratios that are aimed at with 16 members."""
SEED = Seed(0, ("ensembles",))


def digits(members: int) -> Rows:
    """Return 1,200 digits of each member, (c, n, 64)."""
    source = Digits(dimensions=SIDE * SIDE)
    return source.draw(1200, first=0, chains=members, seed=SEED.at("digits")).anonymous()


def seconds() -> float:
    """Return processor seconds, or the clock's once the GPU has done all it was told."""
    if device().type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def batches(values: np.ndarray, steps: int) -> Iterator[torch.Tensor]:
    """Yield batches of one lineage's rows, epoch after epoch, as a DataLoader gives them."""
    rows = torch.from_numpy(((values - values.mean(0)) / values.std()).astype(np.float32))
    loader = DataLoader(TensorDataset(rows), batch_size=BATCH, shuffle=True, drop_last=True)
    done = 0
    while True:
        for (batch,) in loader:
            if done == steps:
                return
            done += 1
            yield batch.to(device())


def adam(net: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(net.parameters(), lr=rate)


def stepped(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def dense(*widths: int) -> nn.Sequential:
    """Return a network with rectifiers between its layers."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(device())


def vae_loop(values: np.ndarray, steps: int, family: Vae) -> None:
    """Train an autoencoder as one would alone."""
    width, latent = values.shape[1], family.latent
    encoder, decoder = dense(width, family.hidden, 2 * latent), dense(latent, family.hidden, width)
    optimiser = adam(nn.ModuleList([encoder, decoder]), family.learning_rate)
    for seen in batches(values, steps):
        mean, logs = encoder(seen).chunk(2, dim=1)
        missed = seen - decoder(mean + torch.randn_like(mean) * (0.5 * logs).exp())
        divergence = 0.5 * (mean.square() + logs.exp() - 1.0 - logs).sum()
        stepped(optimiser, (0.5 * missed.square().sum() + family.beta * divergence) / len(seen))


def waves(levels: torch.Tensor, count: int, longest: int) -> torch.Tensor:
    """Return sines and cosines of levels, (n, count)."""
    angles = levels[:, None] * (1000.0 / longest) * 10_000.0 ** (-torch.arange(count // 2) / (count // 2)).to(levels)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def diffusion_loop(values: np.ndarray, steps: int, family: Diffusion) -> None:
    """Train a denoiser as one would alone."""
    width = values.shape[1]
    net = dense(width + 32, *[family.hidden] * family.layers, width)
    optimiser = adam(net, family.learning_rate)
    kept = torch.linspace(1.0, 0.01, family.levels).to(device())  # any falling schedule costs the same
    for seen in batches(values, steps):
        levels, noise = torch.randint(family.levels, (len(seen),), device=seen.device), torch.randn_like(seen)
        share = kept[levels][:, None]
        noisy = share.sqrt() * seen + (1.0 - share).sqrt() * noise
        guess = net(torch.cat([noisy, waves(levels.float(), 32, family.levels)], dim=1))
        stepped(optimiser, (guess - noise).square().mean())


def gan_loop(values: np.ndarray, steps: int, family: Gan) -> None:
    """Train a critic and a generator in turn as one would alone."""
    width, hidden = values.shape[1], [family.hidden] * family.layers
    generator, critic = dense(family.latent, *hidden, width), leaky(width, *hidden, 1)
    networks, betas = (generator, critic), (family.momentum, 0.9)
    improving, judging = (torch.optim.Adam(net.parameters(), family.learning_rate, betas) for net in networks)
    for step, seen in enumerate(batches(values, steps * family.critic_steps), 1):
        latents = torch.randn(len(seen), family.latent, device=seen.device)
        made = generator(latents).detach()
        share = torch.rand(len(seen), 1, device=seen.device)
        between = (share * seen + (1.0 - share) * made).requires_grad_()
        (tilt,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = (tilt.norm(dim=1) - 1.0).square().mean()
        stepped(judging, critic(made).mean() - critic(seen).mean() + family.penalty * penalty)
        if step % family.critic_steps == 0:
            stepped(improving, -critic(generator(torch.randn_like(latents))).mean())


def leaky(*widths: int) -> nn.Sequential:
    """Return a network with leaky rectifiers between its layers."""
    return nn.Sequential(*(nn.LeakyReLU(0.2) if isinstance(layer, nn.ReLU) else layer for layer in dense(*widths)))


def timed(work: Callable[[], Any]) -> float:
    before = seconds()
    work()
    return seconds() - before


def alike(family: Any, rows: Rows, members: int) -> str:
    """Say how far members of a cohort are from what each is alone."""
    count = min(members, 3)
    parts = rows.split([1] * rows.chains)[:count]
    seeds = [SEED.at("member", place) for place in range(count)]
    shared = SharedSeed.of([(seed, 1) for seed in seeds])
    joint = family.apart(family.fit(Rows.stack(parts), seed=shared), [1] * count)
    furthest = 0.0
    for part, seed, found in zip(parts, seeds, joint, strict=True):
        alone = family.fit(part, seed=seed)
        for name, own in alone.weights.items():
            apart = float((own - found.weights[name]).abs().max() / own.abs().max().clamp_min(1e-12))
            furthest = max(furthest, apart)
    return "bits" if furthest == 0.0 else f"{furthest:.1e}"


def contenders(steps: int) -> dict[str, tuple[Any, Callable[[np.ndarray, int, Any], None]]]:
    """Return each family at the size of the benchmark, and the loop beside it."""
    return {
        "vae": (Vae(latent=16, hidden=128, steps=steps, batch=BATCH), vae_loop),
        "gan": (Gan(latent=16, hidden=128, layers=1, steps=steps, batch=BATCH), gan_loop),
        "diffusion": (Diffusion(hidden=256, layers=2, steps=steps, batch=BATCH), diffusion_loop),
    }


def compared(name: str, members: int, steps: int, rounds: int) -> str:
    """Return a line of the table: milliseconds of a step for one lineage, by the loop and in a cohort."""
    family, loop = contenders(steps)[name]
    rows = digits(members)
    fit, alone = family.fit, rows.values[0]
    loop(alone, 5, family)  # the first call of a kind loads what it needs
    found = [(timed(lambda: loop(alone, steps, family)), timed(lambda: fit(rows, seed=SEED))) for _ in range(rounds)]
    theirs, ours = (statistics.median(column) * 1e3 / steps for column in zip(*found, strict=True))
    ratio = theirs / (ours / members)
    aim = f"{TARGETS[name]:.1f}" if members == 16 else ""
    bits = alike(replace(family, steps=min(steps, 60)), rows, members) if members > 1 else ""
    return f"{name:<10} {members:>7} {theirs:>12.3f} {ours / members:>12.3f} {ratio:>7.2f} {aim:>6}  {bits}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--members", default="1,4,16", help="lineages in a cohort, separated by commas")
    parser.add_argument("--families", default="vae,gan,diffusion", help="which, separated by commas")
    parser.add_argument("--steps", type=int, default=300, help="optimiser steps")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"device {device()}, torch {torch.__version__}; milliseconds a step of one lineage")
    head = f"{'family':<10} {'members':>7} {'own loop':>12} {'in cohort':>12} {'ratio':>7} {'target':>6}"
    print(f"{head}  alone and together")
    for name in options.families.split(","):
        for members in map(int, options.members.split(",")):
            print(compared(name, members, options.steps, options.rounds), flush=True)


if __name__ == "__main__":
    main()
