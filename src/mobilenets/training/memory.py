"""Memory that is freed and wanted again at the next step."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed, for this process; elsewhere nothing happens.

    By default every large tensor of a step is mapped anew and returned to the system, which must clear each
    page again: on a CPU that is a good part of the time of a step.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
