"""What a TFLite file says of itself, judged by MediaPipe Tasks and by LiteRT's own reader."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mobilenets.arch.card import Card
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import ExportError
from mobilenets.exporters import export, metadata
from mobilenets.nn import build
from mobilenets.runtimes import open_session, parse_target

SIDE = 64
LABELS = ("red", "grün", "青")
COLOURS = np.array([(220, 30, 20), (20, 200, 40), (10, 40, 230)], np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file whose classifier was fitted to tell three colours: right names mean right pixels."""
    torch.manual_seed(0)
    arch = find("mobilenet_v2", width=0.35, resolution=SIDE)
    network = build(replace(arch, head=replace(arch.head, classes=3)))
    card = Card("classify", network.arch, LABELS, Preprocess(SIDE, SIDE))
    images = np.broadcast_to(COLOURS[:, None, None], (3, SIDE, SIDE, 3)).copy()
    _teach(network, torch.from_numpy(images), card.preprocess)
    path = tmp_path_factory.mktemp("metadata") / "colours.tflite"
    export(network, card, path, "litert", images)
    return path


def _teach(network, images, record):
    """A few steps, until the three are told apart."""
    from mobilenets.nn import normalise

    x = normalise(record, images.permute(0, 3, 1, 2)).repeat(4, 1, 1, 1)
    y = torch.arange(3).repeat(4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(15):
        loss = nn.functional.cross_entropy(network.train()(x + 0.05 * torch.randn_like(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average from here on
            module.reset_running_stats()
    with torch.no_grad():
        network(x)
        assert (network.eval()(x).argmax(1) == y).all()


def test_mediapipes_classifier_opens_it_and_gives_the_right_names(path):
    mediapipe = pytest.importorskip("mediapipe")
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(str(path)), max_results=3)
    ours = open_session(path, parse_target("litert:cpu:1"))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for label, colour in zip(LABELS, COLOURS, strict=True):
            pixels = np.broadcast_to(colour, (SIDE, SIDE, 3)).copy()
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            found = classifier.classify(image).classifications[0].categories
            assert found[0].category_name == label
            assert {category.category_name for category in found} == set(LABELS)
            row = ours.run(pixels[None])[0]
            for category in found:
                assert category.score == pytest.approx(row[category.index], abs=1e-4)


def test_the_labels_can_be_unpacked(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.getinfo("labels.txt").compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)


def test_weights_stay_aligned_and_whole(path):
    from ai_edge_litert import schema_py_generated as schema

    content = np.fromfile(path, np.uint8)
    model = schema.Model.GetRootAs(content)
    start = content.__array_interface__["data"][0]
    sizes = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if not buffer.DataIsNone() and buffer.DataLength():
            offset = buffer.DataAsNumpy().__array_interface__["data"][0] - start
            assert offset % 16 == 0
            sizes.append(buffer.DataLength())
    assert len(sizes) > 50


def test_stamping_twice_gives_the_same_file(path):
    from mobilenets.runtimes import read_card

    content = path.read_bytes()
    once = metadata.stamped(content, read_card(path))
    assert metadata.stamped(once, read_card(path)) == once
    assert len(once) == len(content)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, bytes(64)])
def test_what_is_no_model_cannot_be_stamped(content, path):
    from mobilenets.runtimes import read_card

    with pytest.raises(ExportError, match="cannot be written"):
        metadata.stamped(content, read_card(path))


def test_one_line_per_label_whatever_is_in_it():
    labels = ("plain", "two\nlines", "", "crane", "crane", "止まれ", "a\r\nb")
    lines = metadata.label_lines(labels)
    assert lines.count("\n") == len(labels)
    assert lines.split("\n")[1] == "two lines"
    assert lines.split("\n")[5] == "止まれ"
