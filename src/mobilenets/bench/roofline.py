"""The roofline: what this processor reaches on a matrix multiply, and what a network takes at that rate."""

import time
from functools import cache

import torch

SIDES = (384, 768, 1152)  # of square matrices: which one reaches the peak depends on the caches
SECONDS = 0.25  # spent on each


@cache
def ceiling_gflops(threads: int) -> float:
    """Billions of float32 operations per second of torch's matrix multiply, the best seen.

    A multiplication and an addition count as two. Measured once per process and number of threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            return max(_gflops(side) for side in SIDES)
    finally:
        torch.set_num_threads(before)


def floor_ms(macs: int, ceiling: float) -> float:
    """Milliseconds that `macs` multiply-adds take at `ceiling` billion operations per second."""
    return 2 * macs / (ceiling * 1e9) * 1e3


def _gflops(side: int) -> float:
    """The rate of the fastest multiply of two square matrices."""
    a, b = torch.ones(side, side), torch.ones(side, side)
    out = torch.empty(side, side)
    fastest = float("inf")
    deadline = time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < deadline:
        torch.mm(a, b, out=out)
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * side**3 / fastest / 1e9
