"""The history of a training as metrics.csv and TensorBoard events."""

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mobilenets.base.errors import StorageError
from mobilenets.base.files import write_text
from mobilenets.base.run import Run

COLUMNS = ("epoch", "seconds", "lr", "train_loss", "val_loss")  # and the metric of the task


class Log:
    """Writes what `history` holds at once, then each epoch as it ends.

    Both files are begun anew, so that an epoch that a killed run logged but did not save appears once.
    """

    def __init__(self, run: Run, history: Sequence[dict[str, Any]], metric: str, writes: bool = True) -> None:
        """Write the history so far, with a column for `metric`. Raises StorageError.

        Without `writes` (every process but one) do nothing.
        """
        from torch.utils.tensorboard import SummaryWriter

        self.path = run.metrics
        self.columns = (*COLUMNS, metric)
        self._events: SummaryWriter | None = None
        if not writes:
            return
        folder = run.folder / "tensorboard"
        try:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._events = SummaryWriter(str(folder))
        except OSError as error:
            raise _refused(folder, error) from error
        write_text(self.path, as_csv(history, self.columns))
        for row in history:
            self._add(row)

    def __enter__(self) -> Self:
        """Use as a context, which closes the event file."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the event file; a disk that is full by now has been reported by what filled it."""
        if self._events:
            with suppress(OSError):
                self._events.close()

    def epoch_ended(self, history: Sequence[dict[str, Any]]) -> None:
        """Log the last row of the history. Raises StorageError."""
        if self._events:
            write_text(self.path, as_csv(history, self.columns))
            self._add(history[-1])

    def _add(self, row: dict[str, Any]) -> None:
        """One epoch as TensorBoard scalars."""
        assert self._events is not None
        try:
            for name in self.columns[1:]:
                self._events.add_scalar(name, row[name], row["epoch"])
            self._events.flush()
        except OSError as error:
            raise _refused(Path(self._events.log_dir), error) from error


def as_csv(history: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """Columns of the history as CSV text with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: row[name] for name in columns} for row in history)
    return text.getvalue()


def _refused(path: Path, error: OSError) -> StorageError:
    """The one line for a disk that does not take the events."""
    return StorageError(f"cannot write {path}: {error.strerror or error}; free some space, then run it again")
