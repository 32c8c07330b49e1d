"""TFLite through litert-torch."""

import os
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from mobilenets.arch.anchors import anchors
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs
from mobilenets.exporters import metadata, outputs, tflite, tflite_cut, tflite_nms
from mobilenets.exporters.graph import shipped
from mobilenets.exporters.parts import Guarded, Parts, Shapes, examples
from mobilenets.nn import Network
from mobilenets.runtimes.quiet import quiet
from mobilenets.tasks.detect import Rules
from mobilenets.tasks.detect.coder import WEIGHTS, flipped

with needs("litert-torch", "litert"), quiet():
    import litert_torch


def write(network: Network, card: Card, path: Path) -> None:
    """Convert and write with labels, MediaPipe's metadata and the card.

    Raises ExportError when the network cannot be converted.
    """
    module, example = shipped(network, card.preprocess, card.form)
    content = _converted(module, (example,), network.arch.name)
    with tflite.sound():
        model = tflite.unpacked(content)
        tflite.name_outputs(model, outputs.names(card))
        content = tflite.packed(model)
    path.write_bytes(metadata.stamped(content, card))


def write_parts(modules: Sequence[nn.Module], shapes: Sequence[Shapes], paths: Sequence[Path]) -> None:
    """Convert modules of one output each in one go, and write each to a file of its own, without a card.

    `shapes` are those of their inputs, (1, C, H, W) or (1, C); the files take maps as (1, H, W, C).
    Raises ExportError when one of them cannot be converted.
    """
    guarded = [Guarded(module, each).eval() for module, each in zip(modules, shapes, strict=True)]
    whole = Parts(guarded, shapes, channels_last=True).eval()
    content = _converted(whole, examples(shapes, channels_last=True), f"{len(modules)} modules")
    with tflite.sound():
        for path, model in zip(paths, tflite_cut.cut(tflite.unpacked(content)), strict=True):
            path.write_bytes(tflite.packed(tflite_cut.unguarded(model)))


def _converted(module: nn.Module, example: tuple[torch.Tensor, ...], name: str) -> bytes:
    """The bytes of a TFLite file. Raises ExportError."""
    try:
        # its progress goes to stdout, where our results go
        with quiet(), patch.dict(os.environ, {"LITERT_TORCH_SHOW_PROGRESS": "n"}):
            content: bytes = litert_torch.convert(module, example).model_content()
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"litert-torch cannot convert {name} to TFLite: {reason}") from error
    return content


def add_nms(path: Path, card: Card, rules: Rules) -> None:
    """Let decoding and NMS follow a plain detector, as TFLite_Detection_PostProcess does them.

    Raises ExportError when the file is broken.
    """
    boxes = torch.tensor(anchors(card.arch))  # (N, 4), cx, cy, w, h
    scales = flipped(torch.tensor(WEIGHTS)).tolist()
    decoding = tflite_nms.Decoding(flipped(boxes).numpy(), scales, len(card.labels), rules)
    with tflite.sound():
        model = tflite.unpacked(path.read_bytes())
        tflite_nms.follow(model, decoding, outputs.names(card))
        content = tflite.packed(model)
    path.write_bytes(metadata.stamped(content, card))


def stamp(path: Path, card: Card) -> None:
    """Replace labels, metadata and card of the file. Raises ExportError when it is broken."""
    path.write_bytes(metadata.stamped(path.read_bytes(), card))
