"""What training a causal language model costs: dwindle's fit beside the Trainer of transformers and a bare loop.

Usage: python benchmarks/language_training.py [--layers 4] [--width 256] [--symbols 8192] [--steps 20] [--rounds 3]

All train the same weights on the same blocks in the same order, with AdamW at one rate under half a cosine, and
take turns, so that what else the machine does falls on all of them. Time is that of the process on one thread, or the
clock where a GPU computes. The Trainer is at its defaults (float32, its loader, its collator). It needs the package
accelerate (`pip install 'dwindle[language]'`); where that is missing, a loop that does what the Trainer does stands in
for it, and the table says so. Losses must be equal to a thousandth; dwindle gives the begin token no mass, which the
others must learn, and bfloat16 rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from dwindle.contracts import Seed
from dwindle.data.unfinished import Shelf
from dwindle.nets import training
from dwindle.nets.device import device
from dwindle.nets.language import shapes
from dwindle.nets.language.fitting import Course, Training
from dwindle.nets.language.kept import Keeper

SEED = Seed(0, ("language training",))
RATE = 5e-5


@dataclass(frozen=True)
class Task:
    """One net and its blocks, in the order in which every loop takes them."""

    net: Any
    tokens: torch.Tensor
    batch: int
    symbols: int

    @property
    def steps(self) -> int:
        return len(self.tokens) // self.batch

    def begun(self) -> np.ndarray:
        """Return the blocks behind their begin token, (n, L + 1)."""
        return np.pad(self.tokens.cpu().numpy(), ((0, 0), (1, 0)), constant_values=self.symbols)


def task(*, shape: str, layers: int, width: int, heads: int, symbols: int, length: int, batch: int, steps: int) -> Task:
    """Return a net of random weights and blocks of tokens whose frequencies fall as words' do."""
    sizes = {"symbols": symbols, "length": length, "layers": layers, "width": width, "heads": heads}
    net = shapes.untrained(shapes.configuration(shape, **sizes), SEED.at("net"))
    shares = 1.0 / np.arange(1, symbols + 1)
    tokens = SEED.at("tokens").numpy().choice(symbols, (batch * steps, length), p=shares / shares.sum())
    return Task(net.to(device()), torch.from_numpy(tokens).to(device()), batch, symbols)


def ours(task: Task, precision: str) -> list[float]:
    """Train as the family does, and return the mean loss of each step."""
    course = Course(task.steps, RATE, 0.0, 0.0, 1.0, 1, precision, task.symbols, task.symbols)  # type: ignore[arg-type]
    run = Training(task.net, course, SEED, Keeper(Shelf(None)))
    losses: list[torch.Tensor] = []
    handle = _listening(run, losses)
    with training.deterministic(task.tokens.device):
        run.run(task.tokens, np.arange(len(task.tokens)).reshape(task.steps, task.batch))
    handle()
    return [float(loss) for loss in losses]


def _listening(run: Training, losses: list[torch.Tensor]) -> Callable[[], None]:
    """Note each step's loss as it goes into the backward pass; return what ends that."""
    backward = torch.autograd.backward

    def noted(loss: torch.Tensor) -> None:
        losses.append(loss.detach())
        backward(loss)

    torch.autograd.backward = noted  # type: ignore[assignment]
    return lambda: setattr(torch.autograd, "backward", backward)


def bare(task: Task, precision: str) -> list[float]:
    """Train by the shortest loop around the module of transformers."""
    optimiser = torch.optim.AdamW(task.net.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    schedule = _cosine(optimiser, task.steps)
    begun, losses = torch.from_numpy(task.begun()).to(task.tokens.device), []
    task.net.train()
    for seen in begun.split(task.batch):
        with torch.autocast(seen.device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = task.net(input_ids=seen, labels=seen).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.detach())
    return [float(loss) for loss in losses]


def _cosine(optimiser: Any, steps: int) -> Any:
    from transformers import get_cosine_schedule_with_warmup

    return get_cosine_schedule_with_warmup(optimiser, 0, steps)


def trainer(task: Task, precision: str) -> list[float]:
    """Train by the Trainer of transformers at its defaults, but for the order of the rows and the schedule."""
    from torch.utils.data import SequentialSampler
    from transformers import PrinterCallback, Trainer, TrainingArguments

    losses: list[torch.Tensor] = []

    class InOrder(Trainer):
        def _get_train_sampler(self, *given: Any, **named: Any) -> Any:
            return SequentialSampler(self.train_dataset)

        def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
            losses.append(super().training_step(*given, **named))
            return losses[-1]

    rows = [{"input_ids": row, "labels": row} for row in task.begun().tolist()]
    with tempfile.TemporaryDirectory() as folder:
        plan = TrainingArguments(
            folder,
            per_device_train_batch_size=task.batch,
            num_train_epochs=1,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=task.tokens.device.type == "cpu",
            bf16=precision == "bfloat16",
        )
        run = InOrder(model=task.net, args=plan, train_dataset=rows)
        run.remove_callback(PrinterCallback)
        run.train()
    return [float(loss) for loss in losses]


def stand_in(task: Task, precision: str) -> list[float]:
    """Do what the Trainer does at its defaults: a loader that stacks lists of rows, masks, float32, a logged loss."""
    from torch.utils.data import DataLoader
    from transformers import default_data_collator

    rows = [{"input_ids": row, "labels": row, "attention_mask": [1] * len(row)} for row in task.begun().tolist()]
    optimiser = torch.optim.AdamW(task.net.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    schedule, losses = _cosine(optimiser, task.steps), []
    task.net.train()
    for batch in DataLoader(rows, batch_size=task.batch, collate_fn=default_data_collator):  # type: ignore[arg-type]
        given = {name: part.to(task.tokens.device) for name, part in batch.items()}
        with torch.autocast(task.tokens.device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = task.net(**given).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        task.net.zero_grad()
        losses.append(loss.item())
    return losses


def training_table(*, rounds: int = 3, **sizes: Any) -> Mapping[str, Mapping[str, float]]:
    """Return tokens a second and the mean loss of each way to train.

    Args:
        rounds: times that all take their turn; the median counts.
        sizes: of `task`.
    """
    whole = find_spec("accelerate") is not None
    ways: dict[str, tuple[Callable[[Task, str], list[float]], str]] = {
        ("Trainer, float32" if whole else "Trainer's stand-in, float32"): (trainer if whole else stand_in, "float32"),
        "bare loop, float32": (bare, "float32"),
        "bare loop, bfloat16": (bare, "bfloat16"),
        "dwindle, float32": (ours, "float32"),
        "dwindle, bfloat16": (ours, "bfloat16"),
    }
    one = task(**sizes)
    start = {name: part.detach().clone() for name, part in one.net.named_parameters()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, (train, precision) in ways.items():
            with torch.no_grad():
                for key, part in one.net.named_parameters():
                    part.copy_(start[key])
            begun = clock(one.tokens.device)
            losses[name] = train(one, precision)
            if turn:  # the first turn loads libraries
                seconds[name].append(clock(one.tokens.device) - begun)
    medians = {name: statistics.median(some) for name, some in seconds.items()}
    return {
        name: {"tokens_per_second": one.tokens.numel() / medians[name], "loss": statistics.fmean(losses[name])}
        for name in ways
    }


def figures(table: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, str]]:
    """Return what is held against a target, from what `training_table` returned."""
    plain, *rest = table.values()
    speed = {name: found["tokens_per_second"] for name, found in table.items()}
    apart = max(abs(found["loss"] / plain["loss"] - 1) for found in rest)
    return {
        "dwindle over the Trainer, both float32 [times]": (
            speed["dwindle, float32"] / plain["tokens_per_second"],
            ">= 1",
        ),
        "dwindle, bfloat16, over the Trainer [times]": (
            speed["dwindle, bfloat16"] / plain["tokens_per_second"],
            ">= 1.5",
        ),
        "dwindle over a bare loop, both bfloat16 [times]": (
            speed["dwindle, bfloat16"] / speed["bare loop, bfloat16"],
            ">= 0.95",
        ),
        "losses apart [%]": (100 * apart, "<= 0.1"),
    }


def clock(place: torch.device) -> float:
    """Return the processor's time, or the clock once a GPU has done what it was given, seconds."""
    if place.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="opt", choices=shapes.SHAPES)
    defaults = {"layers": 4, "width": 256, "heads": 4, "symbols": 8192, "length": 64, "batch": 8, "steps": 20}
    for name, value in {**defaults, "rounds": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    torch.set_num_threads(1)
    show(training_table(**vars(parser.parse_args())))


def show(table: Mapping[str, Mapping[str, float]]) -> None:
    """Print what `training_table` returned, and what is held against a target."""
    first = next(iter(table.values()))
    print(f"{'':28} {'tokens/s':>10} {'ratio':>6} {'loss':>9} {'difference':>11}")
    for name, found in table.items():
        ratio = found["tokens_per_second"] / first["tokens_per_second"]
        apart = found["loss"] - first["loss"]
        print(f"{name:28} {found['tokens_per_second']:10.0f} {ratio:6.2f} {found['loss']:9.4f} {apart:11.1e}")
    print()
    for name, (value, target) in figures(table).items():
        print(f"{name:48} {value:8.4f}   target {target}")


if __name__ == "__main__":
    main()
