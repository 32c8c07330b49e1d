"""The card that every weights or exported file carries: what it is, how to feed it, what it reached."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from mobilenets.arch import codec
from mobilenets.arch import preprocess as preprocessing
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.reading import expect, expect_each, expect_keys, expect_schema, parse
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import ArchError, shown

SCHEMA = 1
REQUIRED = ("schema", "task", "labels", "preprocess", "weights", "metric", "command", "arch")
KEYS = (*REQUIRED, "outputs", "teacher")
KEY = "mobilenets"  # the metadata key or file name under which the card travels
FORMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"detect": ("plain", "nms", "mediapipe"), "segment": ("scores", "argmax")}
)  # what a file of a task may give (docs/files.md), the one closest to the network first


@dataclass(frozen=True)
class Card:
    """Task, network, class names in order, preprocessing; then where the numbers came from.

    `weights` says what the training began with (a published name, a file, "none"). `metric` holds `name`,
    `value`, `n` and `split` where it was measured. `command` made the file. `outputs` names which of the
    task's FORMS an exported file gives; empty where there is but one, and for networks in torch. `teacher`
    says from what other network it learned besides the labels; empty where from none.
    """

    task: str
    arch: Arch
    labels: tuple[str, ...]
    preprocess: Preprocess
    weights: str = "none"
    metric: dict[str, Any] = field(default_factory=dict, hash=False)
    command: str = ""
    outputs: str = ""
    teacher: str = ""

    def __post_init__(self) -> None:
        """Refuse a card whose parts disagree, or whose labels no file could hold.

        Two classes may share a name: ImageNet's do ("crane").
        """
        if len(self.labels) != self.arch.head.classes:
            raise ArchError(
                f"{len(self.labels)} labels for {self.arch.head.classes} classes; they must agree"
            )
        if self.task != self.arch.head.task:
            raise ArchError(f"task is {shown(self.task)}, the network's head is for {self.arch.head.task}")
        if self.metric and not _is_metric(self.metric):
            raise ArchError(f"metric must have a name, a value, n and split, got {shown(self.metric)}")
        if self.preprocess.crop != self.arch.resolution:
            raise ArchError(
                f"preprocessing cuts {self.preprocess.crop} pixels, the network takes {self.arch.resolution}"
            )
        if self.outputs and self.outputs not in self.forms:
            wanted = " or ".join((*self.forms, "empty"))
            raise ArchError(f"outputs must be {wanted} for {shown(self.task)}, got {shown(self.outputs)}")
        for label in self.labels:
            if not label.isascii() and label != label.encode(errors="replace").decode():
                raise ArchError(f"the class name {shown(label)} is not valid UTF-8; rename the class")

    @property
    def forms(self) -> tuple[str, ...]:
        """What files of this task may give; empty where there is but one form."""
        return FORMS.get(self.task, ())

    @property
    def form(self) -> str:
        """Which of `forms` the file gives; a network in torch gives the first."""
        return self.outputs or (self.forms[0] if self.forms else "")


def numbered(classes: int) -> tuple[str, ...]:
    """Names for classes that nobody named."""
    return tuple(f"class {index}" for index in range(classes))


def _is_metric(metric: Mapping[str, Any]) -> bool:
    """Whether this says what was measured, and on what."""
    kinds: dict[str, Any] = {"name": str, "value": (int, float), "n": int, "split": str}
    return all(isinstance(metric.get(key), kind) for key, kind in kinds.items())


def dumps(card: Card) -> str:
    """The card as JSON text. Raises ArchError for a metric that JSON cannot hold."""
    document = {
        "schema": SCHEMA,
        "task": card.task,
        "labels": list(card.labels),
        "preprocess": preprocessing.encode(card.preprocess),
        "weights": card.weights,
        "metric": card.metric,
        "command": card.command,
        "outputs": card.outputs,
        "arch": codec.encode(card.arch),
        **({"teacher": card.teacher} if card.teacher else {}),
    }
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArchError(
            f"the card cannot be written as JSON: {error}; its metric is {shown(card.metric)}"
        ) from error


def loads(text: str | bytes) -> Card:
    """The card in JSON text. Raises ArchError naming the path of whatever is wrong."""
    document = parse(text, "the card")
    expect_schema(document, "card", SCHEMA)
    expect_keys(document, "card", KEYS, required=REQUIRED)
    for key in ("outputs", "teacher"):
        document.setdefault(key, "")  # not every card has it
    for key in ("task", "weights", "command", "outputs", "teacher"):
        expect(document[key], f"card.{key}", str)
    expect_each(document["labels"], "card.labels", str)
    expect(document["metric"], "card.metric", dict)
    return Card(
        task=document["task"],
        arch=codec.decode(document["arch"]),
        labels=tuple(document["labels"]),
        preprocess=preprocessing.decode(document["preprocess"]),
        weights=document["weights"],
        metric=document["metric"],
        command=document["command"],
        outputs=document["outputs"],
        teacher=document["teacher"],
    )


def with_metric(card: Card, name: str, value: float, n: int, split: str) -> Card:
    """The card with a measured metric."""
    return replace(card, metric={"name": name, "value": value, "n": n, "split": split})
