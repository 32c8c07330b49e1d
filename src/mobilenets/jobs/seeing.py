"""What a model makes of images, for `predict`: one reader per task, the same for files and for video."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.jobs.score import card_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from mobilenets.arch.card import Card
    from mobilenets.runtimes import Session

Size = tuple[int, int]
SCORE = 0.3  # from which boxes are told
BOX = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class Wish:
    """What `predict` was asked for, as its options have it; None leaves a choice to the task."""

    top: int = 1
    score: float | None = None
    nms: str | None = None
    window: int | None = None


@dataclass(frozen=True)
class Seen:
    """What was made of one image.

    `fields` are those of the document, `rows` those of a table, `drawn` makes the picture of an RGB image
    (the second argument: for a video, whose frames keep one size). `noted` has a figure for each class that
    is there; `mask` the classes of the pixels, uint8 (H, W).
    """

    fields: dict[str, Any]
    rows: list[dict[str, Any]]
    drawn: Callable[["Image", bool], "Image"]
    noted: dict[int, float] = field(default_factory=dict)
    mask: np.ndarray | None = None


class Reader(Protocol):
    """A task's way from images to what is told of them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its table."""

    def see(self, images: Sequence["Image"]) -> list[Seen]:
        """What the model makes of RGB images, run as one batch."""


def reader_for(session: "Session", name: str, wish: Wish) -> Reader:
    """The reader for an opened model. Raises RunError without a card, UsageError for what it cannot do."""
    card = card_of(session, name)
    if wish.top < 1:
        raise UsageError(f"top must be at least 1, got {wish.top}")
    if card.task == "embed":
        raise UsageError(
            f"{name} gives embeddings and names nothing; use mobilenets embed, or mobilenets similar"
        )
    if wish.window is not None and wish.window < 1:
        raise UsageError(f"window must be at least 1 pixel, got {wish.window}")
    _refuse_foreign(card, name, wish)
    match card.task:
        case "detect":
            return _detecting(session, card, wish)
        case "segment":
            return Segmenting(session, card, wish.window)
        case _:
            return Classifying(session, card, wish.top)


def _refuse_foreign(card: "Card", name: str, wish: Wish) -> None:
    """Raise UsageError for an option of another task."""
    given = {
        "top": ("classify", wish.top != 1),
        "score": ("detect", wish.score is not None),
        "nms": ("detect", wish.nms is not None),
        "window": ("segment", wish.window is not None),
    }
    for option, (task, there) in given.items():
        if there and task != card.task:
            raise UsageError(
                f"--{option} is for models to {task}; {name} is one to {card.task}, leave it out"
            )


def batch_of(card: "Card", images: Sequence["Image"]) -> np.ndarray:
    """Images as the network takes them: raw pixels uint8 (B, S, S, 3)."""
    from mobilenets.data.preprocess import pixels

    return np.stack([pixels(card.preprocess, image).permute(1, 2, 0).numpy() for image in images])


@dataclass(frozen=True)
class Classifying:
    """The most probable classes."""

    session: "Session"
    card: "Card"
    top: int
    columns: tuple[str, ...] = ("index", "label", "score")

    def see(self, images: Sequence["Image"]) -> list[Seen]:
        """The best class of each image, and with `top` above 1 the others after it."""
        from mobilenets.tasks.classify import decode

        found = decode(self.session.run(batch_of(self.card, images)), self.card.labels, self.top)
        return [self._seen(best) for best in found]

    def _seen(self, best: list[dict[str, Any]]) -> Seen:
        """One image from its classes, the best first."""
        from mobilenets.reports.drawing import draw_prediction

        first = best[0]
        return Seen(
            fields={**first, **({"top": best} if self.top > 1 else {})},
            rows=best,
            drawn=lambda image, _: draw_prediction(image, first["label"], first["score"]),
            noted={first["index"]: first["score"]},
        )


@dataclass(frozen=True)
class Detecting:
    """Boxes with at least `score`, under `rules`; None where the file has its own."""

    session: "Session"
    card: "Card"
    score: float
    rules: Any
    columns: tuple[str, ...] = ("index", "label", "score", *BOX)

    def see(self, images: Sequence["Image"]) -> list[Seen]:
        """The boxes of each image in its own pixels."""
        from mobilenets.tasks.detect.scored import found, listed

        outputs = self.session.outputs(batch_of(self.card, images))
        items = found(outputs, self.card, [image.size for image in images], self.rules)
        return [self._seen(listed(item, self.card.labels, self.score)) for item in items]

    def _seen(self, boxes: list[dict[str, Any]]) -> Seen:
        """One image from its boxes, the best first."""
        from mobilenets.reports.boxes import Drawn, draw_boxes

        drawn = [Drawn(tuple(one["box"]), one["index"], one["label"], one["score"]) for one in boxes]
        return Seen(
            fields={"boxes": boxes},
            rows=[{**one, **dict(zip(BOX, one["box"], strict=True))} for one in boxes],
            drawn=lambda image, _: draw_boxes(image, drawn),
            noted={one["index"]: one["score"] for one in reversed(boxes)},
        )


def _detecting(session: "Session", card: "Card", wish: Wish) -> Detecting:
    """A reader of boxes. Raises UnknownName for rules, UsageError for a score that is no share."""
    from mobilenets.tasks.detect import RULES

    score = SCORE if wish.score is None else wish.score
    if not 0 <= score <= 1:
        raise UsageError(f"score must be from 0 to 1, got {score}")
    if wish.nms is not None and wish.nms not in RULES:
        raise UnknownName("nms", wish.nms, RULES)
    if card.outputs == "nms":
        if wish.nms is not None:
            raise UsageError(
                "the file has its own NMS inside; leave --nms out, or export it with --form plain"
            )
        return Detecting(session, card, score, None)
    rules = RULES[wish.nms or "file"]
    # what is told has at least the score, rules ask for more than theirs; what is below never beats it
    return Detecting(session, card, score, replace(rules, score=max(rules.score, 0.999 * score)))


@dataclass(frozen=True)
class Segmenting:
    """The class of every pixel; through windows of so many pixels, where that is given."""

    session: "Session"
    card: "Card"
    window: int | None
    columns: tuple[str, ...] = ("index", "label", "share")

    def see(self, images: Sequence["Image"]) -> list[Seen]:
        """The mask of each image and the shares of the classes in it."""
        from mobilenets.tasks.segment_scored import by_windows, mask_of

        if self.window is not None:
            return [
                self._seen(by_windows(self.session.run, self.card, image, self.window)) for image in images
            ]
        outputs = self.session.run(batch_of(self.card, images))
        return [
            self._seen(mask_of(output, self.card, image.size))
            for output, image in zip(outputs, images, strict=True)
        ]

    def _seen(self, mask: np.ndarray) -> Seen:
        """One image from its mask; the largest class comes first."""
        from mobilenets.reports.masks import draw_mask, shares

        amounts = shares(mask, len(self.card.labels))
        present = sorted((i for i, share in enumerate(amounts) if share), key=lambda i: -amounts[i])
        rows = [{"index": i, "label": self.card.labels[i], "share": round(amounts[i], 6)} for i in present]
        return Seen(
            fields={"shares": rows},
            rows=rows,
            drawn=lambda image, video: draw_mask(
                image, mask, self.card.labels, legend="all" if video else "present"
            ),
            noted={i: amounts[i] for i in present},
            mask=mask,
        )
