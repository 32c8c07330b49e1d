"""How every training begins: the data written into the run, a network with its weights and card."""

import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import card as cards
from mobilenets.arch import codec
from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch
from mobilenets.arch.zoo import find
from mobilenets.base.console import say
from mobilenets.base.errors import ArchError, ConfigMismatch, DataError, UsageError, WeightsError
from mobilenets.base.files import write_json, write_text
from mobilenets.base.masking import masked
from mobilenets.base.run import Run, read, read_config
from mobilenets.data.dataset import SPLITS

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset
    from mobilenets.data.findings import Finding
    from mobilenets.nn import Network
    from mobilenets.training.settings import Settings
    from mobilenets.weights import Origin

# Of the shorter side, what the network is shown. Random crops make things look larger in training than they
# are; showing less than all restores that (Touvron et al. 2019, "Fixing the train-test resolution").
SHOWN = 0.93


def check_settings(settings: dict[str, Any] | None, task: str, seed: int) -> None:
    """Raise UsageError or UnknownName unless a training for the task can use what the user sets and the seed,
    MissingPackage where the task needs a package that is not there.
    """
    from mobilenets.training.settings import Settings, check_task_settings, override

    chosen = override(Settings(), **{"seed": seed, **(settings or {})})
    check_task_settings(chosen, task, settings or {})
    if task == "embed":
        from mobilenets.tasks.embed import criterion

        criterion(chosen.embed_loss, classes=2, size=2)


@dataclass(frozen=True)
class Plan:
    """The network to train, and the classifier of the zoo whose backbone it has."""

    arch: Arch
    backbone: Arch


def check_weights(plan: Plan, weights: str, out: Path) -> None:
    """Raise WeightsError unless the weights fit; a run that already began needs them no more."""
    if not Run(out).card.exists():
        _weighted(plan, weights)


def read_data(data: str | Path, val: float | None, seed: int, task: str = "classify") -> "Data":
    """The dataset at a path, or the embedded one by its name, with the annotations that a task needs. Says
    which files were left out, and what else is amiss. Raises DataError, also for splits that nothing can be
    judged by.
    """
    from mobilenets.data.findings import tell
    from mobilenets.data.load import find_source, load_dataset

    source = find_source(data)
    dataset, findings = load_dataset(source, val, seed, task)
    tell(findings)
    _check_held(dataset, task)
    return Data(source, dataset, findings, val, seed)


def _check_held(dataset: "Dataset", task: str) -> None:
    """Raise DataError where nothing can be judged by the val split, or by the one that is held out."""
    if task == "embed":
        from mobilenets.tasks.embed import check_held

        check_held(dataset.val)
    if task not in ("detect", "segment"):
        return
    for split in dict.fromkeys(("val", dataset.held_out)):
        if not any(_judges(sample) for sample in dataset.split(split)):
            raise DataError(
                f"no image of the {split} split of {dataset.root} shows any of the classes, so that nothing "
                "can be judged by it; put such images there, or leave the split out (boxes marked crowd or "
                "difficult judge nothing)"
            )


def _judges(sample: Any) -> bool:
    """Whether there is something on an image with boxes or a mask that a network can miss."""
    boxes = getattr(sample, "boxes", None)
    return bool(sample.classes) if boxes is None else any(not box.spared for box in boxes)


@dataclass(frozen=True)
class Data:
    """A dataset as it was found, and how its val split was cut where it has none."""

    source: Path
    dataset: "Dataset"
    findings: "list[Finding]"
    val: float | None = None
    seed: int = 0

    def write(self, run: Run) -> None:
        """dataset.json. Raises ConfigMismatch where the run began with other images: what it did was with
        those.
        """
        before = read(run.dataset, {}).get("fingerprint")
        if before not in (None, self.dataset.fingerprint()):
            raise ConfigMismatch(
                f"the images of {self.source} are not those that {run.folder} began with; use another --out"
            )
        from mobilenets.data.findings import errors

        document = {
            "source": str(self.source),
            "val": self.val,
            "seed": self.seed,
            "root": str(self.dataset.root.resolve()),
            "fingerprint": self.dataset.fingerprint(),
            "labels": list(self.dataset.labels),
            "counts": {name: self.dataset.counts(name) for name in SPLITS},
            "images": {name: len(self.dataset.split(name)) for name in SPLITS},
            "made": list(self.dataset.made),
            "left_out": [asdict(finding) for finding in errors(self.findings)],
            "warnings": [asdict(finding) for finding in self.findings if finding.level == "warning"],
        }
        write_json(run.dataset, document)


def split_of(run: Run) -> tuple[float | None, int]:
    """The `val` and `seed` by which the val split of a run was cut from its images. Raises RunError."""
    kept = {**read_config(run), **read(run.dataset, {})}
    return kept.get("val"), kept.get("seed", 0)


def headed(backbone: Arch, task: str, dataset: "Dataset", options: dict[str, Any] | None = None) -> Plan:
    """A classifier of the zoo with the head of a task for the classes of a dataset; a detector's boxes suit
    those to learn.

    `options` are those of `arch.heads.with_head`; what is None is left to it.
    Raises ArchError where the network cannot carry it, UnknownName and UsageError for other options.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    if task == "detect":
        from mobilenets.tasks.detect.task import scales

        given["scales"] = scales(dataset.train)
    return Plan(with_head(backbone, task, len(dataset.labels), **given), backbone)


def check_head(task: str, options: dict[str, Any]) -> None:
    """Raise UnknownName or UsageError unless a task has such a head; before any data are read."""
    given = {key: value for key, value in options.items() if value is not None}
    try:
        with_head(find("mobilenet_v2"), task, 2, **given)
    except ArchError as error:
        raise UsageError(str(error)) from error


def open_network(plan: Plan, labels: tuple[str, ...], weights: str, seed: int, run: Run, *, may_lack: bool,
                 teacher: str = "") -> tuple["Network", Card]:  # fmt: skip
    """A network to train and its card, written into the run as arch.json and card.json.

    `weights` is "imagenet", "none", a published name or a file. With `may_lack`, published weights that
    cannot be had are said so and training starts from scratch. `teacher` is what the card says of one. A
    second call finds the first one's choice. Raises WeightsError.
    """
    import torch

    from mobilenets.nn import build

    torch.manual_seed(seed)
    arch = plan.arch
    if run.card.exists():
        card = cards.loads(run.card.read_bytes())
        begun = card.weights == "none" or run.last.exists()
        return build(arch) if begun else _weighted(plan, weights)[0], card
    network, origin = _weighted(plan, weights, may_lack=may_lack)
    card = replace(fresh_card(arch, labels, origin.preprocess if origin else None),
                   weights=origin.description if origin else "none", teacher=teacher)  # fmt: skip
    write_text(run.arch, codec.dumps(arch, indent=2) + "\n")
    write_text(run.card, cards.dumps(card) + "\n")
    return network, card


def fresh_card(arch: Arch, labels: tuple[str, ...], published: Preprocess | None = None) -> Card:
    """The card of a network that knows nothing yet, or was trained on images as `published` has them."""
    task = arch.head.task
    named = labels if arch.head.classes else ()  # vectors name no classes
    return Card(task, arch, named, _record(arch, task, published), weights="none", command=command())


def settings_for(card: Card, dataset: "Dataset", seed: int, given: dict[str, Any] | None) -> "Settings":
    """Training settings that suit the data and the weights, with the user's over them. Raises UsageError."""
    from mobilenets.training import settings

    choose = settings.from_scratch if card.weights == "none" else settings.finetuning
    chosen = choose(len(dataset.train), len(dataset.labels), card.task)
    return settings.override(chosen, **{"seed": seed, **(given or {})})


def command() -> str:
    """The command that is running, as it can be typed again, but for passwords: files tell it to everyone."""
    name, words = Path(sys.argv[0]).name, [masked(word) for word in sys.argv[1:]]
    return shlex.join(["mobilenets" if name in {"mobilenets", "__main__.py"} else name, *words])


def _weighted(plan: Plan, weights: str, *, may_lack: bool = False) -> tuple["Network", "Origin | None"]:
    """The network with its weights, and their origin, None for "none".

    With `may_lack`, published weights that cannot be had are said so, and it begins with nothing. Raises
    WeightsError.
    """
    from mobilenets.nn import build
    from mobilenets.weights import load_weights, with_backbone

    network = build(plan.arch)
    if weights == "none":
        return network, None
    try:
        if plan.arch.head.task == "classify":
            return network, load_weights(network, weights)
        return with_backbone(plan.arch, plan.backbone, weights)
    except WeightsError as error:
        if not may_lack or weights != "imagenet":
            raise
        say(f"{error}; training from scratch instead")
        return network, None


def _record(arch: Arch, task: str, published: Preprocess | None) -> Preprocess:
    """Nearly the whole image at the network's resolution, all of it for boxes and masks, in the colours that
    the weights were trained on.
    """
    side, known = arch.resolution, published or Preprocess(arch.resolution, arch.resolution)
    if task in ("detect", "segment"):
        return replace(known, crop=side, resize=side, fit="stretch")
    return replace(known, crop=side, resize=round(side / SHOWN), fit="crop")
