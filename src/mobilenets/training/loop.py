"""The training loop. It reads from top to bottom: prepare, take up, epochs, publish."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from mobilenets.arch.card import Card, with_metric
from mobilenets.base.console import progress as progress_bar
from mobilenets.base.errors import Interrupted, RunError, TrainingError, WeightsError
from mobilenets.base.run import Run, keep_weights
from mobilenets.data.dataset import Dataset
from mobilenets.data.loader import Feed, Targets, endless_batches, train_batches
from mobilenets.nn import Network, load_model, normalise, save_model
from mobilenets.tasks import classify
from mobilenets.tasks.unlabelled import unlabelled_feed
from mobilenets.training import checkpoint
from mobilenets.training.log import Log
from mobilenets.training.memory import keep_freed_memory
from mobilenets.training.optimiser import frozen, set_rate
from mobilenets.training.parts import Keeper, Parts, layout, prepare
from mobilenets.training.progress import best_row, highest_row, is_finished
from mobilenets.training.schedule import learning_rate, seed_at, side
from mobilenets.training.settings import Settings
from mobilenets.training.sharpness import uphill
from mobilenets.training.signals import Wish, stop_wish
from mobilenets.training.teacher import Teacher


@dataclass(frozen=True)
class Feeds:
    """The training examples; those without labels, where there are such."""

    labelled: Feed
    unlabelled: Feed | None


class Shown(NamedTuple):
    """What a step is made from: pixels uint8 (B, 3, s, s) with their targets, and pixels that have none."""

    pixels: Tensor
    targets: Targets
    unlabelled: Tensor | None = None


@dataclass(frozen=True)
class Held:
    """What the task's `evaluate` needs of the val split, and how many images that is."""

    feed: Any
    n: int


@dataclass(frozen=True)
class Trained:
    """The best epoch (counted from 1) with its metric on val, epochs and seconds in all, a row per epoch."""

    metric: float
    epoch: int
    epochs: int
    seconds: float
    history: list[dict[str, Any]]


def train(
    network: Network,
    dataset: Dataset,
    card: Card,
    settings: Settings,
    run: Run,
    teacher: Teacher | nn.Module | None = None,
    unlabelled: Sequence[Path] = (),
    given_up: Callable[[Sequence[Mapping[str, Any]]], bool] = lambda _: False,
) -> Trained:
    """Train `network` on the train split and leave its best weights, as `best_row` has it, in `run.weights`.

    A `teacher` is imitated besides, on the same pixels, and on those of the `unlabelled` images, which must
    be sound and of which nothing else is known. A module without a card is shown images in the student's
    normalisation and must give the student's classes in its order; it is left as it is. `given_up` looks at
    the rows of the epochs so far, and ends the training there as if it had no more.
    Goes on where `run.last` ends, bit for bit as without the break (at the same number of threads). A
    finished training returns at once. `run.best` holds the best weights so far, with the card.
    Raises TrainingError when the loss is lost, Interrupted after SIGTERM or SIGINT with the state saved,
    StorageError, DataError, RunError for a broken checkpoint, ConfigMismatch for one made on other terms or
    with another teacher, UsageError for a teacher that does not suit.
    """
    keep_freed_memory()
    # Mixed precision is an autocast of ours, below: accelerate's is one for the whole process, for good.
    # Without cpu=True, processes that torchrun starts on a machine without a GPU know nothing of each other.
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.accelerator.is_available())
    parts = prepare(accelerator, network, dataset, card, settings, teacher, unlabelled)
    state = parts.state()
    keeper = Keeper(run, parts, state)
    if not checkpoint.resume(run, state, parts.terms):
        if run.weights.exists():
            raise RunError(
                f"{run.folder} holds finished weights, but no checkpoints to go on from; use another --out, "
                f"or delete {run.weights.name} to train again"
            )
        keeper.save()
    progress, metric, writes = state.progress, parts.task.metric, parts.accelerator.is_main_process

    def ended() -> bool:
        """Whether there is no more to do."""
        return is_finished(progress, metric, settings) or given_up(progress.history)

    wish: Wish | None = None
    if not ended():
        feeds = _feeds(parts)
        held = Held(parts.task.val_feed(dataset.val, card), len(dataset.val))
        with (
            stop_wish() as wish,
            Log(run, progress.history, metric, writes) as log,
            progress_bar() as bar,
        ):
            shown = bar.add_task("training", total=settings.epochs * parts.steps)
            while not ended():
                bar.update(shown, description=_headline(progress.history, metric, settings))
                _train_epoch(parts, feeds, keeper, wish, lambda done: bar.update(shown, completed=done))
                _end_epoch(parts, held, keeper, wish)
                log.epoch_ended(progress.history)
    if writes:
        _publish(run)
    parts.accelerator.wait_for_everyone()
    if wish is not None and _wished(parts, wish):
        raise Interrupted(
            f"{wish.name or 'another process'} ended the training as it was done; its weights are in "
            f"{run.weights}; run the same command again to go on"
        )
    best = best_row(progress.history, metric, len(dataset.val))
    seconds = sum(row["seconds"] for row in progress.history)
    return Trained(best[metric], best["epoch"], progress.epoch, seconds, progress.history)


def _feeds(parts: Parts) -> Feeds:
    """The training examples of this process. Raises DataError, StorageError."""
    labelled = parts.task.train_feed(parts.samples, parts.card, parts.settings)
    if not parts.unlabelled:
        return Feeds(labelled, None)
    return Feeds(labelled, unlabelled_feed(parts.unlabelled, parts.card, labelled))


def _batches(parts: Parts, feeds: Feeds, epoch: int, step: int) -> Iterator[Shown]:
    """What is shown from a step of an epoch on."""
    settings = parts.settings
    shown, seed = side(settings, epoch, parts.card.preprocess.crop), parts.seed
    labelled = train_batches(
        feeds.labelled,
        side=shown,
        batch_size=parts.batch_size,
        seed=seed,
        epoch=epoch,
        start_step=step,
        workers=settings.workers,
        drop_last=parts.drop_last,
    )
    if feeds.unlabelled is None:
        yield from (Shown(*batch) for batch in labelled)
        return
    more = endless_batches(
        feeds.unlabelled,
        side=shown,
        batch_size=parts.unlabelled_batch,
        seed=seed_at(seed, len(feeds.unlabelled)),
        start=epoch * parts.steps + step,
        stop=(epoch + 1) * parts.steps,
        workers=settings.workers,
    )
    yield from (Shown(*batch, others) for batch, (others, _) in zip(labelled, more, strict=True))


def _train_epoch(parts: Parts, feeds: Feeds, keeper: Keeper, wish: Wish, show: Any) -> None:
    """The steps of an epoch that are left. Raises TrainingError, Interrupted, StorageError."""
    settings, progress = parts.settings, keeper.state.progress
    parts.model.train()
    parts.loss.train()
    for block in frozen(parts.network, settings.freeze_stride):
        block.eval()  # their batch norms keep their statistics
    began = time.monotonic()
    for batch in _batches(parts, feeds, progress.epoch, progress.step):
        progress.loss_sum += _step(parts, batch, progress.epoch, progress.step)
        progress.step += 1
        now = time.monotonic()
        progress.seconds, began = progress.seconds + now - began, now
        show(progress.epoch * parts.steps + progress.step)
        _end_if_wished(parts, keeper, wish)
        keeper.tick()


def _step(parts: Parts, batch: Shown, epoch: int, step: int) -> float:
    """One update; the loss. Raises TrainingError."""
    settings = parts.settings
    count = epoch * parts.steps + step
    rate = learning_rate(settings, count, parts.steps)
    position = seed_at(parts.seed, epoch, step)
    x, y = _examples(parts, batch, position)
    if settings.sam_rho:
        value = _gradients(parts, *_half(x, y), position)
        with uphill(parts.network, parts.learned, settings.sam_rho):
            _gradients(parts, x, y, position)
    else:
        value = _gradients(parts, x, y, position)
    norm = torch.nn.utils.clip_grad_norm_(parts.learned, settings.clip_norm or math.inf)
    if not math.isfinite(value) or not math.isfinite(norm.item()):
        _lost(f"the loss is {value:g} and the gradient's norm {norm.item():g}", epoch, step, settings, rate)
    set_rate(parts.optimiser, rate)
    parts.optimiser.step()
    if parts.average:
        parts.average.update(parts.network, count + 1)
    return value


def _examples(parts: Parts, batch: Shown, position: int) -> tuple[Tensor, Targets]:
    """What the first block that learns is shown, with what is unlabelled last, and the targets."""
    settings, device = parts.settings, parts.accelerator.device
    x = _inputs(parts, batch.pixels)
    y = (
        batch.targets.to(device)
        if isinstance(batch.targets, Tensor)
        else tuple(t.to(device) for t in batch.targets)
    )
    if settings.mixup and isinstance(y, Tensor):
        x, y = classify.mixed(x, y, len(parts.card.labels), settings.mixup, position)
    if batch.unlabelled is not None:
        x = torch.cat([x, _inputs(parts, batch.unlabelled)])
    with torch.no_grad(), _autocast(parts):
        for block in parts.network.blocks[: parts.fixed]:
            x = block(x)
    return x, y


def _half(x: Tensor, y: Targets) -> tuple[Tensor, Targets]:
    """Half of the labelled examples: they tell well enough where it goes up, in half the time."""
    n = max(2, len(y if isinstance(y, Tensor) else y[0]) // 2)  # batch norms compare
    return x[:n], y[:n] if isinstance(y, Tensor) else tuple(t[:n] for t in y)


def _autocast(parts: Parts) -> torch.autocast:
    """Where the settings have it, operations that bear it compute in bfloat16."""
    mixed = parts.settings.precision == "bfloat16"
    return torch.autocast(parts.accelerator.device.type, torch.bfloat16, enabled=mixed)


def _gradients(parts: Parts, x: Tensor, y: Targets, position: int) -> float:
    """The loss, whose gradients are put where the optimiser looks for them."""
    torch.manual_seed(position)  # for dropout
    with _autocast(parts):
        outputs = parts.model(x, parts.fixed) if parts.fixed else parts.model(x)
        lesson = parts.teaching.lesson(x, parts.compares) if parts.teaching else None
    loss = parts.loss(outputs, y, lesson) if lesson else parts.loss(outputs, y)
    parts.optimiser.zero_grad()
    parts.accelerator.backward(loss)
    return float(loss.item())


def _inputs(parts: Parts, pixels: Tensor) -> Tensor:
    """The network's input from pixels uint8 (B, 3, s, s), on its device and in its layout."""
    there = pixels.to(parts.accelerator.device).contiguous(memory_format=layout(parts.settings))
    return normalise(parts.card.preprocess, there)


def _end_epoch(parts: Parts, held: Held, keeper: Keeper, wish: Wish) -> None:
    """Judge the epoch on the val split, keep the best weights, then the state.

    In this order a kill at any instant costs at most the judging: it is done again with the same outcome.
    Raises TrainingError, Interrupted, StorageError.
    """
    progress, settings = keeper.state.progress, parts.settings
    began = time.monotonic()
    alone = parts.accelerator.num_processes == 1  # several processes would not all stop at the same batch
    metric = parts.task.metric
    found = parts.task.evaluate(parts.judged, held.feed, parts.card, stop=wish if alone else None)
    if found is None:
        _end_if_wished(parts, keeper, wish)
    scores = broadcast_object_list([found.loss, found.metrics[metric]] if found else [0.0, 0.0])
    rate = learning_rate(settings, progress.epoch * parts.steps + progress.step - 1, parts.steps)
    if not math.isfinite(scores[0]):
        _lost(f"the loss on the val split is {scores[0]:g}", progress.epoch, progress.step, settings, rate)
    progress.seconds += time.monotonic() - began
    train_loss = progress.loss_sum / progress.step
    progress.end_epoch(**{"lr": rate, "train_loss": train_loss, "val_loss": scores[0], metric: scores[1]})
    row = progress.history[-1]
    if parts.accelerator.is_main_process and best_row(progress.history, metric, held.n) is row:
        card = with_metric(parts.card, metric, row[metric], held.n, "val")
        save_model(keeper.run.best, parts.judged, card)
    keeper.save()


def _wished(parts: Parts, wish: Wish) -> bool:
    """Whether any process was told to end."""
    if wish():
        parts.accelerator.set_trigger()
    return bool(parts.accelerator.check_trigger())


def _end_if_wished(parts: Parts, keeper: Keeper, wish: Wish) -> None:
    """Save and raise Interrupted once any process was told to end."""
    if _wished(parts, wish):
        keeper.save()
        parts.accelerator.wait_for_everyone()  # torchrun ends the others as soon as one of them is gone
        progress = keeper.state.progress
        raise Interrupted(
            f"{wish.name or 'a signal'} ended the training in epoch {progress.epoch + 1} after step "
            f"{progress.step}; its state is in {keeper.run.last}; run the same command again to go on"
        )


def _lost(what: str, epoch: int, step: int, settings: Settings, rate: float) -> NoReturn:
    """Raise TrainingError with what was seen, where, and what to change."""
    clip = "" if settings.clip_norm else " or clip_norm 1"
    raise TrainingError(
        f"{what} in epoch {epoch + 1}, step {step + 1}, at the learning rate {rate:g}: training diverged; "
        f"try lr {settings.lr / 10:g}{clip} in another --out (the last sound state is kept)"
    )


def _publish(run: Run) -> None:
    """Put the best weights where finished ones belong. Raises RunError, StorageError."""
    try:
        load_model(run.best)
    except WeightsError as error:
        raise RunError(f"{error}; delete {run.best.parent} to train again") from error
    keep_weights(run, run.best.read_bytes())


def _headline(history: list[dict[str, Any]], metric: str, settings: Settings) -> str:
    """What stands before the progress bar."""
    best = f", best {metric} {100 * highest_row(history, metric)[metric]:.1f} %" if history else ""
    return f"epoch {len(history) + 1} of {settings.epochs}{best}"
