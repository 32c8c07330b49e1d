import contextlib
import io
import json

import numpy as np
import pytest
import torch
from detecting import found, sample
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mobilenets.base.errors import DataError
from mobilenets.tasks.detect import Detections, confusion, mean_average_precision
from mobilenets.tasks.detect.precision import STATS

CLASSES = 4


def near(random, box):
    """A box somewhat like another."""
    corners = np.array([box.x1, box.y1, box.x2, box.y2])
    sides = np.tile(corners[2:] - corners[:2], 2)
    moved = corners + random.normal(0, 0.12, 4) * sides
    return [*np.minimum(moved[:2], moved[2:] - 1), *np.maximum(moved[2:], moved[:2] + 1)]


def invented(seed, images=12):
    """Truths, some empty, crowd or difficult; detections near them, of wrong classes, or nowhere."""
    random = np.random.default_rng(seed)
    truths, all_found = [], []
    for _ in range(images):
        low = random.uniform(0, 400, (random.choice([0, 1, 3, 8]), 2))
        sides = np.exp(random.uniform(np.log(6), np.log(240), low.shape))
        crowd, difficult = random.random(len(low)) < 0.15, random.random(len(low)) < 0.1
        corners = np.concatenate((low, low + sides), axis=1).tolist()
        labels = random.integers(CLASSES, size=len(low)).tolist()
        boxes = [
            (label, *corner, bool(many), bool(hard))
            for label, corner, many, hard in zip(labels, corners, crowd, difficult, strict=True)
        ]
        truths.append(sample(*boxes, width=640, height=640))
        places, labels = [], []
        for box in truths[-1].boxes:
            for _ in range(random.integers(0, 4)):
                places.append(near(random, box))
                labels.append(box.label if random.random() < 0.8 else int(random.integers(CLASSES)))
        for _ in range(random.choice([0, 0, 2, 150])):
            corner = random.uniform(0, 500, 2)
            places.append([*corner, *(corner + random.uniform(5, 100, 2))])
            labels.append(int(random.integers(CLASSES)))
        scores = random.integers(1, 40, len(places)) / 40  # with equal ones among them
        all_found.append(found(np.array(places).tolist(), labels, scores.tolist()))
    return all_found, truths


def pycocotools(all_found, truths):
    """Its evaluation of the same, fed by its own JSON."""
    annotations = [
        {"image_id": image, "category_id": box.label + 1,
         "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
         "area": (box.x2 - box.x1) * (box.y2 - box.y1), "iscrowd": int(box.crowd or box.difficult)}
        for image, truth in enumerate(truths)
        for box in truth.boxes
    ]  # fmt: skip
    results = [
        {"image_id": image, "category_id": label + 1, "score": score,
         "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for image, some in enumerate(all_found)
        for (x1, y1, x2, y2), label, score in zip(
            some.boxes.tolist(), some.labels.tolist(), some.scores.tolist(), strict=True
        )
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO()
        theirs.dataset = {
            "images": [{"id": i, "width": t.width, "height": t.height} for i, t in enumerate(truths)],
            "categories": [{"id": i + 1, "name": str(i)} for i in range(CLASSES)],
            "annotations": [{"id": i, **row} for i, row in enumerate(annotations, 1)],
        }
        theirs.createIndex()
        judge = COCOeval(theirs, theirs.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


@pytest.mark.parametrize("block", range(5))
def test_average_precision_is_pycocotools(block):
    seen = set()
    for seed in range(10 * block, 10 * block + 10):
        all_found, truths = invented(seed)
        mine = mean_average_precision(all_found, truths, CLASSES)
        judge = pycocotools(all_found, truths)
        for name, value in zip(STATS, judge.stats, strict=True):
            assert (-1 if mine[name] is None else mine[name]) == pytest.approx(value, abs=1e-6), (seed, name)
        for label, row in enumerate(mine["per_class"]):
            theirs = judge.eval["precision"][:, :, label, 0, -1]
            assert row["AP"] == pytest.approx(theirs.mean(), abs=1e-6)
            assert row["AP50"] == pytest.approx(theirs[0].mean(), abs=1e-6)
            assert row["curve"] == pytest.approx(theirs[0].tolist(), abs=1e-6)
        json.dumps(mine, allow_nan=False)
        boxes = [box for truth in truths for box in truth.boxes]
        seen |= {(box.crowd, box.difficult) for box in boxes}
        seen |= {"empty" for truth in truths if not truth.boxes}
        seen |= {"silent" for some in all_found if not len(some)}
        assert 0.005 < mine["mAP"] < 0.9
    assert seen >= {(True, False), (False, True), (False, False), "empty", "silent"}


def test_what_is_found_exactly_is_found():
    truth = sample((0, 10, 10, 60, 50), (1, 100, 20, 140, 90))
    exact = found([[10, 10, 60, 50], [100, 20, 140, 90]], [0, 1], [0.9, 0.8])
    whole = mean_average_precision([exact], [truth], 3)
    assert (whole["mAP"], whole["mAP50"], whole["AR100"], whole["mAP_large"]) == (1, 1, 1, None)
    assert [row["boxes"] for row in whole["per_class"]] == [1, 1, 0]
    assert whole["per_class"][0]["curve"] == pytest.approx([1.0] * 101)
    assert whole["per_class"][2] == {"boxes": 0, "AP": None, "AP50": None, "curve": []}
    swapped = Detections(exact.boxes, exact.labels.flip(0), exact.scores)
    assert mean_average_precision([swapped], [truth], 3)["mAP"] == 0


def test_nothing_found_is_nought():
    silent = found([], [], [])
    result = mean_average_precision([silent, silent], [sample((0, 1, 1, 9, 9)), sample()], 1)
    assert (result["mAP"], result["mAP50"], result["AR100"]) == (0, 0, 0)
    assert result["per_class"][0]["curve"] == [0.0] * 101


def test_a_difficult_box_is_neither_missed_nor_wrong():
    easy, hard = (0, 10, 10, 60, 50), (0, 100, 20, 140, 90, False, True)
    first = found([[10, 10, 60, 50]], [0], [0.5])
    both = found([[10, 10, 60, 50], [100, 20, 140, 90]], [0, 0], [0.5, 0.9])
    for some in (first, both):
        result = mean_average_precision([some], [sample(easy, hard)], 1)
        assert result["mAP"] == 1
        assert result["per_class"][0]["boxes"] == 1
    assert mean_average_precision([both], [sample(easy)], 1)["mAP"] == pytest.approx(0.5)


@pytest.mark.parametrize("truths", [[sample()], [sample((0, 1, 1, 9, 9, True)), sample()]])
def test_nothing_to_find_is_refused_in_one_line(truths):
    with pytest.raises(DataError, match=r"none of the \d images has a box .*; give images with boxes"):
        mean_average_precision([found([], [], [])] * len(truths), truths, 1)


def test_confusion_by_hand():
    truth = sample(
        (0, 0, 0, 40, 40),  # found
        (1, 50, 0, 90, 40),  # taken for 0
        (0, 100, 0, 140, 40),  # missed: the score is too low
        (1, 0, 50, 40, 90, True),  # a crowd, with detections in it
        (1, 150, 50, 190, 90, False, True),  # difficult, not found
    )
    some = found(
        [[0, 0, 40, 40], [2, 0, 42, 40], [50, 0, 90, 40], [100, 0, 140, 40], [5, 55, 20, 70],
         [150, 0, 190, 30]],
        [0, 0, 0, 0, 1, 1],
        [0.9, 0.8, 0.7, 0.4, 0.6, 0.5],
    )  # fmt: skip
    wanted = [[1, 0, 1], [1, 0, 0], [1, 1, 0]]
    assert confusion([some], [truth], 2) == wanted
    assert confusion([some, found([], [], [])], [truth, sample()], 2) == wanted
    assert confusion([some], [truth], 2, score=0.4) == [[2, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert confusion([found([], [], [])], [sample()], 2) == [[0] * 3] * 3


def test_the_right_class_goes_before_the_closer_box():
    truth = sample((0, 0, 0, 40, 40), (1, 4, 0, 44, 40))
    some = found([[3, 0, 43, 40], [1, 0, 41, 40]], [0, 1], [0.9, 0.8])
    assert confusion([some], [truth], 2) == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_confusion_counts_every_box_and_every_detection_once():
    all_found, truths = invented(3)
    truths = [sample(*[(b.label, b.x1, b.y1, b.x2, b.y2) for b in truth.boxes]) for truth in truths]
    counts = np.array(confusion(all_found, truths, CLASSES, score=0.3))
    boxes = np.bincount([box.label for truth in truths for box in truth.boxes], minlength=CLASSES)
    kept = torch.cat([some.above(0.3).labels for some in all_found])
    assert counts[:-1].sum(1).tolist() == boxes.tolist()
    assert counts[:, :-1].sum(0).tolist() == np.bincount(kept, minlength=CLASSES).tolist()
    assert counts[-1, -1] == 0
    assert np.trace(counts[:-1, :-1]) > 5
