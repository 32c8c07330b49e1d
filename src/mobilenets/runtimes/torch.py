"""Our own weights files in torch itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from mobilenets.arch import card as cards
from mobilenets.arch.card import Card
from mobilenets.base.errors import WeightsError
from mobilenets.nn import Deployed, load_model
from mobilenets.runtimes.cards import parsed
from mobilenets.runtimes.session import checked, only
from mobilenets.runtimes.target import Target


class TorchSession:
    """A network in torch, in channels_last, with normalisation and softmax (`nn.Deployed`)."""

    card: Card | None

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.target = path, target
        network, card = load_model(path)
        self.card = card
        side = card.arch.resolution
        self.input_shape = (1, side, side, 3)
        self._model = Deployed(network, card.preprocess).eval().to(memory_format=torch.channels_last)
        self._pixels = torch.full(self.input_shape, 128.0)

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raw pixels (B, H, W, 3) to every output (B, ...), as one batch."""
        images = torch.tensor(checked(pixels, self.input_shape, self.path), dtype=torch.float32)
        with threads(self.target.threads), torch.inference_mode():
            answers = self._model(images)
        return tuple(answer.numpy() for answer in (answers if isinstance(answers, tuple) else (answers,)))

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """The only output (B, ...), as one batch."""
        return only(self.outputs(pixels), self.path)

    def invoke(self) -> None:
        """One inference on the same grey image."""
        with threads(self.target.threads), torch.inference_mode():
            self._model(self._pixels)

    def versions(self) -> dict[str, str]:
        """Torch's version."""
        return {"torch": metadata.version("torch")}


def open_file(path: Path, target: Target) -> TorchSession:
    """A weights file on a target. Raises WeightsError when it is broken."""
    return TorchSession(path, target)


def card_of(path: Path) -> Card | None:
    """The card in a .safetensors file, None when it has none. Raises WeightsError when the file is broken."""
    try:
        with safe_open(path, framework="pt") as file:
            found = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a whole .safetensors file ({error}); make it again") from error
    return parsed(found.get(cards.KEY), path)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside the block; its setting is the whole process's."""
    before = torch.get_num_threads()
    if count == before:  # setting it anew would cost time in what is measured
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
