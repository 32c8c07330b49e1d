"""How networks rank by shared weights, beside how they rank after short trainings of their own.

    python benchmarks/supernet.py [--space v3] [--networks 20] [--epochs 30] [--short-epochs 5] [--docs]

The images are the first 500 of each CIFAR-10 class to train on (a fifth of them held out to judge by), at 64
pixels. Weights that the whole space shares are trained for --epochs by the sandwich rule. --networks random
networks are then judged three times: as they are in these weights (`shared`), after --tuned-epochs more from
there (`tuned`), and after --short-epochs from nothing (`short`). The figures are Spearman's rank correlation
of top-1 on the held-out images with that of `short`, and that of the networks' multiply-accumulates; the
top-1 by `short` of the network that each puts first; the times, and from how many trials on a search by the
first two, the training of the shared weights included, takes a third of one by the last (nothing: never).

--width makes the network narrower that the space is laid around, --images N takes fewer of the training
images.

The data come from $MOBILENETS_DATA. A killed run resumes; finished parts are read again. Prints one JSON
document and appends it to benchmarks/results/supernet.jsonl; --docs also adds it to docs/supernet.json.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from material import DATA, unpacked
from mobilenets.arch import codec, cost
from mobilenets.arch.zoo import find
from mobilenets.base.console import say
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import Run, environment
from mobilenets.jobs.material import Material
from mobilenets.jobs.resource import Price
from mobilenets.jobs.searched_space import with_heads
from mobilenets.jobs.short_training import ShortTraining
from mobilenets.jobs.supernet import shared_weights
from mobilenets.nas.spaces import HOMES, space_around
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "supernet.jsonl"
DOCS = HERE.parent / "docs" / "supernet.json"
VAL = 0.2  # of the training images, to judge by
KINDS = ("shared", "tuned", "short")  # what takes seconds before what takes minutes


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", choices=HOMES, default="v3")
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=30, help="of the shared weights")
    parser.add_argument("--tuned-epochs", type=int, default=1, help="of each network's own from there")
    parser.add_argument("--short-epochs", type=int, default=5, help="of each network's own from nothing")
    parser.add_argument("--side", type=int, default=64, help="of the images in pixels")
    parser.add_argument("--width", type=float, help="of the network that the space is laid around")
    parser.add_argument("--images", type=int, default=0, help="training images; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/supernet.json")
    given = parser.parse_args()
    result = compared(given)
    result |= {"environment": environment(), "threads": torch.get_num_threads(),
               "time": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, {**(read_json(DOCS) if DOCS.exists() else {}), result["name"]: result})


def compared(given: argparse.Namespace) -> dict[str, Any]:
    """Both rankings of the same networks."""
    home = cache_folder() / "benchmarks"
    terms = [given.space, given.seed, given.epochs, given.tuned_epochs, given.short_epochs, given.side,
             given.width or 1, given.images]  # fmt: skip
    out = home / "-".join(["supernet", *map(str, terms)])
    material = Material(str(unpacked("embed", DATA / "cifar10.zip", home)), "classify", VAL, given.seed)
    short = ShortTraining(material, Price("macs"), out / "trials", given.short_epochs, given.images)
    seed_net = find(HOMES[given.space][0], given.width, given.side)
    space = with_heads(space_around(given.space, seed_net), "classify", short.dataset())
    training_s = kept(out / "training.json", lambda: _timed(lambda: trained(out, short, space, given.epochs)))
    tuned = shared_weights(Run(out), replace(short, epochs=given.tuned_epochs), space, given.epochs)
    judges = dict(zip(KINDS, (replace(tuned, epochs=0), tuned, short), strict=True))
    chance = np.random.default_rng(given.seed)
    drawn = [space.canonical(space.sample(chance)) for _ in range(given.networks)]
    archs = [space.arch(one) for one in drawn]
    rows: list[dict[str, Any]] = [
        {"network": number, "macs": cost(arch).macs} for number, arch in enumerate(archs)
    ]
    for name, judge in judges.items():
        for row, genotype, arch in zip(rows, drawn, archs, strict=True):
            number = row["network"]
            work = partial(judged, judge, number, genotype, codec.dumps(arch), given.seed)
            row[name] = kept(out / f"{name}-{number:02d}.json", work)
        tops = sorted(row[name]["top1"] for row in rows)
        middle = tops[len(tops) // 2]
        say(f"{name}: top-1 from {tops[0]:.3f} to {tops[-1]:.3f}, middle {middle:.3f}")
    return summary(given, rows, training_s["seconds"])


def summary(given: argparse.Namespace, rows: list[dict[str, Any]], training_s: float) -> dict[str, Any]:
    """Correlations and times."""
    tops = {name: [row[name]["top1"] for row in rows] for name in KINDS}
    tops["macs"] = [row["macs"] for row in rows]
    seconds = {name: sum(row[name]["seconds"] for row in rows) for name in KINDS}
    return {
        "name": f"{given.space}, {given.networks} networks, {given.epochs}, {given.tuned_epochs} and "
                f"{given.short_epochs} epochs, {given.side} pixels, width {given.width or 1:g}, "
                f"{given.images or 'all'} images, seed {given.seed}",
        "spearman": {name: round(float(spearmanr(tops[name], tops["short"]).statistic), 3)
                     for name in ("shared", "tuned", "macs")},
        "first": {name: tops["short"][tops[name].index(max(tops[name]))] for name in tops},
        "seconds": {"training_shared": round(training_s, 1)}
                   | {name: round(value, 1) for name, value in seconds.items()},
        "trials_for_a_third": {name: trials_for_a_third(training_s, seconds[name] / len(rows),
                                                        seconds["short"] / len(rows))
                               for name in ("shared", "tuned")},
        "rows": rows,
    }  # fmt: skip


def trials_for_a_third(training_s: float, each_s: float, short_s: float) -> int | None:
    """From how many trials on a training and trials after it take a third of as many short trainings."""
    spared = short_s / 3 - each_s
    return ceil(training_s / spared) if spared > 0 else None


def trained(out: Path, short: ShortTraining, space: Any, epochs: int) -> dict[str, Any]:
    """The shared weights, in the folder."""
    return {"weights": str(shared_weights(Run(out), short, space, epochs).weights)}


def judged(
    judge: ShortTraining, number: int, genotype: tuple[int, ...], arch: str, seed: int
) -> dict[str, Any]:
    """Top-1 on the held-out images, and the time."""
    return _timed(lambda: {"top1": judge(number, genotype, arch, seed).outcome.quality})


def _timed(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it gives, and the seconds; after a kill those since it was taken up."""
    begun = time.perf_counter()
    return {**work(), "seconds": time.perf_counter() - begun}


def kept(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is in the file, or what goes there."""
    if not path.exists():
        write_json(path, work())
    found: dict[str, Any] = read_json(path)
    return found


if __name__ == "__main__":
    run_script(main)
