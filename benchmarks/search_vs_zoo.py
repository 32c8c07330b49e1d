"""Networks that a search finds beside networks of the zoo that take as long, all trained alike.

    python benchmarks/search_vs_zoo.py [--hours 0.75] [--seeds 0 1 2] [--epochs 30] [--again] [--docs]

`mobilenets search` looks in the `v3_strides` space around V3-Small at 64 pixels for networks that take a
little less in LiteRT, on one thread, than V3-Small itself, of V3-Small, V2 0.5 and MnasNet-Small the most
accurate as published; trials are of 6 epochs, in two workers. Beside each of the three stands that network of
the search of which most is to be expected among those that take less. All this is by one table of latencies.
The data are the first 500 training images of each CIFAR-10 class. All are trained from scratch by the same
recipe for --epochs, with each seed, and judged on the first 200 test images of each class; in the end all are
measured in turns.
`ahead_points` is the difference of the mean top-1, `standard_error` the pooled one; the search is `ahead`
where the first is larger than the second and its network takes no longer. The search's `minutes` are all of
it, its table too, up to the last trial. --again trains and judges the networks of a search that is kept.

The data come from $MOBILENETS_DATA. A killed run resumes, finished parts are read again. Prints one JSON
document and appends it to benchmarks/results/search_vs_zoo.jsonl; --docs also writes it to
docs/search_vs_zoo.json, and a plot beside it.
"""

import argparse
import hashlib
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import optuna

from material import DATA, unpacked
from mobilenets.arch import Arch, codec, cost, edit
from mobilenets.arch.zoo import find
from mobilenets.base.errors import BudgetError
from mobilenets.base.files import cache_folder, read_json, write_json
from mobilenets.base.run import Run, environment, open_run
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.measured import measured
from mobilenets.jobs.resource import Price
from mobilenets.jobs.search import search
from mobilenets.jobs.start import Plan, read_data
from mobilenets.jobs.train import train_in
from mobilenets.nas.record import NAME, read_record
from mobilenets.reports import figures
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "search_vs_zoo.jsonl"
DOCS = HERE.parent / "docs" / "search_vs_zoo.json"
TARGET, SIDE = "litert:cpu:1", 64
ZOO = {"mobilenet_v3_small": 1.0, "mobilenet_v2": 0.5, "mnasnet_small": 1.0}
SPARE = 0.98  # of a latency is searched for: what the table says is a per cent or two off
TRIALS = 0.88  # of the hours are for trials, the rest for the table and for the trials that run when they end
WORKERS = 2


def main() -> None:
    """Search, train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=0.75, help="of the search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--search-seed", type=int, default=0)
    parser.add_argument(
        "--again", action="store_true", help="no search: the networks that docs/search_vs_zoo.json has"
    )
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/search_vs_zoo.json")
    given = parser.parse_args()
    home = cache_folder() / "benchmarks"
    data = unpacked("embed", DATA / "cifar10.zip", home)
    zoo = {f"{name} {width:g}": edit.classes(find(name, width, SIDE), 10) for name, width in ZOO.items()}
    known = read_json(DOCS) if given.again else None
    if known:
        told = known["search"]
        ours = {row["zoo"]: codec.decode(row["arch"]) for row in known["rows"]}
    else:
        hunt = home / f"search-vs-zoo-{given.hours:g}-{given.search_seed}"
        told = searched(data, hunt, given)
        price = Price("latency", table=Run(hunt).folder / "table.json")
        ours = {name: beside(hunt, SPARE * price(arch)) for name, arch in zoo.items()}
    pairs = {name: (arch, ours[name]) for name, arch in zoo.items()}
    networks = list(dict.fromkeys(arch for pair in pairs.values() for arch in pair))
    tops = trained_all(networks, data, home / f"from-scratch-{given.epochs}", given.seeds, given.epochs)
    result = {
        "search": told,
        "epochs": given.epochs,
        "seeds": given.seeds,
        "rows": compared(pairs, tops),
        "environment": environment(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, result)
        figures.save(plot(result["rows"]), DOCS.with_suffix(".svg"))


def searched(data: Path, out: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The search below V3-Small's latency: how many trials it had, and how long they took."""
    found = search(
        data, space="v3_strides", resolution=SIDE, budget=f"{100 * SPARE:g}%", target=TARGET, trials=1000,
        hours=TRIALS * given.hours, proxy_epochs=6, workers=WORKERS, beside="", seed=given.search_seed,
        settings={"epochs": 1}, out=out,  # trainings in full are ours
    )  # fmt: skip
    study = optuna.load_study(study_name=NAME, storage=f"sqlite:///{out / 'search.db'}")
    ended = max(trial.datetime_complete for trial in study.trials if trial.datetime_complete)
    seconds = ended.timestamp() - (out / "config.yaml").stat().st_mtime
    return {
        "hours": given.hours,
        "seed": given.search_seed,
        "trials": found["trials"],
        "budget_ms": round(found["budget"], 4),
        "minutes": round(seconds / 60, 1),
    }


def beside(hunt: Path, limit: float) -> Arch:
    """Of a search's networks that take less than a limit in ms, that of which most is to be expected."""
    networks = read_json(Run(hunt).search)["networks"]
    best = next((one for one in networks if one["cost"] <= limit), None)  # they come in that order
    if best is None:
        raise BudgetError(
            f"no network of {hunt} takes less than {limit:.4g} ms; give the search more --hours"
        )
    _, trials = read_record(hunt / "search.db")
    text = next(one.arch for one in trials if one.number == best["trials"][0])
    assert text is not None
    return codec.loads(text)


def trained_all(
    networks: Sequence[Arch], data: Path, place: Path, seeds: Sequence[int], epochs: int
) -> dict[Arch, list[float]]:
    """Top-1 of each network after a training with each seed; two go on at once, on one thread each."""
    jobs = [(arch, seed) for seed in seeds for arch in networks]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context, initializer=on_one_thread) as pool:
        futures = [pool.submit(trained, codec.dumps(arch), data, place, seed, epochs) for arch, seed in jobs]
        top1 = dict(zip(jobs, [future.result() for future in futures], strict=True))
    return {arch: [top1[arch, seed] for seed in seeds] for arch in networks}


def on_one_thread() -> None:
    """Leave the other core to the other process."""
    import torch

    torch.set_num_threads(1)


def trained(text: str, data: Path, place: Path, seed: int, epochs: int) -> float:
    """Top-1 on the test images of a network given as JSON, after a training from scratch; done once."""
    arch = codec.loads(text)
    out = place / f"{arch.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}-{seed}"
    kept = place / f"{out.name}.json"
    if not kept.exists():
        run = open_run(
            out, {"verb": "train", "data": str(data), "arch": arch.name, "epochs": epochs, "seed": seed}
        )
        found = read_data(data, None, seed)
        found.write(run)
        begun = time.monotonic()
        train_in(run, found.dataset, Plan(arch, arch), "none", seed, {"epochs": epochs}, may_lack=False)
        scored = evaluate(out, data, split="test")
        write_json(kept, {"top1": scored["top1"], "n": scored["n"], "seconds": time.monotonic() - begun})
    return float(read_json(kept)["top1"])


def compared(
    pairs: Mapping[str, tuple[Arch, Arch]], tops: Mapping[Arch, list[float]]
) -> list[dict[str, Any]]:
    """A row for each network of the zoo and the one that was found for its latency."""
    networks = list(tops)
    times = dict(zip(networks, (row["median_ms"] for row in measured(networks, TARGET)), strict=True))
    rows = []
    for name, (theirs, ours) in pairs.items():
        ahead = 100 * (mean(tops[ours]) - mean(tops[theirs]))
        error = 100 * pooled(tops[ours], tops[theirs])
        both = {"zoo": theirs, "searched": ours}
        rows.append({
            "zoo": name,
            "median_ms": {kind: times[arch] for kind, arch in both.items()},
            "macs": {kind: cost(arch).macs for kind, arch in both.items()},
            "params": {kind: cost(arch).params for kind, arch in both.items()},
            "top1": {kind: tops[arch] for kind, arch in both.items()},
            "ahead_points": round(ahead, 2),
            "standard_error": round(error, 2),
            "ahead": ahead > error and times[ours] <= times[theirs],
            "arch": codec.encode(ours),
        })  # fmt: skip
    return rows


def pooled(one: Sequence[float], other: Sequence[float]) -> float:
    """The standard error of the difference of two means; 0 for single values."""
    return sum(stdev(each) ** 2 / len(each) for each in (one, other) if len(each) > 1) ** 0.5


def plot(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Top-1 of every seed, and their mean, against latency."""
    points = {(row["median_ms"]["zoo"], tuple(row["top1"]["zoo"])): row["zoo"] for row in rows}
    points |= {(row["median_ms"]["searched"], tuple(row["top1"]["searched"])): "searched" for row in rows}
    with figures.style():
        figure = figures.blank(6.4, 4.0)
        axes = figure.subplots()
        for (ms, tops), name in points.items():
            colour, top1 = figures.BLUE if name == "searched" else figures.PURPLE, [100 * one for one in tops]
            axes.scatter([ms] * len(top1), top1, color=colour, s=10, alpha=0.5)
            axes.scatter(ms, mean(top1), color=colour, s=40, zorder=3)
            axes.annotate(name, (ms, mean(top1)), (6, -3), textcoords="offset points", fontsize=8)
        axes.margins(0.25)
        axes.set_xlabel("measured latency, ms")
        axes.set_title("top-1 on 2,000 CIFAR-10 test images, the seeds and their mean, %")
        return figure


if __name__ == "__main__":
    run_script(main)
