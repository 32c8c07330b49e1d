"""What a page tells of a classifier: the images it was surest about, and which class is taken for which."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mobilenets.reports import figures
from mobilenets.reports.facts import Facts
from mobilenets.reports.measures import mixups, per_class, worst_first
from mobilenets.reports.pictures import data_uri

SHOWN = 12


@dataclass(frozen=True)
class Picture:
    """One image as a data URI with what it is and what it was taken for; `score` is from 0 to 1."""

    uri: str
    file: str
    truth: str
    predicted: str
    score: float


def section(facts: Facts) -> dict[str, Any]:
    """Confusion, scores per class, and the pictures the model was surest about."""
    matrix, labels = facts.result.get("confusion") or [], facts.labels
    labels = labels if len(labels) >= len(matrix) else [str(i) for i in range(len(matrix))]
    predictions = facts.result.get("predictions") or []
    if matrix:
        figures.save(figures.confusion(matrix, labels), facts.run.plots / "confusion.svg")
    return {
        "labels": labels,
        "matrix": matrix if len(matrix) <= figures.NAMED else [],
        "mixups": mixups(matrix, labels),
        "classes": worst_first(per_class(matrix, labels)),
        "wrong": surest(predictions, labels, facts.root, right=False),
        "right": surest(predictions, labels, facts.root, right=True),
        "has_predictions": bool(predictions),
        "errors": sum(item["label"] != item["predicted"] for item in predictions),
    }


def surest(
    predictions: Sequence[dict[str, Any]], labels: Sequence[str], root: Path, *, right: bool
) -> list[Picture]:
    """The most confident predictions that are right, or wrong, at most SHOWN.

    Of the right ones each class comes once before any comes twice. `predictions` are those of result.json,
    their files lie under `root`; an image that is gone or lies elsewhere is passed over.
    """
    picked = [item for item in predictions if (item["label"] == item["predicted"]) is right]
    ranked = sorted(picked, key=lambda item: (-item["score"], item["file"]))
    return list(islice(_pictures(_in_turns(ranked) if right else ranked, labels, root), SHOWN))


def _in_turns(ranked: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best of each class, then the second best of each, and so on."""
    seen: dict[int, int] = {}
    turns = []
    for item in ranked:
        turn = seen[item["label"]] = seen.get(item["label"], -1) + 1
        turns.append((turn, item))
    return [item for _, item in sorted(turns, key=lambda pair: pair[0])]


def _pictures(items: Iterable[dict[str, Any]], labels: Sequence[str], root: Path) -> Iterator[Picture]:
    """Those of the predictions whose image can be read."""
    for item in items:
        if uri := data_uri(root, item["file"]):
            truth, predicted = labels[item["label"]], labels[item["predicted"]]
            yield Picture(uri, item["file"], truth, predicted, item["score"])
