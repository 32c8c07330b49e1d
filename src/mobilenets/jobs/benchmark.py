"""`mobilenets benchmark`: honest latency of models on a target, measured in turns."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.base.errors import UsageError
from mobilenets.jobs.subject import Asked, file_for

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
    seconds: float = 2.0,
) -> dict[str, Any]:
    """Median and spread of each model's latency in ms at batch 1, and how near it comes to this processor's
    ceiling.

    `models` are run folders, files or names of networks; names without `weights` are measured untrained,
    which takes as long. Several models are measured in turns, so that a drifting machine treats them alike.
    Raises UsageError, RunError, WeightsError, ExportError.
    """
    from mobilenets import bench
    from mobilenets.runtimes import open_session, parse_target

    wanted = parse_target(target)
    names = [str(model) for model in ([models] if isinstance(models, str | Path) else models)]
    if not names:
        raise UsageError("no models were given; name runs, files or networks")
    if not seconds > 0:
        raise UsageError(f"seconds must be more than 0, got {seconds}")
    sessions = {}
    for name in names:
        asked = Asked(name)
        if asked.is_name:
            asked = Asked(name, weights, width, resolution, dialect)
        sessions[name] = open_session(file_for(asked, wanted.runtime), wanted)
    if len(sessions) == 1:
        timings = {name: bench.measure(session, seconds=seconds) for name, session in sessions.items()}
    else:
        timings = bench.measure_interleaved(sessions, seconds=seconds)
    ceiling = bench.ceiling_gflops(wanted.threads)
    rows = [row(name, sessions[name], wanted, timings[name], ceiling) for name in names]
    return {"results": rows, "ceiling_gflops": ceiling}


def row(name: str, session: "Session", target: "Target", timing: "Timing", ceiling: float) -> dict[str, Any]:
    """One result: the timing with its terms, the cost, and the roofline.

    `floor_ms` is the time the multiplications alone take at the measured matrix-multiply ceiling.
    """
    from mobilenets.arch import cost
    from mobilenets.bench import floor_ms

    result: dict[str, Any] = {"model": name, **timing.as_dict(), "target": str(target)}
    if session.card is not None:
        counted = cost(session.card.arch)
        floor = floor_ms(counted.macs, ceiling)
        result |= {
            "resolution": session.card.arch.resolution,
            "params": counted.params,
            "macs": counted.macs,
            "floor_ms": floor,
            "percent_of_ceiling": 100 * floor / timing.median_ms,
        }
    return result
