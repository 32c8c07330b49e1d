"""`mobilenets evaluate`: how good a run, a file or a published network is on labelled images."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mobilenets.base.console import say
from mobilenets.base.errors import UnknownName, UsageError
from mobilenets.base.run import Run, read
from mobilenets.data.dataset import PARTS, Part
from mobilenets.jobs.score import card_of, score
from mobilenets.jobs.start import split_of
from mobilenets.jobs.subject import Asked, open_subject, run_of

if TYPE_CHECKING:
    from mobilenets.data.dataset import Dataset
    from mobilenets.jobs.score import Scored


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: str | None = None,
    window: int | None = None,
    weights: str | None = None,
    width: float | None = None,
    resolution: int | None = None,
    dialect: str | None = None,
    target: str | None = None,
    val: float | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """How good a model is on a split of a dataset (by default its test split, else its val split).

    `model` is a run folder, a .safetensors, .tflite or .onnx file, or the name of a network with `weights`;
    it says the task, and so how `data` is read. All figures are shares from 0 to 1: top1 and top5; for boxes
    mAP50, mAP (over IoU 0.5 to 0.95) and mAP75 as COCO counts them; for masks mIoU and pixel_accuracy at the
    masks' own size; for embeddings recall1, recall5, recall10 and map_at_r of the split looked up among the
    train split. `window` has a segmenter look at images through windows of so many pixels, half overlapping.
    Where `data` has no val split, `val` and `seed` cut it; if not given, as the run of the model cut it, so
    that no image is judged that was trained on. Other images than the run's, without a split, are all judged.
    Raises UsageError, DataError, RunError, WeightsError, ExportError.
    """
    from mobilenets.data.findings import errors, tell
    from mobilenets.data.load import find_source, load_dataset

    if split is not None and split not in PARTS:
        raise UnknownName("split", split, PARTS)
    if window is not None and window < 1:
        raise UsageError(f"window must be at least 1 pixel, got {window}")
    session = open_subject(Asked(str(model), weights, width, resolution, dialect).published(), target)
    card = card_of(session, str(model))
    known = run_of(Path(model))
    kept = split_of(known) if known else (None, 0)
    cut = (kept[0] if val is None else val, kept[1] if seed is None else seed)
    dataset, findings = load_dataset(find_source(str(data)), *cut, card.task)
    tell(findings)
    chosen: Part = cast("Part", split) or dataset.held_out
    if known and val is None and seed is None and split is None and chosen in dataset.made:
        if _foreign(known, dataset):
            chosen = "all"
            say(f"{known.folder} was trained on other images: all of {data} are judged")
    elif known is None and val is None and seed is None and chosen in dataset.made:
        say(
            f"the {chosen} split is cut here, and a model that was trained on these images may know them; "
            "evaluate its run, or give --val and --seed of its training"
        )
    scored = score(session, dataset, chosen, str(model), window=window or 0)
    return {
        "task": card.task,
        "model": str(model),
        "target": str(session.target),
        "split": chosen,
        "n": len(dataset.split(chosen)),
        **scored.metrics,
        "left_out": len(errors(findings)),
        "per_class": classes(scored, card.labels),
    }


def _foreign(run: Run, dataset: "Dataset") -> bool:
    """Whether a run was trained on other images, in a folder that has nothing to do with this one."""
    known = read(run.dataset, {})
    if not known.get("root") or known.get("fingerprint") == dataset.fingerprint():
        return False
    there, here = Path(known["root"]), dataset.root.resolve()
    return not (there.is_relative_to(here) or here.is_relative_to(there))


def classes(scored: "Scored", labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each class that occurs, in class order; none for embeddings."""
    from mobilenets.reports.measures import per_class
    from mobilenets.tasks import classify, embed_scored

    if isinstance(scored, embed_scored.Scored):
        return []
    if isinstance(scored, classify.Scored):
        return [asdict(one) for one in per_class(scored.confusion(), labels) if one.n]
    return scored.per_class()
