"""Networks that a search finds beside networks of the zoo that take as long, all trained alike.

    python benchmarks/search_vs_zoo.py [--hours 1] [--seeds 0 1 2] [--epochs 40] [--docs]

`mobilenets search` looks in the `v3` space around V3-Small at 64 pixels for networks that take no longer in
LiteRT, on one thread, than the fastest of V3-Small, V2 0.5 and MnasNet-Small: whatever it finds may stand
beside each of them. Trials are of 6 epochs, in two workers; three finalists are trained in full, and the val
split chooses. The data are the first 500 training images of each CIFAR-10 class. Then that network and the
zoo's are trained from scratch by the same recipe for --epochs, with each seed, and judged on the first 200
test images of each class. All latencies are measured in turns.
`ahead_points` is the difference of the mean top-1, `standard_error` the pooled one; the search is `ahead`
where the first is larger than the second and its network takes no longer. `search_minutes` is all of the
search, its table too, up to the finalists' trainings.

The data come from $MOBILENETS_DATA. A killed run resumes, finished parts are read again. Prints one JSON
document and appends it to benchmarks/results/search_vs_zoo.jsonl; --docs also writes it to
docs/search_vs_zoo.json, and a plot beside it.
"""

import argparse
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
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
from tasks import DATA, unpacked
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "search_vs_zoo.jsonl"
DOCS = HERE.parent / "docs" / "search_vs_zoo.json"
TARGET, SIDE = "litert:cpu:1", 64
ZOO = {"mobilenet_v3_small": 1.0, "mobilenet_v2": 0.5, "mnasnet_small": 1.0}
SPARE = 0.98  # of the fastest one's latency is searched for: the same file measures a per cent apart
TRIALS = 0.94  # of the hours are for trials, the rest for the table and for the trials that run when they end
WORKERS = 2


def main() -> None:
    """Search, train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=1.0, help="of the search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/search_vs_zoo.json")
    given = parser.parse_args()
    home = cache_folder() / "benchmarks"
    data = unpacked("embed", DATA / "cifar10.zip", home)
    place = home / f"search-vs-zoo-{given.hours:g}-{given.epochs}"
    zoo = {f"{name} {width:g}": edit.classes(find(name, width, SIDE), 10) for name, width in ZOO.items()}
    found = searched(zoo, data, place / "search", given)
    networks = {**zoo, "searched": codec.loads(Run(place / "search").arch.read_bytes())}
    tops = trained_all(networks, data, place, given.seeds, given.epochs)
    result = {
        "hours": given.hours,
        "epochs": given.epochs,
        **found,
        "rows": compared(networks, tops),
        "environment": environment(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)
        figures.save(plot(result["rows"]), DOCS.with_suffix(".svg"))


def searched(zoo: Mapping[str, Arch], data: Path, out: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The search for a network as fast as the fastest: how many trials it had, and how long they took."""
    budget = SPARE * min(float(row["median_ms"]) for row in measured(list(zoo.values()), TARGET))
    found = search(
        data, space="v3", resolution=SIDE, budget=f"{budget:.6f}ms", target=TARGET, trials=1000,
        hours=TRIALS * given.hours, proxy_epochs=6, workers=WORKERS, beside="", finalists=3,
        settings={"epochs": given.epochs}, out=out,
    )  # fmt: skip
    run = Run(out)
    seconds = run.search.stat().st_mtime - (out / "config.yaml").stat().st_mtime
    return {
        "trials": found["trials"],
        "budget_ms": round(budget, 4),
        "search_minutes": round(seconds / 60, 1),
    }


def trained_all(
    networks: Mapping[str, Arch], data: Path, place: Path, seeds: Sequence[int], epochs: int
) -> dict[str, list[float]]:
    """Top-1 of each network after a training with each seed; two go on at once, on one thread each."""
    jobs = [(name, seed) for seed in seeds for name in networks]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=on_one_thread) as pool:
        futures = [
            pool.submit(trained, codec.dumps(networks[name]), data,
                        place / f"{name.replace(' ', '-')}-{seed}", seed, epochs)
            for name, seed in jobs
        ]  # fmt: skip
        top1 = dict(zip(jobs, [future.result() for future in futures], strict=True))
    return {name: [top1[name, seed] for seed in seeds] for name in networks}


def on_one_thread() -> None:
    """Leave the other core to the other process."""
    import torch

    torch.set_num_threads(1)


def trained(text: str, data: Path, out: Path, seed: int, epochs: int) -> float:
    """Top-1 on the test images of a network given as JSON, after a training from scratch; done once."""
    kept, arch = out.parent / f"{out.name}.json", codec.loads(text)  # a name may hold a dot
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


def compared(networks: Mapping[str, Arch], tops: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """A row for each network; the zoo's say how far ahead of them the network is that was found."""
    times = [float(row["median_ms"]) for row in measured(list(networks.values()), TARGET)]
    ours, ours_ms = tops["searched"], dict(zip(networks, times, strict=True))["searched"]
    rows = []
    for (name, arch), ms in zip(networks.items(), times, strict=True):
        counted, theirs = cost(arch), tops[name]
        ahead, error = 100 * (mean(ours) - mean(theirs)), 100 * pooled(ours, theirs)
        row = {"network": name, "median_ms": ms, "macs": counted.macs, "params": counted.params,
               "top1": theirs, "mean_top1": mean(theirs)}  # fmt: skip
        beside = {"ahead_points": round(ahead, 2), "standard_error": round(error, 2),
                  "ahead": ahead > error and ours_ms <= ms}  # fmt: skip
        rows.append(row | ({"arch": codec.encode(arch)} if name == "searched" else beside))
    return rows


def pooled(one: Sequence[float], other: Sequence[float]) -> float:
    """The standard error of the difference of two means; 0 for single values."""
    return sum(stdev(each) ** 2 / len(each) for each in (one, other) if len(each) > 1) ** 0.5


def plot(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Top-1 of every seed, and their mean, against latency."""
    with figures.style():
        figure = figures.blank(6.4, 4.0)
        axes = figure.subplots()
        for row in rows:
            colour = figures.BLUE if row["network"] == "searched" else figures.PURPLE
            ms, top1 = row["median_ms"], [100 * value for value in row["top1"]]
            axes.scatter([ms] * len(top1), top1, color=colour, s=10, alpha=0.5)
            axes.scatter(ms, mean(top1), color=colour, s=40, zorder=3)
            axes.annotate(row["network"], (ms, mean(top1)), (6, -3), textcoords="offset points", fontsize=8)
        axes.margins(0.25)
        axes.set_xlabel("measured latency, ms")
        axes.set_title("top-1 on 2,000 CIFAR-10 test images, the seeds and their mean, %")
        return figure


if __name__ == "__main__":
    run_script(main)
