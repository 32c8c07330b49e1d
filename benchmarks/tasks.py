"""`fit` for the other three tasks on real data, with MobileNetV2 and its published ImageNet weights.

    python benchmarks/tasks.py detect     BCCD's own lists, 320 pixels: mAP at IoU 0.5 on the test list
    python benchmarks/tasks.py segment    CamVid, 416 pixels, LR-ASPP: mean IoU on the test split
    python benchmarks/tasks.py embed      CIFAR-10's first 500 and 200 images of a class, 96 pixels: recall@1
                                          of 2,000 test queries among the 5,000 training images

The figure is that of the .tflite file in LiteRT; `training_s` is the time in the training loop, `seconds` all
of `fit`. The data come from $MOBILENETS_DATA, the weights from the test dependency that carries them, or
--weights. A killed run resumes. Prints one JSON document and appends it to benchmarks/results/tasks.jsonl.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from material import ARCHIVES, DATA, published, unpacked
from mobilenets.base.files import cache_folder, write_json
from mobilenets.base.run import Run, environment
from telling import tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "tasks.jsonl"
SIDES = {"detect": 320, "segment": 416, "embed": 96}


def main() -> None:
    """Fit, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=tuple(ARCHIVES))
    parser.add_argument("--data", type=Path, help="the archive; by default that in $MOBILENETS_DATA")
    parser.add_argument("--weights", type=Path, help="torchvision's mobilenet_v2-b0353104.pth")
    parser.add_argument("--out", type=Path, help="the run's folder; by default in the cache")
    given = parser.parse_args()
    home = cache_folder() / "benchmarks"
    folder = unpacked(given.task, given.data or DATA / ARCHIVES[given.task], home)
    out = given.out or home / f"fit-{given.task}"
    result = fitted(given.task, folder, given.weights or published(), out)
    tell(result, RESULTS)


def fitted(task: str, folder: Path, weights: Path, out: Path) -> dict[str, Any]:
    """`mobilenets fit`, timed as a whole; a finished one is read again from its file."""
    kept = out.with_suffix(".json")
    if kept.exists():
        done: dict[str, Any] = json.loads(kept.read_text())
        return done
    pinned = ["--model", "mobilenet_v2", "--weights", str(weights), "--resolution", str(SIDES[task])]
    start = time.perf_counter()
    found = told("fit", str(folder), "--task", task, *pinned, "--budget", "1s", "--out", str(out))
    seconds = time.perf_counter() - start
    with Run(out).metrics.open(encoding="utf-8") as rows:
        training = sum(float(row["seconds"]) for row in csv.DictReader(rows))
    judged = told("evaluate", found["artifact"], str(folder))
    result = {
        **found,
        "evaluate": judged,
        "training_s": round(training),
        "seconds": round(seconds),
        "environment": environment(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(kept, result)
    return result


def told(*command: str) -> dict[str, Any]:
    """What a command prints with --json."""
    call = [sys.executable, "-m", "mobilenets", *command, "--json"]
    done = subprocess.run(call, stdout=subprocess.PIPE, check=True, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


if __name__ == "__main__":
    main()
