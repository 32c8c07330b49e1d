"""How a search tries a network that begins with its part of weights which the whole space shares."""

import random
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec, cost
from mobilenets.arch.edit import at
from mobilenets.arch.spec import Arch
from mobilenets.base.console import say
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.base.run import Run
from mobilenets.jobs.material import judged
from mobilenets.jobs.sandwich import Sandwich
from mobilenets.jobs.short_training import BATCH, STEPS, ShortTraining
from mobilenets.jobs.start import fresh_card
from mobilenets.nas.reward import Outcome
from mobilenets.nas.space import Decision, Genotype, Places, Space
from mobilenets.nas.trial import Evaluation

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.nn import Network
    from mobilenets.nn.shared import Shared

EVALUATORS = ("short", "supernet")
EPOCHS = 30  # of the shared weights
TUNED = 1  # epochs of a network's own after that
CALIBRATION = 512  # training images from which batch norms take their statistics
FOLDER = "supernet"  # of a run


@dataclass(frozen=True)
class SharedWeights(ShortTraining):
    """Tries networks of a space by their part of the shared weights in a file; any process can have it.

    Each is trained from there for `epochs`, on the terms of a short training. With none it is judged as it
    is, its batch norms made right; two trials of one network then give the same. `taught` is for how many
    epochs the shared weights were trained.
    """

    decisions: tuple[Decision, ...] = ()
    places: Places = field(default_factory=lambda: Places(()))
    weights: Path = Path()
    taught: int = EPOCHS

    def __call__(self, number: int, genotype: Genotype, arch: str | None, seed: int) -> Evaluation:
        """The network's metric on the val split and its cost. Raises what training raises, UsageError."""
        if self.epochs:
            return super().__call__(number, genotype, arch, seed)
        from mobilenets.training.supernet import recalibrate

        assert arch is not None  # every network of a space with places can be built
        found, dataset = codec.loads(arch), self.dataset()
        network, card = self.opened(genotype, found, Run(self.folder), seed)
        # Mixed: images come sorted by class, and batches of one class would tell little of the rest.
        chance = random.Random(self.material.seed)  # noqa: S311 - a sample, not a secret
        some = chance.sample(dataset.train, min(CALIBRATION, len(dataset.train)))
        recalibrate(network, some, card)
        metric, loss = judged(network, card, dataset)
        counted = cost(found)
        return Evaluation(
            Outcome(metric, (self.price(found),)),
            {"params": counted.params, "macs": counted.macs, "loss": loss},
        )

    def opened(self, genotype: Genotype, arch: Arch, run: Run, seed: int) -> "tuple[Network, Card]":  # noqa: ARG002 - nothing is random
        """The network's part of the shared weights, and its card. Raises UsageError."""
        from mobilenets.nn.shared import Candidate

        values = {one.name: one.options[k] for one, k in zip(self.decisions, genotype, strict=True)}
        shown = self.shown(arch)
        network = _shared(self.weights).network(Candidate(shown, self.places(values)))
        return network, fresh_card(shown, self.dataset().labels)

    @property
    def terms(self) -> dict[str, Any]:
        """What makes its trials these and no others."""
        return {**super().terms, "evaluator": "supernet", "taught": self.taught}

    @property
    def kind(self) -> str:
        """What is done in a trial."""
        tuned = f" and {self.epochs} epochs" if self.epochs else ""
        return f"a trial with shared weights{tuned}"

    def seconds(self, arch: Arch) -> float:
        """About how long a trial takes here, from a few passes."""
        if self.epochs:
            return super().seconds(arch)
        import torch

        from mobilenets.nn import build

        network, dataset = build(self.shown(arch)).eval(), self.dataset()
        judged_on = len(dataset.val) + min(CALIBRATION, len(dataset.train))
        with torch.no_grad():
            return _fastest(network) * judged_on


def shared_weights(run: Run, short: ShortTraining, space: Space, epochs: int) -> SharedWeights:
    """Train weights for a space in RUN/supernet, once, on the terms of `short`; who tries networks by them.

    Raises UsageError for a space without places and for another task than classification, and as training.
    """
    import torch

    from mobilenets.nn.shared import Shared
    from mobilenets.training.settings import override, trying
    from mobilenets.training.supernet import train_shared

    own, seed, dataset = Run(run.folder.resolve() / FOLDER), short.material.seed, short.dataset()
    if not own.weights.exists():
        sandwich = Sandwich.of(space)
        networks = sandwich(seed)
        whole = _seconds([one.arch for one in networks], short.side) * len(dataset.train) * epochs
        say(
            f"weights for the whole space are trained first: {epochs} epochs of {len(networks)} networks a "
            f"step, about {whole / 60:.0f} minutes here"
        )
        settings = override(trying(len(dataset.train), len(dataset.labels), short.material.task, epochs),
                            **{"seed": seed, **short.settings})  # fmt: skip
        largest = networks[0].arch
        card = fresh_card(at(largest, short.side) if short.side else largest, dataset.labels)
        torch.manual_seed(seed)
        train_shared(Shared.of(sandwich.all()), sandwich, dataset, card, settings, own)
    assert space.places is not None
    return SharedWeights(
        short.material, short.price, short.folder, short.epochs, short.images, short.side, short.settings,
        short.prune, decisions=space.decisions, places=space.places, weights=own.weights, taught=epochs,
    )  # fmt: skip


def check_evaluator(evaluator: str, task: str, proxy_epochs: int, epochs: int | None) -> int:
    """The epochs of the shared weights, EPOCHS where None are given.

    Raises UnknownName or UsageError for an evaluator that there is not, not for this task, or not so.
    """
    if evaluator not in EVALUATORS:
        raise UnknownName("evaluator", evaluator, EVALUATORS)
    if evaluator == "supernet" and task != "classify":
        raise UsageError(
            f"weights are shared between classifiers only, the task is {task}; use --evaluator short"
        )
    if epochs is not None and epochs < 1:
        raise UsageError(f"the supernet needs at least one epoch, got {epochs}")
    if epochs is not None and evaluator != "supernet":
        raise UsageError(f"supernet epochs belong to --evaluator supernet, got {epochs} for {evaluator}")
    if proxy_epochs < 1 and evaluator == "short":
        raise UsageError(f"a short training needs at least one epoch, got {proxy_epochs}")
    return EPOCHS if epochs is None else epochs


@lru_cache(maxsize=1)
def _shared(path: Path) -> "Shared":
    """The weights in a file that does not change any more."""
    from mobilenets.training.supernet import load_shared

    return load_shared(path)


def _seconds(archs: list[Arch], side: int) -> float:
    """How long the networks of a step take for an image, from a few steps."""
    from mobilenets.nn import build

    return sum(_fastest(build(at(arch, side) if side else arch).train()) for arch in archs)


def _fastest(network: "Network") -> float:
    """Seconds for an image, forwards, and backwards where gradients are kept."""
    import torch

    x = torch.randn(BATCH, 3, network.arch.resolution, network.arch.resolution)
    times = []
    for _ in range(STEPS):
        begun = time.perf_counter()
        y = network(x)
        if torch.is_grad_enabled():
            torch.autograd.backward(y.sum())
        times.append(time.perf_counter() - begun)
    return min(times[1:]) / BATCH
