"""Our own weights file as an export: for those who go on in torch."""

from pathlib import Path

from mobilenets.arch.card import Card
from mobilenets.nn import Network, load_model, save_model


def write(network: Network, card: Card, path: Path) -> None:
    """Write weights and card. Raises StorageError."""
    save_model(path, network, card)


def stamp(path: Path, card: Card) -> None:
    """Replace the card of the file. Raises WeightsError when it is broken."""
    network, _ = load_model(path)
    save_model(path, network, card)
