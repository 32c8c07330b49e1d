"""The card that every weights file and every exported file carries: what it is, how to feed it, what it reached."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from mobilenets.arch import codec
from mobilenets.arch import preprocess as preprocessing
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import ArchError

SCHEMA = 1
KEY = "mobilenets"  # the metadata key or file name under which the card travels


@dataclass(frozen=True)
class Card:
    """Task, network, class names in order, preprocessing; then where the numbers came from.

    `weights` says what the training began with (a published name, a file, "none"). `metric` holds `name`, `value`,
    `n` and `split` where it was measured. `command` made the file.
    """

    task: str
    arch: Arch
    labels: tuple[str, ...]
    preprocess: Preprocess
    weights: str = "none"
    metric: dict[str, Any] = field(default_factory=dict, hash=False)
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse a card whose parts disagree."""
        if len(self.labels) != self.arch.head.classes:
            raise ArchError(f"{len(self.labels)} labels for {self.arch.head.classes} classes; they must agree")
        if self.preprocess.crop != self.arch.resolution:
            raise ArchError(
                f"preprocessing cuts {self.preprocess.crop} pixels, the network takes {self.arch.resolution}"
            )


def dumps(card: Card) -> str:
    """The card as JSON text."""
    document = {
        "schema": SCHEMA,
        "task": card.task,
        "labels": list(card.labels),
        "preprocess": preprocessing.encode(card.preprocess),
        "weights": card.weights,
        "metric": card.metric,
        "command": card.command,
        "arch": codec.encode(card.arch),
    }
    return json.dumps(document, ensure_ascii=False)


def loads(text: str | bytes) -> Card:
    """The card in JSON text. Raises ArchError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ArchError(f"the card is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ArchError(f"the card must have schema {SCHEMA}; written by another version?")
    try:
        return Card(
            task=document["task"],
            arch=codec.decode(document["arch"]),
            labels=tuple(document["labels"]),
            preprocess=preprocessing.decode(document["preprocess"]),
            weights=document["weights"],
            metric=document["metric"],
            command=document["command"],
        )
    except (KeyError, TypeError) as error:
        raise ArchError(f"the card lacks {error}") from error


def with_metric(card: Card, name: str, value: float, n: int, split: str) -> Card:
    """The card with a measured metric."""
    return replace(card, metric={"name": name, "value": value, "n": n, "split": split})
