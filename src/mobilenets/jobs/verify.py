"""The last stage of `fit`, `adapt` and `search`: the file is exported and measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenets.arch import card as cards
from mobilenets.base.errors import ParityError
from mobilenets.base.files import read_json, write_json
from mobilenets.base.run import Run, marked, read
from mobilenets.jobs.alone import measuring
from mobilenets.jobs.start import command
from mobilenets.jobs.subject import SUFFIX, sample_pixels
from mobilenets.reports.facts import Limit

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset
    from mobilenets.runtimes import Target

LATENCY_SECONDS = 3.0
NEAR, FEW = 0.01, 3  # of a metric, and images more, by which a file may differ from its model
TOLD = ("artifact", "task", "metric", "value", "n", "split", "target", "latency_ms", "budget", "unit",
        "reached", "budget_ms", "met", "weights")  # fmt: skip


def verified(run: Run) -> bool:
    """Whether the run has come to its end: weights, a result that says its budget, which older ones did not,
    and the file that it tells of.
    """
    result = read(run.result, {})
    name = result.get("artifact")
    return run.weights.is_file() and "budget" in result and bool(name) and (run.folder / name).is_file()


def finish(
    run: Run, dataset: "Dataset", target: "Target", limit: Limit, tolerance: float = 0.0
) -> dict[str, Any]:
    """Export, verify and report, unless it was done; what a program wants to know of any finished run.

    Takes what `verify` takes. Raises ExportError, StorageError, DeviceError.
    """
    from mobilenets.reports import write_report

    if not verified(run):
        with marked(run, "verify"):
            write_json(run.result, verify(run, dataset, target, limit, tolerance))
    with marked(run, "report"):
        write_report(run)
    result = read_json(run.result)
    return {
        **{key: result[key] for key in TOLD},
        "artifact": str(run.folder / result["artifact"]),
        "run": str(run.folder),
        "report": str(run.report),
    }


def verify(
    run: Run, dataset: "Dataset", target: "Target", limit: Limit, tolerance: float = 0.0
) -> dict[str, Any]:
    """Export the run's model, then measure the file itself: its metric on the held-out images, its latency on
    the target.

    `limit` is one of latency where it does not say what was `reached`; what is up to the share `tolerance`
    above it meets it, too.

    Where the target is another device, the file is scored in the same runtime on this machine: `scored_on`.
    Raises ExportError, ParityError where the file's metric is another than the model's, StorageError,
    DeviceError.
    """
    import torch

    from mobilenets.bench import measure
    from mobilenets.exporters import export, write_card
    from mobilenets.jobs.score import score
    from mobilenets.nn import load_model
    from mobilenets.runtimes import open_session, parse_target
    from mobilenets.tasks import get

    network, card = load_model(run.weights)
    samples = dataset.split(dataset.held_out)
    path = run.exports / f"model{SUFFIX[target.runtime]}"
    exported = export(network, card, path, target.runtime,
                      sample_pixels(card.preprocess, [sample.path for sample in samples]))  # fmt: skip
    scored = score(open_session(path, target), dataset, dataset.held_out, path.name)
    metric = get(card.task).metric
    write_card(path, cards.with_metric(exported.card, metric, scored.value, len(samples), dataset.held_out))
    with measuring():
        timing = measure(open_session(path, target), seconds=LATENCY_SECONDS)  # of the file as it stays
    in_torch = open_session(run.weights, parse_target(f"torch:cpu:{torch.get_num_threads()}"))
    in_torch_value = score(in_torch, dataset, dataset.held_out).value
    _refuse_other_metric(path, metric, scored.value, in_torch_value, len(samples))
    parity, reached = exported.parity, timing.median_ms if limit.reached is None else limit.reached
    return {
        "task": card.task,
        "artifact": path.relative_to(run.folder).as_posix(),
        "outputs": exported.card.outputs,
        "metric": metric,
        "value": scored.value,
        "n": len(samples),
        "split": dataset.held_out,
        "target": str(target),
        "latency_ms": timing.median_ms,
        "latency": timing.as_dict(),
        "scored_on": str(target.here),
        "budget": limit.amount,
        "unit": limit.unit,
        "reached": reached,
        "budget_ms": limit.amount if limit.unit == "ms" else None,
        "met": reached <= limit.amount * (1 + tolerance),
        "weights": card.weights,
        **({"teacher": card.teacher} if card.teacher else {}),
        "torch_value": in_torch_value,
        "parity": {"n": parity.n, "max_abs": parity.max_abs, "agreement": parity.agreement},
        **scored.document(),
        "command": command(),
    }


def _refuse_other_metric(path: Path, metric: str, value: float, in_torch: float, n: int) -> None:
    """Raise ParityError where a file is better or worse than its model by more than a few of `n` images."""
    if abs(value - in_torch) > NEAR + FEW / n:
        raise ParityError(
            f"{path} reaches {metric} {value:.4f}, the model in torch {in_torch:.4f}: the file computes "
            "something else; please report it with the versions in env.json"
        )
