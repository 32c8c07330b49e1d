"""What a confusion matrix says, in numbers a person can act on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Matrix = Sequence[Sequence[int]]


@dataclass(frozen=True)
class ClassScore:
    """One class: images of it, and precision, recall and F1 from 0 to 1, None where there is nothing to
    divide by.
    """

    label: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Mixup:
    """How often images of class `truth` were called `predicted`, and the share of that class's images."""

    truth: str
    predicted: str
    count: int
    share: float


def per_class(confusion: Matrix, labels: Sequence[str]) -> list[ClassScore]:
    """Scores of every class, in class order.

    `confusion` has one row per true class and one column per predicted class.
    """
    guessed = [sum(column) for column in zip(*confusion, strict=True)]
    scores = []
    for i, row in enumerate(confusion):
        hits, n = row[i], sum(row)
        f1 = 2 * hits / (n + guessed[i]) if n else None
        scores.append(ClassScore(labels[i], n, _ratio(hits, guessed[i]), _ratio(hits, n), f1))
    return scores


def worst_first(scores: Sequence[ClassScore]) -> list[ClassScore]:
    """Classes by rising F1; those without images come last."""
    return sorted(scores, key=lambda score: (score.f1 is None, score.f1 or 0.0))


def mixups(confusion: Matrix, labels: Sequence[str], limit: int = 20) -> list[Mixup]:
    """The pairs of classes that are confused most often, at most `limit`."""
    found = [
        Mixup(labels[i], labels[j], count, count / sum(row))
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(found, key=lambda pair: (-pair.count, -pair.share))[:limit]


def interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval (Wilson, 1927) of a share that was measured on `n` images."""
    z = 1.96
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _ratio(part: int, whole: int) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None
