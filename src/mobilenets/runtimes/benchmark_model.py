"""The vendor's program `benchmark_model`, which times a TFLite file: its command line and what it prints.

Flags and output: google-ai-edge/LiteRT, tflite/tools/benchmark. It gives statistics, never single runs; newer
builds have the median among them (`p5=... median=... p95=...`), older ones only the average.
"""

import re
import shlex
from dataclasses import dataclass

WARM_SECONDS = 0.2  # a processor at rest takes about as long to reach its clock
MOST_SECONDS = 60.0  # after which it begins no further run, however few it has done


@dataclass(frozen=True)
class Lap:
    """One start of the program: how many runs counted, their median (or average) and least in ms."""

    runs: int
    middle_ms: float
    min_ms: float
    is_median: bool


def command(
    tool: str,
    graph: str,
    threads: int,
    runs: int,
    seconds: float,
    warmup: int,
    cores: str = "",
) -> str:
    """The shell command that times a file for at least `runs` runs and `seconds`, after `warmup` runs.

    `cores` is a mask for taskset. XNNPACK is asked for, as LiteRT applies it by itself; old builds do not.
    """
    words = [
        *(("taskset", cores.removeprefix("0x")) if cores else ()),
        tool,
        f"--graph={graph}",
        f"--num_threads={threads}",
        f"--num_runs={runs}",
        f"--min_secs={seconds:g}",
        f"--max_secs={limit(seconds):g}",
        f"--warmup_runs={warmup}",
        f"--warmup_min_secs={WARM_SECONDS if warmup else 0:g}",
        "--use_xnnpack=true",
    ]
    return shlex.join(words)


def limit(seconds: float) -> float:
    """The longest that one start may time, in seconds."""
    return max(MOST_SECONDS, 2 * seconds)


def lap(text: str) -> Lap | None:
    """What the program printed, None when it is not to be understood.

    The last line of statistics counts, in microseconds: the one before is the warm-up's. Equal times are
    printed as `count=5 curr=123(all same)`.
    """
    lines = re.findall(r"\bcount=.*", text)
    if not lines or "Inference timings in us" not in text:
        return None
    found: dict[str, str] = dict(re.findall(r"(\w+)=(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", lines[-1]))
    middle = found.get("median") or found.get("avg") or found.get("curr")
    runs = int(float(found.get("count", "0")))
    if not runs or middle is None:
        return None
    middle_ms, min_ms = float(middle) / 1e3, float(found.get("min") or middle) / 1e3
    return Lap(runs, middle_ms, min_ms, "median" in found or "avg" not in found) if min_ms > 0 else None


def complaint(text: str) -> str:
    """The line of the program's output that says best why it failed, cut."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|fail|could not|not ", line, re.IGNORECASE)]
    return re.sub(r"[^\x20-\x7e]", "?", (errors or lines or ["it printed nothing"])[-1])[:160]
