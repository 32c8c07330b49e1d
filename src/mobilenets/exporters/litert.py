"""TFLite through litert-torch."""

import os
from pathlib import Path
from unittest.mock import patch

import torch

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs
from mobilenets.exporters import metadata, outputs, tflite
from mobilenets.exporters.graph import shipped
from mobilenets.nn import Network
from mobilenets.runtimes.quiet import quiet
from mobilenets.tasks.detect import Rules
from mobilenets.tasks.detect.coder import WEIGHTS, flipped

with needs("litert-torch", "litert"), quiet():
    import litert_torch

FORMS = ("nms", "plain", "mediapipe", "scores", "argmax")


def write(network: Network, card: Card, path: Path) -> None:
    """Convert and write with labels, MediaPipe's metadata and the card.

    Raises ExportError when the network cannot be converted.
    """
    module, example = shipped(network, card.preprocess, card.form)
    try:
        # its progress goes to stdout, where our results go
        with quiet(), patch.dict(os.environ, {"LITERT_TORCH_SHOW_PROGRESS": "n"}):
            content = litert_torch.convert(module, (example,)).model_content()
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"litert-torch cannot convert {network.arch.name} to TFLite: {reason}") from error
    with tflite.sound():
        model = tflite.unpacked(content)
        tflite.name_outputs(model, outputs.names(card))
        content = tflite.packed(model)
    path.write_bytes(metadata.stamped(content, card))


def add_nms(path: Path, card: Card, rules: Rules) -> None:
    """Let decoding and NMS follow a plain detector, as TFLite_Detection_PostProcess does them.

    Raises ExportError when the file is broken.
    """
    assert rules.detections is not None
    boxes = torch.tensor(anchors(card.arch))  # (N, 4), cx, cy, w, h
    with tflite.sound():
        model = tflite.unpacked(path.read_bytes())
        tflite.add_nms(
            model,
            flipped(boxes).numpy(),
            outputs.names(card),
            classes=len(card.labels),
            detections=rules.detections,
            score=rules.score,
            iou=rules.iou,
            scales=flipped(torch.tensor(WEIGHTS)).tolist(),
        )
        content = tflite.packed(model)
    path.write_bytes(metadata.stamped(content, card))


def stamp(path: Path, card: Card) -> None:
    """Replace labels, metadata and card of the file. Raises ExportError when it is broken."""
    path.write_bytes(metadata.stamped(path.read_bytes(), card))
