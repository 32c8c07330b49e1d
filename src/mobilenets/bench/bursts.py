"""Timing many small files in turns, each turn a few runs in a row."""

import time
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from mobilenets.base.run import cpu_name
from mobilenets.bench.record import Timing, timing_of
from mobilenets.runtimes import Target

BURST = 3  # runs of a turn that count
LEAST_TURNS, MOST_TURNS = 10, 1000
Key = TypeVar("Key")


class Timed(Protocol):
    """What can be timed: a session, or a graph of any inputs."""

    target: Target

    def invoke(self) -> None:
        """One inference."""

    def versions(self) -> dict[str, str]:
        """The packages whose version the latency depends on."""


def in_bursts(
    sessions: Mapping[Key, Timed],
    seconds: float,
    least: int = LEAST_TURNS,
    most: int = MOST_TURNS,
) -> dict[Key, Timing]:
    """Time sessions for about `seconds` each, in turns, every other round in the opposite order.

    A turn is one run that does not count, which brings weights and maps into the caches, and `BURST` that do:
    what a piece then takes depends on itself and not on which others were measured beside it. Where one
    thread is measured, the time in which it waited for a processor is taken off. The slower half of the runs
    is left out: other work on the machine makes runs longer, never shorter. The median of the rest counts.
    """
    runs: dict[Key, list[float]] = {key: [] for key in sessions}
    keys = list(sessions)
    deadline = time.perf_counter() + seconds * len(keys)
    for turn in range(most):
        if turn >= least and time.perf_counter() >= deadline:
            break
        for key in keys if turn % 2 == 0 else reversed(keys):
            runs[key] += _burst(sessions[key])
    return {key: _timing(session, runs[key]) for key, session in sessions.items()}


def _burst(session: Timed) -> list[float]:
    """Milliseconds of the runs of one turn that count."""
    session.invoke()
    alone = session.target.threads == 1
    return [_run(session, alone) for _ in range(BURST)]


def _run(session: Timed, alone: bool) -> float:
    """Milliseconds of one run; `alone`, of this thread only, without what it waited.

    Reading the thread's clock takes as long as a small piece: it stands outside, and tells of waiting only.
    """
    working = time.thread_time_ns()
    start = time.perf_counter_ns()
    session.invoke()
    took = time.perf_counter_ns() - start
    return (min(took, time.thread_time_ns() - working) if alone else took) / 1e6


def _timing(session: Timed, runs: list[float]) -> Timing:
    """The statistics of the faster half of the runs, with their terms."""
    about: dict[str, Any] = {"cpu": cpu_name(), "versions": session.versions()}
    faster = sorted(runs)[: (len(runs) + 1) // 2]
    return timing_of(
        faster,
        session.target,
        1,
        about,
        runs=len(runs),
        basis=f"the faster half of runs in bursts of {BURST}",
    )
