"""How long a file takes on a target, with the terms of the measurement, and how short it could be."""

from mobilenets.bench.roofline import ceiling_gflops, floor_ms
from mobilenets.bench.timing import Timing, measure, measure_interleaved, paired_ratio

__all__ = ["Timing", "ceiling_gflops", "floor_ms", "measure", "measure_interleaved", "paired_ratio"]
