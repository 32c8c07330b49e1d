"""NetAdapt beside the uniform width multiplier, from the same trained network, on the same images.

    python benchmarks/netadapt.py classify [--seed 0]   MobileNetV2, CIFAR-10 subset, 96 pixels, to 60 % of
                                                        its measured latency on litert:cpu:1
    python benchmarks/netadapt.py macs [--seed 0]       the authors' terms: V1 0.5 at 128 pixels, by MACs
    python benchmarks/netadapt.py detect [--seed 0]     SSDLite on MobileNetV2, BCCD, 320 pixels, to 70 %
    python benchmarks/netadapt.py summary               mean and spread over the seeds that are done

The trained network is adapted by `mobilenets adapt`. The other way takes the widest multiplier of the same
paper's rule that takes no longer, measured in turns with the adapted file; its weights are transplanted from
the same trained network, its most important channels first, and fine-tuned by the same recipe on as many
images as the adapted network's winning lineage saw, and again on as many as all proposals together. Figures
are those of the .tflite files in LiteRT on the test split; latencies are measured in turns.
Data and weights as in tasks.py. Trainings resume after a kill, finished parts are read again. Prints one JSON
document and appends it to benchmarks/results/netadapt.jsonl; --docs also writes docs/netadapt.json.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from material import ARCHIVES, DATA, plain_steps, published, unpacked
from mobilenets.arch import Arch, codec, cost, edit
from mobilenets.arch import card as cards
from mobilenets.arch.heads import with_head
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, read_json, write_json, write_text
from mobilenets.base.run import Run, environment, open_run
from mobilenets.bench import measure_interleaved
from mobilenets.jobs.adapt import adapt
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.export import export
from mobilenets.jobs.measured import measured
from mobilenets.jobs.start import read_data
from mobilenets.jobs.train import train
from mobilenets.nn import load_model
from mobilenets.nn.transplant import transplant
from mobilenets.runtimes import open_session, parse_target
from mobilenets.tasks import get
from mobilenets.training import train as fine_tune
from mobilenets.training.settings import override, readapting
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "netadapt.jsonl"
DOCS = HERE.parent / "docs" / "netadapt.json"
TARGET = "litert:cpu:1"
CASES: dict[str, dict[str, Any]] = {
    "classify": {"data": "embed", "model": "mobilenet_v2", "side": 96, "budget": "60%", "weights": True},
    "macs": {
        "data": "embed",
        "model": "mobilenet_v1",
        "width": 0.5,
        "side": 128,
        "budget": "35% macs",
        "weights": False,
    },
    "detect": {"data": "detect", "model": "mobilenet_v2", "side": 320, "budget": "70%", "weights": True},
}
VAL = 0.1  # of the training images, to choose by
LATENCY_ROUNDS = 200


def main() -> None:
    """Adapt, train the other way, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=(*CASES, "summary"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that fine-tune side by side")
    parser.add_argument(
        "--lineage-only", action="store_true", help="leave out the longer training of the uniform network"
    )
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/netadapt.json")
    given = parser.parse_args()
    result = (
        summary()
        if given.case == "summary"
        else compared(given.case, given.seed, given.workers, lineage_only=given.lineage_only)
    )
    tell(result, RESULTS)
    if given.docs:
        kept = read_json(DOCS) if DOCS.exists() else {}
        write_json(
            DOCS, {**kept, given.case if given.case == "summary" else f"{given.case} {given.seed}": result}
        )


def compared(case: str, seed: int, workers: int, *, lineage_only: bool) -> dict[str, Any]:
    """The adapted network beside the width multiplier's."""
    home = cache_folder() / "benchmarks" / f"netadapt-{case}-{seed}"
    start = trained(case, seed, home / "start")
    adapted = timed(
        home / "adapted.json",
        lambda: adapt(start, budget=CASES[case]["budget"], target=TARGET, out=home / "adapted", seed=seed,
                      workers=workers),
    )  # fmt: skip
    found = adapted["result"]
    images = found["images"]
    long = long_images(home / "adapted")
    arch = uniform(case, start, home / "adapted")
    result: dict[str, Any] = {
        "case": case,
        "seed": seed,
        "minutes": round(adapted["seconds"] / 60, 1),
        "rounds": found["rounds"],
        "fine_tuned": found["fine_tuned"],
        "images": {**images, "long": long},
        "budget": found["budget"],
        "reached": found["reached"],
        "unit": found["unit"],
        "prediction_error_percent": found["error_percent"],
        "start": judged(start, home),
        "adapted": judged(home / "adapted", home),
    }
    for name in ("lineage",) if lineage_only else ("lineage", "all"):
        seen = images[name] + long
        out = home / f"uniform-{name}"
        narrowed(start, arch, seen, seed, out)
        result[f"uniform, images of {name}"] = {"images": seen, **judged(out, home)}
    result |= latencies(start, home)
    result["environment"], result["time"] = environment(), datetime.now(UTC).isoformat(timespec="seconds")
    write_json(home / "result.json", result)
    return result


def trained(case: str, seed: int, out: Path) -> Path:
    """The run of the network to begin with, trained by `mobilenets train`."""
    terms = CASES[case]
    task = "detect" if case == "detect" else "classify"
    data = unpacked(terms["data"], DATA / ARCHIVES[terms["data"]], cache_folder() / "benchmarks")
    weights = str(published()) if terms["weights"] else "none"
    own_val = case == "detect"
    train(data, task=task, model=terms["model"], width=terms.get("width"), resolution=terms["side"],
          weights=weights, val=None if own_val else VAL, seed=seed, out=out,
          settings=plain_steps(4500) if terms["weights"] and task == "classify" else None)  # fmt: skip
    return out


def timed(kept: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives and the seconds it took, once; after a kill, only those of the last call."""
    if not kept.exists():
        begun = time.monotonic()
        found = work()
        write_json(kept, {"result": found, "seconds": time.monotonic() - begun})
    done: dict[str, Any] = read_json(kept)
    return done


def long_images(run: Path) -> int:
    """Images that the long fine-tuning at the end saw."""
    n = read_json(Run(run).dataset)["images"]["train"]
    epochs = sum(1 for _ in Run(run).metrics.open(encoding="utf-8")) - 1
    return int(n * epochs)


def uniform(case: str, start: Path, adapted: Path) -> Arch:
    """The widest network of the zoo's own width multiplier that takes no more than the adapted one."""
    (_, card), (small, _) = load_model(Run(start).weights), load_model(Run(adapted).weights)
    kept = adapted.parent / "uniform.json"
    if not kept.exists():
        write_json(kept, codec.encode(_widest(case, card.arch, small.arch)))
    return codec.decode(read_json(kept))


def _widest(case: str, present: Arch, wanted: Arch) -> Arch:
    """By halving the multiplier; a time is measured in turns with the one to match."""
    low, high, best = 0.1, float(CASES[case].get("width") or 1.0), None
    for _ in range(10):
        middle = (low + high) / 2
        arch = at_width(case, present, middle)
        if arch == best or _takes_more(case, arch, wanted):
            low, high = (middle, high) if arch == best else (low, middle)
        else:
            low, best = middle, arch
    assert best is not None
    return best


def at_width(case: str, present: Arch, width: float) -> Arch:
    """The zoo's network at a width, with the head of the trained one."""
    bare = find(CASES[case]["model"], round(width, 4), present.resolution)
    head = present.head
    if head.task == "classify":
        return replace(edit.classes(bare, head.classes), dialect=present.dialect)
    made = with_head(bare, head.task, head.classes)
    return replace(made, head=replace(made.head, anchors=head.anchors), dialect=present.dialect)


def _takes_more(case: str, arch: Arch, wanted: Arch) -> bool:
    """Whether a network takes more of the resource than another."""
    if case == "macs":
        return cost(arch).macs > cost(wanted).macs
    other, own = (row["median_ms"] for row in measured([wanted, arch], TARGET))
    return bool(own > other)


def narrowed(start: Path, arch: Arch, images: int, seed: int, out: Path) -> None:
    """The trained network's weights in `arch`, fine-tuned as `adapt` does in the end, on `images` images."""
    network, card = load_model(Run(start).weights)
    data = read_json(Run(start).dataset)
    own_val = card.task == "detect"
    found = read_data(data["source"], None if own_val else VAL, seed, card.task)
    n = len(found.dataset.train)
    run = open_run(out, {"verb": "train", "arch": arch.name, "images": images, "seed": seed})
    found.write(run)
    card = replace(card, arch=arch, metric={})
    write_text(run.arch, codec.dumps(arch, indent=2) + "\n")
    write_text(run.card, cards.dumps(card) + "\n")
    settings = override(
        readapting(n, len(found.dataset.labels), card.task), epochs=math.ceil(images / n), seed=seed
    )
    torch.manual_seed(seed)
    fine_tune(transplant(network, arch), found.dataset, card, settings, run)


def judged(run: Path, home: Path) -> dict[str, Any]:
    """Metric of the run's file on the test split, cost; kept beside the run."""
    kept = home / f"{run.name}-judged.json"
    if not kept.exists():
        path = Run(run).exports / "model.tflite"
        if not path.exists():
            export(run, to="litert", out=path)
        scored = evaluate(path, read_json(Run(run).dataset)["source"], split="test", target=TARGET)
        arch = load_model(Run(run).weights)[0].arch
        metric = get(scored["task"]).metric
        counted = cost(arch)
        write_json(kept, {"metric": metric, "value": scored[metric], "n": scored["n"], "macs": counted.macs,
                          "params": counted.params})  # fmt: skip
    found: dict[str, Any] = read_json(kept)
    return found


def latencies(start: Path, home: Path) -> dict[str, Any]:
    """Milliseconds of all files, measured in turns."""
    runs = {"start": start, "adapted": home / "adapted", "uniform": home / "uniform-lineage"}
    sessions = {
        name: open_session(Run(run).exports / "model.tflite", parse_target(TARGET))
        for name, run in runs.items()
    }
    timings = measure_interleaved(sessions, rounds=LATENCY_ROUNDS)
    times = {name: timing.median_ms for name, timing in timings.items()}
    return {
        "median_ms": times,
        "adapted_share": round(times["adapted"] / times["start"], 4),
        "uniform_share": round(times["uniform"] / times["start"], 4),
    }


def summary() -> dict[str, Any]:
    """Mean and deviation of the gains over all seeds that are done, for every case."""
    found: dict[str, Any] = {}
    for case in CASES:
        places = sorted((cache_folder() / "benchmarks").glob(f"netadapt-{case}-*/result.json"))
        rows = [read_json(place) for place in places]
        if rows:
            found[case] = {"seeds": len(rows), **_gains(rows)}
    return found


def _gains(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Points by which the adapted network is ahead."""
    gains: dict[str, list[float]] = {}
    for name in ("lineage", "all"):
        both = [(row["adapted"], row[key]) for row in rows if (key := f"uniform, images of {name}") in row]
        if both:
            gains[name] = [100 * (ours["value"] - other["value"]) for ours, other in both]
    return {
        f"ahead of images of {name}": {
            "points": [round(one, 2) for one in points],
            "mean": round(mean(points), 2),
            "deviation": round(stdev(points), 2) if len(points) > 1 else None,
        }
        for name, points in gains.items()
    }


if __name__ == "__main__":
    run_script(main)
