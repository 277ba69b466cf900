"""What text from a causal language model costs: dwindle's search and draws beside `generate` of transformers.

Usage: python benchmarks/language_model.py [--full] [--prompts 32] [--batch 16] [--rounds 3]

A network of OPT's shape is trained on the help topics of Python, so that some texts are likelier than others, and goes
on for 64 tokens after each prompt of 64: by a search with 5 beams, the recipe of Shumailov et al. 2024, and by draws.
All ways take turns in one process with one thread, by the processor's time, or the clock where a GPU computes, and the
median of the rounds counts. `same` is the share of texts that are those of `generate` in float32, token for token, and
`log p` the mean log-probability of a text under the network in float32, nats. With --full the network has the shape of
OPT-125m. The table of benchmarks/language_training.py comes first.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import language_training
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from dwindle.contracts import Seed
from dwindle.nets.device import device
from dwindle.nets.language import shapes
from dwindle.nets.language.decoding import continued
from dwindle.samplers import Sampler
from dwindle.sources.pydoc_topics import PydocTopics

SEED = Seed(0, ("language model",))
PROMPT, LENGTH, BEAMS = 64, 64, 5
CONTEXT = 1 + PROMPT + LENGTH
SMALL = {"symbols": 8192, "layers": 4, "width": 256, "heads": 4}
FULL = {"symbols": 50_272, "layers": 12, "width": 768, "heads": 12}


@dataclass(frozen=True)
class Task:
    """A network in two precisions, and what it is asked.

    Args:
        nets: by precision.
        prompts: (n, PROMPT) tokens.
        begin: the token before every text.
        batch: rows at once of `generate`.
        own: rows at once of dwindle.
    """

    nets: Mapping[str, Any]
    prompts: np.ndarray
    begin: int
    batch: int
    own: int

    def begun(self) -> torch.Tensor:
        """Return the prompts behind their begin token, on the network's device."""
        seen = np.pad(self.prompts, ((0, 0), (1, 0)), constant_values=self.begin)
        return torch.from_numpy(seen).to(device())

    def log_prob(self, texts: np.ndarray) -> float:
        """Return the mean log-probability of a text after its prompt, nats, under the network in float32."""
        whole, scores = torch.cat((self.begun(), torch.from_numpy(texts).to(device())), dim=1), []
        with torch.no_grad():
            for seen in whole.split(self.batch):
                logs = torch.log_softmax(self.nets["float32"](input_ids=seen).logits[:, PROMPT:-1], dim=2)
                scores.append(logs.gather(2, seen[:, PROMPT + 1 :, None])[..., 0].sum(dim=1))
        return float(torch.cat(scores).mean())


def task(*, full: bool, prompts: int, steps: int, batch: int, own: int) -> Task:
    """Return a network that has learnt the help topics somewhat, and prompts that it has not seen."""
    sizes = FULL if full else SMALL
    source = PydocTopics(unit="pieces", symbols=8192, length=PROMPT + LENGTH, held_out=prompts)
    net = shapes.untrained(shapes.configuration("opt", length=PROMPT + LENGTH, **sizes), SEED.at("net")).to(device())
    blocks = source.draw(source.capacity, first=0, chains=1, seed=SEED).values[0]
    train(net, np.pad(blocks, ((0, 0), (1, 0)), constant_values=sizes["symbols"]), steps)
    nets = {"float32": net, "bfloat16": copy.deepcopy(net).to(torch.bfloat16)}
    asked = source.draw_held_out(seed=SEED).values[0][:, :PROMPT].astype(np.int64)
    return Task(nets, asked, sizes["symbols"], batch, own)


def train(net: Any, blocks: np.ndarray, steps: int, batch: int = 8) -> None:
    """Train a network in place, by a bare loop."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    generator, loss = SEED.at("batches").numpy(), torch.zeros(())
    net.train()
    for _ in range(steps):
        seen = torch.from_numpy(blocks[generator.integers(0, len(blocks), batch)]).to(device())
        with torch.autocast(seen.device.type, dtype=torch.bfloat16):
            loss = net(input_ids=seen, labels=seen).loss
        loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    net.eval()
    parameters = sum(part.numel() for part in net.parameters())
    print(f"{parameters / 1e6:.1f} M parameters, {steps} steps, loss {loss.item():.2f} nats a token", flush=True)


def by_transformers(task: Task, precision: str, **settings: Any) -> np.ndarray:
    """Return the texts of `generate` at its defaults, no token ending a text."""
    from transformers import GenerationConfig

    net, lengths = task.nets[precision], {"min_new_tokens": LENGTH, "max_new_tokens": LENGTH}
    net.generation_config = GenerationConfig()
    with torch.no_grad():
        found = [
            net.generate(seen, attention_mask=torch.ones_like(seen), **lengths, **settings)[:, PROMPT + 1 :]
            for seen in task.begun().split(task.batch)
        ]
    return torch.cat(found).cpu().numpy()


def by_dwindle(task: Task, precision: str, beams: int) -> np.ndarray:
    """Return the texts of dwindle."""
    options = {"begin": task.begin, "context": CONTEXT, "batch": task.own, "sampler": Sampler(beams=beams)}
    return continued(task.nets[precision], task.prompts, LENGTH, seed=SEED.at("texts"), **options)


def ways_of(task: Task) -> dict[str, Callable[[], np.ndarray]]:
    """Return the ways to write, by name."""
    search, draw = {"num_beams": BEAMS, "do_sample": False}, {"do_sample": True, "top_k": 0}
    return {
        "5 beams, generate, float32": lambda: by_transformers(task, "float32", **search),
        "5 beams, generate, bfloat16": lambda: by_transformers(task, "bfloat16", **search),
        "5 beams, dwindle, float32": lambda: by_dwindle(task, "float32", BEAMS),
        "5 beams, dwindle, bfloat16": lambda: by_dwindle(task, "bfloat16", BEAMS),
        "draws, generate, float32": lambda: by_transformers(task, "float32", **draw),
        "draws, dwindle, float32": lambda: by_dwindle(task, "float32", 0),
        "draws, dwindle, bfloat16": lambda: by_dwindle(task, "bfloat16", 0),
    }


def generation_table(task: Task, rounds: int) -> dict[str, dict[str, float]]:
    """Return tokens a second, the share of texts that are those of the first way, and log p, by way."""
    ways = ways_of(task)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    texts: dict[str, np.ndarray] = {}
    with ExitStack() as narrowed:
        for net in task.nets.values():
            narrowed.enter_context(shapes.narrowed(net, task.begin))
        for _ in range(rounds + 1):  # the first one warms up
            for name, write in ways.items():
                started = language_training.clock(device())
                texts[name] = write()
                seconds[name].append(language_training.clock(device()) - started)
        first = next(iter(texts.values()))
        return {
            name: {
                "tokens_per_second": first.size / statistics.median(some[1:]),
                "same": float((texts[name] == first).all(axis=1).mean()),
                "log_prob": task.log_prob(texts[name]),
            }
            for name, some in seconds.items()
        }


def show(table: Mapping[str, Mapping[str, float]]) -> None:
    """Print a line a way; ratios are to `generate` in float32 at the same work."""
    print(f"{'':28} {'tokens/s':>10} {'ratio':>6} {'same':>7} {'log p':>9}")
    for name, found in table.items():
        ratio = found["tokens_per_second"] / table[f"{name.split(',')[0]}, generate, float32"]["tokens_per_second"]
        same = f"{found['same']:7.1%}" if name.startswith("5") else f"{'':7}"
        print(f"{name:28} {found['tokens_per_second']:10.0f} {ratio:6.2f} {same} {found['log_prob']:9.2f}")


def figures(table: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, str]]:
    """Return what is held against a target."""
    plain, single, half = (
        table[f"5 beams, {way}"] for way in ("generate, float32", "dwindle, float32", "dwindle, bfloat16")
    )
    goal = "" if device().type == "cpu" else ">= 5"
    return {
        "5 beams, float32, over generate [times]": (
            single["tokens_per_second"] / plain["tokens_per_second"],
            goal or ">= 2",
        ),
        "5 beams, float32, same texts [%]": (100 * single["same"], ">= 99"),
        "5 beams, bfloat16, over generate in float32 [times]": (
            half["tokens_per_second"] / plain["tokens_per_second"],
            goal or ">= 3.3",
        ),
        "5 beams, bfloat16, log p apart [%]": (100 * abs(half["log_prob"] / plain["log_prob"] - 1), "<= 0.5"),
        "draws, float32, over generate [times]": (
            table["draws, dwindle, float32"]["tokens_per_second"]
            / table["draws, generate, float32"]["tokens_per_second"],
            "",
        ),
    }


def main() -> None:
    """Print the tables and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the shape of OPT-125m")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16, help="rows at once of generate")
    parser.add_argument("--own-batch", type=int, default=16, help="rows at once of dwindle")
    parser.add_argument("--steps", type=int, help="of training; by default 300, and 60 with --full")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        sizes = {**(FULL if options.full else SMALL), "shape": "opt", "length": 64, "batch": 8, "steps": 20}
        language_training.show(language_training.training_table(rounds=options.rounds, **sizes))
        print()
        steps = options.steps or (60 if options.full else 300)
        asked = task(
            full=options.full, prompts=options.prompts, steps=steps, batch=options.batch, own=options.own_batch
        )
        table = generation_table(asked, options.rounds)
    show(table)
    held = figures(table)
    print()
    for name, (value, target) in held.items():
        print(f"{name:56} {value:8.2f}   {f'target {target}' if target else ''}")
    print(json.dumps({name: round(value, 4) for name, (value, _) in held.items()}))


if __name__ == "__main__":
    main()
