"""Whether an exported file answers as the network it came from does."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mobilenets.arch.card import Card
from mobilenets.base.errors import ParityError
from mobilenets.nn import Deployed, Network
from mobilenets.runtimes import Session

# of the most probable class's probability. Sums in another order move a logit by about 1e-5; an untrained
# network gives every class 1 / classes, so that an absolute bound would let anything pass.
TOLERANCE = 1e-3
BATCH = 16


@dataclass(frozen=True)
class Parity:
    """On `n` images: the largest difference of a probability, and the share with the same top class."""

    n: int
    max_abs: float
    agreement: float


def compare(network: Network, card: Card, session: Session, samples: np.ndarray, path: Path) -> Parity:
    """Run raw pixels uint8 (N, H, W, 3) through both. `path` is named in messages.

    Raises ParityError when a probability differs by more than TOLERANCE of the image's largest. Within it,
    another top class can only be a tie.
    """
    wanted, given = reference(network, card, samples), session.run(samples)
    if wanted.shape != given.shape:
        raise ParityError(f"{path} gives outputs of shape {given.shape}, the network {wanted.shape}")
    apart = np.abs(given - wanted)
    same = given.argmax(axis=1) == wanted.argmax(axis=1)
    parity = Parity(len(samples), float(apart.max()), float(same.mean()))
    if not (apart <= TOLERANCE * wanted.max(axis=1, keepdims=True)).all():  # so that NaN fails too
        raise ParityError(
            f"{path.name} does not answer as its network does: on {parity.n} images probabilities differ by "
            f"up to {parity.max_abs:.2g}, {parity.agreement:.1%} have the same top class; "
            "it was not written: please report this with the versions of the converter"
        )
    return parity


def reference(network: Network, card: Card, samples: np.ndarray) -> np.ndarray:
    """The probabilities (N, classes) of torch itself."""
    model = Deployed(network, card.preprocess).eval()
    with torch.inference_mode():
        starts = range(0, len(samples), BATCH)
        batches = [torch.from_numpy(samples[start : start + BATCH]).float() for start in starts]
        rows: np.ndarray = torch.cat([model(batch) for batch in batches]).numpy()
    return rows
