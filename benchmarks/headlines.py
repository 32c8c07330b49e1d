"""The three headlines of the MobileNetV3 paper, measured here.

    python benchmarks/headlines.py [--runs 200] [--fresh] [--docs]             latencies only
    python benchmarks/headlines.py --train [--epochs 60] [--seeds 3]           and detection at equal accuracy

V3-Large against V2 on litert:cpu:1, untrained files as `export` writes them, in turns in one process: to
classify at 224 pixels (the paper: 20 % faster, abstract), to detect at 320 (SSDLite, halved last stage; 25 %)
and to segment at 512 (LR-ASPP on V3-Large with halved last stage, R-ASPP on V2; 34 %).

The paper's 25 % is at equal accuracy. `--train` trains both detectors on BCCD from scratch with one schedule
and several seeds and states mAP of the files beside the latency: published V3 weights are in no package
index, so neither begins with any. The data come from bccd.zip in $MOBILENETS_DATA. Trainings resume after a
kill; rounds of measurement that are done are kept, unless the versions have changed or --fresh is given.
Prints one JSON document and appends it to benchmarks/results/headlines.jsonl; --docs also writes
docs/headlines.json.
"""

import argparse
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

from material import DATA
from mobilenets.arch import Arch, cost
from mobilenets.arch.heads import lraspp, raspp, ssdlite
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import Run, environment, open_run
from mobilenets.bench import measure_interleaved
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.start import Plan, read_data
from mobilenets.jobs.subject import blank_card, exported_once
from mobilenets.jobs.train import train_in
from mobilenets.nn import build
from mobilenets.runtimes import open_session, parse_target
from telling import run_script, tell

TARGET = parse_target("litert:cpu:1")
ROUND, WARMUP = 25, 10
HERE = Path(__file__).parent
RESULTS = HERE / "results" / "headlines.jsonl"
DOCS = HERE.parent / "docs" / "headlines.json"
COCO, CITYSCAPES, CELLS = 90, 19, 3  # classes
PAPER = {"classification": -20, "detection": -25, "segmentation": -34}  # per cent


def pair(task: str, classes: int) -> tuple[Arch, Arch]:
    """V3-Large and V2 as the paper compares them."""
    match task:
        case "classification":
            return find("mobilenet_v3_large"), find("mobilenet_v2")
        case "detection":
            v3, v2 = find("mobilenet_v3_large", resolution=320), find("mobilenet_v2", resolution=320)
            return ssdlite(v3, classes, halved=True), ssdlite(v2, classes)
        case _:
            v3, v2 = find("mobilenet_v3_large", resolution=512), find("mobilenet_v2", resolution=512)
            return lraspp(v3, classes, reading="tensorflow", halved=True), raspp(v2, classes)


CLASSES = {"classification": 1000, "detection": COCO, "segmentation": CITYSCAPES}


def main() -> None:
    """Measure what is missing, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200, help="interleaved runs of each")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured")
    parser.add_argument("--train", action="store_true", help="train detectors for the comparison of accuracy")
    parser.add_argument("--epochs", type=int, default=60, help="of each training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each detector")
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/headlines.json")
    given = parser.parse_args()
    terms = {"target": str(TARGET), "warmup": WARMUP, "round": ROUND, "environment": environment()}
    runs = gathered(terms, given.runs, fresh=given.fresh)
    result: dict[str, Any] = {"latency": {task: row(task, runs[task]) for task in PAPER}, **terms}
    if given.train:
        result["detection_at_equal_accuracy"] = trained(given.epochs, given.seeds)
    result["time"] = datetime.now(UTC).isoformat(timespec="seconds")
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)


def gathered(terms: dict[str, Any], wanted: int, *, fresh: bool) -> dict[str, list[list[float]]]:
    """Milliseconds of at least `wanted` runs of V3-Large and V2 for each task, earlier calls included."""
    path = cache_folder() / "headlines.json"
    kept = read_json(path) if path.exists() and not fresh else {}
    runs = kept["runs"] if kept.get("terms") == terms else {task: [[], []] for task in PAPER}
    for task in PAPER:
        if len(runs[task][0]) >= wanted:
            continue
        sessions = {
            str(index): open_session(exported(arch), TARGET)
            for index, arch in enumerate(pair(task, CLASSES[task]))
        }
        while len(runs[task][0]) < wanted:
            for name, timing in measure_interleaved(sessions, rounds=ROUND, warmup=WARMUP).items():
                runs[task][int(name)] += timing.runs_ms
            write_json(path, {"terms": terms, "runs": runs})
    return runs


def exported(arch: Arch) -> Path:
    """The file of one network, from the cache where it is there."""
    torch.manual_seed(0)
    return exported_once(build(arch).eval(), blank_card(arch), TARGET.runtime, "untrained")


def row(task: str, runs: list[list[float]]) -> dict[str, Any]:
    """What V3-Large takes more or less than V2, in per cent, beside the paper's figure; times and counts."""
    ratios = np.divide(*runs)
    rounds = np.median(ratios.reshape(-1, ROUND), axis=1)
    counted = [cost(arch) for arch in pair(task, CLASSES[task])]
    return {
        "change_percent": round(100 * (float(np.median(ratios)) - 1), 1),
        "change_of_rounds_percent": [
            round(100 * (float(end) - 1), 1) for end in (rounds.min(), rounds.max())
        ],
        "paper_percent": PAPER[task],
        "median_ms": [round(float(np.median(times)), 3) for times in runs],
        "runs": len(runs[0]),
        "params": [one.params for one in counted],
        "macs": [one.macs for one in counted],
    }


def trained(epochs: int, seeds: int) -> dict[str, Any]:
    """Average precision of both detectors on BCCD's test list, per seed and in the mean; their latency."""
    data, v3_v2 = unpacked(), pair("detection", CELLS)
    names = ("mobilenet_v3_large, halved", "mobilenet_v2")
    result: dict[str, Any] = {"data": "BCCD", "epochs": epochs, "weights": "none"}
    for name, arch in zip(names, v3_v2, strict=True):
        scores = [detector(arch, data, epochs, seed) for seed in range(seeds)]
        result[name] = {
            metric: {
                "mean": round(mean(one[metric] for one in scores), 4),
                "deviation": round(stdev(one[metric] for one in scores), 4) if seeds > 1 else None,
                "seeds": [round(one[metric], 4) for one in scores],
            }
            for metric in ("mAP50", "mAP")
        }
    sessions = {name: open_session(exported(arch), TARGET) for name, arch in zip(names, v3_v2, strict=True)}
    timings = measure_interleaved(sessions, rounds=4 * ROUND, warmup=WARMUP)
    for name, timing in timings.items():
        result[name]["median_ms"] = round(timing.median_ms, 3)
    ratio = np.median(np.divide(timings[names[0]].runs_ms, timings[names[1]].runs_ms))
    result["change_percent"] = round(100 * (float(ratio) - 1), 1)
    return result


def detector(arch: Arch, data: Path, epochs: int, seed: int) -> dict[str, float]:
    """Train one detector from scratch, or take up where that stopped; its mAP on the test list."""
    place = cache_folder() / "headlines" / f"{arch.name}-{epochs}-{seed}"
    found = read_data(data, None, seed, "detect")
    settings = {"epochs": epochs}
    run: Run = open_run(place, {"verb": "train", "arch": arch.name, "seed": seed, "settings": settings})
    found.write(run)
    train_in(run, found.dataset, Plan(arch, arch), "none", seed, settings, may_lack=False)
    return evaluate(place, data, split="test", target="litert:cpu:1")


def unpacked() -> Path:
    """The folder of BCCD."""
    folder = cache_folder() / "headlines" / "bccd"
    if not folder.exists():
        with zipfile.ZipFile(DATA / "bccd.zip") as archive:
            archive.extractall(folder)
    return next(folder.rglob("ImageSets")).parent


if __name__ == "__main__":
    run_script(main)
