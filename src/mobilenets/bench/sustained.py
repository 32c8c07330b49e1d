"""Minutes without a pause: what a device does when it is warm. Turns are for ratios, this is for heat."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mobilenets.base.errors import DeviceError, UsageError
from mobilenets.bench.laps import WARM_RUNS, timing_of_laps
from mobilenets.bench.record import Timing, timing_of
from mobilenets.bench.timing import WARMUP, environment, milliseconds
from mobilenets.runtimes import Lap, OnDevice, Session

SLICES = 12
THROTTLED = 5.0  # per cent slower, at the median and at the fastest
LONGEST = 24 * 60.0


@dataclass(frozen=True)
class Slice:
    """One stretch of time: when it began, in seconds from the start, and the runs within."""

    start_s: float
    runs: int
    median_ms: float
    min_ms: float


@dataclass(frozen=True)
class Sustained:
    """The slices in order, the timing of all of them, and the line of what ended it early, if any."""

    slices: tuple[Slice, ...]
    timing: Timing
    error: str | None = None

    @property
    def drift_pct(self) -> float:
        """By how much the last slice's median is above the first's."""
        return _above(self.slices[-1].median_ms, self.slices[0].median_ms)

    @property
    def slope_pct_per_minute(self) -> float:
        """How fast the medians rise: the median of the slopes between all pairs of slices (Theil and Sen)."""
        times, values = zip(*((one.start_s / 60, one.median_ms) for one in self.slices), strict=True)
        i, j = np.triu_indices(len(times), k=1)
        if not len(i):
            return 0.0
        rises = np.subtract(np.take(values, j), np.take(values, i))
        slopes = rises / np.subtract(np.take(times, j), np.take(times, i))
        return float(100 * np.median(slopes) / values[0])

    @property
    def throttled(self) -> bool:
        """Whether the last quarter is slower than the first by THROTTLED, at median and at fastest run.

        A lowered clock slows every run; what else the machine does leaves a fast one in every slice.
        """
        quarter = max(1, len(self.slices) // 4)
        first, last = self.slices[:quarter], self.slices[-quarter:]
        return all(
            _above(_middle(last, name), _middle(first, name)) >= THROTTLED for name in ("median_ms", "min_ms")
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "slices": [asdict(one) for one in self.slices],
            "drift_pct": self.drift_pct,
            "slope_pct_per_minute": self.slope_pct_per_minute,
            "throttled": self.throttled,
            "error": self.error,
        }


def check_minutes(minutes: float) -> None:
    """Raise UsageError for a time that is none."""
    if not 0 < minutes <= LONGEST:
        raise UsageError(f"minutes must be more than 0 and at most {LONGEST:g}, got {minutes}")


def sustained(session: Session | OnDevice, minutes: float, slices: int = SLICES) -> Sustained:
    """One inference after another for so many minutes, told in slices of equal time.

    On another device a slice is a start of its program, so that up to a second lies between two.
    A device that is lost on the way ends it with the slices so far; raises DeviceError when there is none,
    UsageError for a time that is none.
    """
    check_minutes(minutes)
    if isinstance(session, OnDevice):
        return _on_device(session, 60 * minutes / slices, slices)
    return _here(session, 60 * minutes / slices, slices)


def _here(session: Session, seconds: float, slices: int) -> Sustained:
    """On this machine, where every run is timed."""
    for _ in range(WARMUP):
        session.invoke()
    told: list[Slice] = []
    everything: list[float] = []
    start = time.perf_counter()
    for index in range(slices):
        began = time.perf_counter() - start
        runs: list[float] = []
        while not runs or time.perf_counter() - start < (index + 1) * seconds:
            runs.append(milliseconds(session))
        told.append(Slice(began, len(runs), float(np.median(runs)), min(runs)))
        everything += runs
    return Sustained(tuple(told), timing_of(everything, session.target, WARMUP, environment(session)))


def _on_device(file: OnDevice, seconds: float, slices: int) -> Sustained:
    """On another device, a lap per slice; only the first warms up for longer than the program must."""
    told: list[Slice] = []
    laps: list[Lap] = []
    error = None
    start = time.perf_counter()
    try:
        for index in range(slices):
            began = time.perf_counter() - start
            lap = file.lap(1, seconds, WARM_RUNS if index == 0 else 1)
            laps.append(lap)
            told.append(Slice(began, lap.runs, lap.middle_ms, lap.min_ms))
    except DeviceError as lost:
        if not told:
            raise
        error = str(lost)
    finally:
        file.close()
    return Sustained(tuple(told), timing_of_laps(file, laps, WARM_RUNS), error)


def _above(value: float, base: float) -> float:
    """By how many per cent a value is above another."""
    return 100 * (value / base - 1) if base > 0 else math.nan


def _middle(slices: Sequence[Slice], name: str) -> float:
    """The median of a figure over slices."""
    return float(np.median([getattr(one, name) for one in slices]))
