"""Training of weights that all networks of a space share: the sandwich rule with in-place distillation.

Each step trains the largest network by the labels, and the smallest and some others by the labels and by the
answers that the largest gives to the same images (Yu and Huang 2019, arXiv 1903.05134; BigNAS, arXiv
2003.11142, section 3; the labels as in Once-for-all, arXiv 1908.09791, section 3: where steps are few, the
largest has little to teach for long).
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets import tasks
from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.console import progress as progress_bar
from mobilenets.base.errors import Interrupted, TrainingError, UsageError
from mobilenets.base.files import write_bytes
from mobilenets.base.run import HARMLESS, Run
from mobilenets.data.dataset import Dataset
from mobilenets.data.loader import eval_batches, steps_per_epoch, train_batches
from mobilenets.nn import Network, normalise, read_safetensors
from mobilenets.nn.shared import Candidate, Shared
from mobilenets.tasks.classify import images
from mobilenets.training import checkpoint
from mobilenets.training.checkpoint import State
from mobilenets.training.memory import keep_freed_memory
from mobilenets.training.parts import layout
from mobilenets.training.progress import Progress
from mobilenets.training.schedule import learning_rate, seed_at
from mobilenets.training.settings import Settings
from mobilenets.training.signals import Wish, stop_wish

TEMPERATURE = 2.0  # by which the answers of both are divided before they are compared
BATCH = 64  # images of which statistics are taken together
CLIP = 1.0  # of the gradient's norm: the four networks of a step are far from alike

Draw = Callable[[int], Sequence[Candidate]]  # by a seed: the largest, then those that learn from it


@dataclass(frozen=True)
class Lessons:
    """What stays the same through one training of shared weights."""

    shared: Shared
    draw: Draw
    card: Card
    settings: Settings
    criterion: nn.Module
    optimiser: torch.optim.Optimizer
    steps: int
    terms: dict[str, Any]


def train_shared(
    shared: Shared, draw: Draw, dataset: Dataset, card: Card, settings: Settings, run: Run
) -> Progress:
    """Train shared weights on the train split and leave them in `run.weights`; `draw` gives, by a seed, the
    networks of a step, the largest first. The card says how images are shown.

    Goes on where `run.last` ends, bit for bit as without the break (at the same number of threads); what is
    finished is read again into `shared`. Raises TrainingError when the loss is lost, Interrupted after
    SIGTERM or SIGINT with the state saved, UsageError for another task than classification, ConfigMismatch,
    RunError, DataError, StorageError.
    """
    if card.task != "classify":
        raise UsageError(
            f"weights are shared between classifiers only, the task is {card.task}; use --evaluator short"
        )
    keep_freed_memory()
    lessons = _prepared(shared, draw, dataset, card, settings)
    state = State(shared, lessons.criterion, None, lessons.optimiser, Progress())
    checkpoint.resume(run, state, lessons.terms)
    wish: Wish | None = None
    if state.progress.epoch < settings.epochs:
        with stop_wish() as wish, progress_bar() as bar:
            shown = bar.add_task("shared weights", total=settings.epochs * lessons.steps)
            _epochs(lessons, dataset, state, run, wish, lambda done: bar.update(shown, completed=done))
    if not run.weights.exists():
        write_bytes(run.weights, to_bytes(_tensors(shared), metadata={cards.KEY: cards.dumps(card)}))
    if wish is not None and wish():
        raise Interrupted(
            f"{wish.name} ended the training of shared weights as it was done; they are in {run.weights}; "
            "run the same command again to go on"
        )
    return state.progress


def load_shared(path: Path) -> Shared:
    """Finished shared weights. Raises WeightsError."""
    return Shared(read_safetensors(path)[0])


def recalibrate(network: Network, samples: Sequence[Any], card: Card) -> None:
    """Give the batch norms the statistics of these images, the mean over batches, and leave the network in
    evaluation mode. Raises DataError, StorageError.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative averages
    cache, _ = images(samples, card)
    network.train()
    with torch.no_grad():
        for indices, pixels in eval_batches(cache, card.preprocess, batch_size=BATCH):
            if len(indices) == BATCH or len(cache) < BATCH:
                network(normalise(card.preprocess, pixels))
    network.eval()


def _prepared(shared: Shared, draw: Draw, dataset: Dataset, card: Card, settings: Settings) -> Lessons:
    """Loss, optimiser, and what must be the same when it is taken up again."""
    spared = [_spared(one) and not (settings.decay_depthwise and one.ndim > 1) for one in shared.parameters()]
    plain = [one for one, out in zip(shared.parameters(), spared, strict=True) if out]
    filters = [one for one, out in zip(shared.parameters(), spared, strict=True) if not out]
    groups = [
        {"params": filters, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    fixed = {name: value for name, value in asdict(settings).items() if name not in HARMLESS}
    n = len(dataset.train)
    return Lessons(
        shared,
        draw,
        card,
        settings,
        tasks.get(card.task).criterion(card, settings, dataset),
        torch.optim.AdamW(groups, lr=settings.lr, fused=True),
        steps_per_epoch(n, settings.batch_size, n >= settings.batch_size),
        {**fixed, "data": dataset.fingerprint(), "side": card.preprocess.crop},
    )


def _spared(parameter: nn.Parameter) -> bool:
    """Whether it is a norm's, a bias or depthwise filters, which do not decay."""
    return parameter.ndim <= 1 or (parameter.ndim == 4 and parameter.shape[1] == 1)


def _epochs(
    lessons: Lessons, dataset: Dataset, state: State, run: Run, wish: Wish, show: Callable[[int], None]
) -> None:
    """The steps that are left, the state saved now and then. Raises Interrupted, TrainingError."""
    settings, progress, saved = lessons.settings, state.progress, time.monotonic()
    feed = tasks.get(lessons.card.task).train_feed(dataset.train, lessons.card, settings)
    while progress.epoch < settings.epochs:
        began = time.monotonic()
        for pixels, targets in _batches(lessons, feed, progress):
            progress.loss_sum += _step(lessons, pixels, targets, progress)
            progress.step += 1
            now = time.monotonic()
            progress.seconds, began = progress.seconds + now - began, now
            show(progress.epoch * lessons.steps + progress.step)
            if wish():
                checkpoint.save(run.last, state, lessons.terms)
                raise Interrupted(
                    f"{wish.name} ended the training of shared weights in epoch {progress.epoch + 1} after "
                    f"step {progress.step}; its state is in {run.last}; run the same command again to go on"
                )
            if now - saved >= settings.checkpoint_seconds:
                checkpoint.save(run.last, state, lessons.terms)
                saved = time.monotonic()
        progress.end_epoch(train_loss=progress.loss_sum / progress.step)
    checkpoint.save(run.last, state, lessons.terms)


def _batches(lessons: Lessons, feed: Any, progress: Progress) -> Iterator[tuple[Tensor, Any]]:
    """What is shown in the epoch under way from its present step on."""
    settings = lessons.settings
    yield from train_batches(
        feed,
        side=lessons.card.preprocess.crop,
        batch_size=settings.batch_size,
        seed=settings.seed,
        epoch=progress.epoch,
        start_step=progress.step,
        workers=settings.workers,
        drop_last=len(feed) >= settings.batch_size,
    )


def _step(lessons: Lessons, pixels: Tensor, targets: Any, progress: Progress) -> float:
    """One update from all networks of the step; the loss of the largest. Raises TrainingError."""
    settings, shared = lessons.settings, lessons.shared
    largest, *others = lessons.draw(seed_at(settings.seed, progress.epoch, progress.step))
    x = normalise(lessons.card.preprocess, pixels.contiguous(memory_format=layout(settings)))
    lessons.optimiser.zero_grad()
    answers = shared(largest, x)
    loss = lessons.criterion(answers, targets)
    torch.autograd.backward(loss)
    softened = F.softmax(answers.detach() / TEMPERATURE, dim=1)
    for other in others:
        own = shared(other, x)
        torch.autograd.backward(lessons.criterion(own, targets) + imitation(own, softened))
    norm = torch.nn.utils.clip_grad_norm_(shared.parameters(), settings.clip_norm or CLIP)
    value = float(loss.item())
    if not math.isfinite(value) or not math.isfinite(norm.item()):
        raise TrainingError(
            f"the loss of the largest network is {value:g} in epoch {progress.epoch + 1}, step "
            f"{progress.step + 1}: the training of shared weights diverged; try lr {settings.lr / 10:g}"
        )
    rate = learning_rate(settings, progress.epoch * lessons.steps + progress.step, lessons.steps)
    for group in lessons.optimiser.param_groups:
        group["lr"] = rate
    lessons.optimiser.step()
    return value


def imitation(logits: Tensor, softened: Tensor) -> Tensor:
    """The divergence of logits (B, classes) from softened answers (B, classes), times the temperature squared
    (Hinton et al. 2015, arXiv 1503.02531, section 2).
    """
    own = F.log_softmax(logits / TEMPERATURE, dim=1)
    return F.kl_div(own, softened, reduction="batchmean") * TEMPERATURE**2


def _tensors(shared: Shared) -> dict[str, Tensor]:
    """The shared weights as safetensors takes them."""
    return {name: one.detach().contiguous() for name, one in shared.state_dict().items()}
