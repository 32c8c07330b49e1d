"""Detection as the loop sees it: joins pieces that are tested by themselves."""

import numpy as np
import pytest
import torch
from PIL import Image

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.data.dataset import Box, BoxedSample, Dataset
from mobilenets.tasks import get
from mobilenets.tasks.detect import encode, match
from mobilenets.tasks.detect.task import Multibox, boxes_of, pixel_anchors, scales, scores_of
from mobilenets.training import Settings

SIDE = 128
LABELS = ("cell", "dish")


def card(reading):
    arch = with_head(find("mobilenet_v3_small", 0.35, SIDE), "detect", len(LABELS), reading=reading)
    return Card("detect", arch, LABELS, Preprocess(SIDE, SIDE, fit="stretch"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Two images of other shapes than the network's, three boxes on one and none on the other."""
    root = tmp_path_factory.mktemp("boxed")
    for name, size in (("a", (160, 80)), ("b", (60, 60))):
        Image.new("RGB", size, "grey").save(root / f"{name}.png")
    boxes = (Box(0, 16, 8, 56, 40), Box(1, 70, 10, 150, 70), Box(0, 0, 0, 160, 80, crowd=True))
    return [BoxedSample(root / "a.png", 160, 80, boxes), BoxedSample(root / "b.png", 60, 60, ())]


class Perfect(torch.nn.Module):
    """Says at every anchor what box it stands for, of those in pixels of the network's input."""

    def __init__(self, card, boxes, labels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.card, self.boxes, self.labels = card, boxes, labels

    def forward(self, x):
        places = pixel_anchors(self.card)
        softmax = self.card.arch.head.scoring == "softmax"
        offsets = torch.zeros(len(x), len(places), 4)
        logits = torch.full((len(x), len(places), len(LABELS) + softmax), -9.0)
        if softmax:
            logits[..., 0] = 9.0
        for anchor, box in enumerate(match(self.boxes[None], self.labels[None], places)[0].tolist()):
            if box >= 0:
                offsets[0, anchor] = encode(self.boxes[box], places[anchor])
                logits[0, anchor] = -9.0
                logits[0, anchor, self.labels[box] + softmax] = 9.0
        return offsets, logits


@pytest.mark.parametrize("reading", ["tensorflow", "torchvision"])
def test_a_perfect_network_reaches_everything(samples, reading):
    task, own = get("detect"), card(reading)
    held = task.val_feed(samples, own)
    boxes, labels = held.boxes.corners[0], held.boxes.labels[0]
    wanted = torch.tensor([[12.8, 12.8, 44.8, 64.0], [56.0, 16.0, 120.0, 112.0]])  # without the crowd
    torch.testing.assert_close(boxes, wanted)
    assert labels.tolist() == [0, 1]
    found = task.evaluate(Perfect(own, boxes, labels), held, own)
    assert found.metrics == {"mAP": 1.0, "mAP50": 1.0, "mAP75": 1.0}
    none = task.evaluate(Perfect(own, boxes[:0], labels[:0]), held, own)
    assert none.metrics["mAP50"] < 0.6  # by chance
    assert none.loss > 5 * found.loss
    assert task.evaluate(Perfect(own, boxes, labels), held, own, stop=lambda: True) is None


@pytest.mark.parametrize("reading", ["tensorflow", "torchvision"])
def test_the_loss_falls_where_outputs_are_right(samples, reading):
    task, own = get("detect"), card(reading)
    feed = task.train_feed(samples, own, Settings(augment="none"))
    _, (boxes, labels) = feed.collate([feed.example(index, SIDE) for index in (0, 1)])
    assert labels.tolist() == [[0, 1], [-1, -1]]
    criterion = task.criterion(own, Settings(), Dataset(samples[0].path.parent, LABELS, (), ()))
    assert isinstance(criterion, Multibox)
    right = Perfect(own, boxes[0], labels[0])(boxes)
    blank = Perfect(own, boxes[:0, 0], labels[0, :0])(boxes)
    assert 0 <= 10 * criterion(right, (boxes, labels)) < criterion(blank, (boxes, labels))


def test_anchors_are_in_pixels():
    own = card("tensorflow")
    assert pixel_anchors(own)[7].tolist() == pytest.approx([SIDE * share for share in anchors(own.arch)[7]])


def test_scores_leave_background_out():
    logits = torch.randn(5, 3)
    assert torch.equal(scores_of(logits, "sigmoid"), logits.sigmoid())
    assert torch.equal(scores_of(logits, "softmax"), logits.softmax(1)[:, 1:])


def test_boxes_follow_the_size_of_the_image(samples):
    boxes = boxes_of(samples, [(80, 80), (30, 15)])
    assert boxes.corners[0][0].tolist() == [8, 8, 28, 40]
    assert boxes.corners[1].shape == (0, 4)
    assert boxes.labels[1].dtype == torch.int64


def square(share):
    return BoxedSample("x", 100, 100, (Box(0, 0, 0, 100 * share, 100 * share),))


@pytest.mark.parametrize(("share", "first"), [(0.01, 0.1), (0.07, 0.14), (0.6, 0.2)])
def test_the_scales_begin_with_the_small_boxes(share, first):
    found = scales([square(share)] * 10 + [square(0.9)] * 5)
    assert (found[0], found[-1], len(found)) == (pytest.approx(first), 1.0, 7)
    ratios = np.array(found[1:]) / np.array(found[:-1])
    assert ratios == pytest.approx(np.full(6, ratios[0]), rel=1e-3)
    assert scales([])[0] == 0.2
