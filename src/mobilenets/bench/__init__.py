"""How long a file takes on a target, with the terms of the measurement, and how short it could be."""

from mobilenets.bench.record import Timing
from mobilenets.bench.roofline import ceiling_gflops, floor_ms
from mobilenets.bench.sustained import Sustained, sustained
from mobilenets.bench.timing import measure, measure_files, measure_interleaved, paired_ratio

__all__ = [
    "Sustained",
    "Timing",
    "ceiling_gflops",
    "floor_ms",
    "measure",
    "measure_files",
    "measure_interleaved",
    "paired_ratio",
    "sustained",
]
