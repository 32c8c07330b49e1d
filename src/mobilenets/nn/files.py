"""Our own weights file: safetensors, with the card in its header."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import MobilenetsError, WeightsError
from mobilenets.base.files import write_bytes
from mobilenets.nn.network import Network, build


def save_model(path: Path, network: Network, card: Card) -> None:
    """Write weights and card atomically. Raises StorageError when the disk refuses."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(path, to_bytes(state, metadata={cards.KEY: cards.dumps(card)}))


def load_model(path: Path) -> tuple[Network, Card]:
    """The network, in evaluation mode, and its card. Raises WeightsError when the file is none of ours."""
    state, metadata = read_safetensors(path)
    if cards.KEY not in metadata:
        raise WeightsError(f"{path} has no card of ours; give it as --weights of a model name instead")
    try:
        card = cards.loads(metadata[cards.KEY])
        network = build(card.arch)
        network.load_state_dict(state)
    except (MobilenetsError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(":")
        raise WeightsError(
            f"{path} does not hold the network on its card ({reason}); make it again"
        ) from error
    return network.eval(), card


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the header's metadata. Raises WeightsError when the file is missing or broken."""
    if not Path(path).is_file():
        raise WeightsError(f"{path} does not exist; give a .safetensors file")
    try:
        content = Path(path).read_bytes()  # safe_open opens it twice, and a training may replace it between
        tensors = from_bytes(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return tensors, header.get("__metadata__") or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a whole .safetensors file ({error}); copy or make it again"
        ) from error
