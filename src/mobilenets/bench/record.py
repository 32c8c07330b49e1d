"""What a measurement gives: the median with its spread, and the terms on which it was measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mobilenets.runtimes import Target


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one inference: median, interquartile range, 90th percentile, least; the terms.

    `basis` says what median, range and percentile are taken of: single runs, or on another device what its
    program tells of several. `runs_ms` holds these. No run is left out as an outlier: the median bears them.
    """

    median_ms: float
    iqr_ms: float
    p90_ms: float
    min_ms: float
    runs: int
    warmup: int
    threads: int
    target: str
    environment: dict[str, Any]
    basis: str = "single runs"
    runs_ms: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the single runs."""
        document = asdict(self)
        del document["runs_ms"]
        return document


def timing_of(
    values: Sequence[float],
    target: Target,
    warmup: int,
    environment: dict[str, Any],
    *,
    runs: int | None = None,
    least: float | None = None,
    basis: str = "single runs",
) -> Timing:
    """The statistics of `values` in ms: single runs, unless `basis`, `runs` and `least` tell otherwise."""
    low, median, high, p90 = (float(value) for value in np.percentile(values, (25, 50, 75, 90)))
    return Timing(
        median_ms=median,
        iqr_ms=high - low,
        p90_ms=p90,
        min_ms=min(values) if least is None else least,
        runs=len(values) if runs is None else runs,
        warmup=warmup,
        threads=target.threads,
        target=str(target),
        environment=environment,
        basis=basis,
        runs_ms=tuple(values),
    )
