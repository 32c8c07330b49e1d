"""What a verb is given, opened: torchvision's detectors and segmenters by name, with their weights."""

import pytest
import torch
from torchvision.models import detection, segmentation

from mobilenets.base.errors import UsageError, WeightsError
from mobilenets.jobs.subject import Asked, network_for


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
