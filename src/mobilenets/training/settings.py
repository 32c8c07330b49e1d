"""How to train, as one frozen record: defaults for fine-tuning and for training from scratch."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from mobilenets.base.errors import UnknownName, UsageError, shown
from mobilenets.data.augment import AUGMENTATIONS
from mobilenets.tasks.embed import LOSSES

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["float32", "bfloat16"]
ClassWeights = Literal["none", "balanced"]

CHOICES = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
    "class_weights": get_args(ClassWeights),
    "augment": AUGMENTATIONS,
    "embed_loss": LOSSES,
}
WARMUP = 0.2  # of a training may be warm-up, at most, where it is made short
# What a number may be, each as lowest, highest; the second list is for whole numbers.
REALS = {
    "lr": (1e-12, 1e6),
    "head_lr_factor": (0, 1e6),
    "weight_decay": (0, 1e3),
    "warmup_epochs": (0, 1e6),
    "label_smoothing": (0, 0.999),
    "ema_decay": (0, 0.999999),
    "mixup": (0, 100),
    "erasing": (0, 1),
    "clip_norm": (0, math.inf),
    "sam_rho": (0, 100),
    "distil_weight": (0, 1),
    "distil_temperature": (0.1, 100),
    "distil_unlabelled": (0.01, 100),
    "checkpoint_seconds": (0, math.inf),
}
WHOLES = {
    "epochs": (1, 100_000),
    "batch_size": (2, 100_000),  # batch norm needs two images
    "patience": (0, 100_000),
    "freeze_stride": (0, 64),
    "workers": (0, 1024),
    "seed": (0, 2**63 - 1),
}
SWITCHES = ("decay_depthwise", "channels_last")
SCENES = ("detect", "segment")  # tasks that see whole images with several things on them
SHARP_SHARE = 0.75  # of the epochs are enough for sharpness-aware steps
FEW = 20_000  # images: below, variety comes from seeing them often, and much of it only slows the learning


@dataclass(frozen=True)
class Settings:
    """Everything the loop can be told. Rates are per step, times are in epochs.

    `head_lr_factor` multiplies the rate of the head; `weight_decay` never touches norms and biases, and
    depthwise filters only with `decay_depthwise`. `ema_decay` 0 switches averaging off, `patience` 0 early
    stop, `clip_norm` 0 clipping. With `sam_rho` the gradients of a step are those at weights moved so far up
    the gradient of half the batch (`training.sharpness`), which takes up to half as long again. `mixup` is
    the alpha of its Beta distribution, `erasing` a probability. `flip` None mirrors images unless the class
    names speak against it. `norm_momentum` (torch's convention) replaces the network's own. Blocks whose maps
    have at most the stride `freeze_stride` stay as they came: what they see (edges, textures) serves all
    photographs, and their large maps take much of the time. `resolution_schedule` holds (share of the epochs,
    side in pixels): up to that share, images of that side; afterwards the network's own. `embed_loss` is what
    embeddings are trained by, one of those that `tasks.embed.criterion` knows.
    The four `distil_` ones are for a training with a teacher (`training.distil`): `distil_weight` is the
    share of the loss that its answers have, softened by `distil_temperature`, the labels having the rest;
    `distil_features` is the weight of its maps, which is added (None: 1 where both have some of one stride);
    `distil_unlabelled` is how many images without labels stand beside each one with, where there are such.
    """

    epochs: int = 20
    batch_size: int = 64
    optimizer: Optimizer = "adamw"
    lr: float = 1e-3
    head_lr_factor: float = 1.0
    weight_decay: float = 0.02
    decay_depthwise: bool = False
    schedule: Schedule = "cosine"
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.1
    ema_decay: float = 0.998
    mixup: float = 0.0
    erasing: float = 0.0
    augment: str = "standard"
    flip: bool | None = None
    class_weights: ClassWeights = "none"
    embed_loss: str = "softmax"
    distil_weight: float = 0.9
    distil_temperature: float = 4.0
    distil_features: float | None = None
    distil_unlabelled: float = 1.0
    patience: int = 0
    clip_norm: float = 0.0
    sam_rho: float = 0.0
    precision: Precision = "float32"
    channels_last: bool = True
    workers: int = 0
    norm_momentum: float | None = None
    freeze_stride: int = 0
    resolution_schedule: tuple[tuple[float, int], ...] = ()
    checkpoint_seconds: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can use. Raises UsageError with field, value and what is wanted."""
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise UnknownName(name, str(getattr(self, name)), known)
        for name, limits in REALS.items():
            object.__setattr__(self, name, float(_number(name, getattr(self, name), limits)))
        for name, limits in WHOLES.items():
            object.__setattr__(self, name, _whole(name, getattr(self, name), limits))
        for name in SWITCHES:
            _wanted(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
        _wanted(self.flip in (None, True, False), "flip", self.flip, "true, false or null")
        if self.distil_features is not None:
            weight = _number("distil_features", self.distil_features, (0, 1e6))
            object.__setattr__(self, "distil_features", weight)
        if self.norm_momentum is not None:
            momentum = _number("norm_momentum", self.norm_momentum, (1e-6, 1))
            object.__setattr__(self, "norm_momentum", float(momentum))
        object.__setattr__(self, "resolution_schedule", _stages(self.resolution_schedule))


def finetuning(n_train: int, classes: int, task: str = "classify") -> Settings:
    """Settings for a network that brings weights, to be fitted to `n_train` images of `classes` classes.

    Few images are seen more often, in smaller batches, and leave the first blocks as they came. Classes of
    few images are learned by sharpness-aware steps, which take longer, so in fewer of them, and from images
    that are varied less.
    """
    known = _plainly(n_train, classes, task)
    if n_train >= FEW or task != "classify":  # nobody has measured it there
        return known
    return replace(
        known,
        epochs=round(known.epochs * SHARP_SHARE),
        batch_size=min(32, known.batch_size),
        lr=6e-4,
        ema_decay=0.999,
        augment="slight",
        sam_rho=0.1,
    )


def _plainly(n_train: int, classes: int, task: str) -> Settings:
    """Fine-tuning by plain steps."""
    if task in SCENES:
        return _of_scenes(n_train, task)
    few = n_train < FEW
    return Settings(
        epochs=min(60, max(10, round(85_000 / max(n_train, 1)))),
        batch_size=_batch(n_train, 64),
        lr=6e-4,
        head_lr_factor=4.0,  # it alone begins with nothing
        weight_decay=0.05,
        warmup_epochs=1.0,
        ema_decay=0.998 if few else 0.999,
        augment="light" if few else "standard",
        norm_momentum=0.1,
        label_smoothing=0.1 if classes > 2 else 0.05,
        freeze_stride=4 if few else 0,
    )


def from_scratch(n_train: int, classes: int, task: str = "classify") -> Settings:
    """Settings for a network that knows nothing yet: more epochs, faster averaging of the batch norms."""
    if task in SCENES:
        known = _of_scenes(n_train, task)
        return replace(known, epochs=3 * known.epochs, warmup_epochs=3.0, head_lr_factor=1.0, freeze_stride=0)
    few = n_train < FEW
    return Settings(
        epochs=min(200, max(30, round(200_000 / max(n_train, 1)))),
        batch_size=_batch(n_train, 32 if few else 64),
        lr=1.5e-3 if few else 4e-3,
        weight_decay=0.05,
        warmup_epochs=3.0,
        ema_decay=0.995 if few else 0.999,
        augment="light" if few else "standard",
        norm_momentum=0.1,
        label_smoothing=0.1 if classes > 2 else 0.05,
    )


def _of_scenes(n_train: int, task: str) -> Settings:
    """Fine-tuning to boxes or masks: larger images, so fewer of them in a batch and in all.

    Classes of few pixels count more, or the large ones would drown them.
    """
    few, seen = n_train < FEW, 6_000 if task == "detect" else 10_000
    return Settings(
        epochs=min(150, max(12, round(seen / max(n_train, 1)))),
        batch_size=8 if few else 16,
        lr=1e-3,
        head_lr_factor=3.0,  # it begins with nothing
        weight_decay=0.05,
        ema_decay=0.995 if few else 0.999,
        augment="light" if task == "detect" else "standard",
        class_weights="balanced" if task == "segment" else "none",
        norm_momentum=0.1,
        label_smoothing=0.0,
        distil_features=0.0,  # nobody has measured yet whether maps help here
        freeze_stride=2 if few else 0,
    )


def retuning(images: int, n_train: int, task: str = "classify") -> Settings:
    """Settings for a moment's fine-tuning, on about `images` of them, of a trained network that was narrowed.

    The rate stays where it is, since another moment may follow, and no block is frozen. Embeddings are
    compared with each other: vectors of classes would have to be learned first.
    """
    known = _plainly(n_train, 3, task)
    return replace(
        known,
        epochs=max(1, round(images / max(n_train, 1))),
        batch_size=min(32, known.batch_size),
        lr=known.lr / 4,
        schedule="constant",
        warmup_epochs=0.0,
        head_lr_factor=1.0,
        freeze_stride=0,
        embed_loss="supcon" if task == "embed" else known.embed_loss,
        checkpoint_seconds=math.inf,  # it is done again as quickly as it would be taken up
    )


def trying(n_train: int, classes: int, task: str, epochs: int) -> Settings:
    """Settings for a search's short training from nothing, which only has to tell networks apart."""
    known = from_scratch(n_train, classes, task)
    return replace(
        known,
        epochs=epochs,
        warmup_epochs=min(known.warmup_epochs, WARMUP * epochs),
        ema_decay=min(known.ema_decay, 0.99),  # an average over longer would still hold the beginning
        checkpoint_seconds=60.0,
    )


def readapting(n_train: int, classes: int, task: str = "classify") -> Settings:
    """Settings for the long fine-tuning of a network that was narrowed.

    All its weights are trained already, but for the class vectors by which embeddings are trained, so half
    the epochs are enough. No block is frozen, since all were cut.
    """
    known = _plainly(n_train, classes, task)
    factor = known.head_lr_factor if task == "embed" else 1.0
    return replace(known, epochs=max(1, known.epochs // 2), head_lr_factor=factor, freeze_stride=0)


def override(settings: Settings, **given: Any) -> Settings:
    """The settings with some fields replaced; a training that is made shorter warms up for a fifth at most.

    Raises UnknownName with the nearest names, UsageError.
    """
    known = [field.name for field in fields(Settings)]
    for name in given:
        if name not in known:
            raise UnknownName("setting", name, known)
    found = replace(settings, **given)
    if "epochs" in given and "warmup_epochs" not in given:
        found = replace(found, warmup_epochs=min(found.warmup_epochs, WARMUP * found.epochs))
    return found


def check_task_settings(settings: Settings, task: str, given: Collection[str] = ()) -> None:
    """Raise UsageError for a setting that the task has no use for; of `given` ones also where it is usual."""
    if "label_smoothing" in given and settings.label_smoothing and task == "detect":
        raise UsageError("to detect, labels are not smoothed; leave label_smoothing out")
    if "embed_loss" in given and task != "embed":
        raise UsageError(f"embed_loss is for embeddings; to {task} leave it out")
    if settings.mixup and task != "classify":
        raise UsageError(f"mixup blends classes of whole images, which {task} has none of; set it to 0")
    if settings.resolution_schedule and task == "detect":
        raise UsageError("the boxes of a detector belong to one input side; leave resolution_schedule out")
    if settings.class_weights != "none" and task in ("detect", "embed"):
        raise UsageError(f"class_weights are for classify and segment; to {task} leave them out")


def _batch(n_train: int, most: int) -> int:
    """The largest power of two, from 8 to `most`, that leaves about twenty steps to an epoch."""
    return max(8, min(most, 1 << max(0, (n_train // 20).bit_length() - 1)))


def _number(name: str, value: Any, limits: tuple[float, float]) -> float:
    """A finite number within limits (infinity only where it is the limit). Raises UsageError."""
    low, high = limits
    sound = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    _wanted(sound, name, value, f"a number from {low:g} to {high:g}")
    return float(value)


def _whole(name: str, value: Any, limits: tuple[int, int]) -> int:
    """A whole number within limits. Raises UsageError."""
    low, high = limits
    sound = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    _wanted(sound and value == int(value), name, value, f"a whole number from {low} to {high}")
    return int(value)


def _stages(value: Any) -> tuple[tuple[float, int], ...]:
    """Pairs of share and side, shares rising. Raises UsageError."""
    name, wish = "resolution_schedule", "pairs of a rising share of the epochs and a side, as [[0.5, 64]]"
    try:
        pairs = [(share, side) for share, side in value]
    except (TypeError, ValueError):
        pairs = [(None, None)]
    shares = [share for share, _ in pairs]
    sound = all(_is(share, lambda x: 0 < x <= 1) and _is(side, lambda x: 8 <= x <= 4096 and x == int(x))
                for share, side in pairs)  # fmt: skip
    _wanted(sound and shares == sorted(set(shares)), name, value, wish)
    return tuple((float(share), int(side)) for share, side in pairs)


def _is(value: Any, sound: Callable[[float], bool]) -> bool:
    """Whether a value is a number that passes `sound`."""
    return isinstance(value, int | float) and not isinstance(value, bool) and sound(value)


def _wanted(sound: bool, name: str, value: Any, wish: str) -> None:
    """Raise UsageError unless `sound`."""
    if not sound:
        raise UsageError(f"{name} must be {wish}; got {shown(value)}")
