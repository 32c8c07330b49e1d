"""How many distinct networks are counted per second, lowering included, and how long `mobilenets.arch` loads.

    python benchmarks/cost_speed.py [--count 20000] [--seed 0]

Networks are drawn beforehand from a V3-Large-like space: kernel, expansion, output width and squeeze of every
block, and the resolution. They are counted twice: cold, in a process that has lowered nothing yet, and warm,
when the blocks (never whole networks) are remembered. Prints one JSON document.
"""

import argparse
import gc
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from dataclasses import replace

from mobilenets.arch import Arch, Inverted, cost, zoo
from mobilenets.arch.lower import lower_block

WANTED = 10_000  # networks per second


def main() -> None:
    """Draw, count twice, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000, help="distinct networks")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    archs = distinct(given.count, random.Random(given.seed))
    assert lower_block.cache_info().currsize == 0, "drawing must not warm the memo"
    cold, warm = rate(archs), rate(archs)
    result = {
        "archs_per_second": round(min(cold, warm)),
        "cold": round(cold),
        "warm": round(warm),
        "wanted": WANTED,
        "distinct": len(set(archs)),
        "blocks_remembered": lower_block.cache_info().currsize,
        "import_ms": round(1000 * import_seconds(), 1),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["archs_per_second"] >= WANTED else 1)


def distinct(count: int, rng: random.Random) -> list[Arch]:
    """`count` networks, no two alike."""
    base = zoo.find("mobilenet_v3_large")
    found: dict[Arch, None] = {}
    while len(found) < count:
        found[mutated(base, rng)] = None
    return list(found)


def mutated(base: Arch, rng: random.Random) -> Arch:
    """`base` with every block redrawn."""
    blocks, channels = [], 3
    for block in base.blocks:
        if isinstance(block, Inverted):
            hidden = channels * rng.choice((3, 4, 6)) if block.expand else channels
            block = replace(
                block,
                kernel=rng.choice((3, 5, 7)),
                hidden=hidden,
                out=max(8, int(block.out * rng.choice((0.5, 0.75, 1.0, 1.25))) // 8 * 8),
                squeeze=rng.choice((0, max(8, hidden // 32 * 8))),
            )
        blocks.append(block)
        channels = block.out
    return replace(base, blocks=tuple(blocks), resolution=rng.choice((160, 192, 224)))


def rate(archs: list[Arch]) -> float:
    """Networks counted per second."""
    gc.collect()
    start = time.perf_counter()
    for arch in archs:
        cost(arch)
    return len(archs) / (time.perf_counter() - start)


def import_seconds(runs: int = 9) -> float:
    """Median seconds a fresh interpreter needs with `import mobilenets.arch`, minus the median without."""

    def median(code: str) -> float:
        """Median wall time of one interpreter."""
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    return median("import mobilenets.arch") - median("pass")


if __name__ == "__main__":
    main()
