import pytest
import torch
from detecting import ANCHORS, targets
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import SSDMatcher
from torchvision.ops import box_convert, box_iou

from mobilenets.tasks.detect import match


def theirs(boxes, labels, anchors):
    """torchvision's matching, image after image."""
    corners = box_convert(anchors, "cxcywh", "xyxy")
    found = torch.full((len(boxes), len(anchors)), -1)
    for row, (some, names) in enumerate(zip(boxes, labels, strict=True)):
        if (names >= 0).any():
            places = torch.where(names >= 0)[0]
            found[row] = SSDMatcher(0.5)(box_iou(some[places], corners))
            found[row][found[row] >= 0] = places[found[row][found[row] >= 0]]
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_matches_are_torchvisions(seed, counts):
    boxes, labels = targets(seed, counts)
    found = match(boxes, labels, ANCHORS)
    assert found.dtype == torch.int64
    assert torch.equal(found, theirs(boxes, labels, ANCHORS))
    for row, count in enumerate(counts):
        assert set(found[row].tolist()) <= set(range(-1, count))


def test_what_fills_up_may_stand_anywhere_and_hold_anything():
    boxes, labels = targets(3, [4, 2])
    order = torch.tensor([2, 5, 0, 4, 1, 3])
    wide = torch.full((2, 6, 4), torch.nan)
    names = torch.full((2, 6), -1)
    wide[:, order[:4]], names[:, order[:4]] = boxes, labels
    wide[names < 0] = torch.nan
    found = match(wide, names, ANCHORS)
    assert torch.equal(found, theirs(wide, names, ANCHORS))
    assert set(found[0].tolist()) == {-1, 0, 2, 4, 5}


@pytest.mark.parametrize("shape", [(2, 0), (2, 3), (1, 0)])
def test_images_without_boxes_match_nothing(shape):
    found = match(torch.zeros(*shape, 4), torch.full(shape, -1), ANCHORS)
    assert torch.equal(found, torch.full((shape[0], len(ANCHORS)), -1))


def test_every_box_has_an_anchor_and_the_later_of_two_takes_it():
    tiny = torch.tensor([[100.0, 100, 102, 102], [100.5, 100.5, 102, 102], [7, 7, 9, 9]])
    found = match(tiny[None], torch.zeros(1, 3, dtype=torch.int64), ANCHORS)[0]
    assert sorted(found[found >= 0].tolist()) == [1, 2]


def test_the_threshold_itself_counts():
    anchors = torch.tensor([[10.0, 10, 20, 20], [10, 10, 20, 10]])
    boxes = torch.tensor([[[0.0, 0, 20, 20]]])
    assert match(boxes, torch.zeros(1, 1, dtype=torch.int64), anchors).tolist() == [[0, 0]]
    assert match(boxes, torch.zeros(1, 1, dtype=torch.int64), anchors, overlap=0.51).tolist() == [[0, -1]]
