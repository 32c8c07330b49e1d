"""A checkpoint and its files for runtimes tell the same of the same photographs."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mobilenets.arch.card import Card
from mobilenets.arch.heads import with_head
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.exporters import export
from mobilenets.jobs.predict import predict
from mobilenets.jobs.subject import sample_pixels
from mobilenets.nn import build, save_model

pytestmark = pytest.mark.slow
SIDE = 64
LABELS = ("a", "b", "c")
FORMS = {
    "detect": [("onnx", "plain"), ("onnx", "nms"), ("litert", "nms")],
    "segment": [("onnx", "scores"), ("onnx", "argmax"), ("litert", "scores")],
}


def lively(network):
    """The network with norms, weights and scores that spread, so that answers differ from place to place."""
    torch.manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.6, 1.6)
                module.bias.normal_(0, 0.4)
                module.running_mean.normal_(0, 0.1)
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                module.weight.mul_(30)
                module.bias.normal_(0, 0.5)
    network.eval()
    last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    if network.arch.head.task == "segment" and last.bias is not None:  # no class may win everywhere
        with torch.no_grad():
            last.bias -= network(torch.randn(8, 3, SIDE, SIDE)).mean(dim=(0, 2, 3))
    return network


@pytest.fixture(scope="module", params=FORMS)
def files(request, tmp_path_factory):
    """A checkpoint, then the files made of it, with their forms."""
    folder, task = tmp_path_factory.mktemp(request.param), request.param
    arch = with_head(find("mobilenet_v2", 0.35, SIDE), task, len(LABELS))
    card = Card(task, arch, LABELS, Preprocess(SIDE, SIDE, fit="stretch"))
    torch.manual_seed(0)
    network = lively(build(arch))
    save_model(folder / "model.safetensors", network, card)
    made = []
    for to, form in FORMS[task]:
        path = folder / f"{form}{'.tflite' if to == 'litert' else '.onnx'}"
        export(network, card, path, to, sample_pixels(card.preprocess), form=form)
        made.append((path, form))
    return task, folder, made


def photographs(folder):
    for i, size in enumerate([(320, 200), (150, 260), (64, 64)]):
        noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(3)]


def test_every_file_tells_the_same(files, tmp_path):
    task, folder, made = files
    given = photographs(tmp_path)
    tell = {"detect": boxes, "segment": shares}[task]
    wanted = predict(folder / "model.safetensors", given, **({"score": 0.0} if task == "detect" else {}))
    for path, form in made:
        said = predict(path, given, **({"score": 0.0} if task == "detect" else {}))
        for ours, theirs in zip(wanted["predictions"], said["predictions"], strict=True):
            tell(ours, theirs, form)


def boxes(ours, theirs, form):
    """Boxes within a hundredth of a pixel and scores within 1e-4, in the same order but for equal scores."""
    first, second = ours["boxes"], theirs["boxes"]
    assert len(first) == len(second)
    assert len(first) > 20
    assert [one["score"] for one in first] == pytest.approx([one["score"] for one in second], abs=1e-4)
    places = np.array([one["box"] for one in second])
    labels = np.array([one["index"] for one in second])
    for one in first:
        apart = np.abs(places - one["box"]).max(axis=1) + 1e3 * (labels != one["index"])
        assert apart.min() < 0.02, (form, one)


def shares(ours, theirs, form):
    """Shares of classes within a thousandth; where the file gives classes, masks are scaled otherwise."""
    close = 0.02 if form == "argmax" else 1e-3
    assert len(ours["shares"]) > 1
    first, second = ({one["index"]: one["share"] for one in row["shares"]} for row in (ours, theirs))
    for index in first.keys() | second.keys():
        assert first.get(index, 0) == pytest.approx(second.get(index, 0), abs=close)
