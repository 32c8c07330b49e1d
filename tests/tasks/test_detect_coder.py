import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_convert

from mobilenets.tasks.detect import decode, encode, flipped

THEIRS = BoxCoder((10.0, 10.0, 5.0, 5.0))


def boxes(seed, count, side=320.0):
    """Corner boxes from a few pixels to the whole image, some reaching beyond it."""
    random = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=random) * side
    half = 4 + torch.rand(count, 2, generator=random) * side / 2
    return torch.cat((centre - half, centre + half), dim=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 50))
def test_offsets_are_torchvisions(seed, count):
    corners, wanted = boxes(seed, count), boxes(seed + 1, count)
    anchors = box_convert(corners, "xyxy", "cxcywh")
    offsets = encode(wanted, anchors)
    torch.testing.assert_close(offsets, THEIRS.encode_single(wanted, corners), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(decode(offsets, anchors), wanted, rtol=1e-4, atol=1e-2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 50), st.sampled_from([1.0, 10.0, 100.0]))
def test_decoded_boxes_are_torchvisions(seed, count, spread):
    corners = boxes(seed, count)
    offsets = spread * torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    found = decode(offsets, box_convert(corners, "xyxy", "cxcywh"))
    assert found.isfinite().all()
    torch.testing.assert_close(found, THEIRS.decode_single(offsets, corners), rtol=1e-5, atol=1e-3)


def test_in_double_precision_the_way_back_is_exact_and_batches_are_taken_whole():
    anchors = box_convert(boxes(0, 60), "xyxy", "cxcywh").double()
    wanted = boxes(1, 180).double().view(3, 60, 4)
    torch.testing.assert_close(decode(encode(wanted, anchors), anchors), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("offsets", "box"),
    [
        ((0, 0, 0, 0), (10, 20, 50, 40)),
        ((10, 0, 0, 0), (50, 20, 90, 40)),
        ((0, 5, 0, 0), (10, 30, 50, 50)),
        ((0, 0, 5 * 0.6931472, 0), (-10, 20, 70, 40)),
    ],
)
def test_offsets_by_hand(offsets, box):
    anchor = torch.tensor([30.0, 30, 40, 20])
    assert decode(torch.tensor(offsets, dtype=torch.float32), anchor).tolist() == pytest.approx(box, abs=1e-4)
    assert encode(torch.tensor(box).float(), anchor).tolist() == pytest.approx(offsets, abs=1e-5)


def test_flipping_swaps_x_and_y():
    assert flipped(torch.tensor([[1, 2, 3, 4]])).tolist() == [[2, 1, 4, 3]]
