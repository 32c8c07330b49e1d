"""What a training is made of before its first step."""

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torchvision.transforms import v2

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.run import Run
from mobilenets.data.augment import Transform, augmentation, may_flip
from mobilenets.data.cache import ImageCache, build_cache
from mobilenets.data.dataset import Dataset, Sample
from mobilenets.data.loader import steps_per_epoch
from mobilenets.nn import Network
from mobilenets.tasks import classify
from mobilenets.training import checkpoint
from mobilenets.training.checkpoint import State
from mobilenets.training.ema import Average
from mobilenets.training.optimiser import build_optimiser, frozen
from mobilenets.training.progress import Progress
from mobilenets.training.settings import HARMLESS, Settings


@dataclass(frozen=True)
class Parts:
    """What stays the same through one training.

    `network` is the plain module, `model` the same as accelerate wraps it for several processes, `average`
    the running average where one is kept. `samples` are this process's share, as large in every process.
    """

    accelerator: Accelerator
    settings: Settings
    card: Card
    network: Network
    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: Average | None
    samples: tuple[Sample, ...]
    batch_size: int
    class_weights: Tensor | None
    flip: bool
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

    def state(self) -> State:
        """The parts that change, at their beginning."""
        average = self.average.network if self.average else None
        return State(self.network, average, self.optimiser, Progress())

    def transform(self, pixels: int) -> Transform:
        """The augmentation of training images of a side; without one, images are scaled and not cut."""
        name, full = self.settings.augment, self.card.preprocess.crop
        if name != "none":
            return augmentation(name, pixels, self.settings.erasing, flip=self.flip)
        whole = augmentation(name, full)
        return whole if pixels == full else v2.Compose([whole, v2.Resize(pixels, antialias=True)])


def prepare(
    accelerator: Accelerator, network: Network, dataset: Dataset, card: Card, settings: Settings
) -> Parts:
    """Network, optimiser and average on their device, this process's share of the images."""
    if settings.channels_last:
        network.to(memory_format=torch.channels_last)
    if settings.norm_momentum is not None:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = settings.norm_momentum
    for block in frozen(network, settings.freeze_stride):
        block.requires_grad_(False)
    model, prepared = accelerator.prepare(network, build_optimiser(network, settings))
    world, rank, n = accelerator.num_processes, accelerator.process_index, len(dataset.train)
    weights = classify.balanced(dataset.counts("train")) if settings.class_weights == "balanced" else None
    return Parts(
        accelerator=accelerator,
        settings=settings,
        card=card,
        network=network,
        model=model,
        optimiser=prepared.optimizer,  # accelerate's wrapper is for scaled gradients, which we have none of
        average=Average(network, settings.ema_decay) if settings.ema_decay else None,
        samples=dataset.train[rank : n - n % world : world],
        batch_size=max(2, settings.batch_size // world),
        class_weights=None if weights is None else weights.to(accelerator.device),
        flip=may_flip(dataset.labels) if settings.flip is None else settings.flip,
        terms=_terms(dataset, card, settings, world),
    )


def images(samples: tuple[Sample, ...], card: Card) -> tuple[ImageCache, list[int]]:
    """Decoded images and their classes. Raises DataError, StorageError."""
    cache = build_cache([sample.path for sample in samples], card.preprocess)
    return cache, [sample.label for sample in samples]


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
