"""What files of each task and form give: the names of their outputs, in order (docs/files.md)."""

from collections.abc import Mapping
from types import MappingProxyType

from mobilenets.arch.card import Card

NAMES: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("classify", ""): ("probability",),
        ("detect", "plain"): ("offsets", "scores"),
        ("detect", "mediapipe"): ("offsets", "scores"),
        ("detect", "nms"): ("boxes", "classes", "scores", "count"),
        ("segment", "scores"): ("probability",),
        ("segment", "argmax"): ("class",),
        ("embed", ""): ("vector",),
    }
)


def names(card: Card) -> tuple[str, ...]:
    """The names of the outputs of a file with this card."""
    return NAMES[card.task, card.form]
