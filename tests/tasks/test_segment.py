"""The loss of pixels and how masks are judged, held to plain arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import DataError
from mobilenets.data.dataset import Coding, Dataset, MaskedSample
from mobilenets.data.preprocess import read_pixels
from mobilenets.nn import build, normalise
from mobilenets.tasks import get
from mobilenets.tasks.segment import PixelCrossEntropy, balanced
from mobilenets.training import Settings

CLASSES = 3
SIDE = 64
CARD = Card(
    "segment",
    with_head(find("mobilenet_v3_small", 0.35, SIDE), "segment", CLASSES),
    ("road", "sky", "tree"),
    Preprocess(SIDE, SIDE, fit="stretch"),
)
TABLE = bytes([0, 1, 2, *[255] * 253])


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Noise of several sizes, with masks of noise, some of it void."""
    root, made = tmp_path_factory.mktemp("scenes"), []
    for i, (height, width) in enumerate([(40, 60), (90, 70), (64, 64), (33, 100)]):
        random = np.random.default_rng(i)
        mask = random.choice([0, 1, 2, 11], (height, width)).astype(np.uint8)
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(root / f"{i}.png")
        Image.fromarray(mask).save(root / f"{i}.mask.png")
        counts = tuple(np.bincount(mask.ravel(), minlength=CLASSES)[:CLASSES].tolist())
        made.append(
            MaskedSample(
                root / f"{i}.png", root / f"{i}.mask.png", width, height, Coding(TABLE), pixels=counts
            )
        )
    return made


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build(CARD.arch).train()


def test_judging_equals_a_plain_confusion_matrix(samples, network):
    task = get("segment")
    found = task.evaluate(network, task.val_feed(samples, CARD), CARD)
    assert network.training
    counts, losses = [[0] * CLASSES for _ in range(CLASSES)], []
    for sample in samples:
        truth = np.array(Image.open(sample.mask))
        pixels = read_pixels(CARD.preprocess, sample.path)[None]
        with torch.no_grad():
            logits = network.eval()(normalise(CARD.preprocess, pixels))
        whole = F.interpolate(logits, truth.shape, mode="bilinear")[0]
        for true, guess in zip(truth.ravel().tolist(), whole.argmax(0).ravel().tolist(), strict=True):
            if true < CLASSES:
                counts[true][guess] += 1
        known = torch.from_numpy(truth.ravel() < CLASSES)
        target = torch.from_numpy(truth.ravel()).long()[known]
        losses.append(F.cross_entropy(whole.flatten(1).t()[known], target).item())
    network.train()
    hits = [counts[i][i] for i in range(CLASSES)]
    unions = [sum(counts[i]) + sum(row[i] for row in counts) - hits[i] for i in range(CLASSES)]
    each = [hit / union for hit, union in zip(hits, unions, strict=True) if union]
    assert found.metrics["mIoU"] == pytest.approx(sum(each) / len(each), rel=1e-12)
    assert found.metrics["pixel_accuracy"] == sum(hits) / sum(map(sum, counts))
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert task.evaluate(network, task.val_feed(samples, CARD), CARD, stop=lambda: True) is None


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_the_loss_is_torchs_where_something_is_known(weights):
    torch.manual_seed(0)
    logits, masks = torch.randn(2, CLASSES, 8, 8), torch.randint(0, CLASSES, (2, 8, 8))
    masks[0, :3] = 255
    theirs = nn.CrossEntropyLoss(weights, ignore_index=255)(logits, masks)
    torch.testing.assert_close(PixelCrossEntropy(weights=weights)(logits, masks), theirs)


def test_without_any_known_pixel_the_loss_is_0_and_learns_nothing():
    logits = torch.randn(1, CLASSES, 4, 4, requires_grad=True)
    loss = PixelCrossEntropy(0.1, torch.ones(CLASSES))(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert torch.count_nonzero(logits.grad) == 0


def test_rare_classes_count_more(samples):
    weights = balanced(np.array([9000, 900, 100, 0]))
    assert weights.tolist() == pytest.approx([(900 / 9000) ** 0.5, 1.0, 3.0, 0.0])
    dataset = Dataset(samples[0].path.parent, CARD.labels, tuple(samples), tuple(samples))
    criterion = get("segment").criterion(CARD, Settings(class_weights="balanced"), dataset)
    assert criterion.weights.shape == (CLASSES,)
    assert get("segment").criterion(CARD, Settings(), dataset).weights is None


def test_masks_without_any_known_pixel_judge_nothing(samples, network):
    void = [replace(sample, coding=Coding(bytes([255] * 256))) for sample in samples]
    task = get("segment")
    with pytest.raises(DataError, match="no pixel of the 4 masks to judge by has a class"):
        task.evaluate(network, task.val_feed(void, CARD), CARD)
