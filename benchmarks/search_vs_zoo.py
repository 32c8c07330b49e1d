"""Networks that were searched for beside networks of the zoo, at their latency, trained alike.

    python benchmarks/search_vs_zoo.py [--hours 1] [--seeds 0 1 2] [--epochs 40] [--docs]

For each of V3-Small, V2 0.5 and MnasNet-Small at 64 pixels, `mobilenets search` looks for a network that
takes no longer in LiteRT on one thread: the `v3` space around V3-Small, trials of 5 epochs, two workers, a
third of --hours each. The data are the first 500 training images of each CIFAR-10 class. Then the zoo's
network and the one that was found are trained from scratch by the same recipe for --epochs, with each seed,
and judged on the first 200 test images of each class. Latencies of each pair are measured in turns.
`ahead_points` is the difference of the means, `standard_error` the pooled one; the search is `ahead` where
the first is larger than the second and the network takes no longer.

The data come from $MOBILENETS_DATA. A killed run resumes, finished parts are read again. Prints one JSON
document and appends it to benchmarks/results/search_vs_zoo.jsonl; --docs also writes it to
docs/search_vs_zoo.json, and a plot beside it.
"""

import argparse
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mobilenets.arch import Arch, codec, cost, edit
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import Run, environment, open_run
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.measured import measured
from mobilenets.jobs.search import search
from mobilenets.jobs.start import Plan, read_data
from mobilenets.jobs.train import train_in
from mobilenets.reports import figures
from netadapt import timed
from tasks import DATA, unpacked
from telling import tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "search_vs_zoo.jsonl"
DOCS = HERE.parent / "docs" / "search_vs_zoo.json"
TARGET, SIDE = "litert:cpu:1", 64
ZOO = {"mobilenet_v3_small": 1.0, "mobilenet_v2": 0.5, "mnasnet_small": 1.0}


def main() -> None:
    """Search, train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=1.0, help="of all three searches")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/search_vs_zoo.json")
    given = parser.parse_args()
    home = cache_folder() / "benchmarks"
    data = unpacked("embed", DATA / "cifar10.zip", home)
    place = home / f"search-vs-zoo-{given.hours:g}-{given.epochs}"
    rows = [beside(name, width, data, place, given) for name, width in ZOO.items()]
    result = {"hours": given.hours, "epochs": given.epochs, "rows": rows, "environment": environment(),
              "time": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)
        figures.save(plot(rows), DOCS.with_suffix(".svg"))


def beside(name: str, width: float, data: Path, home: Path, given: argparse.Namespace) -> dict[str, Any]:
    """A network of the zoo and the best that a search finds for its latency."""
    theirs = edit.classes(find(name, width, SIDE), 10)
    budget = float(measured([theirs], TARGET)[0]["median_ms"])
    place = home / name
    hunt = timed(
        place / "search-timed.json",
        lambda: search(
            data, space="v3", resolution=SIDE, budget=f"{budget:.6f}ms", target=TARGET, trials=1000,
            hours=given.hours / len(ZOO), workers=given.workers, beside="", finalists=1,
            settings={"epochs": given.epochs}, out=place / "search",
        ),
    )  # fmt: skip
    ours = codec.decode(json.loads(Run(place / "search").arch.read_text(encoding="utf-8")))
    pair = {"zoo": theirs, "searched": ours}
    times = dict(zip(pair, (row["median_ms"] for row in measured(list(pair.values()), TARGET)), strict=True))
    top1 = {
        kind: [trained(arch, data, place / f"{kind}-{seed}", seed, given.epochs) for seed in given.seeds]
        for kind, arch in pair.items()
    }
    ahead = 100 * (mean(top1["searched"]) - mean(top1["zoo"]))
    error = 100 * pooled(top1["searched"], top1["zoo"])
    return {
        "zoo": f"{name} {width:g}",
        "median_ms": times,
        "macs": {kind: cost(arch).macs for kind, arch in pair.items()},
        "params": {kind: cost(arch).params for kind, arch in pair.items()},
        "top1": top1,
        "ahead_points": round(ahead, 2),
        "standard_error": round(error, 2),
        "ahead": ahead > error and times["searched"] <= times["zoo"],
        "trials": hunt["result"]["trials"],
        "minutes": round(hunt["seconds"] / 60, 1),
        "arch": codec.encode(ours),
    }


def trained(arch: Arch, data: Path, out: Path, seed: int, epochs: int) -> float:
    """Top-1 on the test images after a training from scratch; done once."""
    kept = out.with_suffix(".json")
    if not kept.exists():
        run = open_run(
            out, {"verb": "train", "data": str(data), "arch": arch.name, "epochs": epochs, "seed": seed}
        )
        found = read_data(data, None, seed)
        found.write(run)
        begun = time.monotonic()
        train_in(
            run, found.dataset, Plan(replace(arch), arch), "none", seed, {"epochs": epochs}, may_lack=False
        )
        scored = evaluate(out, data, split="test")
        write_json(kept, {"top1": scored["top1"], "n": scored["n"], "seconds": time.monotonic() - begun})
    return float(read_json(kept)["top1"])


def pooled(one: list[float], other: list[float]) -> float:
    """The standard error of the difference of two means; 0 for single values."""
    return sum(stdev(each) ** 2 / len(each) for each in (one, other) if len(each) > 1) ** 0.5


def plot(rows: list[dict[str, Any]]) -> Any:
    """Top-1 against latency, each pair joined."""
    with figures.style():
        figure = figures.blank(6.4, 4.0)
        axes = figure.subplots()
        for row in rows:
            points = [(row["median_ms"][kind], 100 * mean(row["top1"][kind])) for kind in ("zoo", "searched")]
            axes.plot(*zip(*points, strict=True), color=figures.FAINT, linewidth=1, zorder=1)
            for (x, y), colour, text in zip(points, (figures.PURPLE, figures.BLUE), (row["zoo"], "searched"),
                                            strict=True):  # fmt: skip
                axes.scatter(x, y, color=colour, s=36, zorder=3)
                axes.annotate(text, (x, y), (5, -9), textcoords="offset points", fontsize=8)
        axes.margins(0.2)
        axes.set_xlabel("measured latency, ms")
        axes.set_title("top-1 on 2,000 CIFAR-10 test images, mean of the seeds, %")
        return figure


if __name__ == "__main__":
    main()
