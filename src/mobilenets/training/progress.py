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


def best_row(history: list[dict[str, Any]], n: int) -> dict[str, Any]:
    """The latest epoch whose `top1` on `n` images is within one standard error of the highest.

    A few hundred images cannot tell epochs so near to each other apart, and the highest of many is often
    luck; the later one has the smaller rate and the longer average behind it (the one-standard-error rule,
    Breiman et al. 1984).
    """
    top = highest_row(history)["top1"]
    error = math.sqrt(top * (1 - top) / n)
    return next(row for row in reversed(history) if row["top1"] >= top - error)


def highest_row(history: list[dict[str, Any]]) -> dict[str, Any]:
    """The epoch with the highest `top1`; among equals the lowest `val_loss`, then the earliest."""
    return max(history, key=lambda row: (row["top1"], -row["val_loss"]))


def is_finished(progress: Progress, settings: Settings) -> bool:
    """Whether all epochs are done, or `patience` of them brought nothing better."""
    history = progress.history
    if len(history) >= settings.epochs:
        return True
    return bool(
        settings.patience and history and len(history) - highest_row(history)["epoch"] >= settings.patience
    )
