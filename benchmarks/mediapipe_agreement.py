"""Whether MediaPipe Tasks gives on exported files what this package gives, on trained networks.

    python benchmarks/mediapipe_agreement.py [--run FOLDER] [--segmenter FOLDER] [--every 12]

`--run` is the run of a detector, `--segmenter` that of a segmenter; by default those that
`benchmarks/tasks.py` leaves in the cache. Both are exported anew and run on one thread, on the images that
the runs were judged on, at the networks' input sizes: all for the detector, every 12th for the segmenter.

- ObjectDetector with a `mediapipe` file against our decoding of the same file, in pixels of the input: boxes
  with other labels, the largest difference of a score and of a corner. Equal scores come in any order.
- The `nms` file against what `predict` makes of the run in torch, in pixels of the image. Scores nearer than
  rounding change places; such boxes are counted, and left out of the largest difference.
- ImageSegmenter with a `scores` file: the share of pixels with our class.

Prints one JSON document and appends it to benchmarks/results/mediapipe_agreement.jsonl.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mediapipe
import numpy as np
import torch
from mediapipe.tasks.python import BaseOptions, vision

from mobilenets.base.files import cache_folder
from mobilenets.base.run import Run, environment, read
from mobilenets.data.load import find_source, load_dataset
from mobilenets.data.preprocess import read_pixels
from mobilenets.jobs.export import export
from mobilenets.runtimes import Session, open_session, parse_target
from mobilenets.tasks.detect import RULES, Detections
from mobilenets.tasks.detect.scored import found
from telling import run_script, tell

RESULTS = Path(__file__).parent / "results" / "mediapipe_agreement.jsonl"
ONE, TORCH = parse_target("litert:cpu:1"), parse_target(f"torch:cpu:{torch.get_num_threads()}")
NEAR = 1e-3  # pixels: what is further off stands in another place
Size = tuple[int, int]


def main() -> None:
    """Compare, print."""
    home = cache_folder() / "benchmarks"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=home / "fit-detect", help="a detector's run")
    parser.add_argument("--segmenter", type=Path, default=home / "fit-segment", help="a segmenter's run")
    parser.add_argument("--every", type=int, default=12, help="the segmenter sees every so manieth image")
    given = parser.parse_args()
    check("detect", given.run)
    check("segment", given.segmenter)
    with TemporaryDirectory() as folder:
        result = {
            "detector": detector(given.run, Path(folder)),
            "segmenter": segmenter(given.segmenter, Path(folder), given.every),
            "mediapipe": metadata.version("mediapipe"),
            "environment": environment(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    tell(result, RESULTS)


def check(task: str, folder: Path) -> None:
    """Exit with one line unless the folder holds a finished run of the task."""
    option = {"detect": "--run", "segment": "--segmenter"}[task]
    stored = read(Run(folder).result, {})
    if not stored or not Run(folder).weights.exists():
        raise SystemExit(
            f"{folder} holds no finished run; run python benchmarks/tasks.py {task}, or give {option}"
        )
    if stored["task"] != task:
        raise SystemExit(f"{folder} is a run to {stored['task']}; give {option} one to {task}")


def images(folder: Path, task: str) -> list[tuple[Path, Size]]:
    """The images that a run was judged on, with their sizes."""
    dataset, _ = load_dataset(find_source(read(Run(folder).dataset)["source"]), task=task)
    samples: Any = dataset.split(read(Run(folder).result)["split"])
    return [(sample.path, (sample.width, sample.height)) for sample in samples]


def exported(run: Path, form: str, folder: Path) -> Path:
    """A file of the run in a form."""
    path = folder / f"{run.name}-{form}.tflite"
    export(run, to="litert", form=form, out=path)
    return path


def shown(session: Session, path: Path) -> np.ndarray:
    """An image as the network sees it: raw pixels uint8 (1, H, W, 3)."""
    assert session.card is not None
    seen: np.ndarray = read_pixels(session.card.preprocess, path).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(seen[None])


def as_image(pixels: np.ndarray) -> Any:
    """Pixels (1, H, W, 3) for MediaPipe."""
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels[0])


def detector(run: Path, folder: Path) -> dict[str, Any]:
    """Both comparisons of a detector."""
    whole, inside = exported(run, "mediapipe", folder), exported(run, "nms", folder)
    session, pictures = open_session(whole, ONE), images(run, "detect")
    pixels = [shown(session, path) for path, _ in pictures]
    assert session.card is not None
    theirs = tasks_boxes(whole, session.card.labels, pixels)
    return {
        "run": run.name,
        "images": len(pictures),
        "side": pixels[0].shape[1],
        "object_detector": agreement(list(zip(theirs, our_boxes(session, pixels), strict=True))),
        "nms_against_predict": nms_agreement(
            open_session(inside, ONE), open_session(Run(run).weights, TORCH), pixels, pictures
        ),
    }


def tasks_boxes(path: Path, labels: tuple[str, ...], pixels: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Of each image, what ObjectDetector finds: rows of score, label and the corners, in order."""
    options = vision.ObjectDetectorOptions(base_options=BaseOptions(model_asset_path=str(path)))
    with vision.ObjectDetector.create_from_options(options) as tasks:
        for one in pixels:
            rows = []
            for item in tasks.detect(as_image(one)).detections:
                box, (entry,) = item.bounding_box, item.categories
                corners = (box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
                rows.append((entry.score, labels.index(entry.category_name), *corners))
            yield ordered(np.array(rows))


def our_boxes(session: Session, pixels: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The same of our decoding under MediaPipe's rules."""
    assert session.card is not None
    for one in pixels:
        size = (one.shape[2], one.shape[1])
        (item,) = found(session.outputs(one), session.card, [size], RULES["mediapipe"])
        yield ordered(torch.cat((item.scores[:, None], item.labels[:, None], item.boxes), dim=1).numpy())


def ordered(rows: np.ndarray) -> np.ndarray:
    """Rows from the highest score on; those of equal scores by what follows."""
    return rows[np.lexsort((*rows.T[:0:-1], -rows[:, 0]))]


def agreement(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """How far apart rows of score, label and corners are."""
    counted = [(theirs[: len(ours)], ours[: len(theirs)]) for theirs, ours in pairs]
    apart = [np.abs(theirs - ours) for theirs, ours in counted]
    return {
        "images_with_another_count": sum(len(theirs) != len(ours) for theirs, ours in pairs),
        "boxes": sum(len(one) for one in apart),
        "other_labels": int(sum((one[:, 1] > 0).sum() for one in apart)),
        "score_difference": max(float(one[:, 0].max()) for one in apart),
        "boxes_with_another_corner": int(sum((one[:, 2:] > 0).any(axis=1).sum() for one in apart)),
        "corner_difference_px": max(float(one[:, 2:].max()) for one in apart),
    }


def nms_agreement(
    file: Session, network: Session, pixels: list[np.ndarray], pictures: list[tuple[Path, Size]]
) -> dict[str, Any]:
    """How far the boxes of a file with NMS are from those decoded here of the network in torch."""
    counts, moved, worst = 0, 0, 0.0
    for one, (_, size) in zip(pixels, pictures, strict=True):
        theirs, ours = boxes(file, one, size), boxes(network, one, size)
        counts += len(ours)
        kept = min(len(theirs), len(ours))
        apart = (theirs.boxes[:kept] - ours.boxes[:kept]).abs().amax(dim=1)
        away = (apart > NEAR) | (theirs.labels[:kept] != ours.labels[:kept])
        moved += int(away.sum()) + abs(len(theirs) - len(ours))
        worst = max(worst, float(apart[~away].max()))
    return {"boxes": counts, "in_another_place": moved, "corner_difference_of_others_px": worst}


def boxes(session: Session, pixels: np.ndarray, size: Size) -> Detections:
    """What a file or network finds in one image, under the rules of files."""
    assert session.card is not None
    return found(session.outputs(pixels), session.card, [size])[0]


def segmenter(run: Path, folder: Path, every: int) -> dict[str, Any]:
    """The share of pixels on which ImageSegmenter says our class: of all, and of the worst image."""
    path = exported(run, "scores", folder)
    session = open_session(path, ONE)
    pixels = [shown(session, one) for one, _ in images(run, "segment")[::every]]
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=str(path)), output_category_mask=True
    )
    with vision.ImageSegmenter.create_from_options(options) as tasks:
        shares = [
            float((tasks.segment(as_image(one)).category_mask.numpy_view().squeeze() == ours).mean())
            for one, ours in ((one, session.run(one)[0].argmax(axis=-1)) for one in pixels)
        ]
    return {
        "run": run.name,
        "images": len(shares),
        "side": pixels[0].shape[1],
        "pixels_alike": float(np.mean(shares)),
        "of_the_worst_image": min(shares),
    }


if __name__ == "__main__":
    run_script(main)
