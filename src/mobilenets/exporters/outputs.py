"""What files give: the forms of each runtime, the first that a task has by default, and the names of the
outputs of each task and form, in order (docs/files.md).
"""

from collections.abc import Mapping
from types import MappingProxyType

from mobilenets.arch.card import Card
from mobilenets.base.errors import UsageError, shown

FORMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "litert": ("nms", "plain", "mediapipe", "scores", "argmax"),
        "onnx": ("nms", "plain", "scores", "argmax"),
        "torch": ("plain", "scores"),
    }
)

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


def form_of(card: Card, to: str, form: str | None = None) -> str:
    """The form that a file for the runtime `to` gets when `form` is asked for; empty where there is but one.

    Raises UsageError for one that the task or the runtime does not have.
    """
    known = [own for own in FORMS[to] if own in card.forms]
    if form is None:
        return known[0] if known else ""
    if form not in known:
        choice = (
            f"known: {', '.join(known)}" if known else f"a file for {card.task} has one form; leave it out"
        )
        raise UsageError(f"form {shown(form)} cannot be exported for {card.task} to {to}; {choice}")
    return form
