"""How far a training is. All that the loop decides at an epoch's end follows from the history alone."""

import math
from dataclasses import dataclass, field
from typing import Any

from mobilenets.training.settings import Settings


@dataclass
class Progress:
    """Finished epochs as rows of `history`, and how far the epoch under way is.

    `step` counts its finished steps, `loss_sum` adds up their losses, `seconds` is the time spent in it.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """The epoch under way, counted from 0."""
        return len(self.history)

    def end_epoch(self, **row: float) -> None:
        """Write the epoch under way into the history and begin the next."""
        self.history.append({"epoch": self.epoch + 1, "seconds": self.seconds, **row})
        self.step, self.loss_sum, self.seconds = 0, 0.0, 0.0


def best_row(history: list[dict[str, Any]], metric: str, n: int) -> dict[str, Any]:
    """The latest epoch whose `metric` on `n` images is within one standard error of the highest.

    A few hundred images cannot tell epochs so near to each other apart, and the highest of many is often
    luck; the later one has the smaller rate and the longer average behind it (the one-standard-error rule,
    Breiman et al. 1984). The error is that of a share of the images, whatever the metric.
    """
    top = highest_row(history, metric)[metric]
    error = math.sqrt(top * (1 - top) / n)
    return next(row for row in reversed(history) if row[metric] >= top - error)


def highest_row(history: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    """The epoch with the highest `metric`; among equals the lowest `val_loss`, then the earliest."""
    return max(history, key=lambda row: (row[metric], -row["val_loss"]))


def is_finished(progress: Progress, metric: str, settings: Settings) -> bool:
    """Whether all epochs are done, or `patience` of them brought no higher `metric`."""
    history = progress.history
    if len(history) >= settings.epochs:
        return True
    if not settings.patience or not history:
        return False
    return bool(len(history) - highest_row(history, metric)["epoch"] >= settings.patience)
