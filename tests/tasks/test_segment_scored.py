"""Masks from a file's outputs, and their figures against a plain count and torchmetrics."""

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchmetrics.classification import MulticlassJaccardIndex

from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError
from mobilenets.data.dataset import Coding, MaskedSample
from mobilenets.tasks.segment_scored import SIDE, Scored, by_windows, counted, ious, mask_of

LABELS = ("red", "green", "blue")
ARCH = with_head(find("mobilenet_v2", 0.35, 32), "segment", 3)


def card(outputs=""):
    return Card("segment", ARCH, LABELS, Preprocess(32, 32, fit="stretch"), outputs=outputs)


def by_colour(pixels):
    """A segmenter that names each pixel by its strongest channel."""
    return np.eye(3, dtype=np.float32)[pixels.argmax(axis=-1)]


def sample(name):
    return MaskedSample(Path("/street") / name, Path("/street/m.png"), 8, 8, Coding(bytes(256)))


@pytest.mark.parametrize("size", [(48, 20), (32, 32), (500, 333), (7, 5)])
def test_scores_are_scaled_before_the_highest_wins(size):
    scores = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    planes = torch.from_numpy(scores).permute(2, 0, 1)[None]
    wanted = F.interpolate(planes, size[::-1], mode="bilinear", align_corners=False)[0].argmax(dim=0)
    assert (mask_of(scores, card(), size) == wanted.numpy()).all()
    assert mask_of(np.zeros((32, 32, 3), np.float32), card(), size).max() == 0  # among equals the lower index


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 1)])
def test_classes_are_scaled_by_the_nearest_pixel(shape):
    classes = np.random.default_rng(0).integers(0, 3, (32, 32)).astype(np.float32)
    mask = mask_of(classes.reshape(shape), card("argmax"), (64, 64))
    assert mask.dtype == np.uint8
    assert (mask == classes.repeat(2, 0).repeat(2, 1)).all()


def test_windows_see_what_is_too_small_for_the_whole():
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[..., 0] = 200
    pixels[20:24, 200:204] = (0, 255, 0)  # four pixels: less than one of the network's input
    pixels[150:, :50] = (0, 0, 255)
    image, truth = Image.fromarray(pixels), pixels.argmax(axis=-1)
    mask = by_windows(by_colour, card(), image, 32)
    assert (mask == truth).all()
    whole = mask_of(
        by_colour(np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))), card(), (300, 200)
    )
    assert (whole != truth).sum() > 16
    for side in (200, 999):  # not larger than the image
        assert by_windows(by_colour, card(), image, side).shape == (200, 300)


@pytest.mark.parametrize(("size", "side"), [((50, 70), 20), ((70, 50), 33), ((40, 41), 40), ((64, 30), 7)])
def test_windows_are_added_up_where_they_overlap(size, side):
    """Every window added to sums of the whole image, as a plain loop does."""
    random = np.random.default_rng(side)
    image = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    total = np.zeros((*size[::-1], 3), np.float32)
    tops, lefts = ([*range(0, length - side, side // 2), length - side] for length in size[::-1])
    for y in tops:
        for x in lefts:
            part = image.crop((x, y, x + side, y + side)).resize((32, 32), Image.Resampling.BILINEAR)
            scores = torch.from_numpy(by_colour(np.asarray(part)[None])).permute(0, 3, 1, 2)
            scaled = F.interpolate(scores, (side, side), mode="bilinear", align_corners=False)
            total[y : y + side, x : x + side] += scaled[0].permute(1, 2, 0).numpy()
    assert (by_windows(by_colour, card(), image, side) == total.argmax(axis=2)).mean() > 0.999


def test_windows_need_scores():
    image = Image.new("RGB", (60, 40))
    with pytest.raises(UsageError, match="windows need scores"):
        by_windows(by_colour, card("argmax"), image, 32)


def test_counts_equal_a_plain_count():
    random = np.random.default_rng(1)
    truth, guess = (
        random.integers(0, 4, (37, 41)).astype(np.uint8),
        random.integers(0, 3, (37, 41)).astype(np.uint8),
    )
    truth[truth == 3] = 255
    plain = np.zeros((3, 3), int)
    for t, p in zip(truth.flat, guess.flat, strict=True):
        if t != 255:
            plain[t, p] += 1
    assert (counted(truth, guess, 3) == plain).all()
    judge = MulticlassJaccardIndex(3, average=None, ignore_index=255)
    wanted = judge(torch.from_numpy(guess).long(), torch.from_numpy(truth).long())
    assert ious(plain) == pytest.approx(wanted.numpy(), abs=1e-6)


def test_classes_that_never_occur_do_not_count():
    assert ious(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])) == pytest.approx(
        [3 / 4, 4 / 5, np.nan], nan_ok=True
    )


def test_all_images_are_counted_together_and_told():
    scored = Scored(LABELS, Path("/street"))
    random = np.random.default_rng(2)
    for i in range(15):
        truth = random.integers(0, 2, (40, 60)).astype(np.uint8)
        guess = np.where(random.random(truth.shape) < i / 20, 1 - truth, truth).astype(np.uint8)
        truth[0] = 255
        scored.add(sample(f"test/{i}.jpg"), truth, guess)
    counts = scored.counts
    assert counts.sum() == 15 * 39 * 60
    assert scored.metrics["mIoU"] == np.nanmean(ious(counts))
    assert scored.metrics["pixel_accuracy"] == np.trace(counts) / counts.sum()
    assert scored.value == scored.metrics["mIoU"]
    document = scored.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert [row["label"] for row in document["per_class"]] == ["red", "green"]
    assert [row["n"] for row in document["per_class"]] == counts.sum(axis=1)[:2].tolist()
    assert len(document["predictions"]) == 15
    assert [row["file"] for row in document["masks"]] == [
        f"test/{i}.jpg" for i in [*range(14, 6, -1), 3, 2, 1, 0]
    ]
    worst = Image.open(BytesIO(base64.b64decode(document["masks"][0]["predicted"])))
    assert (np.asarray(worst) == guess).all()
    assert (np.asarray(Image.open(BytesIO(base64.b64decode(document["masks"][0]["truth"]))))[0] == 255).all()


def test_few_images_are_told_once_and_large_masks_are_kept_small():
    scored = Scored(LABELS, Path("/street"))
    mask = np.zeros((500, 2000), np.uint8)
    mask[:, 1000:] = 2
    scored.add(sample("1.jpg"), mask, mask)
    (told,) = scored.document()["masks"]
    picture = Image.open(BytesIO(base64.b64decode(told["truth"])))
    assert picture.size == (SIDE, SIDE // 4)
    assert sorted(np.unique(np.asarray(picture))) == [0, 2]
    assert told["mIoU"] == 1.0
    assert scored.metrics == {"mIoU": 1.0, "pixel_accuracy": 1.0}
