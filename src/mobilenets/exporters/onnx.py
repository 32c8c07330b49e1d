"""ONNX through torch's dynamo exporter; the card travels in the model's metadata properties."""

from pathlib import Path
from typing import Any

import torch

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs
from mobilenets.exporters import onnx_nms, outputs
from mobilenets.exporters.graph import shipped
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
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=list(outputs.names(card)),
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ExportError(f"torch's exporter cannot convert {network.arch.name} to ONNX: {reason}") from error
    assert program is not None
    _save(program.model_proto, card, path)


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
