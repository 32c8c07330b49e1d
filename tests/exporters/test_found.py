"""The comparison that files with NMS inside must pass."""

import pytest
import torch
from torchvision.ops import box_iou

from mobilenets.exporters.found import holds
from mobilenets.tasks.detect import RULES, detections, encode

RULE = RULES["file"]
SIDE = 100


@pytest.fixture(scope="module")
def answer():
    """All boxes (N, 4), their scores (N, 2), and what the rules choose: boxes, classes, scores."""
    torch.manual_seed(0)
    middles, sizes = torch.rand(300, 2) * SIDE, 10 + 20 * torch.rand(300, 2)
    boxes = torch.cat((middles - sizes / 2, middles + sizes / 2), dim=1)
    anchors = torch.tensor([[50.0, 50.0, 30.0, 30.0]]).expand(300, 4)
    scores = torch.rand(300, 2)
    found = detections(encode(boxes, anchors), scores, anchors, (SIDE, SIDE), RULE, side=SIDE)
    assert len(found) == 100
    columns = [scores[:, label] for label in found.labels.tolist()]
    place = [int((column == rank).nonzero()[0]) for column, rank in zip(columns, found.scores, strict=True)]
    return boxes.double(), scores, boxes.double()[place], found.labels.float(), found.scores


def test_what_the_rules_choose_passes(answer):
    assert holds(*answer, RULE)


def test_equal_scores_may_come_in_any_order(answer):
    decoded, scores, *_ = answer
    flat = torch.full_like(scores, 0.5)
    apart = torch.tensor([0, next(i for i in range(300) if box_iou(decoded[:1], decoded[i : i + 1]) == 0)])
    for order in ([0, 1], [1, 0]):
        some = apart[order]
        assert holds(
            decoded[apart], flat[apart, :1], decoded[some], torch.zeros(2), torch.full((2,), 0.5), RULE
        )


@pytest.mark.parametrize("spoil", ["moved", "label", "score", "order", "twice", "missing", "none", "class"])
def test_anything_else_does_not(answer, spoil):
    decoded, scores, boxes, classes, ranks = (part.clone() for part in answer)
    match spoil:
        case "moved":
            boxes[7, 2] += 0.01
        case "label":
            classes[7] = 1 - classes[7]
        case "score":
            ranks[7:] *= 1 - 1e-6
        case "order":
            boxes, classes, ranks = (part.roll(1, dims=0) for part in (boxes, classes, ranks))
        case "twice":
            boxes[8], classes[8], ranks[8] = boxes[7], classes[7], ranks[7]
        case "missing":
            keep = torch.arange(100) != 7
            boxes, classes, ranks = boxes[keep], classes[keep], ranks[keep]
        case "none":
            boxes, classes, ranks = boxes[:0], classes[:0], ranks[:0]
        case "class":
            classes[7] = 2
    assert not holds(decoded, scores, boxes, classes, ranks, RULE)


def test_nothing_found_where_nothing_is():
    none = torch.zeros(0)
    assert holds(torch.rand(3, 4).double(), torch.zeros(3, 2), none.reshape(0, 4).double(), none, none, RULE)


@pytest.mark.parametrize(("moved", "right"), [(1e-6, True), (1e-4, False)])
def test_boxes_far_larger_than_the_image_are_as_exact_as_float32(moved, right):
    box = torch.tensor([[-40_000.0, -9_000.0, 70_000.0, 30_000.0]]).double()
    score = torch.tensor([0.9])
    given = box * (1 + moved)
    assert holds(box, score[:, None], given, torch.zeros(1), score, RULE) == right
