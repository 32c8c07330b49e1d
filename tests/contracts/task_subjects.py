"""One small network per task whose answers depend on the image, and photographs to try it on."""

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.spec import Arch, Classifier, Conv, Dialect, Inverted, Separable
from mobilenets.nn import Network, build, normalise
from mobilenets.tasks.detect import Detections, Rules, detections, from_file
from mobilenets.tasks.detect.coder import flipped

SIDE = 96
LABELS = ("stop", "crane", "止まれ")
BASE = Arch(
    "tiny",
    SIDE,
    (
        Conv(3, 8, 2),
        Separable(3, 16, 2),
        Separable(3, 16, 2),
        Separable(3, 24, 2),
        Inverted(3, 48, 24, 2),
        Conv(1, 64),
    ),
    Classifier(3),
    Dialect("torchvision", 1e-5, 0.1),
)
OPTIONS = {
    "detect": {"extras": (32,), "scales": (0.2, 0.5, 0.8, 1.0)},
    "softmax": {"extras": (32,), "scales": (0.2, 0.5, 0.8, 1.0), "reading": "torchvision"},
    "segment": {"channels": 16},
    "embed": {"size": 24},
}
PHOTOGRAPHS = Path(os.environ.get("MOBILENETS_DATA", "../shared/data")) / "imagenet-sample.zip"


@dataclass(frozen=True)
class TaskSubject:
    """As `Subject` in conftest.py, for another task."""

    network: Network
    card: Card
    pixels: np.ndarray  # uint8 (N, SIDE, SIDE, 3)


def photographs(count: int = 8) -> list[Image.Image]:
    """Photographs in their own sizes."""
    if not PHOTOGRAPHS.exists():
        pytest.skip("the photographs are not in $MOBILENETS_DATA")
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:: 400 // count][:count]
        return [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]


def task_subject(name: str) -> TaskSubject:
    """The subject of a task; "softmax" is a detector in torchvision's reading."""
    torch.manual_seed(0)
    task = "detect" if name == "softmax" else name
    arch = with_head(BASE, task, len(LABELS), **OPTIONS[name])
    labels = () if task == "embed" else LABELS
    card = Card(task, arch, labels, Preprocess(SIDE, SIDE, fit="stretch"), command="mobilenets export x")
    pixels = np.stack([np.asarray(image.resize((SIDE, SIDE))) for image in photographs()])
    x = normalise(card.preprocess, torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return TaskSubject(_lively(build(arch).eval(), task, x), card, pixels)


@torch.no_grad()
def _lively(network: Network, task: str, x: torch.Tensor) -> Network:
    """Outputs that depend on the image: small variances make large what differs, scales do the rest."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.01, 0.06)
    head = network.head
    if task == "detect":
        offsets, logits = network(x)
        for boxes, scores in zip(head.boxes, head.scores, strict=True):
            boxes.predict.weight.mul_(1.5 / offsets.std())
            scores.predict.weight.mul_(2 / logits.std())
            scores.predict.bias.uniform_(-3, -1)
    elif task == "segment":
        scale = 2 / network(x).std()
        head.low_classifier.weight.mul_(scale)
        head.high_classifier.weight.mul_(scale)
        head.high_classifier.bias.sub_(network(x).mean(dim=(0, 2, 3)))
    return network


def decoded(outputs: tuple, index: int, card: Card, size: tuple[int, int], rules: Rules) -> Detections:
    """What this package makes of the offsets (N, n, 4), as files give them, and scores for one image."""
    places = torch.tensor(anchors(card.arch)) * SIDE
    offsets, scores = (torch.from_numpy(output[index]) for output in outputs)
    return detections(flipped(offsets), scores, places, size, rules, side=SIDE)


def as_filed(outputs: tuple, index: int, size: tuple[int, int]) -> Detections:
    """What a file with NMS inside says of one image."""
    boxes, classes, scores, count = (torch.from_numpy(output)[index] for output in outputs)
    return from_file(boxes, classes, scores, int(count), size)
