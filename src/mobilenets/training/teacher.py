"""A teacher: a trained network that judges the very pixels a student is trained on."""

import hashlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.arch.lower import lower
from mobilenets.arch.spec import SSDLite
from mobilenets.base.errors import UsageError, shown
from mobilenets.nn import Network

Lesson = tuple[Any, dict[int, Tensor]]  # a teacher's outputs for a batch, its last map of every stride


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained network to learn from, which is itself left as it is.

    Its `card` says how it wants to see images and which classes it knows. Without one it is shown what the
    student is shown, at its own resolution where it is one of our networks, and must answer as the student
    does, the same classes in the same order. `origin` tells people where it came from.
    """

    module: nn.Module
    card: Card | None = None
    origin: str = ""

    @property
    def name(self) -> str:
        """What it is."""
        if isinstance(self.module, Network):
            return self.module.arch.name
        return type(self.module).__name__

    @property
    def described(self) -> str:
        """What a card says of it: what it is and where it came from, what it began with, what it reached."""
        card, parts = self.card, [f"{self.name} from {self.origin}" if self.origin else self.name]
        if card:
            parts.append(f"which began with {card.weights}")
            if metric := card.metric:
                parts.append(
                    f"{metric['name']} {metric['value']:.4f} on {metric['n']} {metric['split']} images"
                )
        return ", ".join(parts)

    @cached_property
    def id(self) -> str:
        """Its name and 12 hex digits that no teacher with other weights, classes or preprocessing shares."""
        digest = hashlib.sha256(repr(type(self.module)).encode())
        if self.card:
            digest.update(repr((self.card.labels, self.card.preprocess, self.card.arch)).encode())
        for name, tensor in self.module.state_dict().items():
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
        return f"{self.name} {digest.hexdigest()[:12]}"


def as_teacher(given: Teacher | nn.Module) -> Teacher:
    """A module as a teacher without a card."""
    return given if isinstance(given, Teacher) else Teacher(given)


def identity(paths: Sequence[Path]) -> str:
    """How many images, and 12 hex digits over their names and sizes."""
    facts = "\n".join(f"{path.name}\t{path.stat().st_size}" for path in paths)
    return f"{len(paths)} images {hashlib.sha256(facts.encode(errors='surrogateescape')).hexdigest()[:12]}"


class Teaching:
    """A teacher at work for one student, as a copy in evaluation mode."""

    def __init__(
        self, teacher: Teacher, card: Card, device: torch.device, layout: torch.memory_format
    ) -> None:
        """Get ready to teach the network of `card`. Raises UsageError where the teacher does not suit it."""
        check_suits(teacher, card.task, card.labels)
        self.teacher = teacher
        self.module = deepcopy(teacher.module).to(device).eval().requires_grad_(False)
        self.module.to(memory_format=layout)
        self._side = _resolution(teacher)
        self._renormal = _renormalised(card, teacher, device)
        self._order = _order(teacher, card, device)
        if isinstance(teacher.module, Network):
            _refuse_head(teacher, teacher.module, card)
        else:
            side = card.preprocess.crop
            _refuse_answer(self._tried(torch.zeros(2, 3, side, side, device=device)), teacher, card)

    @property
    def strides(self) -> dict[int, int]:
        """The channels of its last map of every stride; empty where it is no network of ours."""
        return channels(self.module) if isinstance(self.module, Network) else {}

    @torch.no_grad()
    def lesson(self, x: Tensor, maps: bool = False) -> Lesson:
        """Its outputs for the student's input (B, 3, H, W), classes in the student's order; with `maps` also
        its last map of every stride.
        """
        if self._side not in (None, x.shape[-1]):
            size = (self._side, self._side)
            x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        if self._renormal:
            scale, shift = self._renormal
            x = x * scale + shift
        if maps and isinstance(self.module, Network):
            answers, seen = self.module.watched(x)
        else:
            answers, seen = self.module(x), {}
        return self._ordered(answers), seen

    def _tried(self, x: Tensor) -> Any:
        """The outputs of a module that may be anything. Raises UsageError where it takes no such images."""
        try:
            return self.lesson(x)[0]
        except (RuntimeError, ValueError, TypeError) as error:
            reason = shown(" ".join(str(error).split()))
            raise UsageError(
                f"the teacher {self.teacher.name} does not take images of shape {tuple(x.shape)}: {reason}"
            ) from error

    def _ordered(self, answers: Any) -> Any:
        """Outputs with the classes of the student alone, in its order."""
        if self._order is None:
            return answers
        if isinstance(answers, tuple):
            offsets, logits = answers
            return offsets, logits.index_select(-1, self._order)
        return answers.index_select(1, self._order)


def channels(network: Network) -> dict[int, int]:
    """The channels of the last map of every stride."""
    *blocks, _ = lower(network.arch)
    return {stride: layer.ops[-1].cout for stride, layer in zip(network.strides, blocks, strict=True)}


def _resolution(teacher: Teacher) -> int | None:
    """The side in pixels that it was made for, where that is known."""
    if teacher.card:
        return teacher.card.preprocess.crop
    return teacher.module.arch.resolution if isinstance(teacher.module, Network) else None


def _renormalised(card: Card, teacher: Teacher, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Factor and summand (3, 1, 1) that take the student's normalisation to the teacher's; None where they
    are the same.
    """
    own, other = card.preprocess, teacher.card.preprocess if teacher.card else card.preprocess
    if (own.mean, own.std) == (other.mean, other.std):
        return None
    mean, std, mean_there, std_there = (
        torch.tensor(numbers, dtype=torch.float64).view(3, 1, 1)
        for numbers in (own.mean, own.std, other.mean, other.std)
    )
    scale, shift = std / std_there, (mean - mean_there) / std_there
    return scale.float().to(device), shift.float().to(device)


def check_suits(teacher: Teacher, task: str, labels: Sequence[str]) -> None:
    """Raise UsageError for a teacher of another task, or without one of the classes; it may have more."""
    own = teacher.module.arch.head.task if isinstance(teacher.module, Network) else task
    if own != task:
        raise UsageError(f"the teacher {teacher.name} was made to {own}, the student is to {task}")
    if teacher.card and task != "embed":  # vectors name no classes
        _places(teacher, teacher.card, labels)


def _places(teacher: Teacher, card: Card, labels: Sequence[str]) -> list[int]:
    """Where the teacher, whose card it is, has each class. Raises UsageError for one that it has not once."""
    if tuple(labels) == card.labels:
        return list(range(len(labels)))
    for label in labels:
        if (count := card.labels.count(label)) != 1:
            fault = f"the class {shown(label)} {count} times" if count else f"no class {shown(label)}"
            raise UsageError(f"the teacher {teacher.name} has {fault}; give one trained on these classes")
    return [card.labels.index(label) for label in labels]


def _order(teacher: Teacher, card: Card, device: torch.device) -> Tensor | None:
    """Where the teacher has each output of the student, by the classes' names; None where they agree."""
    if teacher.card is None or teacher.card.labels == card.labels:
        return None
    places, head = _places(teacher, teacher.card, card.labels), teacher.card.arch.head
    if isinstance(head, SSDLite) and head.scoring == "softmax":
        places = [0, *(place + 1 for place in places)]  # background stays in front
    return torch.tensor(places, device=device)


def _refuse_head(teacher: Teacher, network: Network, card: Card) -> None:
    """Raise UsageError unless the heads of teacher and student answer the same question."""
    own, other = card.arch.head, network.arch.head
    if teacher.card is None and own.classes != other.classes:
        raise UsageError(
            f"the teacher {teacher.name} has {other.classes} classes, the student {own.classes}; "
            "give its run or file, whose card names them"
        )
    if isinstance(own, SSDLite) and isinstance(other, SSDLite):
        if own.scoring != other.scoring:
            raise UsageError(
                f"the teacher {teacher.name} scores by {other.scoring}, the student by {own.scoring}"
            )
        if anchors(card.arch) != anchors(network.arch):
            raise UsageError(
                f"the boxes of the teacher {teacher.name} begin at other places than the student's; "
                "train both on the same images at the same resolution"
            )


def _refuse_answer(answers: Any, teacher: Teacher, card: Card) -> None:
    """Raise UsageError unless the answers to two images have the shape that the student's have."""
    head, one = card.arch.head, answers[-1] if isinstance(answers, tuple) else answers
    found = tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__
    sound = isinstance(one, Tensor) and isinstance(answers, tuple) == isinstance(head, SSDLite)
    if sound:
        match head.task:
            case "classify":
                sound = found == (2, head.classes)
            case "segment":
                sound = len(found) == 4 and found[1] == head.classes
            case "detect":
                classes = head.classes + (head.scoring == "softmax")  # type: ignore[union-attr]
                sound = found == (2, len(anchors(card.arch)), classes)
            case _:
                sound = len(found) == 2
    if not sound:
        raise UsageError(
            f"the teacher {teacher.name} answers two images with {found}, which no student gives that is to "
            f"{head.task} {head.classes or 'any'} classes; give a module that answers as it does"
        )
