"""Detectors and segmenters against torchvision's, with its weights copied through files: tolerance 0."""

import os
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from equality import enliven, images
from PIL import Image
from torchvision.models import detection, segmentation
from torchvision.models.detection.image_list import ImageList
from torchvision.transforms.v2.functional import pil_to_tensor

from mobilenets.arch import cost
from mobilenets.arch.anchors import anchors
from mobilenets.arch.heads import deeplab, lraspp, ssdlite
from mobilenets.arch.zoo import find
from mobilenets.nn import build
from mobilenets.tasks.detect import RULES, detections
from mobilenets.weights import load_weights

DATA = Path(os.environ.get("MOBILENETS_DATA", "../shared/data"))


def ours(arch, theirs, folder: Path):
    """Our network with the weights of `theirs`, through a file of its state dict."""
    torch.save(theirs.state_dict(), folder / "theirs.pth")
    network = build(arch).eval()
    assert load_weights(network, folder / "theirs.pth").new_head is False
    return network


def detector():
    return detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()


def detector_arch():
    arch = find("mobilenet_v3_large", resolution=320)
    arch = replace(arch, dialect=replace(arch.dialect, norm_momentum=0.03))
    return ssdlite(arch, 90, reading="torchvision", halved=True)


def segmenter(name: str):
    options = {"weights": None, "weights_backbone": None, "num_classes": 21}
    return getattr(segmentation, name)(**options).eval()


def differ(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether outputs of two inputs differ by more than 1 % of their spread."""
    return bool((first - second).abs().max() > 0.01 * first.std())


def photographs(count: int) -> list[Image.Image]:
    archive = DATA / "imagenet-sample.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is absent")
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))[:: 500 // count][:count]
        return [Image.open(BytesIO(file.read(name))).convert("RGB") for name in names]


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 3])
def test_ssdlite_gives_what_torchvisions_gives(tmp_path, batch):
    theirs = enliven(detector())
    network = ours(detector_arch(), theirs, tmp_path)
    x = images(batch, 320)
    maps = list(theirs.backbone(x).values())
    wanted = theirs.head(maps)
    offsets, logits = network(x)
    assert differ(logits, network(x.flip(3))[1])
    assert torch.equal(offsets, wanted["bbox_regression"])
    assert torch.equal(logits, wanted["cls_logits"])


def test_the_anchors_are_torchvisions():
    theirs = detector()
    maps = [torch.zeros(1, 1, side, side) for side in (20, 10, 5, 3, 2, 1)]
    listed = ImageList(torch.zeros(1, 3, 320, 320), [(320, 320)])
    corners = theirs.anchor_generator(listed, maps)[0]
    found = 320 * torch.tensor(anchors(detector_arch()), dtype=torch.float64)
    found = torch.cat([found[:, :2] - found[:, 2:] / 2, found[:, :2] + found[:, 2:] / 2], dim=1)
    assert torch.allclose(found, corners.double(), atol=1e-3, rtol=0)


@torch.no_grad()
def test_ssdlite_finds_what_torchvisions_finds_on_20_photographs(tmp_path):
    theirs = enliven(detector())
    for block in theirs.head.classification_head.module_list:
        block[1].bias[::91] += 4  # most of a photograph is background
    network = ours(detector_arch(), theirs, tmp_path)
    boxes = 320 * torch.tensor(anchors(network.arch))
    compared = 0
    for image in photographs(20):
        pixels = pil_to_tensor(image).float() / 255
        wanted = theirs([pixels])[0]
        x = theirs.transform([pixels])[0].tensors
        offsets, logits = network(x)
        found = detections(
            offsets[0], logits[0].softmax(1)[:, 1:], boxes, image.size, RULES["torchvision"], side=320
        )
        assert len(found.scores) == len(wanted["scores"]) > 0
        assert torch.equal(torch.as_tensor(found.labels) + 1, wanted["labels"])
        assert torch.allclose(torch.as_tensor(found.boxes), wanted["boxes"], atol=1e-3, rtol=0)
        assert torch.allclose(torch.as_tensor(found.scores), wanted["scores"], atol=1e-6, rtol=0)
        compared += len(found.scores)
    assert compared > 1000


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "arch"),
    [
        (
            "lraspp_mobilenet_v3_large",
            lambda side: lraspp(find("mobilenet_v3_large", resolution=side), 21, reading="torchvision"),
        ),
        (
            "deeplabv3_mobilenet_v3_large",
            lambda side: deeplab(find("mobilenet_v3_large", resolution=side), 21),
        ),
    ],
)
@pytest.mark.parametrize(("batch", "side"), [(1, 224), (2, 160)])
def test_segmenters_give_what_torchvisions_give(tmp_path, name, arch, batch, side):
    theirs = enliven(segmenter(name))
    network = ours(arch(side), theirs, tmp_path)
    x = images(batch, side)
    assert differ(network(x), network(x.flip(3)))
    assert torch.equal(network(x), theirs(x)["out"])


def test_counts_are_torchvisions():
    theirs = detector()
    assert cost(detector_arch()).params == sum(p.numel() for p in theirs.parameters()) == 3_440_060
    assert cost(detector_arch()).macs == 583_171_904  # its metadata says 0.583 G
    arch = lraspp(find("mobilenet_v3_large", resolution=520), 21, reading="torchvision")
    theirs = segmenter("lraspp_mobilenet_v3_large")
    assert cost(arch).params == sum(p.numel() for p in theirs.parameters()) == 3_221_538
    arch = deeplab(find("mobilenet_v3_large", resolution=520), 21)
    theirs = segmenter("deeplabv3_mobilenet_v3_large")
    assert cost(arch).params == sum(p.numel() for p in theirs.parameters())
