"""TFLite through litert-torch."""

import os
from pathlib import Path
from unittest.mock import patch

from mobilenets.arch.card import Card
from mobilenets.base.errors import ExportError, needs
from mobilenets.exporters import metadata
from mobilenets.exporters.graph import shipped
from mobilenets.nn import Network
from mobilenets.runtimes.quiet import quiet

with needs("litert-torch", "litert"), quiet():
    import litert_torch


def write(network: Network, card: Card, path: Path) -> None:
    """Convert and write with labels, MediaPipe's metadata and the card.

    Raises ExportError when the network cannot be converted.
    """
    module, example = shipped(network, card.preprocess)
    try:
        # its progress goes to stdout, where our results go
        with quiet(), patch.dict(os.environ, {"LITERT_TORCH_SHOW_PROGRESS": "n"}):
            content = litert_torch.convert(module, (example,)).model_content()
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"litert-torch cannot convert {network.arch.name} to TFLite: {reason}") from error
    path.write_bytes(metadata.stamped(content, card))


def stamp(path: Path, card: Card) -> None:
    """Replace labels, metadata and card of the file. Raises ExportError when it is broken."""
    path.write_bytes(metadata.stamped(path.read_bytes(), card))
