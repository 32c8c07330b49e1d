"""ONNX through torch's dynamo exporter; the card travels in the model's metadata properties."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs
from mobilenets.exporters import onnx_nms, outputs
from mobilenets.exporters.graph import shipped
from mobilenets.exporters.parts import Parts, Shapes, examples
from mobilenets.nn import Network
from mobilenets.runtimes.quiet import quiet
from mobilenets.tasks.detect import Rules

with needs("onnx and onnxscript", "onnx"):
    import onnx
    import onnxscript  # noqa: F401 - torch's exporter needs it and says so less clearly

INPUT = "image"


def write(network: Network, card: Card, path: Path) -> None:
    """Convert and write, input `image` (1, H, W, 3), outputs named as in `outputs.NAMES`.

    Raises ExportError when the network cannot be converted.
    """
    module, example = shipped(network, card.preprocess, card.form)
    model = _converted(module, (example,), [INPUT], list(outputs.names(card)), network.arch.name)
    _save(model, card, path)


def write_parts(modules: Sequence[nn.Module], shapes: Sequence[Shapes], paths: Sequence[Path]) -> None:
    """Convert modules of one output each in one go, and write each to a file of its own, without a card.

    `shapes` are those of their inputs, (1, C, H, W) or (1, C), which the files take as they are.
    Raises ExportError when one of them cannot be converted.
    """
    whole = Parts(modules, shapes, channels_last=False).eval()
    taken = [[f"part{i}_input{j}" for j in range(len(each))] for i, each in enumerate(shapes)]
    given = [f"part{i}" for i in range(len(modules))]
    model = _converted(
        whole,
        examples(shapes, channels_last=False),
        [name for each in taken for name in each],
        given,
        f"{len(modules)} modules",
    )
    extractor = onnx.utils.Extractor(model)
    for inputs, output, path in zip(taken, given, paths, strict=True):
        path.write_bytes(extractor.extract_model(inputs, [output]).SerializeToString())


def _converted(
    module: nn.Module, example: tuple[torch.Tensor, ...], inputs: list[str], given: list[str], name: str
) -> Any:
    """The model of a module. Raises ExportError."""
    try:
        with quiet():
            program = torch.onnx.export(
                module, example, dynamo=True, input_names=inputs, output_names=given, verbose=False
            )
    except Exception as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ExportError(f"torch's exporter cannot convert {name} to ONNX: {reason}") from error
    assert program is not None
    return program.model_proto


def stamp(path: Path, card: Card) -> None:
    """Replace the card of the file. Raises ExportError when it is broken."""
    _save(_load(path), card, path)


def add_nms(path: Path, card: Card, rules: Rules) -> None:
    """Let decoding and NMS follow a plain detector. Raises ExportError when the file is broken."""
    _save(onnx_nms.followed(_load(path), card, rules), card, path)


def _load(path: Path) -> Any:
    """The model in a file. Raises ExportError when it is broken."""
    try:
        return onnx.load(path, format="protobuf")  # the suffix of a draft does not tell
    except Exception as error:
        raise ExportError(f"{path} is not a whole ONNX file ({error}); export it again") from error


def _save(model: Any, card: Card, path: Path) -> None:
    """Write the model with its card."""
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | {cards.KEY: cards.dumps(card)})
    model.producer_name = "mobilenets"
    path.write_bytes(model.SerializeToString())
