"""Latency at batch 1: the median with its spread, and the terms on which it was measured."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mobilenets.base.errors import UsageError
from mobilenets.base.run import cpu_name
from mobilenets.runtimes import Session

WARMUP = 10
MIN_RUNS, MAX_RUNS = 20, 2000


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one inference: median, interquartile range, 90th percentile, least; the terms."""

    median_ms: float
    iqr_ms: float
    p90_ms: float
    min_ms: float
    runs: int
    warmup: int
    threads: int
    target: str
    environment: dict[str, Any]
    runs_ms: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the single runs."""
        document = asdict(self)
        del document["runs_ms"]
        return document


def measure(
    session: Session,
    *,
    seconds: float = 1.0,
    warmup: int = WARMUP,
    min_runs: int = MIN_RUNS,
    max_runs: int = MAX_RUNS,
) -> Timing:
    """Time one inference after another for about `seconds`.

    At least `min_runs` and at most `max_runs` count, after `warmup` that do not.
    Raises UsageError for settings that measure nothing.
    """
    timings = measure_interleaved(
        {"": session}, seconds=seconds, warmup=warmup, min_runs=min_runs, max_runs=max_runs
    )
    return timings[""]


def measure_interleaved(
    sessions: Mapping[str, Session],
    rounds: int | None = None,
    *,
    seconds: float = 1.0,
    warmup: int = WARMUP,
    min_runs: int = MIN_RUNS,
    max_runs: int = MAX_RUNS,
) -> dict[str, Timing]:
    """Time several sessions in turns, each once per round and every other round in the opposite order.

    So a machine that drifts treats all alike, and run i of one pairs with run i of another. Without `rounds`
    it goes on for about `seconds` per session, within `min_runs` and `max_runs`.
    Raises UsageError for settings that measure nothing.
    """
    least, most = (rounds, rounds) if rounds is not None else (min_runs, max_runs)
    if not sessions or not 1 <= least <= most or warmup < 0 or not seconds >= 0:
        raise UsageError(
            f"nothing can be measured with {len(sessions)} sessions, {least} to {most} runs, "
            f"{warmup} runs of warm-up and {seconds} seconds; all but the warm-up must be above 0"
        )
    for session in sessions.values():
        for _ in range(warmup):
            session.invoke()
    runs: dict[str, list[float]] = {name: [] for name in sessions}
    deadline = time.perf_counter() + seconds * len(sessions)
    names = list(sessions)
    for done in range(most):
        if done >= least and time.perf_counter() >= deadline:
            break
        for name in names if done % 2 == 0 else reversed(names):
            runs[name].append(_milliseconds(sessions[name]))
    return {name: _timing(session, runs[name], warmup) for name, session in sessions.items()}


def paired_ratio(timing: Timing, other: Timing) -> float:
    """The median over the rounds of an interleaved measurement of one time divided by the other."""
    return float(np.median(np.divide(timing.runs_ms, other.runs_ms)))


def _milliseconds(session: Session) -> float:
    """The wall time of one inference."""
    start = time.perf_counter_ns()
    session.invoke()
    return (time.perf_counter_ns() - start) / 1e6


def _timing(session: Session, runs: list[float], warmup: int) -> Timing:
    """The statistics of single runs, with their terms."""
    low, median, high, p90 = (float(value) for value in np.percentile(runs, (25, 50, 75, 90)))
    return Timing(
        median_ms=median,
        iqr_ms=high - low,
        p90_ms=p90,
        min_ms=min(runs),
        runs=len(runs),
        warmup=warmup,
        threads=session.target.threads,
        target=str(session.target),
        environment={"cpu": cpu_name(), "versions": session.versions()},
        runs_ms=tuple(runs),
    )
