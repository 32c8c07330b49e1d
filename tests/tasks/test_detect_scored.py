"""From a detector's outputs to what is told: every form of file, perfect and poor detections."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mobilenets.arch import anchors
from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError
from mobilenets.data.dataset import Box, BoxedSample
from mobilenets.tasks.detect import RULES, Detections, detections
from mobilenets.tasks.detect.scored import Scored, found, listed

LABELS = ("cat", "dog", "cow")
ARCH = with_head(find("mobilenet_v2", 0.35, 96), "detect", 3)
ROOT = Path("/photos")


def card(outputs=""):
    return Card("detect", ARCH, LABELS, Preprocess(96, 96, fit="stretch"), outputs=outputs)


def sample(name, *boxes, size=(200, 100)):
    return BoxedSample(ROOT / name, *size, boxes)


def seen(*rows):
    boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return Detections(
        torch.tensor(boxes).reshape(-1, 4).float(), torch.tensor(labels).long(), torch.tensor(scores).float()
    )


@pytest.mark.parametrize("form", ["", "plain", "mediapipe"])
def test_raw_outputs_are_read_as_decoding_reads_them(form):
    n = len(anchors.anchors(ARCH))
    random = np.random.default_rng(0)
    offsets, scores = random.normal(size=(2, n, 4)), random.random((2, n, 3)) ** 4
    sizes = [(200, 100), (64, 480)]
    ours = found((offsets.astype(np.float32), scores.astype(np.float32)), card(form), sizes)
    places = torch.tensor(anchors.anchors(ARCH)) * 96
    for i, size in enumerate(sizes):
        theirs = torch.tensor(offsets[i][:, [1, 0, 3, 2]]).float(), torch.tensor(scores[i]).float()
        wanted = detections(*theirs, places, size, RULES["file"], side=96)
        assert len(wanted) > 50
        assert torch.equal(ours[i].boxes, wanted.boxes)
        assert torch.equal(ours[i].labels, wanted.labels)
        assert torch.equal(ours[i].scores, wanted.scores)
    other = found(
        (offsets.astype(np.float32), scores.astype(np.float32)), card(form), sizes, RULES["mediapipe"]
    )
    assert len(other[0]) != len(ours[0])


def test_a_file_with_nms_gives_its_own_boxes():
    boxes = np.array([[[0.1, 0.25, 0.5, 0.75], [0, 0, 1, 1], [0, 0, 0, 0]]], np.float32)  # y1, x1, y2, x2
    outputs = (
        boxes,
        np.array([[2, 0, 0]], np.float32),
        np.array([[0.9, 0.4, 0]], np.float32),
        np.array([2.0]),
    )
    (item,) = found(outputs, card("nms"), [(400, 100)])
    assert listed(item, LABELS) == [
        {"index": 2, "label": "cow", "score": 0.9, "box": [100, 10, 300, 50]},
        {"index": 0, "label": "cat", "score": 0.4, "box": [0, 0, 400, 100]},
    ]
    assert [one["label"] for one in listed(item, LABELS, 0.5)] == ["cow"]
    with pytest.raises(UsageError, match="NMS inside"):
        found(outputs, card("nms"), [(400, 100)], RULES["torchvision"])


TRUTH = [
    sample("a/1.jpg", Box(0, 10, 10, 60, 60), Box(1, 100, 20, 180, 90)),
    sample("a/2.jpg", Box(2, 5, 5, 50, 50), Box(0, 90, 5, 150, 80, difficult=True)),
    sample("b/empty.jpg"),
]


def perfect():
    return [
        seen(((10.0, 10, 60, 60), 0, 0.9), ((100.0, 20, 180, 90), 1, 0.8)),
        seen(((5.0, 5, 50, 50), 2, 0.7)),
        seen(),
    ]


def test_perfect_detections_have_all_of_it():
    scored = Scored(perfect(), TRUTH, LABELS, ROOT)
    assert scored.metrics == {"mAP50": 1.0, "mAP": 1.0, "mAP75": 1.0}
    assert scored.value == 1.0
    assert len(scored) == 3
    assert scored.per_class() == [{"label": label, "n": 1, "AP": 1.0, "AP50": 1.0} for label in LABELS]
    assert np.array_equal(scored.confusion(), np.diag([1, 1, 1, 0]))


def test_the_document_tells_every_image_and_survives_json():
    found_ = perfect()
    found_[1] = seen(((5.0, 5, 50, 50), 1, 0.6), ((91.0, 6, 150, 80), 0, 0.5), ((0.0, 0, 9, 9), 0, 0.1))
    found_[2] = seen(((20.0, 20, 90, 90), 0, 0.95))
    document = Scored(found_, TRUTH, LABELS, ROOT).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["confusion"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert [(row["file"], row["right"], row["wrong"]) for row in document["predictions"]] == [
        ("a/1.jpg", 2, 0), ("a/2.jpg", 0, 1), ("b/empty.jpg", 0, 1),
    ]  # fmt: skip
    second = document["predictions"][1]
    assert second["size"] == [200, 100]
    assert second["truth"][1] == {"index": 0, "box": [90, 5, 150, 80], "difficult": True}
    assert [box["score"] for box in second["boxes"]] == [0.6, 0.5]  # 0.1 is too low to be told
    assert document["metrics"]["mAP50"] == pytest.approx((0.5 + 1.0 + 0.0) / 3, abs=0.01)
    assert [row["label"] for row in document["per_class"]] == list(LABELS)
    assert all(len(row["curve"]) == 101 for row in document["per_class"])
