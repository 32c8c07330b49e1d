"""Measuring on another device: laps of its own program in turns, for single runs it does not tell."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from mobilenets.base.errors import DeviceError
from mobilenets.bench.record import Timing, timing_of
from mobilenets.runtimes import Lap, OnDevice

LAPS = 7  # an odd number, so that the median is a lap's
WARM_RUNS = 3  # before each lap, which is a fresh process, beside the program's least time of warm-up


def in_laps(
    files: Mapping[str, OnDevice],
    laps: int = LAPS,
    *,
    seconds: float,
    warmup: int,
    min_runs: int,
) -> dict[str, Timing]:
    """Time several files in turns, one lap of each per round and every other round in the opposite order.

    Each takes about `seconds` in all besides its warm-up, and at least `min_runs` inferences. The copies of
    the files are taken off the device at the end.
    Raises DeviceError when a device is lost; it carries the timings of the rounds that all went through.
    """
    done: dict[str, list[Lap]] = {name: [] for name in files}
    runs, warm = math.ceil(min_runs / laps), min(warmup, WARM_RUNS)
    with ExitStack() as stack:
        for file in files.values():
            stack.callback(file.close)
        for turn in range(laps):
            try:
                for name in list(files) if turn % 2 == 0 else reversed(list(files)):
                    done[name].append(files[name].lap(runs, seconds / laps, warm))
            except DeviceError as error:
                whole = {name: timing_of_laps(files[name], done[name][:turn], warm) for name in files if turn}
                raise DeviceError(str(error), whole) from error
    return {name: timing_of_laps(file, done[name], warm) for name, file in files.items()}


def timing_of_laps(file: OnDevice, laps: Sequence[Lap], warmup: int) -> Timing:
    """The statistics of laps, each of which counts once however many runs it had."""
    medians = all(lap.is_median for lap in laps)
    what = "medians" if medians else "averages (it tells no median)"
    return timing_of(
        [lap.middle_ms for lap in laps],
        file.target,
        warmup,
        file.environment(),
        runs=sum(lap.runs for lap in laps),
        least=min(lap.min_ms for lap in laps),
        basis=f"benchmark_model's {what} of {len(laps)} laps",
    )
