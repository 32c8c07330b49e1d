"""`mobilenets benchmark`: honest latency of models on a target, measured in turns; or of one, for minutes."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import DeviceError, UsageError
from mobilenets.jobs.subject import Asked, file_for

SECONDS = 2.0  # spent on each

if TYPE_CHECKING:
    from mobilenets.bench import Timing
    from mobilenets.runtimes import Session, Target


def benchmark(
    models: Iterable[str | Path] | str | Path,
    *,
    target: str = "litert:cpu:1",
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    seconds: float | None = None,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Median and spread of each model's latency in ms at batch 1, and how near it comes to this processor's
    ceiling.

    `models` are run folders, files or names of networks; names without `weights` are measured untrained,
    which takes as long. Several models are measured in turns, so that a drifting machine treats them alike.
    With `minutes` one model runs without pause instead, and `sustained` in its result tells how the latency
    drifted. A device that is lost after something was measured leaves that in the result, beside `error`.
    Raises UsageError, RunError, WeightsError, ExportError, DeviceError.
    """
    from mobilenets.bench import sustained
    from mobilenets.runtimes import open_session, parse_target

    wanted = parse_target(target)
    names = [str(model) for model in ([models] if isinstance(models, str | Path) else models)]
    _check(names, seconds, minutes)
    sessions = {}
    zoo = any(Asked(name).is_name for name in names)  # else what belongs to names is refused
    for name in names:
        plain = zoo and not Asked(name).is_name
        asked = Asked(name) if plain else Asked(name, weights, width, resolution, dialect)
        sessions[name] = open_session(file_for(asked, wanted.runtime), wanted)
    if minutes is None:
        timings, error, drift = *_timed(sessions, seconds or SECONDS), {}
    else:
        found = sustained(sessions[names[0]], minutes)
        timings, error, drift = {names[0]: found.timing}, found.error, {"sustained": found.as_dict()}
    ceiling = ceiling_of(wanted)
    rows = [
        row(name, sessions[name], wanted, timings[name], ceiling) | drift for name in names if name in timings
    ]
    return {"results": rows, "ceiling_gflops": ceiling, **({"error": error} if error else {})}


def row(
    name: str, session: "Session", target: "Target", timing: "Timing", ceiling: float | None
) -> dict[str, Any]:
    """One result: the timing with its terms, the cost, and the roofline.

    `floor_ms` is the time the multiplications alone take at the measured matrix-multiply ceiling.
    """
    from mobilenets.arch import cost

    result: dict[str, Any] = {"model": name, **timing.as_dict(), "target": str(target)}
    if session.card is not None:
        counted = cost(session.card.arch)
        floor = floor_at(counted.macs, ceiling)
        result |= {
            "resolution": session.card.arch.resolution,
            "params": counted.params,
            "macs": counted.macs,
            "floor_ms": floor,
            "percent_of_ceiling": None if floor is None else 100 * floor / timing.median_ms,
        }
    return result


def ceiling_of(target: "Target") -> float | None:
    """The measured ceiling of matrix multiplication in GFLOP/s; None for another device than this."""
    from mobilenets.bench import ceiling_gflops

    return None if target.remote else ceiling_gflops(target.threads)


def floor_at(macs: int, ceiling: float | None) -> float | None:
    """The time in ms that the multiplications take at a ceiling, None where it is not known."""
    from mobilenets.bench import floor_ms

    return None if ceiling is None else floor_ms(macs, ceiling)


def _timed(sessions: Mapping[str, "Session"], seconds: float) -> tuple[dict[str, "Timing"], str | None]:
    """All of them in turns; when a device was lost, what was finished before, and the line."""
    from mobilenets.bench import measure_interleaved

    try:
        return measure_interleaved(sessions, seconds=seconds), None
    except DeviceError as error:
        if not error.finished:
            raise
        return dict(error.finished), str(error)


def _check(names: list[str], seconds: float | None, minutes: float | None) -> None:
    """Raise UsageError for what measures nothing."""
    from mobilenets.bench.sustained import check_minutes

    if not names:
        raise UsageError("no models were given; name runs, files or networks")
    if seconds is not None and minutes is not None:
        raise UsageError(f"seconds {seconds:g} and minutes {minutes:g} are two ways to measure; give one")
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"seconds must be more than 0, got {seconds}")
    if minutes is not None:
        check_minutes(minutes)
    if minutes is not None and len(set(names)) > 1:
        raise UsageError(
            f"minutes without pause are for one model, for the heat of one slows the next; got {len(names)}"
        )
