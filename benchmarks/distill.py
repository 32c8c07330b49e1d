"""Training with a teacher beside training without one.

    python benchmarks/distill.py [--seeds 0 1 2] [--set distil_weight=0.9 ...] [--unlabelled 500] [--docs]
    python benchmarks/distill.py --cost            what a teacher costs per step

The student is V3-Small, from scratch, on the first 500 training images of each CIFAR-10 class at 96 pixels,
with a quarter of the default epochs; the teacher is V2 with the published ImageNet weights, fine-tuned on the
same images (`mobilenets train`, its defaults), or a finished run given by --teacher. Both students have the
same seed and settings but for the teacher. --unlabelled N trains a third one, whose teacher also judges the
next N images of each class, without their labels. The figures are top-1 on the first 200 test images of each
class; `ahead_points` is by how many points the taught student is ahead.

--cost times a step of the student (batch of 32, forwards and backwards) without and with a teacher, in turns.

The data come from $MOBILENETS_DATA, the weights from the test dependency that carries them, or --weights. A
killed run resumes, finished trainings are read again. Prints one JSON document and appends it to
benchmarks/results/distill.jsonl; --docs also adds it to docs/distillation.json.
"""

import argparse
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch

from material import DATA, plain_steps, published, unpacked
from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.files import cache_folder, filling, read_json, write_json
from mobilenets.base.run import Run, environment
from mobilenets.cli.settings import collect
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.train import train
from mobilenets.nn import build
from mobilenets.training.distil import Distilled, Watched, compared
from mobilenets.training.settings import Settings, from_scratch
from mobilenets.training.teacher import Teacher, Teaching, channels
from telling import run_script, tell

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "distill.jsonl"
DOCS = HERE.parent / "docs" / "distillation.json"
STUDENT, TEACHER, SIDE = "mobilenet_v3_small", "mobilenet_v2", 96
LABELLED = 500  # images of a class with labels
STEPS = 60


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], help="a setting of the taught student")
    parser.add_argument("--epochs", type=int, help="of the students; a quarter of the default if not given")
    parser.add_argument("--unlabelled", type=int, default=0, help="images of a class without labels")
    parser.add_argument("--teacher", type=Path, help="a finished run on these classes")
    parser.add_argument("--weights", type=Path, help="torchvision's mobilenet_v2-b0353104.pth")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--docs", action="store_true", help="keep this result in docs/distillation.json")
    given = parser.parse_args()
    result = step_cost() if given.cost else beside(given)
    result |= {"environment": environment(), "time": datetime.now(UTC).isoformat(timespec="seconds")}
    tell(result, RESULTS)
    if given.docs:
        write_json(DOCS, {**(read_json(DOCS) if DOCS.exists() else {}), result["name"]: result})


def beside(given: argparse.Namespace) -> dict[str, Any]:
    """The students with and without a teacher, for every seed."""
    home = cache_folder() / "benchmarks"
    data = unpacked("embed", DATA / "cifar10.zip", home)
    teacher = given.teacher or taught_on(data, given.weights or published(), home / "distill-teacher")
    n = read_json(Run(teacher).dataset)["images"]["train"]
    epochs = given.epochs or from_scratch(n, 10).epochs // 4
    chosen = collect(given.set) or {}
    more = without_labels(DATA / "cifar10.zip", home, given.unlabelled) if given.unlabelled else None
    name = named(epochs, lessons(chosen))
    result: dict[str, Any] = {
        "name": f"{name} unlabelled={10 * given.unlabelled}" if more else name,
        "student": STUDENT,
        "epochs": epochs,
        "settings": lessons(chosen),
        "teacher": {"model": TEACHER, "top1": judged(teacher, data)},
        "rows": [],
    }
    for seed in given.seeds:
        plain = student(data, home, epochs, seed, {})
        taught = student(data, home, epochs, seed, chosen, teacher)
        row = {"seed": seed, "plain": plain, "taught": taught, "ahead_points": ahead(taught, plain)}
        if more:
            wider = student(data, home, epochs, seed, chosen, teacher, more)
            row |= {"unlabelled": wider, "unlabelled_ahead_points": ahead(wider, plain)}
        result["rows"].append(row)
    for key in ("ahead_points", "unlabelled_ahead_points")[: 1 + bool(more)]:
        points = [row[key] for row in result["rows"]]
        spread = round(stdev(points), 2) if len(points) > 1 else None
        result[key] = {"mean": round(mean(points), 2), "deviation": spread, "seeds": len(points)}
    return result


def taught_on(data: Path, weights: Path, out: Path) -> Path:
    """The run of the teacher."""
    train(data, model=TEACHER, resolution=SIDE, weights=str(weights), out=out, settings=plain_steps(4750))
    return out


def student(
    data: Path,
    home: Path,
    epochs: int,
    seed: int,
    chosen: dict[str, Any],
    teacher: Path | None = None,
    unlabelled: Path | None = None,
) -> dict[str, Any]:
    """One training of the student: top-1 on the test images, and the time in the loop."""
    kind = ("unlabelled" if unlabelled else "taught") if teacher else "plain"
    words = [f"{key}={value}" for key, value in (lessons(chosen) | chosen).items()] if teacher else []
    out = home / "-".join(["distill", str(seed), str(epochs), kind, *words])
    settings = {"epochs": epochs, **(chosen if teacher else {})}
    found = train(data, model=STUDENT, resolution=SIDE, weights="none", seed=seed, out=out, settings=settings,
                  teacher=teacher, unlabelled=unlabelled)  # fmt: skip
    return {"top1": judged(out, data), "val": found["top1"], "training_s": round(found["seconds"])}


def lessons(chosen: dict[str, Any]) -> dict[str, Any]:
    """The settings that concern a teacher."""
    return {key: value for key, value in vars(Settings(**chosen)).items() if key.startswith("distil_")}


def named(epochs: int, settings: dict[str, Any]) -> str:
    """What tells one result from another."""
    shares = (settings[f"distil_{key}"] for key in ("weight", "temperature", "features"))
    words = ("default" if share is None else f"{share:g}" for share in shares)
    return "{} epochs, weight {}, temperature {}, features {}".format(epochs, *words)


def judged(run: Path, data: Path) -> float:
    """Top-1 of a run on the test images."""
    kept = run.with_name(f"{run.name}.json")
    if not kept.exists():
        write_json(kept, evaluate(run, data, split="test"))
    return float(read_json(kept)["top1"])


def ahead(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Points of top-1 between two students."""
    return round(100 * (one["top1"] - other["top1"]), 2)


def without_labels(archive: Path, home: Path, count: int) -> Path:
    """The `count` images of each class behind those with labels, all in one folder."""
    place = home / f"cifar10-unlabelled-{count}"
    if place.exists():
        return place
    with zipfile.ZipFile(archive) as source, filling(place) as draft:
        counts: dict[str, int] = {}
        for name in sorted(source.namelist()):
            if "/train/" in name and name.endswith(".jpg"):
                label = Path(name).parent.name
                counts[label] = counts.get(label, 0) + 1
                if LABELLED < counts[label] <= LABELLED + count:
                    (draft / f"{label}-{Path(name).name}").write_bytes(source.read(name))
    return place


def step_cost(batch: int = 32) -> dict[str, Any]:
    """Medians of a step without a teacher, with its answers, and with its maps too; and their ratios."""
    torch.manual_seed(0)
    labels = tuple(f"class {i}" for i in range(10))
    student_, teacher = (build(find(name, resolution=SIDE, classes=10)) for name in (STUDENT, TEACHER))
    card = Card("classify", student_.arch, labels, Preprocess(SIDE, SIDE))
    student_.to(memory_format=torch.channels_last).train()
    teaching = Teaching(Teacher(teacher), card, torch.device("cpu"), torch.channels_last)
    maps = compared(channels(student_), teaching.strides, 0)
    own, settings = torch.nn.CrossEntropyLoss(), Settings(distil_features=1.0)
    answers_only = Distilled(own, card.arch.head, Settings(), {})
    with_maps, watched = Distilled(own, card.arch.head, settings, maps), Watched(student_)
    x = torch.randn(batch, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (batch,))
    ways = {
        "alone": lambda: own(student_(x), y),
        "answers": lambda: answers_only(student_(x), y, teaching.lesson(x)),
        "answers and maps": lambda: with_maps(watched(x), y, teaching.lesson(x, maps=True)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(STEPS):
        for name, loss in ways.items():
            begun = time.perf_counter()
            loss().backward()
            times[name].append(time.perf_counter() - begun)
    ratios = {
        name: round(median(one / alone for one, alone in zip(times[name], times["alone"], strict=True)), 3)
        for name in ("answers", "answers and maps")
    }
    medians = {name: round(1000 * median(values), 2) for name, values in times.items()}
    return {"name": "cost", "batch": batch, "threads": torch.get_num_threads(), "steps": STEPS,
            "median_ms": medians, "ratio": ratios}  # fmt: skip


if __name__ == "__main__":
    run_script(main)
