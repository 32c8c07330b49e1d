"""What a training is made of before its first step."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from mobilenets import tasks
from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import UsageError
from mobilenets.base.run import Run
from mobilenets.data.dataset import Dataset
from mobilenets.data.loader import steps_per_epoch
from mobilenets.nn import Network
from mobilenets.tasks.task import Task
from mobilenets.training import checkpoint
from mobilenets.training.checkpoint import State
from mobilenets.training.ema import Average
from mobilenets.training.optimiser import build_optimiser, frozen
from mobilenets.training.progress import Progress
from mobilenets.training.settings import HARMLESS, Settings


@dataclass(frozen=True)
class Parts:
    """What stays the same through one training.

    `network` is the plain module, `model` the same as accelerate wraps it for several processes; `criterion`
    is the plain loss, which may learn too, `loss` the same wrapped. `average` is the running average where
    one is kept. `samples` are this process's share, as large in every process.
    """

    accelerator: Accelerator
    task: Task
    settings: Settings
    card: Card
    network: Network
    model: nn.Module
    criterion: nn.Module
    loss: nn.Module
    optimiser: torch.optim.Optimizer
    average: Average | None
    samples: tuple[Any, ...]
    batch_size: int
    terms: dict[str, Any]

    @property
    def drop_last(self) -> bool:
        """A last batch that is not full is left out, unless it is the only one."""
        return len(self.samples) >= self.batch_size

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return steps_per_epoch(len(self.samples), self.batch_size, self.drop_last)

    @property
    def judged(self) -> Network:
        """The network that is evaluated and kept: the average where there is one."""
        return self.average.network if self.average else self.network

    @property
    def seed(self) -> int:
        """The settings' seed, its own in every process."""
        rank: int = self.accelerator.process_index
        return self.settings.seed + 1_000_003 * rank

    @property
    def learned(self) -> list[nn.Parameter]:
        """Everything that the optimiser may change."""
        return [*self.network.parameters(), *self.criterion.parameters()]

    def state(self) -> State:
        """The parts that change, at their beginning."""
        average = self.average.network if self.average else None
        return State(self.network, self.criterion, average, self.optimiser, Progress())


def prepare(
    accelerator: Accelerator, network: Network, dataset: Dataset, card: Card, settings: Settings
) -> Parts:
    """Network, loss, optimiser and average on their device, this process's share of the images.

    Raises UsageError for a setting that the task does not know.
    """
    task = tasks.get(card.task)
    if settings.mixup and task.name != "classify":
        raise UsageError(f"mixup blends classes of whole images, which {task.name} has none of; set it to 0")
    if settings.resolution_schedule and task.name == "detect":
        raise UsageError("the boxes of a detector belong to one input side; leave resolution_schedule out")
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
    if settings.norm_momentum is not None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = settings.norm_momentum
    for block in frozen(network, settings.freeze_stride):
        block.requires_grad_(False)
    criterion = task.criterion(card, settings, dataset)
    model, prepared = accelerator.prepare(network, build_optimiser(network, criterion, settings))
    learns = any(True for _ in criterion.parameters())  # torch shares nothing else between processes
    loss = accelerator.prepare(criterion) if learns else criterion.to(accelerator.device)
    world, rank, n = accelerator.num_processes, accelerator.process_index, len(dataset.train)
    return Parts(
        accelerator=accelerator,
        task=task,
        settings=settings,
        card=card,
        network=network,
        model=model,
        criterion=criterion,
        loss=loss,
        optimiser=prepared.optimizer,  # accelerate's wrapper is for scaled gradients, which we have none of
        average=Average(network, settings.ema_decay) if settings.ema_decay else None,
        samples=dataset.train[rank : n - n % world : world],
        batch_size=max(2, settings.batch_size // world),
        terms=_terms(dataset, card, settings, world),
    )


def _terms(dataset: Dataset, card: Card, settings: Settings, processes: int) -> dict[str, Any]:
    """What must be the same for a training to be taken up again, as plain data."""
    fixed = {name: value for name, value in asdict(settings).items() if name not in HARMLESS}
    bare = replace(card, command="", metric={})
    return {**fixed, "data": dataset.fingerprint(), "card": cards.dumps(bare), "processes": processes}


@dataclass
class Keeper:
    """Saves the state of a run: when told to, and of itself when the last time is long enough ago."""

    run: Run
    parts: Parts
    state: State
    saved: float = field(default_factory=time.monotonic)

    def save(self) -> None:
        """Save now. Raises StorageError."""
        if self.parts.accelerator.is_main_process:
            checkpoint.save(self.run.last, self.state, self.parts.terms)
        self.saved = time.monotonic()

    def tick(self) -> None:
        """Save if it is time. Raises StorageError."""
        if time.monotonic() - self.saved >= self.parts.settings.checkpoint_seconds:
            self.save()
