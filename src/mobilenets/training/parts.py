"""What a training is made of before its first step."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from mobilenets import tasks
from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.run import HARMLESS, Run
from mobilenets.data.dataset import Dataset
from mobilenets.data.loader import steps_per_epoch
from mobilenets.nn import Network
from mobilenets.tasks.task import Task
from mobilenets.training import checkpoint
from mobilenets.training.checkpoint import State
from mobilenets.training.distil import Distilled, Watched, compared
from mobilenets.training.ema import Average
from mobilenets.training.optimiser import build_optimiser, frozen
from mobilenets.training.progress import Progress
from mobilenets.training.schedule import seed_at
from mobilenets.training.settings import Settings, check_task_settings
from mobilenets.training.teacher import Teacher, Teaching, as_teacher, channels, identity


@dataclass(frozen=True)
class Parts:
    """What stays the same through one training.

    `network` is the plain module, `model` the same as accelerate wraps it for several processes; `criterion`
    is the plain loss, which may learn too, `loss` the same wrapped. `average` is the running average where
    one is kept. `samples` are this process's share, as large in every process. `teaching` is the teacher at
    work, where there is one, `unlabelled` this process's share of the images that it alone judges.
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
    teaching: Teaching | None = None
    compares: bool = False  # maps with the teacher's
    unlabelled: tuple[Path, ...] = ()

    @property
    def fixed(self) -> int:
        """How many blocks at the beginning stay as they are, while nobody else looks at their maps."""
        looked_at = self.network.taps or self.teaching
        return 0 if looked_at else len(frozen(self.network, self.settings.freeze_stride))

    @property
    def drop_last(self) -> bool:
        """A last batch that is not full is left out, unless it is the only one."""
        return len(self.samples) >= self.batch_size

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return steps_per_epoch(len(self.samples), self.batch_size, self.drop_last)

    @property
    def unlabelled_batch(self) -> int:
        """Images without labels in a step."""
        return max(1, round(self.settings.distil_unlabelled * self.batch_size))

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
    accelerator: Accelerator,
    network: Network,
    dataset: Dataset,
    card: Card,
    settings: Settings,
    teacher: Teacher | nn.Module | None = None,
    unlabelled: Sequence[Path] = (),
) -> Parts:
    """Network, loss, optimiser and average on their device, this process's share of the images.

    Raises UsageError for a setting that the task does not know and for a teacher that does not suit,
    DataError for a single image.
    """
    task = tasks.get(card.task)
    _refuse(settings, task.name, teacher, unlabelled)
    if len(dataset.train) < 2:
        raise DataError(
            f"{len(dataset.train)} image to train on is too few: batch norms compare at least two; add some, "
            "or give a smaller --val"
        )
    _set(network, settings)
    teaching = _teaching(teacher, card, settings, accelerator.device)
    torch.manual_seed(seed_at(settings.seed))  # some losses begin with random numbers
    criterion = task.criterion(card, settings, dataset)
    if teaching:
        criterion = _distilled(criterion, teaching, network, settings)
    compares = isinstance(criterion, Distilled) and bool(criterion.projections)
    learner = Watched(network) if compares else network
    model, prepared = accelerator.prepare(learner, build_optimiser(network, criterion, settings))
    learns = any(True for _ in criterion.parameters())  # torch shares nothing else between processes
    loss = accelerator.prepare(criterion) if learns else criterion.to(accelerator.device)
    world, rank, n = accelerator.num_processes, accelerator.process_index, len(dataset.train)
    return Parts(
        accelerator=accelerator,
        task=task,
        settings=settings,
        card=replace(card, teacher=card.teacher or teaching.teacher.described) if teaching else card,
        network=network,
        model=model,
        criterion=criterion,
        loss=loss,
        optimiser=prepared.optimizer,  # accelerate's wrapper is for scaled gradients, which we have none of
        average=Average(network, settings.ema_decay) if settings.ema_decay else None,
        samples=dataset.train[rank : n - n % world : world],
        batch_size=max(2, settings.batch_size // world),
        terms=_terms(dataset, card, settings, world) | _taught(settings, teaching, unlabelled),
        teaching=teaching,
        compares=compares,
        unlabelled=tuple(unlabelled[rank::world] or unlabelled),
    )


def layout(settings: Settings) -> torch.memory_format:
    """How images and filters lie in memory."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def _set(network: Network, settings: Settings) -> None:
    """Layout, momentum of the batch norms and frozen blocks as the settings have them."""
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
    if settings.norm_momentum is not None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = settings.norm_momentum
    for block in frozen(network, settings.freeze_stride):
        block.requires_grad_(False)


def _refuse(settings: Settings, task: str, teacher: object, unlabelled: Sequence[Path]) -> None:
    """Raise UsageError for what does not go together."""
    check_task_settings(settings, task)
    if unlabelled and teacher is None:
        raise UsageError("nobody judges the images without labels; give a teacher, or leave them out")
    if teacher is not None and not settings.distil_weight and settings.distil_features == 0:
        raise UsageError(
            "nothing is learned from the teacher with distil_weight and distil_features 0; set one"
        )


def _teaching(
    teacher: Teacher | nn.Module | None, card: Card, settings: Settings, device: torch.device
) -> Teaching | None:
    """The teacher at work, where there is one. Raises UsageError."""
    return None if teacher is None else Teaching(as_teacher(teacher), card, device, layout(settings))


def _distilled(own: nn.Module, teaching: Teaching, network: Network, settings: Settings) -> Distilled:
    """The task's own loss with what a teacher adds. Raises UsageError where there are no maps to compare."""
    asked = settings.distil_features
    maps = {} if asked == 0 else compared(channels(network), teaching.strides, settings.freeze_stride)
    if not maps and (asked or not settings.distil_weight):
        raise UsageError(
            f"the teacher {teaching.teacher.name} has no maps to compare with the student's; "
            "set distil_features to 0 and learn from its answers (distil_weight)"
        )
    return Distilled(own, network.arch.head, settings, maps)


def _terms(dataset: Dataset, card: Card, settings: Settings, processes: int) -> dict[str, Any]:
    """What must be the same for a training to be taken up again, as plain data; the teacher's part is not."""
    fixed = {
        name: value
        for name, value in asdict(settings).items()
        if name not in HARMLESS and not name.startswith("distil_")
    }
    bare = replace(card, command="", metric={}, teacher="")
    return {**fixed, "data": dataset.fingerprint(), "card": cards.dumps(bare), "processes": processes}


def _taught(settings: Settings, teaching: Teaching | None, unlabelled: Sequence[Path]) -> dict[str, Any]:
    """The terms of learning from a teacher, none without one."""
    if teaching is None:
        return {}
    fixed = {name: value for name, value in asdict(settings).items() if name.startswith("distil_")}
    images = {"unlabelled": identity(unlabelled)} if unlabelled else {}
    return {**fixed, "teacher": teaching.teacher.id, **images}


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
