"""What a page tells of embeddings: images beside those they found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mobilenets.reports.facts import Facts
from mobilenets.reports.pictures import data_uri

SIDE = 128


@dataclass(frozen=True)
class Found:
    """One image of a strip; `right` says whether it is of the query's class, `score` is the cosine."""

    uri: str
    file: str
    label: str
    right: bool
    score: float | None = None


def section(facts: Facts) -> dict[str, Any]:
    """Strips of nearest neighbours, those that begin with a mistake apart."""
    strips = [
        strip for row in facts.result.get("neighbours") or [] if (strip := _strip(row, facts)) is not None
    ]
    return {
        "labels": facts.labels,
        "wrong": [strip for strip in strips if not strip[1].right],
        "right": [strip for strip in strips if strip[1].right],
        "gallery": facts.result.get("gallery"),
    }


def _strip(row: dict[str, Any], facts: Facts) -> list[Found] | None:
    """The query and what it found, the nearest first; None when the query or all of that is gone."""
    strip = [found for one in (row, *row["nearest"]) if (found := _found(one, row["index"], facts))]
    return strip if len(strip) > 1 and strip[0].score is None else None


def _found(one: dict[str, Any], wanted: int, facts: Facts) -> Found | None:
    """One image of result.json, None when it cannot be read."""
    uri = data_uri(facts.root, one["file"], SIDE)
    if uri is None:
        return None
    return Found(
        uri, one["file"], _name(one["index"], facts.labels), one["index"] == wanted, one.get("score")
    )


def _name(index: int, labels: Sequence[str]) -> str:
    """The class by name where that is known."""
    return labels[index] if index < len(labels) else str(index)
