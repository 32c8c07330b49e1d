"""The rounds of an adaptation on disk: proposals are fine-tuned for a moment, each in a folder of its own."""

import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec
from mobilenets.arch.card import Card
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import TrainingError, UnknownName, UsageError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run
from mobilenets.jobs.material import Material, judged
from mobilenets.jobs.teacher import opened
from mobilenets.nas.netadapt import Point, Proposal, Rules

if TYPE_CHECKING:
    from torch import Tensor

    from mobilenets.data.dataset import Dataset
    from mobilenets.nn import Network

IMPORTANCE = ("norm", "activation", "taylor")
IMAGES = 1280  # of each short fine-tuning
SCREENING_IMAGES = 256  # held-out ones, on which proposals are judged before they are fine-tuned
SCORING_IMAGES = 512  # on which activations and gradients are looked at, to tell which channels matter


@dataclass(frozen=True)
class Adapting:
    """How an adaptation goes about it: the rules of the rounds, `images` per short fine-tuning, the score by
    which channels are kept, how many processes work at once.
    """

    rules: Rules = field(default_factory=Rules)
    images: int = IMAGES
    importance: str = "norm"
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises UsageError, UnknownName."""
        if self.importance not in IMPORTANCE:
            raise UnknownName("importance", self.importance, IMPORTANCE)
        if self.images < 1 or self.workers < 1:
            raise UsageError(f"images and workers must be at least 1, got {self.images} and {self.workers}")


@dataclass(frozen=True)
class Tryout:
    """How proposals are tried: on how many `images`, by which score of channels (`nn.importance`), by whose
    outputs beside the labels.
    """

    material: Material
    images: int
    importance: str
    seed: int
    teacher: str | None = None


class Rounds:
    """The folder `rounds` of a run, and the processes that fill it. What is finished there is not done again.

    A kill leaves trainings under way, which go on bit for bit with the same number of threads.
    """

    def __init__(self, folder: Path, tryout: Tryout, pool: Executor | None) -> None:
        self.folder, self.tryout, self.pool = folder, tryout, pool

    def screen(self, number: int, parent: Point, proposed: Sequence[Proposal]) -> list[float]:
        """The held-out loss of each proposal as it is cut, before it is fine-tuned."""
        kept = self._place(number) / "screen.json"
        losses = read_json(kept) if kept.exists() else {}
        missing = [one for one in proposed if one.name not in losses]
        if missing:
            calls = [
                (self.tryout, self._scores(number, parent), parent.weights, codec.dumps(one.arch))
                for one in missing
            ]
            found = self._all(_loss_as_cut, calls)
            losses |= {one.name: loss for one, loss in zip(missing, found, strict=True)}
            write_json(kept, losses)
        return [losses[one.name] for one in proposed]

    def tune(self, number: int, parent: Point, proposed: Sequence[Proposal]) -> list[Point]:
        """Each proposal after its short fine-tuning."""
        scores = self._scores(number, parent)
        calls = [
            (
                self.tryout,
                scores,
                parent.weights,
                codec.dumps(one.arch),
                self._place(number) / one.name,
                number,
            )
            for one in proposed
        ]
        found = self._all(_tuned, calls)
        return [
            Point(one.arch, one.cost, metric, loss, Run(self._place(number) / one.name).weights)
            for one, (metric, loss) in zip(proposed, found, strict=True)
        ]

    def keep_only(self, number: int, name: str) -> None:
        """Delete the weights of what the round did not choose."""
        for weights in self._place(number).glob("*/model.safetensors"):
            if weights.parent.name != name:
                weights.unlink()

    def _scores(self, number: int, parent: Point) -> Path | None:
        """The file with the scores of the parent's channels; None for the norms, which need none."""
        if self.tryout.importance == "norm":
            return None
        path = self._place(number) / "importance.safetensors"
        if not path.exists():
            _write_scores(path, self.tryout, parent.weights)
        return path

    def _all(self, work: Any, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of `work` on every call, in their order, in this process or in several."""
        if self.pool is None:
            return [work(*call) for call in calls]
        try:
            return list(self.pool.map(work, *zip(*calls, strict=True)))
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process that tried proposals was killed (out of memory?); run the same command again, "
                "with fewer --workers, to go on"
            ) from error

    def _place(self, number: int) -> Path:
        """The folder of a round."""
        return self.folder / f"{number:03d}"


@contextmanager
def rounds(folder: Path, tryout: Tryout, workers: int) -> Iterator[Rounds]:
    """`Rounds` whose proposals are tried by so many processes; with one, by this one."""
    if workers == 1:
        yield Rounds(folder, tryout, None)
        return
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_share_cores, initargs=(workers,)) as pool:
        try:
            yield Rounds(folder, tryout, pool)
        except BaseException:
            for process in (pool._processes or {}).values():  # noqa: SLF001 - it would wait for what they do
                process.kill()
            raise


def _tuned(
    tryout: Tryout, scores: Path | None, parent: Path, arch: str, folder: Path, number: int
) -> tuple[float, float]:
    """Metric and loss of a proposal after its short fine-tuning; a finished one is read again."""
    from mobilenets import training
    from mobilenets.training.settings import retuning

    run = Run(folder)
    if not run.result.exists():
        network, card = _cut(scores, parent, codec.loads(arch))
        dataset = tryout.material.dataset()
        few = replace(dataset, train=_sample(dataset.train, tryout, number))
        settings = replace(retuning(tryout.images, len(few.train), card.task), seed=tryout.seed + number)
        teacher = opened(tryout.teacher) if tryout.teacher else None
        trained = training.train(network, few, card, settings, run, teacher)
        row = trained.history[trained.epoch - 1]
        write_json(
            run.result, {"metric": trained.metric, "loss": row["val_loss"], "seconds": trained.seconds}
        )
        shutil.rmtree(run.last.parent)
    result = read_json(run.result)
    return result["metric"], result["loss"]


def _loss_as_cut(tryout: Tryout, scores: Path | None, parent: Path, arch: str) -> float:
    """The held-out loss of a proposal before any fine-tuning."""
    network, card = _cut(scores, parent, codec.loads(arch))
    dataset = tryout.material.dataset()
    thinned = of_classes if card.task == "embed" else evenly
    few = replace(dataset, val=thinned(dataset.val, SCREENING_IMAGES))
    return judged(network.eval(), card, few)[1]


def evenly(samples: Sequence[Any], count: int) -> tuple[Any, ...]:
    """About so many of the samples, from all over them."""
    return tuple(samples[:: max(1, len(samples) // count)])


def of_classes(samples: Sequence[Any], count: int) -> tuple[Any, ...]:
    """About so many of the samples, two of a class at least, which can find each other."""
    classes: dict[int, list[Any]] = {}
    for sample in samples:
        classes.setdefault(sample.label, []).append(sample)
    kept = evenly([several for several in classes.values() if len(several) > 1], count // 2)
    each = max(2, count // len(kept))
    return tuple(sample for several in kept for sample in several[:: max(1, len(several) // each)])


def _cut(scores: Path | None, parent: Path, arch: Arch) -> tuple["Network", Card]:
    """The network of `arch` with the channels of its parent that matter most."""
    from mobilenets.nn import load_model, read_safetensors
    from mobilenets.nn.transplant import transplant

    network, card = load_model(parent)
    importance = read_safetensors(scores)[0] if scores else None
    return transplant(network, arch, importance), replace(card, arch=arch)


def _write_scores(path: Path, tryout: Tryout, parent: Path) -> None:
    """The file of `nn.importance` for a network."""
    import torch
    from safetensors.torch import save

    from mobilenets import tasks
    from mobilenets.base.files import write_bytes
    from mobilenets.nn import load_model
    from mobilenets.nn.importance import scores
    from mobilenets.training.settings import retuning

    network, card = load_model(parent)
    dataset = tryout.material.dataset()
    few = replace(dataset, train=evenly(dataset.train, SCORING_IMAGES))
    settings = retuning(len(few.train), len(few.train), card.task)
    task = tasks.get(card.task)
    torch.manual_seed(tryout.seed)
    found: dict[str, Tensor] = dict(
        scores(
            network,
            tryout.importance,
            batches=_batches(task, few, card, settings),
            loss=task.criterion(card, settings, few),
        )
    )
    write_bytes(path, save(found))


def _batches(task: Any, dataset: "Dataset", card: Card, settings: Any) -> Iterator[tuple[Any, Any]]:
    """Normalised images and their targets, as training sees them."""
    from mobilenets.data.loader import train_batches
    from mobilenets.nn import normalise

    feed = task.train_feed(dataset.train, card, settings)
    batches = train_batches(
        feed, side=card.preprocess.crop, batch_size=settings.batch_size, seed=0, epoch=0, start_step=0,
        workers=0, drop_last=False,
    )  # fmt: skip
    for pixels, targets in batches:
        yield normalise(card.preprocess, pixels), targets


def _sample(train: Sequence[Any], tryout: Tryout, number: int) -> tuple[Any, ...]:
    """The images of a round: the same for all its proposals."""
    chosen = random.Random(f"{tryout.seed} {number}")  # noqa: S311 - a sample, not a secret
    return tuple(chosen.sample(list(train), min(tryout.images, len(train))))


def _share_cores(workers: int) -> None:
    """Have one of several processes end with its driver, and give it its part of the cores."""
    import torch

    from mobilenets.jobs.workers import obey

    obey(signal.SIGINT)
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
