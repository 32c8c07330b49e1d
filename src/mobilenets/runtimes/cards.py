"""The card that a file carries."""

from importlib import import_module
from pathlib import Path

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import ArchError, ExportError, RunError
from mobilenets.runtimes.target import runtime_of


def read_card(path: Path) -> Card | None:
    """The card in a .tflite, .onnx or .safetensors file, None when it is not one of ours.

    Raises RunError when there is no such file, UsageError for another suffix, ExportError or WeightsError
    when the file or its card is broken.
    """
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path} does not exist; give a .tflite, .onnx or .safetensors file")
    card: Card | None = import_module(f"mobilenets.runtimes.{runtime_of(path)}").card_of(path)
    return card


def parsed(text: str | bytes | None, path: Path) -> Card | None:
    """The card in the text found in a file. Raises ExportError when it is broken."""
    if text is None:
        return None
    try:
        return cards.loads(text)
    except ArchError as error:
        raise ExportError(f"the card in {path} cannot be read ({error}); export it again") from error
