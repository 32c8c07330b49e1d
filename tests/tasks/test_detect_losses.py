import math
from types import SimpleNamespace

import pytest
import torch
from detecting import ANCHORS, CORNERS, targets
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from mobilenets.tasks.detect import encode, focal_loss, match, multibox_loss

CLASSES = 4
SSD_PARTS = SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3.0)


def outputs(seed, images, scored, spread=2.0):
    """Offsets and logits of a network that knows nothing."""
    random = torch.Generator().manual_seed(seed)
    offsets = spread * torch.randn(images, len(ANCHORS), 4, generator=random)
    logits = spread * torch.randn(images, len(ANCHORS), scored, generator=random)
    return offsets.requires_grad_(), logits.requires_grad_()


def theirs(offsets, logits, boxes, labels):
    """torchvision's loss; it wants background as class 0, and images one by one."""
    some = [
        {"boxes": b[names >= 0], "labels": names[names >= 0] + 1}
        for b, names in zip(boxes, labels, strict=True)
    ]
    matched = [
        SSDMatcher(0.5)(box_iou(item["boxes"], CORNERS))
        if len(item["boxes"])
        else torch.full((len(CORNERS),), -1)
        for item in some
    ]
    heads = {"bbox_regression": offsets, "cls_logits": logits}
    parts = SSD.compute_loss(SSD_PARTS, some, heads, [CORNERS] * len(some), matched)
    return parts["bbox_regression"] + parts["classification"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_the_softmax_loss_and_its_gradients_are_torchvisions(seed, counts):
    boxes, labels = targets(seed, counts, CLASSES)
    mine, other = outputs(seed, len(counts), CLASSES + 1), outputs(seed, len(counts), CLASSES + 1)
    loss = multibox_loss(*mine, boxes, labels, ANCHORS, "softmax")
    wanted = theirs(*other, boxes, labels)
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    loss.backward()
    wanted.backward()
    for ours, reference in zip(mine, other, strict=True):
        torch.testing.assert_close(ours.grad, reference.grad, rtol=1e-4, atol=1e-6)


def by_hand(offsets, logits, boxes, labels):
    """The focal loss and the box loss written out, number by number."""
    matches = match(boxes, labels, ANCHORS)
    total, matched = 0.0, 0
    for image, anchor in torch.cartesian_prod(torch.arange(len(boxes)), torch.arange(len(ANCHORS))).tolist():
        box = matches[image, anchor].item()
        for label, z in enumerate(logits[image, anchor].tolist()):
            p = 1 / (1 + math.exp(-z))
            if box >= 0 and labels[image, box].item() == label:
                total -= 0.75 * (1 - p) ** 2 * math.log(p)
            else:
                total -= 0.25 * p**2 * math.log(1 - p)
        if box >= 0:
            matched += 1
            wanted = encode(boxes[image, box], ANCHORS[anchor])
            for gap in (offsets[image, anchor] - wanted).abs().tolist():
                total += (0.5 * gap**2 if gap < 1 else gap - 0.5) / 4
    return total / max(1, matched)


@pytest.mark.parametrize("counts", [[3, 0, 5], [0, 0]])
def test_the_sigmoid_loss_by_hand(counts):
    boxes, labels = targets(7, counts, CLASSES)
    offsets, logits = outputs(7, len(counts), CLASSES)
    loss = multibox_loss(offsets, logits, boxes, labels, ANCHORS, "sigmoid")
    assert loss.item() == pytest.approx(by_hand(offsets, logits, boxes, labels), rel=1e-4)


@pytest.mark.parametrize(("scoring", "scored"), [("softmax", CLASSES + 1), ("sigmoid", CLASSES)])
@pytest.mark.parametrize("shape", [(2, 0), (2, 3)])
def test_a_batch_without_boxes_has_a_loss_and_gradients(scoring, scored, shape):
    offsets, logits = outputs(1, 2, scored)
    loss = multibox_loss(offsets, logits, torch.zeros(*shape, 4), torch.full(shape, -1), ANCHORS, scoring)
    loss.backward()
    assert loss.isfinite()
    assert offsets.grad.eq(0).all()
    assert logits.grad.isfinite().all()
    assert logits.grad.ne(0).any() == (scoring == "sigmoid")  # softmax mines negatives for matches only


@pytest.mark.parametrize(("scoring", "scored"), [("softmax", CLASSES + 1), ("sigmoid", CLASSES)])
def test_the_loss_is_computed_in_float32_and_learns(scoring, scored):
    boxes, labels = targets(2, [3, 1], CLASSES)
    offsets, logits = outputs(2, 2, scored)
    half = multibox_loss(offsets.bfloat16(), logits.bfloat16(), boxes, labels, ANCHORS, scoring)
    assert half.dtype == torch.float32
    losses = []
    optimiser = torch.optim.Adam([offsets, logits], lr=0.3)
    for _ in range(120):
        optimiser.zero_grad()
        losses.append(multibox_loss(offsets, logits, boxes, labels, ANCHORS, scoring))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.05 * losses[0]
    matches = match(boxes, labels, ANCHORS)
    image, anchor = torch.where(matches >= 0)
    background = scored - CLASSES
    named = logits[image, anchor].argmax(1) - background
    assert torch.equal(named, labels[image, matches[image, anchor]])


def test_mining_counts_no_anchor_twice_when_boxes_are_nearly_everywhere():
    anchors = torch.tensor([[50.0, 50, 40, 40], [50, 50, 42, 42], [50, 50, 44, 44], [10, 10, 5, 5]])
    boxes, labels = torch.tensor([[[30.0, 30, 70, 70]]]), torch.tensor([[0]])
    offsets = encode(boxes.expand(1, 4, 4), anchors)
    logits = torch.zeros(1, 4, 2)
    loss = multibox_loss(offsets, logits, boxes, labels, anchors, "softmax")
    assert loss.item() == pytest.approx(4 * math.log(2) / 3)


def test_focal_loss_forgets_what_is_easy():
    easy = focal_loss(torch.tensor([[[6.0, -6.0]]]), torch.tensor([[0]]))
    hard = focal_loss(torch.tensor([[[-6.0, 6.0]]]), torch.tensor([[0]]))
    assert easy < 1e-6 < 1 < hard
