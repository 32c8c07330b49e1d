"""What a verb is given, opened: torchvision's detectors and segmenters by name, with their weights."""

import pytest
import torch
from PIL import Image
from torchvision.models import detection, segmentation

from mobilenets.arch.heads import ssdlite
from mobilenets.arch.preprocess import Preprocess
from mobilenets.arch.zoo import find
from mobilenets.base.errors import UsageError, WeightsError
from mobilenets.base.run import Run, keep_weights, open_run
from mobilenets.exporters import outputs
from mobilenets.jobs.export import export
from mobilenets.jobs.subject import (
    SAMPLES,
    Asked,
    blank_card,
    exported_once,
    file_for,
    network_for,
    sample_pixels,
)
from mobilenets.nn import build, load_model, save_model
from mobilenets.runtimes import read_card


def test_a_segmenter_of_torchvision(tmp_path):
    theirs = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=21
    ).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    network, card = network_for(
        Asked("lraspp_mobilenet_v3_large", str(tmp_path / "weights.pth"), resolution=96)
    )
    x = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(network(x), theirs(x)["out"])
    assert (card.task, card.labels[0], card.labels[15], len(card.labels)) == (
        "segment",
        "__background__",
        "person",
        21,
    )
    assert (card.preprocess.fit, card.preprocess.crop) == ("stretch", 96)


def test_a_detector_of_torchvision(tmp_path):
    theirs = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    _, card = network_for(Asked("ssdlite320_mobilenet_v3_large", str(tmp_path / "weights.pth")))
    assert (card.task, card.labels[0], len(card.labels)) == ("detect", "person", 90)
    assert (card.preprocess.mean, card.preprocess.std, card.preprocess.fit) == (
        (0.5,) * 3,
        (0.5,) * 3,
        "stretch",
    )


def test_weights_of_other_classes_are_refused(tmp_path):
    theirs = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="other classes than ssdlite320_mobilenet_v3_large's 90"):
        network_for(Asked("ssdlite320_mobilenet_v3_large", str(tmp_path / "weights.pth")))


def test_a_settled_name_takes_no_width():
    with pytest.raises(UsageError, match="leave --width and --dialect out"):
        network_for(Asked("lraspp_mobilenet_v3_large", width=0.5))


def test_weights_in_a_folder_that_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path / "cache"))
    arch, run = find("mobilenet_v1", 0.25, 32), Run(tmp_path / "run")
    asked = Asked("mobilenet_v1", str(run.folder), 0.25, 32)
    answers = []
    for seed in range(2):
        torch.manual_seed(seed)
        save_model(run.weights, build(arch), blank_card(arch))
        answers.append(load_model(file_for(asked))[0].state_dict())
    assert not torch.equal(*(one["head.classifier.weight"] for one in answers))


def test_an_export_of_weights_that_were_replaced_is_not_taken(tmp_path):
    arch = find("mobilenet_v1", 0.25, 32)
    run = open_run(tmp_path / "run", {"verb": "train"})
    torch.manual_seed(0)
    save_model(run.weights, build(arch).eval(), blank_card(arch))
    export(run.folder, to="onnx")
    kept = run.exports / "model.onnx"
    assert file_for(Asked(str(run.folder)), "onnx") == kept
    keep_weights(run, run.weights.read_bytes())
    assert kept.exists(), "they are the same"
    save_model(tmp_path / "other.safetensors", build(arch).eval(), blank_card(arch))
    keep_weights(run, (tmp_path / "other.safetensors").read_bytes())
    assert file_for(Asked(str(run.folder)), "onnx") != kept
    assert run.weights.read_bytes() == (tmp_path / "other.safetensors").read_bytes()


def test_a_kept_export_of_another_form_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILENETS_CACHE", str(tmp_path))
    network = build(ssdlite(find("mobilenet_v3_small", 0.35, 64), 2)).eval()
    card = blank_card(network.arch)
    plain = exported_once(network, card, "torch", "x")
    assert exported_once(network, card, "torch", "x") == plain
    monkeypatch.setattr(outputs, "FORMS", {"torch": ("nms",)})
    monkeypatch.setattr("mobilenets.exporters.export", _written)
    other = exported_once(network, card, "torch", "x")
    assert read_card(plain).outputs == "plain"
    assert other.read_text() == "nms"


def _written(network, card, path, to, samples, form):
    """Stands in for an export whose runtime has another form first."""
    path.parent.mkdir(parents=True)
    path.write_text(form)


def test_pictures_to_compare_on_are_those_that_can_be_read(tmp_path, monkeypatch):
    """Broken ones are passed over; without any, whatever is called signs here, the embedded ones serve."""
    record = Preprocess(32, 36)
    for i in range(4):
        Image.new("RGB", (40, 40), (60 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"no image")
    paths = sorted(tmp_path.glob("*.png"))
    assert sample_pixels(record, paths).shape == (3, 32, 32, 3)
    (tmp_path / "signs").mkdir()
    monkeypatch.chdir(tmp_path)
    embedded = sample_pixels(record)
    assert embedded.shape == (SAMPLES, 32, 32, 3)
    assert (sample_pixels(record, [tmp_path / "2.png"]) == embedded).all()
