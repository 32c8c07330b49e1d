"""`mobilenets evaluate`: the accuracy of a run, a file or a published network on labelled images."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mobilenets.base.errors import UnknownName
from mobilenets.data.dataset import SPLITS
from mobilenets.jobs.score import card_of, score
from mobilenets.jobs.subject import Asked, open_subject


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    target: str | None = None,
    val: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Top-1 and top-5 of a model on a split of a dataset (by default its test split, else its val split).

    `model` is a run folder, a .safetensors, .tflite or .onnx file, or the name of a network with `weights`.
    `val` and `seed` cut the same val split as the training did. Accuracies are shares from 0 to 1.
    Raises UsageError, DataError, RunError, WeightsError, ExportError.
    """
    from mobilenets.data.load import find_source, load_dataset
    from mobilenets.reports.measures import per_class

    if split is not None and split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    session = open_subject(Asked(str(model), weights, width, resolution, dialect), target)
    dataset, left_out = load_dataset(find_source(str(data)), val, seed)
    chosen = split or dataset.held_out
    scored = score(session, dataset, chosen, str(model))
    classes = per_class(scored.confusion(), card_of(session, str(model)).labels)
    return {
        "task": "classify",
        "model": str(model),
        "target": str(session.target),
        "split": chosen,
        "n": len(scored.truth),
        "top1": scored.top1,
        "top5": scored.top(5),
        "left_out": len(left_out),
        "per_class": [asdict(one) for one in classes if one.n],
    }
