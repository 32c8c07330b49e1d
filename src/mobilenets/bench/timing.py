"""Latency at batch 1, one inference after another, on this machine or another device."""

import math
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from mobilenets.base.errors import UsageError
from mobilenets.base.run import cpu_name
from mobilenets.bench.laps import LAPS, in_laps
from mobilenets.bench.record import Timing, timing_of
from mobilenets.runtimes import OnDevice, Session, Target, connect, open_session

WARMUP = 10
MIN_RUNS = 20


def measure(
    session: Session | OnDevice,
    *,
    seconds: float = 1.0,
    warmup: int = WARMUP,
    min_runs: int = MIN_RUNS,
) -> Timing:
    """Time one inference after another for about `seconds`.

    At least `min_runs` count, after `warmup` that do not.
    Raises UsageError for settings that measure nothing, DeviceError when a device is lost.
    """
    timings = measure_interleaved({"": session}, seconds=seconds, warmup=warmup, min_runs=min_runs)
    return timings[""]


def measure_interleaved(
    sessions: Mapping[str, Session | OnDevice],
    rounds: int | None = None,
    *,
    seconds: float = 1.0,
    warmup: int = WARMUP,
    min_runs: int = MIN_RUNS,
) -> dict[str, Timing]:
    """Time several sessions in turns, each once per round and every other round in the opposite order.

    So a machine that drifts treats all alike, and run i of one pairs with run i of another. Without `rounds`
    it goes on for about `seconds` per session, `min_runs` at least. On another device a round is a lap of its
    program (`bench.laps`).
    Raises UsageError for settings that measure nothing, DeviceError when a device is lost.
    """
    least = min_runs if rounds is None else rounds
    if not sessions or least < 1 or warmup < 0 or not 0 <= seconds < math.inf:
        raise UsageError(
            f"nothing can be measured with {len(sessions)} sessions, {least} runs, {warmup} runs of warm-up "
            f"and {seconds} seconds; all but the warm-up must be above 0"
        )
    far = {name: session for name, session in sessions.items() if isinstance(session, OnDevice)}
    near = {name: session for name, session in sessions.items() if not isinstance(session, OnDevice)}
    if far and near:
        raise UsageError("files on this machine and on another device cannot take turns; measure them apart")
    if far:
        return in_laps(far, rounds or LAPS, seconds=seconds, warmup=warmup, min_runs=least)
    return _in_runs(near, least, 0.0 if rounds else seconds, warmup)


def measure_files(
    files: Mapping[str, Path],
    target: Target,
    *,
    seconds: float = 1.0,
    warmup: int = WARMUP,
    min_runs: int = MIN_RUNS,
) -> dict[str, Timing]:
    """Time several files on a target in turns. On this machine they take an image, elsewhere anything.

    Raises as `open_session` and `measure_interleaved`.
    """
    sessions: dict[str, Session | OnDevice] = {}
    if target.remote:
        station = connect(target)  # once for all
        sessions |= {name: OnDevice(path, target, station) for name, path in files.items()}
    else:
        sessions |= {name: open_session(path, target) for name, path in files.items()}
    return measure_interleaved(sessions, seconds=seconds, warmup=warmup, min_runs=min_runs)


def paired_ratio(timing: Timing, other: Timing) -> float:
    """The median over the rounds of an interleaved measurement of one time divided by the other."""
    return float(np.median(np.divide(timing.runs_ms, other.runs_ms)))


def milliseconds(session: Session) -> float:
    """The wall time of one inference on this machine."""
    start = time.perf_counter_ns()
    session.invoke()
    return (time.perf_counter_ns() - start) / 1e6


def environment(session: Session) -> dict[str, Any]:
    """What a latency on this machine depends on."""
    return {"cpu": cpu_name(), "versions": session.versions()}


def _in_runs(sessions: Mapping[str, Session], least: int, seconds: float, warmup: int) -> dict[str, Timing]:
    """Single runs on this machine, in turns: so many at least, and for so long."""
    for session in sessions.values():
        for _ in range(warmup):
            session.invoke()
    runs: dict[str, list[float]] = {name: [] for name in sessions}
    deadline = time.perf_counter() + seconds * len(sessions)
    names = list(sessions)
    for done in count():
        if done >= least and time.perf_counter() >= deadline:
            break
        for name in names if done % 2 == 0 else reversed(names):
            runs[name].append(milliseconds(sessions[name]))
    return {
        name: timing_of(runs[name], session.target, warmup, environment(session))
        for name, session in sessions.items()
    }
