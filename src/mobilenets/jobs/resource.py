"""What a network takes of the resource that is budgeted: predicted at once, and measured."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenets.arch import codec, cost, lower
from mobilenets.arch.spec import Arch
from mobilenets.base.errors import UsageError
from mobilenets.base.files import write_json
from mobilenets.base.run import read
from mobilenets.jobs.budget import Goal

if TYPE_CHECKING:
    from mobilenets.bench.predicting import Predictor

UNITS = {"latency": "ms", "macs": "MACs", "params": "parameters", "memory": "bytes"}


@dataclass(frozen=True)
class Price:
    """What any network takes of a resource: latency as the table in a file predicts it, with what all take
    `beyond` that, or, without one, as it is measured on `target`; the rest by count. Other processes may have
    it, too.
    """

    resource: str
    table: Path | None = None
    target: str = ""
    beyond: float = 0.0

    def __call__(self, arch: Arch) -> float:
        """The amount in `unit`. Raises RunError for a table that cannot be read, and as measuring."""
        if self.table is not None:
            return _predicting(self.table).predict(arch).ms + self.beyond
        if self.direct:
            from mobilenets.jobs.measured import measured

            return float(measured([arch], self.target)[0]["median_ms"])
        return _counted(self.resource).predict(arch)

    @property
    def direct(self) -> bool:
        """Whether every network is measured, which takes seconds."""
        return bool(self.target)

    @property
    def unit(self) -> str:
        """Of what is predicted."""
        return UNITS[self.resource]


@lru_cache(maxsize=4)
def _predicting(table: Path) -> "Predictor":
    """The predictor of a table, which does not change any more."""
    from mobilenets.bench.predicting import Predictor
    from mobilenets.bench.table_reading import read_table

    return Predictor(read_table(table))


@dataclass(frozen=True)
class Meter:
    """`predict` answers for any network at once; `measure` for one that was chosen. Both in `unit`.

    `by_layer` splits a prediction over the blocks and the head, None where that has no meaning.
    `error_percent` is the mean error of the predictions on networks that were measured too, None where a
    prediction is a count and exact.
    """

    resource: str
    predict: Callable[[Arch], float]
    measure: Callable[[Arch], float]
    by_layer: Callable[[Arch], list[float]] | None = None
    error_percent: float | None = None

    @property
    def unit(self) -> str:
        """Of what is predicted and measured."""
        return UNITS[self.resource]


def check_table(resource: str, table: str | Path | None) -> None:
    """Raise UsageError for a latency table beside a budget of something else."""
    if table and resource != "latency":
        raise UsageError(f"the table {table} tells latencies, the budget is one of {resource}; leave it out")


def meter(goal: Goal, start: Arch, target: str, table: Path | None, folder: Path) -> Meter:
    """How to tell what networks narrower than `start` take.

    Latency is predicted from the table, which is built where it is not given, and measured against `start` in
    turns, so that a machine that drifts does not count. The table and what was measured are kept in `folder`:
    a command that is taken up again knows what it knew, whatever has become of the cache.
    Raises UsageError for a table of another target, ExportError, StorageError.
    """
    if goal.timed:
        return _latency(start, target, table, folder)
    return _counted(goal.resource)


def _counted(resource: str) -> Meter:
    """What follows from the network alone."""
    if resource == "memory":
        return Meter(resource, _peak, _peak)

    def by_layer(arch: Arch) -> list[float]:
        """MACs or parameters of the blocks and the head."""
        return [float(getattr(layer, resource)) for layer in lower(arch)]

    def whole(arch: Arch) -> float:
        """Of all."""
        return sum(by_layer(arch))

    return Meter(resource, whole, whole, by_layer)


def _peak(arch: Arch) -> float:
    """Bytes of activations alive at once."""
    return float(cost(arch).peak_bytes)


def _latency(start: Arch, target: str, table: Path | None, folder: Path) -> Meter:
    """Milliseconds on a target."""
    from mobilenets.jobs.measured import measured

    predictor, place = _predictor(start, target, table, folder / "table.json"), folder / "measured.json"
    times: dict[str, float] = read(place, {})

    def kept(arch: Arch, take: Callable[[], float]) -> float:
        """What a network took when it was measured, which happens once."""
        key = hashlib.sha256(codec.dumps(arch).encode()).hexdigest()[:24]
        if key not in times:
            times[key] = take()
            write_json(place, times)
        return times[key]

    def alone() -> float:
        """Of the start."""
        return float(measured([start], target)[0]["median_ms"])

    def beside(arch: Arch) -> float:
        """On the machine as fast as it was when the start was measured."""
        before, now = (row["median_ms"] for row in measured([start, arch], target))
        return kept(start, alone) * float(now) / float(before)

    def measure(arch: Arch) -> float:
        """Of any network on the way."""
        return kept(arch, alone if arch == start else lambda: beside(arch))

    error = 100 * predictor.correction.error if predictor.correction.left_out else None
    return Meter("latency", lambda arch: predictor.predict(arch).ms, measure, predictor.by_layer, error)


def _predictor(start: Arch, target: str, table: Path | None, own: Path) -> "Predictor":
    """The table of a run, or a copy of the one that is given or in the cache, which others may extend."""
    from mobilenets.bench.predicting import Predictor
    from mobilenets.bench.table import write_table
    from mobilenets.bench.table_reading import read_table
    from mobilenets.jobs.latency_tables import table_for

    if not own.exists():
        write_table(table_for([start], target, table), own)
    return Predictor(read_table(own))
