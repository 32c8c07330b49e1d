"""Boxes and masks move with their images."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from mobilenets.base.errors import UnknownName
from mobilenets.data.augment import GREY, ZOOMS, scene_augmentation
from mobilenets.data.cache import ImageCache, build_masks, build_whole
from mobilenets.data.dataset import Coding, MaskedSample
from mobilenets.data.feeds import BoxedImages, MaskedImages
from mobilenets.data.loader import train_batches

SIDE = 64
BOX = (60.0, 20.0, 90.0, 70.0)  # of the bright patch in the scene


def scene():
    """A dark image 120 wide and 90 high with a bright patch, its box and its mask."""
    image, mask = torch.full((3, 90, 120), 40, dtype=torch.uint8), torch.zeros(90, 120, dtype=torch.uint8)
    image[:, 20:70, 60:90], mask[20:70, 60:90] = 220, 1
    box = tv_tensors.BoundingBoxes([BOX], format="XYXY", canvas_size=(90, 120))
    return tv_tensors.Image(image), box, tv_tensors.Mask(mask)


def drawn(name, times=60):
    transform = scene_augmentation(name, SIDE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [transform(*scene()) for _ in range(times)]


@pytest.mark.parametrize("name", ZOOMS)
def test_the_patch_its_box_and_its_mask_stay_together(name):
    seen = 0
    for image, box, mask in drawn(name):
        assert (image.shape, image.dtype) == ((3, SIDE, SIDE), torch.uint8)
        assert (mask.shape, mask.dtype) == ((SIDE, SIDE), torch.uint8)
        shown = mask == 1
        if not shown.any():
            continue
        values = image.float().mean(dim=0)
        bright = (values - values[shown].median()).abs() < 25  # whatever the jitter made of it
        differing = (bright != shown).float().mean()
        x1, y1, x2, y2 = box[0].tolist()
        if x2 - x1 < 1:  # the centre is cut off
            continue
        seen += 1
        assert differing < 0.04  # of the square: edges are blurred
        rows, columns = torch.where(shown)
        found = columns.min().item(), rows.min().item(), columns.max().item() + 1, rows.max().item() + 1
        assert found == pytest.approx((x1, y1, x2, y2), abs=1.01)
    assert seen > 25


def test_what_lies_beyond_the_image_is_grey_and_ignored():
    grey = torch.tensor(GREY)[:, None, None]
    for image, _, mask in drawn("light"):
        beyond = mask == 255
        assert ((image == grey).all(dim=0) | ~beyond).all()
    assert sum((mask == 255).any().item() for _, _, mask in drawn("light")) > 10


def test_a_box_goes_when_its_centre_is_cut_off():
    gone = [box for _, box, _ in drawn("strong", 200) if box[0, 2] == box[0, 0]]
    assert 10 < len(gone) < 120
    feed = boxed(augment="strong")
    counts = {len(feed.example(0, SIDE)[1][1]) for _ in range(60)}
    assert counts == {0, 1}


def test_none_is_the_whole_image():
    image, box, mask = drawn("none", 1)[0]
    assert box[0].tolist() == pytest.approx([60 * 64 / 120, 20 * 64 / 90, 90 * 64 / 120, 70 * 64 / 90])
    assert (mask == 1).sum() == pytest.approx(30 * 50 * 64 * 64 / (120 * 90), rel=0.05)
    assert image.max() > 200


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownName, match="did you mean strong"):
        scene_augmentation("strongest", SIDE)


def held(*images):
    """A cache of pixels (H, W, channels)."""
    sizes = np.array([image.shape[:2] for image in images])
    lengths = [image.size for image in images]
    starts = np.cumsum([0, *lengths[:-1]])
    return ImageCache(np.concatenate([i.ravel() for i in images]), sizes, starts, images[0].shape[2])


def boxed(augment="light"):
    image, _, _ = scene()
    other = np.zeros((50, 50, 3), np.uint8)
    boxes = [torch.tensor([BOX]), torch.zeros(0, 4)]
    labels = [torch.tensor([2]), torch.zeros(0, dtype=torch.int64)]
    return BoxedImages(held(image.permute(1, 2, 0).numpy(), other), boxes, labels, augment)


def masked():
    image, _, mask = scene()
    pixels = image.permute(1, 2, 0).numpy()
    return MaskedImages(held(pixels, pixels), held(*[mask.numpy()[..., None]] * 2), "standard")


def test_boxes_are_filled_up_to_the_same_number():
    pixels, (boxes, labels) = boxed("none").collate([boxed("none").example(i, SIDE) for i in (0, 1)])
    assert pixels.shape == (2, 3, SIDE, SIDE)
    assert labels.tolist() == [[2], [-1]]
    assert (boxes.shape, boxes.dtype, boxes[1].tolist()) == ((2, 1, 4), torch.float32, [[0, 0, 0, 0]])
    empty = boxed("none").collate([boxed("none").example(1, SIDE)] * 2)[1]
    assert (empty[0].shape, empty[1].shape) == ((2, 0, 4), (2, 0))


@pytest.mark.parametrize("feed", [boxed, masked])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_follow_from_seed_epoch_and_index_alone(feed, workers):
    def batches(workers=workers, **others):
        settings = {"side": SIDE, "batch_size": 1, "seed": 3, "epoch": 1, "workers": workers} | others
        return [
            torch.cat([part.double().ravel() for part in (x, *(y if isinstance(y, tuple) else (y,)))])
            for x, y in train_batches(feed(), **settings)
        ]

    first = batches()
    torch.rand(7)
    assert all(torch.equal(a, b) for a, b in zip(first, batches(workers=0), strict=True))
    assert torch.equal(first[1], batches(start_step=1)[0])
    assert not all(torch.equal(a, b) for a, b in zip(first, batches(epoch=2), strict=False))


def test_masks_are_int64():
    pixels, masks = masked().collate([masked().example(i, SIDE) for i in (0, 1)])
    assert pixels.shape == (2, 3, SIDE, SIDE)
    assert (masks.shape, masks.dtype) == ((2, SIDE, SIDE), torch.int64)


@pytest.mark.parametrize("limit", [0, 10**9])
def test_images_and_masks_are_kept_in_their_shape(tmp_path, monkeypatch, limit):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "cache"))
    samples, table = [], bytes([0, 1, 2, *[255] * 253])
    for i, (width, height) in enumerate([(90, 60), (40, 100), (20, 30)]):
        path, mask = tmp_path / f"{i}.jpg", tmp_path / f"{i}.png"
        Image.new("RGB", (width, height), (200, 10, 10)).save(path)
        Image.fromarray(np.full((height, width), i, np.uint8)).save(mask)
        samples.append(MaskedSample(path, mask, width, height, Coding(table)))
    images = build_whole([sample.path for sample in samples], 50, limit)
    masks = build_masks(samples, 50, limit)
    again = build_masks(samples, 50, limit)
    assert images.sizes.tolist() == masks.sizes.tolist() == [[33, 50], [50, 20], [30, 20]]
    for i in range(3):
        assert images[i].shape[0] == 3
        assert masks[i].shape[0] == 1
        assert (masks[i] == i).all()
        assert torch.equal(masks[i], again[i])
