"""`train` and `fit` on boxes, masks and embeddings."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import read_json
from mobilenets.base.run import Run
from mobilenets.jobs.evaluate import evaluate
from mobilenets.jobs.fit import fit
from mobilenets.jobs.train import train
from mobilenets.nn import load_model

FAST = {"epochs": 2, "batch_size": 8, "lr": 0.01, "ema_decay": 0.9}
ASKED = {"model": "mobilenet_v3_small", "width": 0.35, "resolution": 64, "weights": "none", "val": 0.2}
METRICS = {"detect": "mAP50", "segment": "mIoU", "embed": "recall1"}


def scene(index):
    """Noise with a white square on it; the square's corners."""
    random = np.random.default_rng(index)
    image = Image.fromarray(random.integers(0, 120, (60, 80, 3), dtype=np.uint8))
    left, top = random.integers(2, 40), random.integers(2, 30)
    box = (int(left), int(top), int(left) + 26, int(top) + 24)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    return image, box


def boxes(root):
    """COCO JSON."""
    for split, numbers in (("train", range(24)), ("val", range(24, 32)), ("test", range(32, 40))):
        images, annotations = [], []
        for index in numbers:
            image, (x1, y1, x2, y2) = scene(index)
            (root / split).mkdir(parents=True, exist_ok=True)
            image.save(root / split / f"{index}.png")
            images.append({"id": index, "file_name": f"{index}.png", "width": 80, "height": 60})
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"id": index, "image_id": index, "category_id": 1, "bbox": box, "iscrowd": 0,
                                "area": box[2] * box[3]})  # fmt: skip
        document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "square"}]}
        (root / split / "_annotations.coco.json").write_text(json.dumps(document))


def masks(root):
    """Folders of images and masks; 2 is void."""
    root.mkdir(parents=True)
    (root / "classes.txt").write_text("ground\nsquare\nvoid\n")
    for split, numbers in (("train", range(24)), ("val", range(24, 32)), ("test", range(32, 40))):
        for index in numbers:
            image, (x1, y1, x2, y2) = scene(index)
            mask = np.zeros((60, 80), np.uint8)
            mask[y1:y2, x1:x2], mask[:2] = 1, 2
            for kind, picture in (("images", image), ("masks", Image.fromarray(mask))):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
                picture.save(root / split / kind / f"{index}.png")


WRITERS = {"detect": boxes, "segment": masks}


@pytest.fixture(scope="module")
def data(tmp_path_factory, shapes):
    """A folder for each task."""
    root = tmp_path_factory.mktemp("scenes")
    boxes(root / "detect")
    masks(root / "segment")
    return {"detect": root / "detect", "segment": root / "segment", "embed": shapes}


@pytest.mark.parametrize("task", METRICS)
def test_a_task_is_trained_and_a_second_call_returns(data, tmp_path, task):
    again = partial(train, data[task], task=task, out=tmp_path / "run", settings=FAST, **ASKED)
    result = again()
    assert (result["task"], result["metric"], result["split"]) == (task, METRICS[task], "val")
    assert 0 <= result[METRICS[task]] <= 1
    assert result["epochs"] == 2
    _, card = load_model(Run(tmp_path / "run").weights)
    assert (card.task, card.metric["name"], card.metric["value"]) == (
        task,
        METRICS[task],
        result[METRICS[task]],
    )
    assert card.preprocess.fit == ("crop" if task == "embed" else "stretch")
    assert card.arch.head.task == task
    header = Run(tmp_path / "run").metrics.read_text().splitlines()[0]
    assert header == f"epoch,seconds,lr,train_loss,val_loss,{METRICS[task]}"
    assert again() == result


@pytest.mark.parametrize(
    ("task", "epochs", "least"),
    [
        ("segment", 12, 0.55),  # 0.43 where all is ground
        pytest.param("detect", 60, 0.3, marks=pytest.mark.slow),
        pytest.param("embed", 30, 0.6, marks=pytest.mark.slow),
    ],
)
def test_it_learns(data, tmp_path, task, epochs, least):
    settings = FAST | {"epochs": epochs}
    result = train(data[task], task=task, out=tmp_path / "run", settings=settings, **ASKED)
    assert result[METRICS[task]] > least


@pytest.mark.parametrize(("task", "crowds"), [("detect", False), ("detect", True), ("segment", False)])
def test_a_test_split_that_judges_nothing_is_refused_before_the_training(tmp_path, task, crowds):
    WRITERS[task](tmp_path / "data")
    for path in (tmp_path / "data/test").rglob("*.json"):
        known = json.loads(path.read_text())
        spared = [{**one, "iscrowd": 1} for one in known["annotations"]] if crowds else []
        path.write_text(json.dumps({**known, "annotations": spared}))
    for path in (tmp_path / "data/test").rglob("masks/*.png"):
        Image.new("L", (80, 60), 255).save(path)
    with pytest.raises(DataError, match=r"no image of the test split .* shows any of the classes") as caught:
        train(tmp_path / "data", task=task, model="mobilenet_v1", width=0.25, resolution=64, weights="none",
              out=tmp_path / "run")  # fmt: skip
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_mixup_is_for_classes_of_whole_images(data, tmp_path):
    with pytest.raises(UsageError, match="mixup blends classes of whole images, which segment has none of"):
        train(data["segment"], task="segment", out=tmp_path / "run", settings=FAST | {"mixup": 0.2}, **ASKED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "target", "epochs"),
    [
        ("detect", "litert:cpu:2", 2),
        ("segment", "litert:cpu:1", 2),
        ("embed", "litert:cpu:1", 30),  # after 2 all vectors are alike, and rounding says which are nearest
    ],
)
def test_fit_measures_the_file(data, tmp_path, task, target, epochs):
    asked = {
        "task": task,
        "budget": "500ms",
        "target": target,
        "settings": FAST | {"epochs": epochs},
        **ASKED,
    }
    again = partial(fit, data[task], out=tmp_path / "run", **asked)
    result = again()
    run = Run(tmp_path / "run")
    stored = read_json(run.result)
    assert stored["target"] == target
    assert (result["task"], result["metric"], result["split"]) == (task, METRICS[task], "test")
    near = 1.01 / stored["n"] if task == "embed" else 0.02  # rounding may decide a tie of one query
    assert stored["torch_value"] == pytest.approx(stored["value"], abs=near)
    assert stored["met"]
    (candidate,) = read_json(run.candidates)["candidates"]
    assert candidate["chosen"]
    assert candidate["median_ms"] > 0
    assert run.report.stat().st_size > 10_000
    judged = evaluate(result["artifact"], data[task], split="test")  # the file itself says how to read it
    assert judged[METRICS[task]] == pytest.approx(result["value"])
    assert again() == result


def test_a_detector_keeps_its_side(data, tmp_path):
    stages = {"resolution_schedule": [[0.5, 48]]}
    with pytest.raises(UsageError, match="boxes of a detector belong to one input side"):
        train(data["detect"], task="detect", out=tmp_path / "run", settings=FAST | stages, **ASKED)
