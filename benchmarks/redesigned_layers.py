"""What does the redesign of V3-Large's costly layers save here (V3, section 5.1)?

    python benchmarks/redesigned_layers.py [--runs 300] [--fresh] [--docs]

Four networks, untrained, as `export` writes them, on litert:cpu:1: as published; with the original last
stage (the paper: 30 M multiply-accumulates and 7 ms of a Pixel 1 more); with the stem of 32 filters (10 M and
2 ms); with both. They run in turns in one process, in rounds of 25 runs each. A round that is done is kept:
an interrupted measurement goes on where it stopped, unless the versions have changed or --fresh is given.
Prints one JSON document with the median paired ratio of each network to the published one, its spread over
the rounds, and the multiply-accumulates; appends it to benchmarks/results/redesigned_layers.jsonl. With
--docs it is also what `make docs` shows on the page of the family.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mobilenets.arch import cost
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import environment
from mobilenets.bench import measure_interleaved
from mobilenets.jobs.models import REDESIGN
from mobilenets.jobs.subject import blank_card, exported_once
from mobilenets.nn import build
from mobilenets.runtimes import open_session, parse_target
from telling import run_script, tell

TARGET = parse_target("litert:cpu:1")
ROUND = 25
WARMUP = 10
PUBLISHED = next(iter(REDESIGN))
HERE = Path(__file__).parent
RESULTS = HERE / "results" / "redesigned_layers.jsonl"
DOCS = HERE.parent / "docs" / "families" / "redesigned_layers.json"


def main() -> None:
    """Export what is not there yet, measure the rounds that are missing, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=300, help="interleaved runs of each")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured")
    parser.add_argument("--docs", action="store_true", help="show this result in the documentation")
    given = parser.parse_args()
    terms = {"target": str(TARGET), "warmup": WARMUP, "round": ROUND, "environment": environment()}
    runs = gathered(terms, given.runs, fresh=given.fresh)
    result = {
        "networks": {name: row(name, runs) for name in REDESIGN},
        "runs": len(runs[PUBLISHED]),
        **terms,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)


def gathered(terms: dict[str, Any], wanted: int, *, fresh: bool) -> dict[str, list[float]]:
    """Milliseconds of at least `wanted` runs of each network, those of an interrupted call included."""
    path = cache_folder() / "redesigned_layers.json"
    kept = read_json(path) if path.exists() and not fresh else {}
    runs = kept["runs"] if kept.get("terms") == terms else {name: [] for name in REDESIGN}
    if len(runs[PUBLISHED]) >= wanted:
        return runs
    sessions = {name: open_session(exported(name), TARGET) for name in REDESIGN}
    while len(runs[PUBLISHED]) < wanted:
        timings = measure_interleaved(sessions, rounds=ROUND, warmup=WARMUP)
        for name, timing in timings.items():
            runs[name] += timing.runs_ms
        write_json(path, {"terms": terms, "runs": runs})
    return runs


def exported(name: str) -> Path:
    """The file of one network, from the cache where it is there."""
    arch = find("mobilenet_v3_large", **REDESIGN[name].settings)
    torch.manual_seed(0)
    return exported_once(build(arch).eval(), blank_card(arch), TARGET.runtime, "untrained")


def row(name: str, runs: dict[str, list[float]]) -> dict[str, Any]:
    """The ratio to the published network first; then times and counts."""
    ratios = np.divide(runs[name], runs[PUBLISHED])
    rounds = np.median(ratios.reshape(-1, ROUND), axis=1)
    counted = cost(find("mobilenet_v3_large", **REDESIGN[name].settings))
    published = cost(find("mobilenet_v3_large"))
    return {
        "ratio": round(float(np.median(ratios)), 4),
        "ratio_of_rounds": [round(float(rounds.min()), 4), round(float(rounds.max()), 4)],
        "median_ms": round(float(np.median(runs[name])), 3),
        "min_ms": round(float(min(runs[name])), 3),
        "params": counted.params,
        "macs": counted.macs,
        "macs_ratio": round(counted.macs / published.macs, 4),
    }


if __name__ == "__main__":
    run_script(main)
