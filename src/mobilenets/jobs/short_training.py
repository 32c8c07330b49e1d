"""How a search tries a network: trained from nothing for a few epochs, judged on the val split, priced."""

import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import codec, cost
from mobilenets.arch.edit import at
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import UsageError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run
from mobilenets.jobs.material import Material
from mobilenets.jobs.resource import Price
from mobilenets.jobs.start import Plan, open_network
from mobilenets.nas.reward import Outcome
from mobilenets.nas.space import Genotype
from mobilenets.nas.trial import Evaluation

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.data.dataset import Dataset
    from mobilenets.nn import Network
    from mobilenets.training.settings import Settings

VAL = 0.2  # of each class, to judge by: between networks that are nearly as good, chance decides with fewer
EPOCHS = 5  # MnasNet's (arXiv 1807.11626, section 5)
STEPS = 4  # timed to tell beforehand what a search will take
BATCH = 32
LEAST = 10  # trainings that a training is compared with


@dataclass(frozen=True)
class ShortTraining:
    """Tries networks on these terms; any process can have it.

    A network is trained on `images` of the train split (0: all), the same for every one, for `epochs`, at
    `side` pixels (0: its own). `price` is asked about the network as it will be used. `settings` replace
    those that are chosen for a short training. Trainings under way are kept below `folder`, so that a killed
    one goes on. With `prune`, a training that is worse, from its second epoch on, than three quarters of
    those before it on this machine at the same epoch ends there, with what it reached (the median rule of
    Golovin et al. 2017, KDD, section 3.2, but milder).
    """

    material: Material
    price: Price
    folder: Path
    epochs: int = EPOCHS
    images: int = 0
    side: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    prune: bool = False

    def __post_init__(self) -> None:
        """Refuse what no training can be. Raises UsageError."""
        if min(self.epochs, self.images, self.side) < 0:
            raise UsageError(
                "epochs, images and side of a trial must be at least 0, got "
                f"{self.epochs}, {self.images} and {self.side}"
            )

    def __call__(self, number: int, genotype: Genotype, arch: str | None, seed: int) -> Evaluation:
        """The network's metric on the val split and its cost. Raises what training raises."""
        from mobilenets import training
        from mobilenets.tasks import get

        assert arch is not None  # every network of a space that is searched by training can be built
        found = codec.loads(arch)
        price = self.price(found)  # first: a device that cannot be reached costs no training
        dataset = self.dataset()
        run = Run(self.folder / f"{number:05d}")
        network, card = self.opened(genotype, found, run, seed)
        settings, metric = self.chosen(dataset, card.task, seed), get(card.task).metric
        bars = self.bars(number) if self.prune else []

        def hopeless(history: Sequence[Mapping[str, Any]]) -> bool:
            """Whether it is behind."""
            return bool(history) and max(row[metric] for row in history) < dict(enumerate(bars, 1)).get(
                len(history), 0.0
            )

        result = training.train(network, dataset, card, settings, run, given_up=hopeless)
        curve = [float(row[metric]) for row in result.history]
        write_json(self.curves / f"{number:05d}.json", curve)
        shutil.rmtree(run.folder, ignore_errors=True)
        counted = cost(found)
        reached = {f"epoch{epoch}": value for epoch, value in enumerate(curve, 1)}
        return Evaluation(
            Outcome(result.metric, (price,)),
            {"params": counted.params, "macs": counted.macs, **reached},
        )

    def opened(self, _: Genotype, arch: Arch, run: Run, seed: int) -> "tuple[Network, Card]":
        """A network as its training begins, and its card."""
        trained = self.shown(arch)
        return open_network(Plan(trained, trained), self.dataset().labels, "none", seed, run, may_lack=False)

    def shown(self, arch: Arch) -> Arch:
        """A network at the resolution of trials."""
        return at(arch, self.side) if self.side else arch

    @property
    def terms(self) -> dict[str, Any]:
        """What makes its trials these and no others."""
        return {"task": self.material.task, "epochs": self.epochs, "images": self.images, "side": self.side,
                "val": self.material.val, "prune": self.prune, "direct": self.price.direct,
                **({"apart": self.material.apart} if self.material.apart else {})}  # fmt: skip

    @property
    def kind(self) -> str:
        """What is done in a trial."""
        return f"a trial of {self.epochs} epochs"

    @property
    def curves(self) -> Path:
        """Where the metrics of all trials are kept, epoch by epoch, for `bars`."""
        return self.folder / "curves"

    def bars(self, number: int) -> list[float]:
        """What a training must have reached after each epoch to go on; trial `number` does not count.

        Nothing is asked of the first and the last epoch, nor where fewer than ten others have come so far.
        """
        paths = [path for path in sorted(self.curves.glob("*.json")) if path.stem != f"{number:05d}"]
        curves = [read_json(path) for path in paths]
        bars = [0.0] * self.epochs
        for epoch in range(1, self.epochs - 1):
            best = sorted(max(curve[: epoch + 1]) for curve in curves if len(curve) > epoch)
            if len(best) >= LEAST:
                bars[epoch] = best[len(best) // 4]
        return bars

    def dataset(self) -> "Dataset":
        """The images that every network is trained and judged on. Raises DataError."""
        whole = self.material.dataset()
        if not self.images or self.images >= len(whole.train):
            return whole
        chance = random.Random(f"{self.material.seed} {self.images}")  # noqa: S311 - a sample, not a secret
        return replace(whole, train=tuple(chance.sample(list(whole.train), self.images)))

    def chosen(self, dataset: "Dataset", task: str, seed: int) -> "Settings":
        """The settings of a short training. Raises UsageError, UnknownName."""
        from mobilenets.training.settings import override, trying

        known = trying(len(dataset.train), len(dataset.labels), task, self.epochs)
        return override(known, **{"seed": seed, **self.settings})

    def seconds(self, arch: Arch) -> float:
        """About how long a training of this network takes here, from a few steps of it."""
        import torch

        from mobilenets.nn import build

        network = build(self.shown(arch)).train()
        x = torch.randn(BATCH, 3, network.arch.resolution, network.arch.resolution)
        times = []
        for _ in range(STEPS):
            begun = time.perf_counter()
            _total(network(x)).backward()
            times.append(time.perf_counter() - begun)
        dataset = self.dataset()
        shown = len(dataset.train) + len(dataset.val) / 3  # judging goes forwards only
        return min(times[1:]) / BATCH * shown * self.epochs


def _total(outputs: Any) -> Any:
    """Something to take the gradient of, of any task's outputs."""
    import torch

    return outputs.sum() if isinstance(outputs, torch.Tensor) else sum(_total(one) for one in outputs)
