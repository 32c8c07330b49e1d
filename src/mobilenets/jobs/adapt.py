"""`mobilenets adapt`: a trained network made narrower until it meets a budget, by NetAdapt."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mobilenets.arch import card as cards
from mobilenets.arch import codec
from mobilenets.arch.card import Card
from mobilenets.arch.spec import Arch
from mobilenets.base.console import say
from mobilenets.base.errors import ConfigMismatch, UsageError, shown
from mobilenets.base.files import sha256, write_json, write_text
from mobilenets.base.run import Run, find_run, marked, read, read_config
from mobilenets.jobs.adaptation import document, line
from mobilenets.jobs.alone import alone, begun, check_out
from mobilenets.jobs.budget import Goal, parse_goal
from mobilenets.jobs.material import Material, forget, judged
from mobilenets.jobs.resource import Meter, check_table, meter
from mobilenets.jobs.rounds import IMAGES, Adapting, Tryout, rounds
from mobilenets.jobs.start import check_settings, command, read_data, split_of
from mobilenets.jobs.subject import finished, run_of
from mobilenets.jobs.teacher import check_guidance, guidance, opened
from mobilenets.jobs.verify import finish
from mobilenets.nas.netadapt import Choice, Judge, Point, Round, Rules, netadapt
from mobilenets.reports.facts import Limit

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset
    from mobilenets.training import Teacher


def adapt(
    model: str | Path,
    *,
    budget: str,
    target: str = "litert:cpu:1",
    out: str | Path | None = None,
    data: str | Path | None = None,
    table: str | Path | None = None,
    importance: str = "norm",
    choice: str = "ratio",
    judge: str = "loss",
    step: float = Rules.step,
    decay: float = Rules.decay,
    multiple: int = Rules.multiple,
    tuned: int = Rules.tuned,
    images: int = IMAGES,
    workers: int = 1,
    teacher: str | Path | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Narrow a trained network, width by width, until it meets the budget; fine-tune, export and verify it.

    `model` is a run folder, or a .safetensors file of ours together with `data`. `budget` is a time on the
    target ("3ms"), another resource ("150M macs", "1.2M params", "600kB" of activations), or a share of what
    the network takes now ("60%", "60% macs"). The run goes to `out`, by default beside the model as
    MODEL-adapted. `table` is a file of `mobilenets latency build`; what it lacks is measured. Everything else
    is explained by `nas.Rules` and `rounds.Adapting`; `teacher` is a run or file whose outputs guide every
    fine-tuning (the model itself, for example); `settings` are those of the last, long one.
    A second call goes on where the first was stopped.
    Raises UsageError, RunError, DataError, BudgetError, TrainingError, ExportError, StorageError.
    """
    from mobilenets.runtimes import parse_target

    goal = parse_goal(budget)
    check_table(goal.resource, table)
    rules = Rules(step, decay, multiple, tuned, cast("Choice", choice), cast("Judge", judge))
    adapting = Adapting(rules, images, importance, workers)
    parse_target(target)
    if teacher is not None:
        opened(teacher)
    if Path(model).is_file() and Path(model).suffix != ".safetensors":
        raise UsageError(
            f"{model} is no .safetensors file of ours; give the run folder or weights it was made of"
        )
    weights, material = source(Path(model), data)
    check_settings(settings, material.task, seed)
    check_guidance(teacher, None, settings)
    if importance == "taylor" and material.task == "embed":
        raise UsageError(
            "importance by taylor needs the loss that trained the network, of which an embedder keeps "
            "nothing; take norm or activation"
        )
    place = Path(out) if out else Path(f"{str(model).rstrip('/').removesuffix('.safetensors')}-adapted")
    check_out(place, material.data)
    asked = {
        "verb": "adapt",
        "model": str(Path(model)),
        "data": str(Path(data or material.data)),
        "task": material.task,
        "budget": budget,
        "target": target,
        "table": str(table) if table else None,
        **asdict(adapting.rules),
        "images": images,
        "importance": importance,
        "teacher": str(teacher) if teacher else None,
        "val": material.val,
        "seed": seed,
        "settings": settings or {},
    }
    with alone(begun(place, asked)) as run:
        dataset = adapt_in(
            run, weights, material, goal, target, adapting,
            table=Path(table) if table else None, teacher=teacher, seed=seed, settings=settings,
        )  # fmt: skip
        return _finished(run, dataset, target)


class FitsError(UsageError):
    """The network meets the budget as it is."""


def adapt_in(
    run: Run,
    weights: Path,
    material: Material,
    goal: Goal,
    target: str,
    adapting: Adapting,
    *,
    table: Path | None = None,
    teacher: str | Path | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
) -> "Dataset":
    """The rounds and the long fine-tuning of `adapt`: adapt.json, then the finished weights in the run.

    Raises as `adapt`.
    """
    from mobilenets.nn import load_model

    forget()
    found = read_data(material.data, material.val, material.seed, material.task)
    found.write(run)
    network, card = load_model(weights)
    _refuse_other_labels(card, found.dataset, weights)
    guide = guidance(teacher, None, found.dataset, card.task).teacher
    with marked(run, "measure"):
        known = meter(goal, card.arch, target, table, run.folder)
        start = _start(run, weights, lambda: judged(network, card, found.dataset), known, card.arch)
    budget = goal.of(start.cost)
    if start.cost <= budget * (1 + adapting.rules.tolerance):
        raise FitsError(
            f"{card.arch.name} takes {start.cost:.4g} {known.unit}, which meets {budget:.4g} as it is; "
            "give a smaller budget"
        )
    say(f"from {start.cost:.4g} to {budget:.4g} {known.unit}")
    tryout = Tryout(material, adapting.images, adapting.importance, seed, str(teacher) if teacher else None)
    done: list[Round] = []
    with marked(run, "adapt"), rounds(run.folder / "rounds", tryout, adapting.workers) as folder:
        for one in netadapt(start, budget, adapting.rules, predict=known.predict, measure=known.measure,
                            screen=folder.screen, tune=folder.tune):  # fmt: skip
            done.append(one)
            folder.keep_only(one.number, one.name)
            write_json(run.adaptation, document(start, budget, known, adapting, done))
            say(line(one, known, material.task))
    with marked(run, "train"):
        _long_tuning(run, done[-1].chosen.weights, found.dataset, guide, seed, settings)
    return found.dataset


def source(model: Path, data: str | Path | None) -> tuple[Path, Material]:
    """The weights to begin with, and the images that they were trained on or `data`, split in the same way.

    Raises RunError, UsageError where nobody says which images.
    """
    from mobilenets.nn import load_model

    if model.is_file():
        if data is None:
            raise UsageError(f"{model} does not say what it was trained on; give --data FOLDER as well")
        home = run_of(model)
        return model, Material(str(data), load_model(model)[1].task, *(split_of(home) if home else ()))
    weights, run = finished(model), find_run(model)
    config = read_config(run)
    if data is None and not config.get("data"):
        raise UsageError(f"{model} does not say what it was trained on; give --data FOLDER as well")
    return weights, Material(str(data or config["data"]), config.get("task", "classify"), *split_of(run))


def _start(
    run: Run, weights: Path, judge: Callable[[], tuple[float, float]], known: Meter, arch: Arch
) -> Point:
    """Where the path begins; judged and measured once."""
    place, digest = run.folder / "start.json", sha256(weights)
    if not place.exists():
        metric, loss = judge()
        found = {"cost": known.measure(arch), "metric": metric, "loss": loss, "weights": digest}
        write_json(place, found)
    kept = read(place)
    if kept.get("weights", digest) != digest:
        raise ConfigMismatch(
            f"{weights} holds other weights than those that {run.folder} began with; use another --out"
        )
    return Point(arch, kept["cost"], kept["metric"], kept["loss"], weights)


def _long_tuning(
    run: Run,
    weights: Path,
    dataset: "Dataset",
    teacher: "Teacher | None",
    seed: int,
    given: dict[str, Any] | None,
) -> None:
    """Fine-tune what the rounds arrived at, in the run itself."""
    from mobilenets import training
    from mobilenets.nn import load_model
    from mobilenets.training.settings import override, readapting

    network, card = load_model(weights)
    card = replace(card, metric={}, command=command())
    write_text(run.arch, codec.dumps(card.arch, indent=2) + "\n")
    write_text(run.card, cards.dumps(card) + "\n")
    chosen = readapting(len(dataset.train), len(dataset.labels), card.task)
    training.train(network, dataset, card, override(chosen, **{"seed": seed, **(given or {})}), run, teacher)


def _finished(run: Run, dataset: "Dataset", target: str) -> dict[str, Any]:
    """Export, verify, report; what a program wants to know."""
    from mobilenets.runtimes import parse_target

    adapted = read(run.adaptation)
    limit = Limit(adapted["budget"], adapted["unit"], adapted["reached"])
    return {
        **finish(run, dataset, parse_target(target), limit, Rules().tolerance),
        **{key: adapted[key] for key in ("resource", "error_percent", "start", "images")},
        "rounds": len(adapted["rounds"]),
        "fine_tuned": sum(one["fine_tuned"] for one in adapted["rounds"]),
    }


def _refuse_other_labels(card: Card, dataset: "Dataset", weights: Path) -> None:
    """Raise UsageError for a network that knows other classes than the images have."""
    if card.labels and card.labels != dataset.labels:
        raise UsageError(
            f"{weights} knows the classes {shown(', '.join(card.labels))}, the images have "
            f"{shown(', '.join(dataset.labels))}; give the images that it was trained on"
        )
