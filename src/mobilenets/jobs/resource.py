"""What a network takes of the resource that is budgeted: predicted at once, and measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilenets.arch import cost, lower
from mobilenets.arch.spec import Arch
from mobilenets.base.files import write_json
from mobilenets.base.run import read
from mobilenets.jobs.budget import Goal

UNITS = {"latency": "ms", "macs": "MACs", "params": "parameters", "memory": "bytes"}


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


def meter(goal: Goal, start: Arch, target: str, table: Path | None, kept: Path) -> Meter:
    """How to tell what networks narrower than `start` take.

    Latency is predicted from the table, which is built where it is not given, and measured against `start` in
    turns, so that a machine that drifts does not count. Measurements are kept in the file `kept`.
    Raises UsageError for a table of another target, ExportError, StorageError.
    """
    if goal.resource == "latency":
        return _latency(start, target, table, kept)
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


def _latency(start: Arch, target: str, table: Path | None, kept: Path) -> Meter:
    """Milliseconds on a target."""
    from mobilenets.bench.predicting import Predictor
    from mobilenets.jobs.latency import table_for
    from mobilenets.jobs.measured import measured

    predictor = Predictor(table_for([start], target, table))
    times: dict[str, Any] = read(kept, {})

    def alone() -> float:
        """Of the start, once."""
        if "start" not in times:
            times["start"] = measured([start], target)[0]["median_ms"]
            write_json(kept, times)
        return float(times["start"])

    def measure(arch: Arch) -> float:
        """On the machine as fast as it was when the start was measured."""
        if arch == start:
            return alone()
        before, now = (row["median_ms"] for row in measured([start, arch], target))
        return alone() * float(now) / float(before)

    error = 100 * predictor.correction.error if predictor.correction.left_out else None
    return Meter("latency", lambda arch: predictor.predict(arch).ms, measure, predictor.by_layer, error)
