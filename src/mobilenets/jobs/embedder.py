"""A model as something that turns images into vectors, and the name under which its vectors go."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenets.arch import card as cards
from mobilenets.arch import codec
from mobilenets.base.console import track
from mobilenets.base.errors import DataError, UsageError
from mobilenets.base.files import sha256
from mobilenets.jobs.score import card_of
from mobilenets.jobs.subject import Asked, network_for, open_subject

if TYPE_CHECKING:
    from mobilenets.arch.card import Card
    from mobilenets.nn import Network

BATCH = 64


@dataclass(frozen=True)
class Embedder:
    """`run` takes raw pixels uint8 (B, H, W, 3) to unit vectors float32 (B, size).

    `id` is the same for the same weights, network and preprocessing, whatever file they are read from; an
    exported file has one of its own. `asked` is how to open it again.
    """

    asked: Asked
    card: "Card"
    id: str
    size: int
    run: Callable[[np.ndarray], np.ndarray]

    def facts(self) -> dict[str, Any]:
        """What vectors carry of the model that made them, as plain data; paths as they can be found again."""
        asked = asdict(self.asked)
        for key in ("model", "weights"):
            if asked[key] and Path(asked[key]).exists():
                asked[key] = str(Path(asked[key]).resolve())
        return {"id": self.id, "size": self.size, **asked, "card": json.loads(cards.dumps(self.card))}

    def batches(self, paths: Sequence[Path]) -> Iterator[np.ndarray]:
        """Vectors (B, size) of one batch of images after another, NaN where one cannot be read.

        The next batch is decoded on all cores while the network is at work; two are in memory.
        """
        from mobilenets.data.preprocess import read_pixels

        def decoded(path: Path) -> np.ndarray | None:
            """Raw pixels (H, W, 3), None for what cannot be read."""
            try:
                return read_pixels(self.card.preprocess, path).permute(1, 2, 0).numpy()
            except DataError:
                return None

        starts = range(0, len(paths), BATCH)
        with ThreadPool() as pool:
            under_way = pool.map_async(decoded, paths[:BATCH])
            for start in track(starts, "embedding", len(starts)):
                images = under_way.get()
                under_way = pool.map_async(decoded, paths[start + BATCH : start + 2 * BATCH])
                yield self._embedded(images)

    def embed(self, paths: Sequence[Path]) -> np.ndarray:
        """Vectors (N, size) of images. Raises DataError naming one that cannot be read."""
        found = np.concatenate([np.empty((0, self.size), np.float32), *self.batches(paths)])
        for index in np.flatnonzero(np.isnan(found[:, 0])).tolist():
            raise DataError(f"{paths[index]} cannot be read as an image: {problem(paths[index])}")
        return found

    def _embedded(self, images: Sequence[np.ndarray | None]) -> np.ndarray:
        """Rows for some images."""
        rows = np.full((len(images), self.size), np.nan, np.float32)
        whole = {index: image for index, image in enumerate(images) if image is not None}
        if whole:
            rows[list(whole)] = self.run(np.stack(list(whole.values())))
        return rows


def open_embedder(asked: Asked) -> Embedder:
    """The model as an embedder; one of the zoo has the published ImageNet weights unless others are named.

    A model that was trained for something else gives the mean of its last map; an exported file of such a one
    does not show it. Raises UnknownName, UsageError, RunError, WeightsError, ExportError.
    """
    asked = asked.published()
    path = Path(asked.model)
    if path.is_file() and path.suffix.lower() != ".safetensors":
        return _of_file(asked, path)
    return _of_network(asked, *network_for(asked))


def problem(path: Path) -> str:
    """Why an image cannot be read."""
    from mobilenets.data.images import inspect

    return inspect(path).problem or "it is damaged"


def _of_network(asked: Asked, network: "Network", card: "Card") -> Embedder:
    """A torch network."""
    import torch

    from mobilenets.nn import normalise
    from mobilenets.tasks.embed import vectors_of

    network = network.eval().to(memory_format=torch.channels_last)

    def run(pixels: np.ndarray) -> np.ndarray:
        """Raw pixels to vectors."""
        with torch.inference_mode():
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels last in memory already
            result: np.ndarray = vectors_of(network, normalise(card.preprocess, images)).numpy()
        return result

    side = card.preprocess.crop
    size = run(np.zeros((1, side, side, 3), np.uint8)).shape[1]
    return Embedder(asked, card, _identity(network, card), size, run)


def _of_file(asked: Asked, path: Path) -> Embedder:
    """An exported file in its own runtime. Raises UsageError when it gives no vectors."""
    session = open_subject(asked)
    card = card_of(session, str(path))
    if card.task != "embed":
        raise UsageError(
            f"{path} is made to {card.task} and does not show what it saw; give the run folder or the "
            ".safetensors file of the model"
        )
    side = card.preprocess.crop
    size = session.run(np.zeros((1, side, side, 3), np.uint8)).shape[1]
    return Embedder(asked, card, sha256(path)[:32], size, session.run)


def _identity(network: "Network", card: "Card") -> str:
    """Hex digits over all that decides a vector: network, preprocessing, weights."""
    digest = hashlib.sha256(codec.dumps(card.arch).encode() + repr(card.preprocess).encode())
    for name, tensor in sorted(network.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
