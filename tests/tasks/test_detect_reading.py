from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detecting import ANCHORS, CORNERS, SIDE, found
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD

from mobilenets.tasks.detect import RULES, Rules, detections, flipped, from_file

LOOSE = Rules(score=0.1, iou=0.5, top_k=None, detections=None)


def outputs(seed, classes, anchors=ANCHORS, spread=2.0):
    """Offsets and logits with background first."""
    random = torch.Generator().manual_seed(seed)
    offsets = spread * torch.randn(len(anchors), 4, generator=random)
    return offsets, spread * torch.randn(len(anchors), classes + 1, generator=random)


def torchvisions(offsets, logits, corners, rules):
    """SSD's own reading, without building one."""
    parts = SimpleNamespace(
        box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)),
        score_thresh=rules.score,
        nms_thresh=rules.iou,
        topk_candidates=rules.top_k,
        detections_per_img=rules.detections,
    )
    heads = {"bbox_regression": offsets[None], "cls_logits": logits[None]}
    return SSD.postprocess_detections(parts, heads, [corners], [(SIDE, SIDE)])[0]


@pytest.mark.parametrize("classes", [1, 3, 20])
@pytest.mark.parametrize("top_k", [300, 30])
@pytest.mark.parametrize("seed", range(5))
def test_torchvisions_rules_are_torchvisions(classes, top_k, seed):
    rules = replace(RULES["torchvision"], top_k=top_k)
    offsets, logits = outputs(seed, classes)
    mine = detections(offsets, logits.softmax(1)[:, 1:], ANCHORS, (SIDE, SIDE), rules, side=SIDE)
    theirs = torchvisions(offsets, logits, CORNERS, rules)
    assert 10 < len(mine) <= 300
    assert torch.equal(mine.labels + 1, theirs["labels"])
    torch.testing.assert_close(mine.scores, theirs["scores"], rtol=0, atol=0)
    torch.testing.assert_close(mine.boxes, theirs["boxes"], rtol=0, atol=1e-3)


def test_boxes_come_back_in_pixels_of_the_photograph():
    offsets, logits = outputs(0, 3)
    scores = logits.softmax(1)[:, 1:]
    for rules in RULES.values():
        small = detections(offsets, scores, ANCHORS, (SIDE, SIDE), rules, side=SIDE).boxes
        large = detections(offsets, scores, ANCHORS, (10 * SIDE, 5 * SIDE), rules, side=SIDE).boxes
        wanted = small * torch.tensor([10, 5, 10, 5])
        atol = 20 if rules.clip == "whole" else 1e-2
        torch.testing.assert_close(large, wanted, rtol=0, atol=atol)


def operation(boxes, scores, rules):
    """TFLite_Detection_PostProcess with use_regular_nms, after its source: shares of the sides, in loops."""
    chosen = []
    for label in range(scores.shape[1]):
        order = [i for i in np.argsort(-scores[:, label], kind="stable") if scores[i, label] >= rules.score]
        kept = []
        for i in order:
            if all(overlap(boxes[i], boxes[j]) <= np.float32(rules.iou) for j in kept) and len(kept) < 100:
                kept.append(i)
        chosen += [(scores[i, label], label, i) for i in kept]
    return sorted(chosen, key=lambda item: -item[0])[: rules.detections]


def overlap(a, b):
    """IoU in single precision, nothing for boxes without area."""
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    if min(areas) <= 0:
        return np.float32(0)
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), np.float32(0))
    return sides[0] * sides[1] / (areas[0] + areas[1] - sides[0] * sides[1])


def shares(offsets):
    """Boxes in double precision as the operation decodes them, rounded to single, as shares of the sides."""
    o, a = offsets.double().numpy(), ANCHORS.double().numpy() / SIDE
    centre = o[:, :2] / 10 * a[:, 2:] + a[:, :2]
    half = 0.5 * np.exp(o[:, 2:] / 5) * a[:, 2:]
    return np.concatenate((centre - half, centre + half), axis=1).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_the_rules_of_files_are_those_of_the_operation(seed):
    offsets, logits = outputs(seed, 3)
    scores = (logits[:, 1:].sigmoid() * 20).round() / 20  # with many equal scores
    mine = detections(offsets, scores, ANCHORS, (SIDE, SIDE), RULES["file"], side=SIDE)
    boxes = shares(offsets)
    wanted = operation(boxes, scores.numpy(), RULES["file"])
    assert len(mine) == len(wanted) == 100
    assert mine.labels.tolist() == [label for _, label, _ in wanted]
    places = torch.tensor(np.stack([boxes[i] for _, _, i in wanted])) * SIDE
    assert (places < 0).any()  # else the next line would not see clipping
    torch.testing.assert_close(mine.boxes, places.clamp(0, SIDE), rtol=0, atol=1e-3)


def test_what_a_file_says_reads_as_what_the_rules_say():
    offsets, logits = outputs(4, 3)
    scores = logits[:, 1:].sigmoid()
    size = (640, 200)
    mine = detections(offsets, scores, ANCHORS, size, RULES["file"], side=SIDE)
    boxes = shares(offsets)
    rows = operation(boxes, scores.numpy(), RULES["file"])[:90]
    filled = torch.zeros(100, 4)
    filled[:90] = flipped(torch.tensor(np.stack([boxes[i] for _, _, i in rows])))
    numbers = torch.zeros(2, 100)
    numbers[:, :90] = torch.tensor([[label, score] for score, label, _ in rows]).T
    said = from_file(filled, numbers[0], numbers[1], 90, size)
    assert len(said) == 90
    torch.testing.assert_close(said.boxes, mine.boxes[:90], rtol=0, atol=1e-3)
    assert torch.equal(said.labels, mine.labels[:90])
    assert said.labels.dtype == torch.int64
    assert torch.equal(said.scores, mine.scores[:90])


def test_a_box_at_the_threshold_stays():
    anchors = torch.tensor([[50.0, 50, 100, 100], [50, 30, 100, 60], [50, 29, 100, 58]])  # IoU 0.6 and 0.58
    scores = torch.tensor([[0.9], [0.8], [0.7]])
    zero = torch.zeros(3, 4)
    kept = detections(zero, scores, anchors, (100, 100), RULES["file"], side=100)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.8])
    looser = replace(RULES["file"], iou=0.59)
    kept = detections(zero, scores, anchors, (100, 100), looser, side=100)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7])


def test_mediapipes_rules_let_all_classes_compete_and_cut_to_whole_pixels():
    anchors = torch.tensor([[50.0, 50, 40, 40.8], [52, 50, 40, 40.8], [96, 10, 21, 30.8], [-6, 50, 18, 10.8]])
    scores = torch.tensor([[0.5, 0.6], [0.9, 0.2], [0.3, 0.3], [0.0, 0.0]])
    kept = detections(torch.zeros(4, 4), scores, anchors, (333, 100), RULES["mediapipe"], side=100)
    assert kept.labels.tolist() == [0, 0, 0]  # of equal classes the lower
    assert kept.scores.tolist() == pytest.approx([0.9, 0.3, 0.0])  # a score of nothing stays
    # left 106.56 and width 133.2; left 284.7 and width 69.9; left -49.95, right 9.99 and width 59.94
    assert kept.boxes.tolist() == [[106, 29, 239, 69], [284, 0, 353, 30], [0, 44, 59, 54]]


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_nothing_found_is_no_error(rules):
    strict = replace(rules, score=0.99)
    nothing = detections(torch.zeros(5, 4), torch.full((5, 2), 0.5), ANCHORS[:5], (9, 9), strict, side=SIDE)
    assert (len(nothing), nothing.boxes.shape, nothing.labels.dtype) == (0, (0, 4), torch.int64)


def test_limits_hold():
    offsets, logits = outputs(0, 3)
    scores = logits.softmax(1)[:, 1:]
    for rules in RULES.values():
        assert len(detections(offsets, scores, ANCHORS, (9, 9), replace(rules, detections=7), side=SIDE)) == 7
    few = detections(offsets, scores, ANCHORS, (9, 9), replace(LOOSE, top_k=2), side=SIDE)
    assert np.bincount(few.labels).max() <= 2
    assert (few.scores.diff() <= 0).all()
    assert (few.scores > 0.1).all()


def test_many_boxes_in_one_place_do_not_hide_the_others():
    crowd = torch.tensor([[160.0, 160, 3, 3]]).expand(5000, 4)
    anchors = torch.cat((ANCHORS, crowd))
    scores = torch.cat((torch.linspace(0.2, 0.4, len(ANCHORS)), torch.full((5000,), 0.9)))[:, None]
    size, zero = (SIDE, SIDE), torch.zeros(len(anchors), 4)
    some = detections(zero, scores, anchors, size, RULES["file"], side=SIDE)
    every = detections(zero, scores, anchors, size, replace(RULES["file"], detections=None), side=SIDE)
    assert len(some) == 100 < len(every)
    assert torch.equal(some.boxes, every.boxes[:100])
    assert (some.scores > 0.5).sum() == 1


def test_the_numbers_are_torchvisions():
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    rules = RULES["torchvision"]
    assert (rules.score, rules.iou, rules.top_k, rules.detections) == (
        theirs.score_thresh,
        theirs.nms_thresh,
        theirs.topk_candidates,
        theirs.detections_per_img,
    )


def test_above_keeps_the_threshold_itself():
    some = found([[0, 0, 1, 1], [0, 0, 2, 2]], [1, 0], [0.75, 0.5])
    assert some.above(0.5).labels.tolist() == [1, 0]
    assert some.above(0.6).boxes.tolist() == [[0, 0, 1, 1]]
