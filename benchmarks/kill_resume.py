"""Training killed at random instants and taken up again, against the same training left alone.

A small network trains on some pictures of the embedded data set with everything that is random switched on
(augmentation, erasing, mixup, dropout) and a state saved every half second. Each kill is a SIGKILL after a
random time (seeded); every piece is a new process. Final weights, running average and optimiser are compared
bit for bit. A training that ends before all kills are spent is compared and begun anew.

python benchmarks/kill_resume.py [--kills 20] [--seed 0]

Prints one JSON document: how many kills hit a running training, whether all ends were equal, how many
checkpoints could not be read.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COUNTS = {"train": 12, "val": 4}  # pictures of each class of the embedded set
SETTINGS = {"epochs": 8, "batch_size": 16, "lr": 4e-3, "norm_momentum": 0.1, "ema_decay": 0.9, "mixup": 0.2,
            "erasing": 0.3, "augment": "strong", "clip_norm": 1.0, "checkpoint_seconds": 0.5,
            "resolution_schedule": [[0.5, 32]]}  # fmt: skip


def work(root: Path, folder: Path) -> None:
    """Train, or go on training, in this process."""
    import torch

    from mobilenets.arch import edit
    from mobilenets.arch.card import Card
    from mobilenets.arch.preprocess import Preprocess
    from mobilenets.arch.zoo import find
    from mobilenets.base.run import Run
    from mobilenets.data.load import load_dataset
    from mobilenets.nn import build
    from mobilenets.training import Settings, train

    dataset, _ = load_dataset(root)
    arch = edit.classes(find("mobilenet_v3_small", 0.35, 48), len(dataset.labels))
    torch.manual_seed(0)
    train(build(arch), dataset, Card("classify", arch, dataset.labels, Preprocess(48, 48)),
          Settings(**SETTINGS), Run(folder))  # fmt: skip


def begin(root: Path, folder: Path) -> subprocess.Popen[bytes]:
    """A new process that trains in `folder`; one thread, so that sums keep their order."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MOBILENETS_CACHE": str(root.parent / "cache")}
    return subprocess.Popen([sys.executable, __file__, "--work", str(root), str(folder)], env=environment)


def finish(root: Path, folder: Path) -> None:
    """Train to the end."""
    if status := begin(root, folder).wait():
        sys.exit(f"the training in {folder} ended with status {status}")


def kill_once(root: Path, folder: Path, seconds: float) -> bool:
    """Kill a training `seconds` after it took up its work; whether it was still running."""
    state = folder / "metrics.csv"
    before = state.stat().st_mtime_ns if state.exists() else None
    with begin(root, folder) as process:
        # The log is written anew right before the first step: importing torch is not what we want to hit.
        while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.005)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def readable(folder: Path) -> bool:
    """Whether the state of a killed training is whole."""
    from mobilenets.base.errors import RunError
    from mobilenets.base.run import Run
    from mobilenets.training import checkpoint

    try:
        checkpoint.read(Run(folder).last)
    except RunError as error:
        print(error, file=sys.stderr)
        return False
    return True


def end_of(folder: Path) -> dict[str, Any]:
    """Everything at the end of a training but the time it took."""
    from mobilenets.base.run import Run
    from mobilenets.training import checkpoint

    tensors, facts = checkpoint.read(Run(folder).last)
    history = [{**row, "seconds": None} for row in facts["progress"]["history"]]
    content = {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}
    return {"tensors": content, "history": history, "model": Run(folder).weights.read_bytes()}


def compare(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """One training left alone, then as many as it takes for all kills."""
    from mobilenets.data.signs import signs

    root, chance = signs(folder / "signs", COUNTS), random.Random(seed)
    started = time.monotonic()
    finish(root, folder / "straight")
    straight = end_of(folder / "straight")
    training_seconds = sum(float(line.split(",")[1]) for line in
                           (folder / "straight/metrics.csv").read_text().splitlines()[1:])  # fmt: skip
    hits, unreadable, rounds, equal = 0, 0, 0, True
    while hits < kills:
        rounds += 1
        run = folder / f"killed{rounds}"
        while hits < kills and kill_once(root, run, chance.uniform(0, 3 * training_seconds / kills)):
            hits += 1
            unreadable += not readable(run)
            print(f"{hits} of {kills} kills", file=sys.stderr, flush=True)
        finish(root, run)
        equal &= end_of(run) == straight
    seconds = round(time.monotonic() - started, 1)
    return {"kills": hits, "equal": equal, "unreadable": unreadable, "trainings": rounds,
            "training_seconds": round(training_seconds, 1), "seconds": seconds, "seed": seed}  # fmt: skip


def main() -> int:
    """Compare and print; 0 when all were equal and readable."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*given.work)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Path(folder), given.kills, given.seed)
    print(json.dumps({"benchmark": "kill_resume", **result}, indent=2))
    return 0 if result["equal"] and not result["unreadable"] else 1


if __name__ == "__main__":
    sys.exit(main())
